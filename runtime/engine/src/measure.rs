//! What the parts of loading a policy cost, for whoever makes policies. The cache is neither asked nor written.

use std::time::{Duration, Instant};

use crate::compile::{configure, inspect, prepare};
use crate::config::SMALL_MEMORY_BYTES;
use crate::engine::Pool;
use crate::error::LoadError;
use crate::runner::{Budget, fuel_used};
use crate::{Engine, PolicySource, snapshot};

/// The optimisation level that this crate was built with: `0` to `3`, `s` or `z`. Releases have `3`.
pub const OPT_LEVEL: &str = env!("PORTCULLIS_ENGINE_OPT_LEVEL");

/// The cost of each part. [`Engine::load`] also compares the snapshot with the module and writes the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadTimes {
    /// Reading the bytes and comparing them with the contract.
    pub inspect: Duration,
    /// Compiling what `configure` runs in: once for each module of half a MiB and more, whatever its settings.
    pub compile_for_configure: Duration,
    /// Instantiating it and calling `configure` with the settings.
    pub configure: Duration,
    /// Fuel used by `configure`, instantiation included.
    pub configure_fuel: u64,
    /// Rewriting the module for the snapshot and taking it; `None` where the module allows none.
    pub snapshot: Option<Duration>,
    /// Compiling the snapshot; zero where there is none, since `configure` has compiled the module already.
    pub compile: Duration,
    /// Size of the snapshot; of the module, where there is none.
    pub evaluated_bytes: usize,
}

impl Engine {
    /// Loads a module in parts and says what each of them takes. Slow: everything is compiled anew.
    ///
    /// # Errors
    /// [`LoadError`], as for [`Engine::load`].
    pub fn measure_load(&self, module: &[u8], source: &PolicySource<'_>) -> Result<LoadTimes, LoadError> {
        let (_, inspect_time) = timed(|| inspect(module, source))?;
        let (instrumented, instrument_time) = timed(|| Ok::<_, LoadError>(snapshot::instrument(module)))?;
        let (pool, wasm) = match &instrumented {
            Ok(instrumented) => (&self.shared.configuring, instrumented.wasm.as_slice()),
            Err(_) => (&self.shared.large, module),
        };
        let ((_, runner), compile_for_configure) = timed(|| prepare(pool, wasm))?;
        let ((configured, _), configure_time) = timed(|| configure(&self.shared, &runner, source))?;
        let configure_fuel = fuel_used(&configured.store, Budget::of_configuration(&source.limits));
        let started = Instant::now();
        let taken = instrumented.and_then(|instrumented| snapshot::snapshot(&instrumented, configured)).ok();
        let snapshot_time = taken.as_ref().map(|_| started.elapsed().saturating_add(instrument_time));
        let compile = match &taken {
            Some(wasm) => timed(|| prepare(self.pool_for(wasm, source)?, wasm))?.1,
            None => Duration::ZERO,
        };
        Ok(LoadTimes {
            inspect: inspect_time,
            compile_for_configure,
            configure: configure_time,
            configure_fuel,
            snapshot: snapshot_time,
            compile,
            evaluated_bytes: taken.as_ref().map_or(module.len(), Vec::len),
        })
    }

    fn pool_for(&self, wasm: &[u8], source: &PolicySource<'_>) -> Result<&Pool, LoadError> {
        let small = inspect(wasm, source)?.sizes.initial_memory_bytes <= SMALL_MEMORY_BYTES;
        Ok(if small { &self.shared.small } else { &self.shared.large })
    }
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let started = Instant::now();
    let done = work()?;
    Ok((done, started.elapsed()))
}
