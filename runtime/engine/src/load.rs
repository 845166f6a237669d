//! From bytes to a policy: pinned, inspected, configured, snapshotted, compiled, checked; or taken from the cache.

use std::hash::{Hash as _, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use portcullis_gate::{LoadFault, Pointer, Said, Sha256};
use portcullis_inspect::{DeclaredInputs, InspectLimits, Report};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use wasmtime::component::Component;

use crate::PolicySource;
use crate::cache::{CacheUse, Lookup};
use crate::config::SMALL_MEMORY_BYTES;
use crate::deserialize::deserialize;
use crate::engine::{Effort, Pool, Shared};
use crate::error::LoadError;
use crate::policy::{Mode, Policy};
use crate::runner::{Budget, Runner, Unconfigured, refill, said_alike, without_a_clock};
use crate::snapshot::{self, Instrumented};
use crate::text;
use crate::wit::Value;

/// Most inputs that a policy may declare.
const MAX_INPUTS: usize = 1024;

/// Drafts of larger modules have no snapshot: it would be compiled for each of their settings.
const DRAFT_SNAPSHOT_BYTES: usize = 4 * 1024 * 1024;

/// Raised whenever an entry of the cache would be made differently from the same key.
const CACHE_FORMAT: &str = "portcullis compile cache 1";

pub(crate) fn load(shared: &Arc<Shared>, module: &[u8], source: &PolicySource<'_>) -> Result<Policy, LoadError> {
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
    let settings_sha256 = Sha256::of(source.settings.as_bytes());
    let (compiled, cache_use) = if shared.effort == Effort::Draft && module.len() > DRAFT_SNAPSHOT_BYTES {
        draft(shared, module, &module_sha256, source)?
    } else {
        let name = entry_name(shared, &module_sha256, &settings_sha256, source);
        match cached(shared, &name) {
            Ok(compiled) => (compiled, CacheUse::Hit),
            Err(cache_use) => {
                let compiled = compile(shared, module, source)?;
                let cache_use = store(shared, &name, &compiled, cache_use);
                (compiled, cache_use)
            }
        }
    };
    let Compiled { facts, component, runner } = compiled;
    drop(component);
    for document in &facts.documents {
        if !source.data.has(document) {
            let detail = format!(
                "the policy reads the document {:?}; give it in the policy set: data = {{ {0} = \"FILE\" }}",
                text::shown(document)
            );
            return Err(LoadError::new(LoadFault::Data, detail));
        }
    }
    let inputs = pointers(&facts.inputs)?;
    Ok(Policy {
        shared: Arc::clone(shared),
        runner,
        mode: facts.without_snapshot.map_or(Mode::Snapshot, Mode::ConfigureEachTime),
        settings: source.settings.into(),
        inputs,
        limits: source.limits,
        data: Arc::clone(&source.data),
        module_sha256,
        settings_sha256,
        cache_use,
    })
}

struct Compiled {
    facts: Facts,
    component: Component,
    runner: Runner,
}

/// What loading found out, kept beside the code in the cache.
#[derive(Serialize, Deserialize)]
struct Facts {
    inputs: Vec<String>,
    documents: Vec<String>,
    /// Which engine runs it.
    small: bool,
    /// Why there is no snapshot; `None` where there is one.
    without_snapshot: Option<String>,
}

fn compile(shared: &Shared, module: &[u8], source: &PolicySource<'_>) -> Result<Compiled, LoadError> {
    let report = inspect(module, source)?;
    let documents = report.data_documents.iter().map(|document| document.name.clone()).collect();
    match bind(shared, module, source)? {
        Bound::Snapshot { wasm, inputs } => {
            check_inputs(&inputs, &report.declared_inputs)?;
            // A defect of the snapshot tool must not get past the checks that the module itself had to pass.
            let small = match inspect(&wasm, source) {
                Ok(report) => report.sizes.initial_memory_bytes <= SMALL_MEMORY_BYTES,
                Err(error) => return without_snapshot(shared, module, inputs, documents, error.to_string()),
            };
            let pool = if small { &shared.small } else { &shared.large };
            let (component, runner) = prepare(pool, &wasm)?;
            if let Err(reason) = compare(shared, module, source, &runner, inputs.len()) {
                return without_snapshot(shared, module, inputs, documents, reason);
            }
            let facts = Facts { inputs, documents, small, without_snapshot: None };
            Ok(Compiled { facts, component, runner })
        }
        Bound::EachTime { inputs, reason } => {
            check_inputs(&inputs, &report.declared_inputs)?;
            without_snapshot(shared, module, inputs, documents, reason)
        }
    }
}

fn without_snapshot(
    shared: &Shared,
    module: &[u8],
    inputs: Vec<String>,
    documents: Vec<String>,
    reason: String,
) -> Result<Compiled, LoadError> {
    let (component, runner) = prepare(&shared.large, module)?;
    let facts = Facts { inputs, documents, small: false, without_snapshot: Some(text::shown(&reason)) };
    Ok(Compiled { facts, component, runner })
}

enum Bound {
    Snapshot { wasm: Vec<u8>, inputs: Vec<String> },
    EachTime { inputs: Vec<String>, reason: String },
}

/// Runs `configure`, under its own limits, and takes the snapshot where the module allows one.
fn bind(shared: &Shared, module: &[u8], source: &PolicySource<'_>) -> Result<Bound, LoadError> {
    let reason = match snapshot::instrument(module) {
        Ok(instrumented) => match bind_instrumented(shared, &instrumented, source)? {
            Ok(bound) => return Ok(bound),
            Err(reason) => reason,
        },
        Err(reason) => reason,
    };
    let (_, runner) = prepare(&shared.large, module)?;
    let (_, inputs) = configure(&runner, source)?;
    Ok(Bound::EachTime { inputs, reason })
}

/// The inner error says why there is no snapshot, though the module may be well.
fn bind_instrumented(
    shared: &Shared,
    instrumented: &Instrumented<'_>,
    source: &PolicySource<'_>,
) -> Result<Result<Bound, String>, LoadError> {
    let runner = match prepare(&shared.large, &instrumented.wasm) {
        Ok((_, runner)) => runner,
        Err(error) => return Ok(Err(format!("the instrumented module does not compile: {error}"))),
    };
    let ((mut store, instance), inputs) = configure(&runner, source)?;
    Ok(snapshot::snapshot(instrumented, &mut store, instance).map(|wasm| Bound::Snapshot { wasm, inputs }))
}

type Configured = ((wasmtime::Store<crate::sandbox::Sandbox>, wasmtime::component::Instance), Vec<String>);

fn configure(runner: &Runner, source: &PolicySource<'_>) -> Result<Configured, LoadError> {
    let budget = Budget::of_configuration(&source.limits);
    let mut store = runner.store(&source.limits, &source.data, None, budget);
    match runner.configured(&mut store, source.settings) {
        Ok((instance, inputs)) => {
            runner
                .check_types(&mut store, instance)
                .map_err(|error| LoadError::new(LoadFault::World, format!("{error:#}")))?;
            Ok(((store, instance), inputs))
        }
        Err(Unconfigured::Problems(detail)) => Err(LoadError::new(LoadFault::Settings, detail)),
        Err(Unconfigured::Faulted(faulted)) => Err(LoadError {
            fault: LoadFault::Configure,
            cause: Some(faulted.fault),
            detail: format!("{}: {}", faulted.fault.explain(), faulted.detail),
        }),
    }
}

/// Runs the snapshot and the module side by side once, on inputs that are all missing: both must say the same.
fn compare(
    shared: &Shared,
    module: &[u8],
    source: &PolicySource<'_>,
    snapshot: &Runner,
    inputs: usize,
) -> Result<(), String> {
    let missing: Vec<Value<&str>> = std::iter::repeat_with(|| Value::Missing).take(inputs).collect();
    let budget = Budget::of_evaluation(&source.limits);
    let mut store = snapshot.store(&source.limits, &source.data, None, budget);
    let from_snapshot = match snapshot.instance(&mut store) {
        Ok(instance) => snapshot.evaluate(&mut store, instance, &missing),
        Err(faulted) => return Err(format!("the snapshot does not start: {}", faulted.detail)),
    };
    let (_, runner) = prepare(&shared.large, module).map_err(|error| error.to_string())?;
    let ((mut store, instance), _) = configure(&runner, source).map_err(|error| error.to_string())?;
    refill(&mut store, budget);
    let from_module = runner.evaluate(&mut store, instance, &missing);
    if said_alike(&from_snapshot, &from_module) {
        Ok(())
    } else {
        Err("the snapshot answers otherwise than the module".into())
    }
}

fn prepare(pool: &Pool, wasm: &[u8]) -> Result<(Component, Runner), LoadError> {
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(&pool.engine, wasm)));
    let component = match compiled {
        Ok(Ok(component)) => component,
        Ok(Err(error)) => return Err(LoadError::new(LoadFault::Compile, text::shown(&format!("{error:#}")))),
        Err(_) => return Err(LoadError::new(LoadFault::Compile, "the compiler panicked on this module")),
    };
    let runner = Runner::new(pool, &component)
        .map_err(|error| LoadError::new(LoadFault::World, text::shown(&format!("{error:#}"))))?;
    Ok((component, runner))
}

