//! The engine: two wasmtime engines that differ only in how they reset memory, one ticker, one cache.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use portcullis_gate::{Document, Limits, MAX_MEMORY_MIB, Pointer, Sha256};
use wasmtime::component::{Component, Linker};

use crate::cache::{Cache, CacheOptions};
use crate::child::{self, CompileIn, CompileLimits};
use crate::config::{self, Reset};
use crate::error::{EngineError, LoadError};
use crate::policy::Policy;
use crate::sandbox::{self, Sandbox};
use crate::ticker::Ticker;

/// How an engine is set up. Every figure is finite.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Sandboxes that may exist at once, and are kept warm: at least the number of policies plus the number of
    /// threads that evaluate. More evaluations at once than this are faults (`fault.host`), not waits.
    pub instances: u32,
    /// Largest memory that any policy's limits may allow, in bytes. Address space is set aside for each sandbox.
    pub max_memory_bytes: u64,
    /// Where compiled policies are kept; `None` compiles at every start.
    pub cache: Option<CacheOptions>,
    /// Where modules are configured and compiled. By default in a child that runs this executable again, whose `main` must
    /// call [`compile_worker::run_if_asked`](crate::compile_worker::run_if_asked) first.
    pub compile_in: CompileIn,
    /// What compiling one module in a child may cost.
    pub compile_limits: CompileLimits,
    /// How much work goes into the code.
    pub effort: Effort,
}

/// How much work goes into the code of a policy. Verdicts and fuel are the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effort {
    /// For deciding: optimized, with a snapshot of the settings.
    #[default]
    Optimized,
    /// For trying policies out: compiled in less than half the time, several times slower to run; and a module of more than
    /// 4 MiB is compiled once for all of its settings, without snapshots.
    Draft,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            instances: 256,
            max_memory_bytes: MAX_MEMORY_MIB * 1024 * 1024,
            cache: None,
            compile_in: CompileIn::default(),
            compile_limits: CompileLimits::default(),
            effort: Effort::Optimized,
        }
    }
}

/// Loads and runs policies. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) small: Pool,
    pub(crate) large: Pool,
    pub(crate) ticker: Ticker,
    /// `Err` says why the cache cannot be used.
    pub(crate) cache: Option<Result<Cache, String>>,
    pub(crate) compiler: Compiler,
    /// What compiled code depends on besides the module, its settings and its limits.
    pub(crate) fingerprint: Sha256,
    configuration_sha256: Sha256,
    pub(crate) effort: Effort,
    /// The large module that was compiled last, for its next settings; only of drafts.
    pub(crate) draft: Mutex<Option<DraftCode>>,
}

/// A large module's code, before any settings.
pub(crate) struct DraftCode {
    /// Of its cache entry.
    pub(crate) name: Sha256,
    pub(crate) component: Component,
    pub(crate) documents: Vec<String>,
}

/// Where modules are compiled, ready for it.
pub(crate) enum Compiler {
    ThisProcess,
    Child(child::Compiler),
}

/// One wasmtime engine with the world's imports defined.
pub(crate) struct Pool {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linker: Linker<Sandbox>,
}

/// What a policy is loaded with.
pub struct PolicySource<'a> {
    /// The policy's name in the set, for messages.
    pub name: &'a str,
    /// Settings as JSON text; `{}` where there are none.
    pub settings: &'a str,
    /// Limits on every evaluation, on configuration and on the module.
    pub limits: Limits,
    /// The reference documents that the set gives this policy.
    pub data: Arc<dyn HostData>,
    /// The digest that the lock names. `None` only where there is no lock yet: writing one, testing a policy.
    pub expected_sha256: Option<Sha256>,
}

/// Reference documents, as a policy reads them through the import `data`.
pub trait HostData: Send + Sync {
    /// The document of that name.
    fn document(&self, name: &str) -> Option<&Document>;

    /// Whether there is a document of that name.
    fn has(&self, name: &str) -> bool {
        self.document(name).is_some()
    }
}

impl HostData for BTreeMap<String, Document> {
    fn document(&self, name: &str) -> Option<&Document> {
        self.get(name)
    }
}

