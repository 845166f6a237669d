//! Runs policies: each in a sandbox of its own, with every limit set before anything of the guest exists.
//!
//! What it does: inspects a module (`portcullis-inspect`), runs its `configure` once, snapshots it, compiles it (all of this
//! in a child process with limits), keeps the code in an authenticated cache, and evaluates requests in fresh instances with fuel, time, memory, table, stack,
//! result, log and host-call limits. Whatever is not a well-formed answer is a [`Fault`](portcullis_gate::Fault) with a
//! stable code. What it refuses to do: WASI, ambient data, reuse of instances, unlimited anything. The contract is
//! `wit/policy.wit`; no type of wasmtime or of the generated bindings leaves this crate.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod cache;
mod call;
mod child;
mod compile;
mod config;
mod deserialize;
mod engine;
mod error;
mod history;
mod load;
mod measure;
mod policy;
mod prepared;
mod reading;
mod runner;
mod sandbox;
mod snapshot;
mod text;
mod ticker;
mod trace;
mod turns;
mod wit;

pub use cache::{CacheOptions, CacheUse};
pub use child::{CompileIn, CompileLimits};
pub use engine::{Declared, Effort, Engine, EngineOptions, HostData, PolicySource};
pub use error::{EngineError, LoadError};
pub use history::{History, RecordedHistory};
pub use measure::{LoadTimes, OPT_LEVEL};
pub use policy::{Evaluation, Mode, Policy};
pub use trace::{HostCall, Traced};
pub use turns::Turn;

/// The process that compiles modules: what an executable needs to be one.
#[cfg(unix)]
pub mod compile_worker {
    pub use crate::child::worker::{ARGUMENT, run_if_asked};
    #[cfg(target_os = "linux")]
    pub use crate::child::{Confinement, confine};
}