/// A draft of a large module: what is compiled, and kept, does not depend on the settings, so the module is compiled
/// once for all of them.
fn draft(
    shared: &Shared,
    module: &[u8],
    module_sha256: &Sha256,
    source: &PolicySource<'_>,
) -> Result<(Compiled, CacheUse), LoadError> {
    let report = inspect(module, source)?;
    let (component, runner, cache_use) = prepare_once(shared, module, module_sha256)?;
    let (_, inputs) = configure(&runner, source)?;
    check_inputs(&inputs, &report.declared_inputs)?;
    let documents = report.data_documents.into_iter().map(|document| document.name).collect();
    let facts = Facts { inputs, documents, small: false, without_snapshot: Some("a draft".into()) };
    Ok((Compiled { facts, component, runner }, cache_use))
}

fn prepare_once(
    shared: &Shared,
    module: &[u8],
    module_sha256: &Sha256,
) -> Result<(Component, Runner, CacheUse), LoadError> {
    // A thread that panicked while it held the lock left a whole entry or none.
    let mut kept = shared.draft.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, component)) = kept.as_ref().filter(|(of, _)| of == module_sha256) {
        let runner = Runner::new(&shared.large, component)
            .map_err(|error| LoadError::new(LoadFault::World, text::shown(&format!("{error:#}"))))?;
        return Ok((component.clone(), runner, CacheUse::Hit));
    }
    let name = draft_name(shared, module_sha256);
    let (compiled, cache_use) = match cached(shared, &name) {
        Ok(compiled) => (compiled, CacheUse::Hit),
        Err(cache_use) => {
            let (component, runner) = prepare(&shared.large, module)?;
            let facts = Facts { inputs: vec![], documents: vec![], small: false, without_snapshot: None };
            let compiled = Compiled { facts, component, runner };
            let cache_use = store(shared, &name, &compiled, cache_use);
            (compiled, cache_use)
        }
    };
    *kept = Some((*module_sha256, compiled.component.clone()));
    Ok((compiled.component, compiled.runner, cache_use))
}