impl Engine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// [`EngineError`]: the address space or a thread is not to be had.
    pub fn new(options: &EngineOptions) -> Result<Engine, EngineError> {
        let compiler = Compiler::new(options).map_err(EngineError::Compiler)?;
        let cache = options.cache.as_ref().map(Cache::open);
        let pool = |reset| {
            Pool::new(reset, options.effort, options.instances, options.max_memory_bytes)
                .map_err(|source| EngineError::Setup { instances: options.instances, source })
        };
        let small = pool(Reset::Memset)?;
        let large = pool(Reset::Pagemap).or_else(|_| pool(Reset::Madvise))?;
        Ok(Engine { shared: Arc::new(Shared::new(small, large, cache, compiler, options.effort)?) })
    }

    /// The version of the engine that runs policies.
    #[must_use]
    pub fn version(&self) -> &'static str {
        concat!("portcullis ", env!("CARGO_PKG_VERSION"), ", wasmtime 48.0.8")
    }

    /// A digest of everything in the configuration that can change a verdict or its fuel.
    #[must_use]
    pub fn configuration_sha256(&self) -> Sha256 {
        self.shared.configuration_sha256
    }

    /// Inspects, configures, compiles and checks a module. Slow (tens of milliseconds and more) unless the cache
    /// has it; done once for each policy and its settings.
    ///
    /// # Errors
    /// [`LoadError`]: what is wrong with the module, its settings or its pin.
    pub fn load(&self, module: &[u8], source: &PolicySource<'_>) -> Result<Policy, LoadError> {
        crate::load::load(&self.shared, module, source)
    }

    /// Checks all that [`Engine::load`] checks, and gives the request fields that the policy declares. Where modules are
    /// compiled in a child, no code of the module gets into this process: for modules that nobody has reviewed.
    ///
    /// # Errors
    /// As for [`Engine::load`].
    pub fn inputs(&self, module: &[u8], source: &PolicySource<'_>) -> Result<Box<[Pointer]>, LoadError> {
        crate::load::inputs(&self.shared, module, source)
    }
}

impl Shared {
    fn new(
        small: Pool,
        large: Pool,
        cache: Option<Result<Cache, String>>,
        compiler: Compiler,
        effort: Effort,
    ) -> Result<Shared, EngineError> {
        let engines = [small.engine.weak(), large.engine.weak()];
        let ticker = Ticker::start(move || {
            for engine in &engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        })?;
        let fingerprint = crate::load::fingerprint(&large.engine);
        let configuration_sha256 = config::configuration_sha256();
        let draft = Mutex::new(None);
        Ok(Shared { small, large, ticker, cache, compiler, fingerprint, configuration_sha256, effort, draft })
    }

    /// What a child needs to compile one module: room for the instances that the snapshot and its check take.
    #[cfg(unix)]
    pub(crate) fn to_compile(effort: Effort, max_memory_bytes: u64) -> Result<Shared, EngineError> {
        const INSTANCES: u32 = 8;
        let pool = |reset| {
            Pool::new(reset, effort, INSTANCES, max_memory_bytes)
                .map_err(|source| EngineError::Setup { instances: INSTANCES, source })
        };
        Shared::new(pool(Reset::Memset)?, pool(Reset::Madvise)?, None, Compiler::ThisProcess, effort)
    }
}

impl Compiler {
    fn new(options: &EngineOptions) -> Result<Compiler, String> {
        match options.compile_in {
            CompileIn::ThisProcess => Ok(Compiler::ThisProcess),
            CompileIn::OwnExecutable | CompileIn::Program { .. } => child::Compiler::new(options).map(Compiler::Child),
        }
    }
}

impl Pool {
    fn new(reset: Reset, effort: Effort, instances: u32, max_memory_bytes: u64) -> wasmtime::Result<Pool> {
        let engine = wasmtime::Engine::new(&config::config(reset, effort, instances, max_memory_bytes))?;
        let mut linker = Linker::new(&engine);
        sandbox::link(&mut linker)?;
        Ok(Pool { engine, linker })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("version", &self.version()).finish_non_exhaustive()
    }
}
