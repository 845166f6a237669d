//! From bytes to a policy: pinned; taken from the cache, or compiled where the engine compiles.

use std::hash::{Hash as _, Hasher};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use portcullis_gate::{LoadFault, Said, Sha256};
use sha2::Digest as _;

use crate::cache::{CacheUse, Lookup};
use crate::child;
use crate::compile::{self, Compiled, Facts, bind_draft, is_draft, make_room, pointers};
use crate::engine::{Compiler, Declared, DraftCode, Shared};
use crate::error::LoadError;
use crate::policy::{Mode, Policy};
use crate::runner::without_a_clock;
use crate::text;
use crate::{HostData, PolicySource, prepared};

/// Raised whenever an entry of the cache would be made differently from the same key.
const CACHE_FORMAT: &str = "portcullis compile cache 3";

pub(crate) fn load(shared: &Arc<Shared>, module: &[u8], source: &PolicySource<'_>) -> Result<Policy, LoadError> {
    let order = admit(shared, module, source)?;
    let (compiled, cache_use) = if is_draft(shared, module) {
        draft(shared, &order, module, source)?
    } else {
        revived(shared, &order, module, source)?
    };
    let Compiled { facts, runner, component } = compiled;
    make_room(shared, &component)?;
    check_documents(&facts.documents, &*source.data)?;
    let inputs = pointers(&facts.inputs)?;
    Ok(Policy {
        shared: Arc::clone(shared),
        runner,
        mode: facts.without_snapshot.map_or(Mode::Snapshot, Mode::ConfigureEachTime),
        settings: source.settings.into(),
        inputs,
        documents: facts.documents.into(),
        limits: source.limits,
        data: Arc::clone(&source.data),
        module_sha256: order.module,
        settings_sha256: order.settings,
        cache_use,
    })
}

/// From the cache, or compiled.
fn revived(
    shared: &Shared,
    order: &Order,
    module: &[u8],
    source: &PolicySource<'_>,
) -> Result<(Compiled, CacheUse), LoadError> {
    match cached(shared, &order.name) {
        Ok(content) => match Compiled::revive(shared, &content) {
            Some(compiled) => Ok((compiled, CacheUse::Hit)),
            None => compile(shared, order, module, source, CacheUse::Refused),
        },
        Err(cache_use) => compile(shared, order, module, source, cache_use),
    }
}

/// A large module for one of its settings, from the code that serves them all.
fn draft(
    shared: &Shared,
    order: &Order,
    module: &[u8],
    source: &PolicySource<'_>,
) -> Result<(Compiled, CacheUse), LoadError> {
    // A thread that panicked while it held the lock left a whole draft or none.
    let mut kept = shared.draft.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut compiled, cache_use) = match kept.as_ref().filter(|kept| kept.name == order.name) {
        Some(kept) => (Compiled::again(shared, &kept.component, &kept.documents)?, CacheUse::Hit),
        None => {
            let (compiled, cache_use) = revived(shared, order, module, source)?;
            let (component, documents) = (compiled.component.clone(), compiled.facts.documents.clone());
            *kept = Some(DraftCode { name: order.name, component, documents });
            (compiled, cache_use)
        }
    };
    drop(kept);
    bind_draft(shared, &mut compiled, module, source)?;
    Ok((compiled, cache_use))
}

/// Everything that [`load`] checks but for the documents. Where modules are compiled in a child, no code of the module gets
/// into this process.
pub(crate) fn declared(shared: &Arc<Shared>, module: &[u8], source: &PolicySource<'_>) -> Result<Declared, LoadError> {
    if is_draft(shared, module) {
        let policy = load(shared, module, source)?;
        return Ok(Declared { inputs: policy.inputs, documents: policy.documents });
    }
    let order = admit(shared, module, source)?;
    let facts = match (cached(shared, &order.name), &shared.compiler) {
        (Ok(content), _) => Facts::of(&content),
        (Err(_), Compiler::Child(compiler)) => {
            let (code, _) = prepared::code(shared, &prepared_name(shared, &order.module), module, source)?;
            let content = bind(shared, compiler, module, source, code.as_deref())?;
            let facts = Facts::of(&content);
            if facts.is_some() {
                keep(shared, &order.name, Ok(&content), CacheUse::Stored);
            }
            facts
        }
        (Err(cache_use), Compiler::ThisProcess) => Some(compile(shared, &order, module, source, cache_use)?.0.facts),
    };
    let facts = facts.ok_or_else(|| LoadError::new(LoadFault::Compiler, NOT_OURS))?;
    Ok(Declared { inputs: pointers(&facts.inputs)?, documents: facts.documents.into() })
}

/// Has a child make the policy, from the module's code where that was kept.
fn bind(
    shared: &Shared,
    compiler: &child::Compiler,
    module: &[u8],
    source: &PolicySource<'_>,
    code: Option<&[u8]>,
) -> Result<Vec<u8>, LoadError> {
    child::compile(compiler, &shared.fingerprint, module, source, child::Work::Bind { code })
}

/// What is to be loaded.
struct Order {
    module: Sha256,
    settings: Sha256,
    /// The name of its cache entry.
    name: Sha256,
}

