//! A module's code before any settings: what `configure` runs in to be snapshotted. Compiling it costs as much as
//! compiling the policy, and it is the same for all settings, so that it is made once for each module and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_gate::{LoadFault, Sha256};
use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use crate::cache::CacheUse;
use crate::compile::{content, inspect, prepare, split};
use crate::deserialize::deserialize;
use crate::engine::{Compiler, Pool, Shared};
use crate::error::LoadError;
use crate::load::{NOT_OURS, cached, keep};
use crate::runner::Runner;
use crate::snapshot::{self, Instrumented};
use crate::{PolicySource, child, text};

/// Of smaller modules the code is not kept: compiling it again takes less than a process and a file.
pub(crate) const WORTH_KEEPING_BYTES: usize = 512 * 1024;

/// A module's code, ready for `configure`.
pub(crate) struct Prepared<'m> {
    /// What takes the snapshot; or why none can be taken, and the code is that of the module as it is.
    pub(crate) instrumented: Result<Instrumented<'m>, String>,
    pub(crate) component: Component,
    pub(crate) runner: Runner,
}

/// What is kept beside the code.
#[derive(Serialize, Deserialize)]
struct Head {
    without_snapshot: Option<String>,
}

impl<'m> Prepared<'m> {
    /// Compiles what `configure` runs in. With a snapshot it runs once, in code that took little work: verdicts, memory and fuel
    /// do not depend on that. Without one it runs in every sandbox, in the code that evaluates.
    ///
    /// # Errors
    /// The module does not compile.
    pub(crate) fn compile(shared: &Shared, module: &'m [u8]) -> Result<Prepared<'m>, LoadError> {
        let reason = match snapshot::instrument(module) {
            Ok(instrumented) => match prepare(&shared.configuring, &instrumented.wasm) {
                Ok((component, runner)) => return Ok(Prepared { instrumented: Ok(instrumented), component, runner }),
                Err(error) => format!("the instrumented module does not compile: {error}"),
            },
            Err(reason) => reason,
        };
        let (component, runner) = prepare(&shared.large, module)?;
        Ok(Prepared { instrumented: Err(reason), component, runner })
    }

    /// What was compiled before of this module. `kept` is authentic; `None` where it is for another engine.
    fn revive(shared: &Shared, module: &'m [u8], kept: &[u8]) -> Option<Prepared<'m>> {
        let (Head { without_snapshot }, code) = split(kept)?;
        let revived = |pool: &Pool| {
            let component = deserialize(&pool.engine, code).ok()?;
            let runner = Runner::new(pool, &component).ok()?;
            Some((component, runner))
        };
        let instrumented = match without_snapshot {
            None => Ok(snapshot::instrument(module).ok()?),
            Some(reason) => Err(text::shown(&reason)),
        };
        let (component, runner) = revived(if instrumented.is_ok() { &shared.configuring } else { &shared.large })?;
        Some(Prepared { instrumented, component, runner })
    }

    /// From what was kept, or compiled.
    ///
    /// # Errors
    /// The module does not compile, or what was kept is for another engine.
    pub(crate) fn of(shared: &Shared, module: &'m [u8], kept: Option<&[u8]>) -> Result<Prepared<'m>, LoadError> {
        match kept {
            Some(kept) => {
                Prepared::revive(shared, module, kept).ok_or_else(|| LoadError::new(LoadFault::Compiler, NOT_OURS))
            }
            None => Prepared::compile(shared, module),
        }
    }

    /// What is kept.
    ///
    /// # Errors
    /// The code cannot be written down.
    pub(crate) fn content(&self) -> Result<Vec<u8>, String> {
        content(&Head { without_snapshot: self.instrumented.as_ref().err().cloned() }, &self.component)
    }
}

/// Inspects a module and compiles what `configure` runs in, for keeping.
///
/// # Errors
/// What is wrong with the module.
pub(crate) fn to_keep(shared: &Shared, module: &[u8], source: &PolicySource<'_>) -> Result<Vec<u8>, LoadError> {
    inspect(module, source)?;
    Prepared::compile(shared, module)?.content().map_err(|what| LoadError::new(LoadFault::Compiler, what))
}

/// The code of large modules, made once for each.
#[derive(Default)]
pub(crate) struct PreparedCode {
    /// Held by the one thread that makes a module's code, or gets it from the cache.
    turns: Mutex<HashMap<Sha256, Arc<Mutex<()>>>>,
    /// The last that no cache keeps, by its name.
    last: Mutex<Option<(Sha256, Arc<[u8]>)>>,
}

/// The code of a module; `None` for a small one.
type Code = Option<Arc<[u8]>>;

/// The code of a module, made where the engine compiles unless it was made before. Answers also
/// whether the cache had an entry that was not authentic.
///
/// # Errors
/// What is wrong with the module.
pub(crate) fn code(
    shared: &Shared,
    name: &Sha256,
    module: &[u8],
    source: &PolicySource<'_>,
) -> Result<(Code, bool), LoadError> {
    if module.len() < WORTH_KEEPING_BYTES {
        return Ok((None, false));
    }
    // A thread that panicked while it held a lock left nothing half done.
    let turn =
        Arc::clone(shared.prepared.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(*name).or_default());
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, code)) = last(shared).as_ref().filter(|(last, _)| last == name) {
        return Ok((Some(Arc::clone(code)), false));
    }
    let refused = match cached(shared, name) {
        Ok(content) => return Ok((Some(content.into()), false)),
        Err(cache_use) => cache_use == CacheUse::Refused,
    };
    let content = match &shared.compiler {
        Compiler::ThisProcess => to_keep(shared, module, source)?,
        Compiler::Child(compiler) => {
            child::compile(compiler, &shared.fingerprint, module, source, child::Work::Prepare)?
        }
    };
    let kept = keep(shared, name, Ok(&content), CacheUse::Stored) == CacheUse::Stored;
    let code: Arc<[u8]> = content.into();
    if !kept {
        *last(shared) = Some((*name, Arc::clone(&code)));
    }
    Ok((Some(code), refused))
}

fn last(shared: &Shared) -> std::sync::MutexGuard<'_, Option<(Sha256, Arc<[u8]>)>> {
    shared.prepared.last.lock().unwrap_or_else(PoisonError::into_inner)
}
