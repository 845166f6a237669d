use portcullis_gate::{Fault, LoadFault};

/// Why a module was not loaded. A policy set may still decide with it: as a fault, which counts as the policy's
/// enforcement level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", fault.code())]
pub struct LoadError {
    /// What kind.
    pub fault: LoadFault,
    /// What went wrong inside the guest, where it was running (`configure`).
    pub cause: Option<Fault>,
    /// What, where and how to mend it; for the operator and the policy's author.
    pub detail: String,
}

impl LoadError {
    pub(crate) fn new(fault: LoadFault, detail: impl Into<String>) -> LoadError {
        LoadError { fault, cause: None, detail: detail.into() }
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// wasmtime refused its configuration: too little address space, for example.
    #[error("the WebAssembly engine cannot be set up for {instances} sandboxes: {source}")]
    Setup {
        /// Sandboxes asked for.
        instances: u32,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// The thread that enforces time limits could not be started.
    #[error("the thread that enforces time limits cannot be started: {0}")]
    Ticker(#[from] std::io::Error),
    /// There is no program to compile modules with.
    #[error("modules cannot be compiled in a process of their own: {0}")]
    Compiler(String),
}