/// What is checked before anything reads the module.
fn admit(shared: &Shared, module: &[u8], source: &PolicySource<'_>) -> Result<Order, LoadError> {
    source.limits.check().map_err(|problem| LoadError::new(LoadFault::Resources, problem.to_string()))?;
    if module.len() as u64 > source.limits.module_bytes {
        let detail =
            format!("{} bytes, more than the limit of {} (module-mib)", module.len(), source.limits.module_bytes);
        return Err(LoadError::new(LoadFault::Size, detail));
    }
    let module_sha256 = Sha256::of(module);
    if let Some(expected) = source.expected_sha256
        && expected != module_sha256
    {
        let detail = format!("the lock names sha256 {expected}, the file has {module_sha256}");
        return Err(LoadError::new(LoadFault::Pin, detail));
    }
    if let Some(Said::Fault(faulted)) = without_a_clock(shared, Instant::now()) {
        return Err(LoadError { fault: LoadFault::Configure, cause: Some(faulted.fault), detail: faulted.detail });
    }
    let settings = Sha256::of(source.settings.as_bytes());
    let name = if is_draft(shared, module) {
        draft_name(shared, &module_sha256)
    } else {
        entry_name(shared, &module_sha256, &settings, source)
    };
    Ok(Order { module: module_sha256, settings, name })
}

pub(crate) fn check_documents(documents: &[String], data: &dyn HostData) -> Result<(), LoadError> {
    for document in documents {
        if !data.has(document) {
            let detail = format!(
                "the policy reads the document {:?}; give it in the policy set: data = {{ {0} = \"FILE\" }}",
                text::shown(document)
            );
            return Err(LoadError::new(LoadFault::Data, detail));
        }
    }
    Ok(())
}

/// Compiles where the engine compiles, and keeps what was made; answers what the cache did in all.
fn compile(
    shared: &Shared,
    order: &Order,
    module: &[u8],
    source: &PolicySource<'_>,
    cache_use: CacheUse,
) -> Result<(Compiled, CacheUse), LoadError> {
    let (code, cache_use) = if is_draft(shared, module) {
        (None, cache_use)
    } else {
        let (code, refused) = prepared::code(shared, &prepared_name(shared, &order.module), module, source)?;
        (code, if refused { CacheUse::Refused } else { cache_use })
    };
    let (compiled, content) = match &shared.compiler {
        Compiler::ThisProcess => {
            let compiled = compile::compile(shared, module, source, code.as_deref())?;
            let content = compiled.content();
            (compiled, content)
        }
        Compiler::Child(compiler) => {
            let content = bind(shared, compiler, module, source, code.as_deref())?;
            let compiled =
                Compiled::revive(shared, &content).ok_or_else(|| LoadError::new(LoadFault::Compiler, NOT_OURS))?;
            (compiled, Ok(content))
        }
    };
    let kept = content.as_deref().map_err(Clone::clone);
    Ok((compiled, keep(shared, &order.name, kept, cache_use)))
}

/// Keeps what was compiled. A cache that cannot keep it costs the next start time, and nothing else.
pub(crate) fn keep(shared: &Shared, name: &Sha256, content: Result<&[u8], String>, cache_use: CacheUse) -> CacheUse {
    let cache_use = match (&shared.cache, content) {
        (None, _) => CacheUse::Off,
        (Some(Err(reason)), _) => CacheUse::Unavailable(reason.clone()),
        (Some(Ok(cache)), content) => match content.and_then(|content| cache.put(name, content)) {
            Ok(()) => cache_use,
            Err(reason) => CacheUse::Unavailable(reason),
        },
    };
    if let CacheUse::Unavailable(reason) = &cache_use {
        // The first reason is told; the others are alike.
        _ = shared.not_kept.set(reason.clone());
    }
    cache_use
}

pub(crate) const NOT_OURS: &str = "the code that the compiler's process made is not for this engine";

/// The authentic content of that name, or what to do about there being none.
pub(crate) fn cached(shared: &Shared, name: &Sha256) -> Result<Vec<u8>, CacheUse> {
    let cache = match &shared.cache {
        None => return Err(CacheUse::Off),
        Some(Err(reason)) => return Err(CacheUse::Unavailable(reason.clone())),
        Some(Ok(cache)) => cache,
    };
    match cache.get(name) {
        Lookup::Absent => Err(CacheUse::Stored),
        Lookup::Refused => Err(CacheUse::Refused),
        Lookup::Found(content) => Ok(content),
    }
}

/// What compiled code depends on besides the module, its settings and its limits.
pub(crate) fn fingerprint(engine: &wasmtime::Engine) -> Sha256 {
    let mut hasher = Sha256Hasher(sha2::Sha256::new());
    CACHE_FORMAT.hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Sha256::of(&hasher.0.finalize())
}

/// The name of a draft's entry.
fn draft_name(shared: &Shared, module: &Sha256) -> Sha256 {
    module_name(shared, "draft", module)
}

/// The name of the entry with the code that `configure` runs in.
fn prepared_name(shared: &Shared, module: &Sha256) -> Sha256 {
    module_name(shared, "prepared", module)
}

/// The name of an entry of a module: no settings and no limits are in it, since both are applied after it was read.
fn module_name(shared: &Shared, purpose: &str, module: &Sha256) -> Sha256 {
    let mut hasher = Sha256Hasher(sha2::Sha256::new());
    CACHE_FORMAT.hash(&mut hasher);
    purpose.hash(&mut hasher);
    hasher.write(shared.fingerprint.as_bytes());
    hasher.write(module.as_bytes());
    Sha256::of(&hasher.0.finalize())
}

/// The name of a cache entry: everything that the compiled code, its facts and its admission depend on.
fn entry_name(shared: &Shared, module: &Sha256, settings: &Sha256, source: &PolicySource<'_>) -> Sha256 {
    let mut hasher = Sha256Hasher(sha2::Sha256::new());
    hasher.write(shared.fingerprint.as_bytes());
    hasher.write(module.as_bytes());
    hasher.write(settings.as_bytes());
    format!("{:?}", source.limits).hash(&mut hasher);
    Sha256::of(&hasher.0.finalize())
}

/// Feeds what is hashed into a sha256: the 64 bits of the standard hasher are too few for a name.
struct Sha256Hasher(sha2::Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