fn inspect(wasm: &[u8], source: &PolicySource<'_>) -> Result<Report, LoadError> {
    portcullis_inspect::inspect(wasm, &InspectLimits::from(&source.limits))
        .map_err(|refusal| LoadError::new(refusal.fault, refusal.detail))
}

fn check_inputs(inputs: &[String], declared: &DeclaredInputs) -> Result<(), LoadError> {
    if let DeclaredInputs::Listed(listed) = declared
        && let Some(extra) = inputs.iter().find(|input| !listed.contains(input))
    {
        let detail = format!("`configure` asks for {:?}, which the description does not list", text::shown(extra));
        return Err(LoadError::new(LoadFault::Inputs, detail));
    }
    pointers(inputs).map(drop)
}

fn pointers(inputs: &[String]) -> Result<Box<[Pointer]>, LoadError> {
    if inputs.len() > MAX_INPUTS {
        return Err(LoadError::new(LoadFault::Inputs, format!("{} inputs, more than {MAX_INPUTS}", inputs.len())));
    }
    inputs
        .iter()
        .map(|input| {
            Pointer::new(input).map_err(|problem| {
                LoadError::new(LoadFault::Inputs, format!("the input {:?} {problem}", text::shown(input)))
            })
        })
        .collect()
}

/// The name of a cache entry: everything that the compiled code, its facts and its admission depend on.
fn entry_name(shared: &Shared, module: &Sha256, settings: &Sha256, source: &PolicySource<'_>) -> Sha256 {
    let mut hasher = Sha256Hasher(sha2::Sha256::new());
    CACHE_FORMAT.hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    shared.large.engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.write(module.as_bytes());
    hasher.write(settings.as_bytes());
    format!("{:?}", source.limits).hash(&mut hasher);
    Sha256::of(&hasher.0.finalize())
}

