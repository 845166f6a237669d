//! Compiling in a child process, with limits on its time and memory.
//!
//! Everything that looks at a module's bytes more closely than to hash them happens there: inspection, the snapshot
//! tool, `configure`, Cranelift. A module that is a bomb for one of them costs the embedding process nothing but the wait.
//!
//! | | |
//! |---|---|
//! | started | without a shell, without an environment, in `/`, in a process group of its own, at a lower priority |
//! | has | a socket (its order, its answer), one file without a name, in memory (the code), a pipe for complaints of bounded size |
//! | limited in | CPU time, private memory, file size, descriptors, core files: by the parent before it sends a byte (Linux), and by the child before it reads the module |
//! | given up by itself | inherited descriptors, files, network, signals to others (Landlock), every system call that compiling does not need (seccomp), on Linux as far as the kernel has them |
//! | killed | with its whole group, at the deadline, at the first malformed byte, when the answer is there, when the parent dies |
//!
//! What the child answers is judged as foreign: a bounded text, a fault of the closed list, and code that counts only
//! with the authentication code under a key made for this order. What is kept in the cache, the parent writes (see
//! [`crate::cache`]).
//!
//! What this does not do: the code that comes back runs in the embedding process, in its sandboxes. A module that took the
//! compiler over could hand back code that does anything; the child bounds what compiling costs and confines what
//! the takeover can reach until that code is evaluated, and [`Engine::inputs`](crate::Engine::inputs) (`portcullis
//! lock`) never loads it. Where a child cannot be had, loading fails: nothing falls back to the embedding process.

#[cfg(target_os = "linux")]
mod confine;
mod limits;
#[cfg(not(unix))]
mod nowhere;
#[cfg(unix)]
mod parent;
#[cfg(unix)]
mod protocol;
#[cfg(unix)]
pub(crate) mod worker;

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub use confine::{Confinement, confine};
pub use limits::CompileLimits;
#[cfg(not(unix))]
pub(crate) use nowhere::{Compiler, compile};
#[cfg(unix)]
pub(crate) use parent::{Compiler, compile};

/// What a child makes of a module.
#[derive(Clone, Copy)]
pub(crate) enum Work<'a> {
    /// The code that `configure` runs in; without any settings.
    Prepare,
    /// The policy, with its settings; from `code`, which an earlier child prepared and which is authentic, where there is any.
    Bind {
        /// What [`Work::Prepare`] made.
        code: Option<&'a [u8]>,
    },
}

/// Where modules are configured and compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CompileIn {
    /// In a child that runs this executable again. Its `main` must call
    /// [`compile_worker::run_if_asked`](crate::compile_worker::run_if_asked) first; where it did not, there is no engine.
    #[default]
    OwnExecutable,
    /// In a child that runs another executable, of the same version: the `portcullis` command, with the one argument
    /// [`compile_worker::ARGUMENT`](crate::compile_worker::ARGUMENT).
    Program {
        /// An absolute path.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// In the embedding process: its time and memory are then at the mercy of whoever writes modules. For tests, and
    /// for modules that are trusted.
    ThisProcess,
}
