//! The engine: two wasmtime engines that differ only in how they reset memory, one ticker, one cache.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use portcullis_gate::{Document, Limits, MAX_MEMORY_MIB, Pointer, Sha256};
use wasmtime::component::{Component, Linker};

use crate::cache::{Cache, CacheOptions};
use crate::child::{self, CompileIn, CompileLimits};
use crate::config::{self, Reset};
use crate::error::{EngineError, LoadError};
use crate::policy::Policy;
use crate::prepared::PreparedCode;
use crate::sandbox::{self, Sandbox};
use crate::ticker::Ticker;
use crate::turns::{Turn, Turns};

/// How an engine is set up. Every figure is finite.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Sandboxes that may exist at once, and are kept warm: fastest with at least the number of policies plus the number of
    /// threads that evaluate. Evaluations that find none wait.
    pub instances: u32,
    /// Largest memory that any policy's limits may allow, in bytes. Address space is set aside for each sandbox.
    pub max_memory_bytes: u64,
    /// Where compiled policies are kept; `None` compiles at every start.
    pub cache: Option<CacheOptions>,
    /// Most bytes that the cache's entries may take: over it, those go that were used longest ago.
    pub max_cache_bytes: u64,
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

/// The default of [`EngineOptions::max_cache_bytes`]: 4 GiB.
const MAX_CACHE_BYTES: u64 = 4 << 30;

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            instances: 256,
            max_memory_bytes: MAX_MEMORY_MIB * 1024 * 1024,
            cache: None,
            max_cache_bytes: MAX_CACHE_BYTES,
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
    /// For `configure` before a snapshot: what is compiled for it took little work, because it runs once.
    pub(crate) configuring: Pool,
    pub(crate) turns: Turns,
    pub(crate) ticker: Ticker,
    /// `Err` says why the cache cannot be used.
    pub(crate) cache: Option<Result<Cache, String>>,
    /// Why the first module that was compiled and not kept was not.
    pub(crate) not_kept: OnceLock<String>,
    pub(crate) compiler: Compiler,
    /// What compiled code depends on besides the module, its settings and its limits.
    pub(crate) fingerprint: Sha256,
    configuration_sha256: Sha256,
    pub(crate) effort: Effort,
    /// The large module that was compiled last, for its next settings; only of drafts.
    pub(crate) draft: Mutex<Option<DraftCode>>,
    pub(crate) prepared: PreparedCode,
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

struct Pools {
    small: Pool,
    large: Pool,
    configuring: Pool,
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

/// What a policy says of itself, with its settings.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The request fields that it reads.
    pub inputs: Box<[Pointer]>,
    /// The reference documents that it reads.
    pub(crate) documents: Box<[String]>,
}

impl Declared {
    /// Whether the documents that the policy reads are there.
    ///
    /// # Errors
    /// [`LoadError`]: one is not.
    pub fn check_documents(&self, data: &dyn HostData) -> Result<(), LoadError> {
        crate::load::check_documents(&self.documents, data)
    }
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
        let cache = options.cache.as_ref().map(|cache| Cache::open(cache, options.max_cache_bytes));
        let turns = Turns::new(options.instances);
        let pool = |reset, effort, instances| {
            Pool::new(reset, effort, instances, options.max_memory_bytes)
                .map_err(|source| EngineError::Setup { instances: options.instances, source })
        };
        let small = pool(Reset::Memset, options.effort, options.instances)?;
        let large = pool(Reset::Pagemap, options.effort, options.instances)
            .or_else(|_| pool(Reset::Madvise, options.effort, options.instances))?;
        let configuring = pool(Reset::Madvise, Effort::Draft, turns.most())?;
        let pools = Pools { small, large, configuring };
        Ok(Engine { shared: Arc::new(Shared::new(pools, turns, cache, compiler, options.effort)?) })
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

    /// Waits until there is room for one more evaluation: for whoever evaluates several policies, one after the other.
    /// A thread that has a turn must not ask for a second one.
    pub fn turn(&self) -> Turn<'_> {
        self.shared.turns.take()
    }

    /// Why compiled code is not kept, where there is a cache and it could not take what was compiled: a full disk, a folder
    /// that cannot be written. Policies decide the same without it; each start compiles them anew.
    #[must_use]
    pub fn not_kept(&self) -> Option<&str> {
        self.shared.not_kept.get().map(String::as_str)
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
        let declared = self.declared(module, source)?;
        declared.check_documents(&*source.data)?;
        Ok(declared.inputs)
    }

    /// As [`Engine::inputs`], but for the reference documents, which are not looked at: for policies that differ in nothing else.
    ///
    /// # Errors
    /// As for [`Engine::load`].
    pub fn declared(&self, module: &[u8], source: &PolicySource<'_>) -> Result<Declared, LoadError> {
        crate::load::declared(&self.shared, module, source)
    }
}

impl Shared {
    fn new(
        Pools { small, large, configuring }: Pools,
        turns: Turns,
        cache: Option<Result<Cache, String>>,
        compiler: Compiler,
        effort: Effort,
    ) -> Result<Shared, EngineError> {
        let engines = [small.engine.weak(), large.engine.weak(), configuring.engine.weak()];
        let ticker = Ticker::start(move || {
            for engine in &engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        })?;
        let fingerprint = crate::load::fingerprint(&large.engine);
        let configuration_sha256 = config::configuration_sha256();
        let (draft, not_kept) = (Mutex::new(None), OnceLock::new());
        let prepared = PreparedCode::default();
        Ok(Shared {
            small,
            large,
            configuring,
            turns,
            ticker,
            cache,
            not_kept,
            compiler,
            fingerprint,
            configuration_sha256,
            effort,
            draft,
            prepared,
        })
    }

    /// What a child needs to compile one module: room for the instances that the snapshot and its check take.
    #[cfg(unix)]
    pub(crate) fn to_compile(effort: Effort, max_memory_bytes: u64) -> Result<Shared, EngineError> {
        const INSTANCES: u32 = 8;
        let pool = |reset, effort| {
            Pool::new(reset, effort, INSTANCES, max_memory_bytes)
                .map_err(|source| EngineError::Setup { instances: INSTANCES, source })
        };
        let pools = Pools {
            small: pool(Reset::Memset, effort)?,
            large: pool(Reset::Madvise, effort)?,
            configuring: pool(Reset::Madvise, Effort::Draft)?,
        };
        Shared::new(pools, Turns::new(INSTANCES), None, Compiler::ThisProcess, effort)
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