/// The name of a draft's entry: no settings and no limits are in it, since both are applied after it was read.
fn draft_name(shared: &Shared, module: &Sha256) -> Sha256 {
    let mut hasher = Sha256Hasher(sha2::Sha256::new());
    CACHE_FORMAT.hash(&mut hasher);
    "draft".hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    shared.large.engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.write(module.as_bytes());
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

/// The entry of that name, or what to do about there being none.
fn cached(shared: &Shared, name: &Sha256) -> Result<Compiled, CacheUse> {
    let cache = match &shared.cache {
        None => return Err(CacheUse::Off),
        Some(Err(reason)) => return Err(CacheUse::Unavailable(reason.clone())),
        Some(Ok(cache)) => cache,
    };
    match cache.get(name) {
        Lookup::Absent => Err(CacheUse::Stored),
        Lookup::Refused => Err(CacheUse::Refused),
        Lookup::Found(content) => revive(shared, &content).ok_or(CacheUse::Refused),
    }
}

/// Writes the entry; answers what the cache did in all.
fn store(shared: &Shared, name: &Sha256, compiled: &Compiled, cache_use: CacheUse) -> CacheUse {
    let Some(Ok(cache)) = &shared.cache else { return cache_use };
    let written = compiled
        .component
        .serialize()
        .map_err(|error| error.to_string())
        .and_then(|code| entry(&compiled.facts, &code))
        .and_then(|content| cache.put(name, &content));
    match written {
        Ok(()) => cache_use,
        Err(reason) => CacheUse::Unavailable(reason),
    }
}

/// An entry: the length of the facts as four bytes, the facts as JSON, the code.
fn entry(facts: &Facts, code: &[u8]) -> Result<Vec<u8>, String> {
    let facts = serde_json::to_vec(facts).map_err(|error| error.to_string())?;
    let length = u32::try_from(facts.len()).map_err(|error| error.to_string())?;
    Ok([&length.to_le_bytes(), facts.as_slice(), code].concat())
}

fn revive(shared: &Shared, content: &[u8]) -> Option<Compiled> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (facts, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let facts: Facts = serde_json::from_slice(facts).ok()?;
    let pool = if facts.small { &shared.small } else { &shared.large };
    let component = deserialize(&pool.engine, code).ok()?;
    let runner = Runner::new(pool, &component).ok()?;
    Some(Compiled { facts, component, runner })
}
