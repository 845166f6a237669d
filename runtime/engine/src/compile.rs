//! From bytes to code: inspected, configured, snapshotted, compiled, checked. Runs in the process that
//! [`CompileIn`](crate::CompileIn) says, the same steps in either.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_gate::{LoadFault, Pointer};
use portcullis_inspect::{DeclaredInputs, InspectLimits, Report};
use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use crate::PolicySource;
use crate::config::SMALL_MEMORY_BYTES;
use crate::deserialize::deserialize;
use crate::engine::{Effort, Pool, Shared};
use crate::error::LoadError;
use crate::runner::{Budget, Runner, Unconfigured, refill, said_alike};
use crate::snapshot::{self, Instrumented};
use crate::text;
use crate::wit::Value;

/// Drafts of larger modules have no snapshot: it would be compiled for each of their settings.
const DRAFT_SNAPSHOT_BYTES: usize = 4 * 1024 * 1024;

/// Most inputs that a policy may declare.
const MAX_INPUTS: usize = 1024;

pub(crate) struct Compiled {
    pub(crate) facts: Facts,
    pub(crate) component: Component,
    pub(crate) runner: Runner,
}

/// What loading found out, kept beside the code in the cache.
#[derive(Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) inputs: Vec<String>,
    pub(crate) documents: Vec<String>,
    /// Which engine runs it.
    small: bool,
    /// Why there is no snapshot; `None` where there is one.
    pub(crate) without_snapshot: Option<String>,
}

impl Compiled {
    /// What the cache keeps: the length of the facts as four bytes, the facts as JSON, the code.
    ///
    /// # Errors
    /// The code cannot be written down.
    pub(crate) fn content(&self) -> Result<Vec<u8>, String> {
        let code = self.component.serialize().map_err(|error| error.to_string())?;
        let facts = serde_json::to_vec(&self.facts).map_err(|error| error.to_string())?;
        let length = u32::try_from(facts.len()).map_err(|error| error.to_string())?;
        Ok([&length.to_le_bytes(), facts.as_slice(), code.as_slice()].concat())
    }

    /// The code, for a second use of it with other settings.
    pub(crate) fn again(shared: &Shared, component: &Component, documents: &[String]) -> Result<Compiled, LoadError> {
        let runner = Runner::new(&shared.large, component)
            .map_err(|error| LoadError::new(LoadFault::World, text::shown(&format!("{error:#}"))))?;
        let facts = Facts {
            inputs: Vec::new(),
            documents: documents.to_vec(),
            small: false,
            without_snapshot: Some(DRAFT.into()),
        };
        Ok(Compiled { facts, component: component.clone(), runner })
    }

    /// Code that was compiled before. `content` is authentic; `None` where it is for another engine.
    pub(crate) fn revive(shared: &Shared, content: &[u8]) -> Option<Compiled> {
        let (facts, code) = split(content)?;
        let pool = if facts.small { &shared.small } else { &shared.large };
        let component = deserialize(&pool.engine, code).ok()?;
        let runner = Runner::new(pool, &component).ok()?;
        Some(Compiled { facts, component, runner })
    }
}

impl Facts {
    /// The facts of a content, without looking at the code.
    pub(crate) fn of(content: &[u8]) -> Option<Facts> {
        split(content).map(|(facts, _)| facts)
    }
}

fn split(content: &[u8]) -> Option<(Facts, &[u8])> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (facts, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let mut facts: Facts = serde_json::from_slice(facts).ok()?;
    // Whoever compiled it has had the module in its memory; what people read was not necessarily escaped there.
    facts.without_snapshot = facts.without_snapshot.map(|reason| text::shown(&reason));
    Some((facts, code))
}

pub(crate) fn compile(shared: &Shared, module: &[u8], source: &PolicySource<'_>) -> Result<Compiled, LoadError> {
    let report = inspect(module, source)?;
    let documents = report.data_documents.iter().map(|document| document.name.clone()).collect();
    if is_draft(shared, module) {
        return without_snapshot(shared, module, Vec::new(), documents, DRAFT.into());
    }
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

/// Whether what is compiled, and kept, is the module for whatever settings: `configure` has not run.
pub(crate) fn is_draft(shared: &Shared, module: &[u8]) -> bool {
    shared.effort == Effort::Draft && module.len() > DRAFT_SNAPSHOT_BYTES
}

/// A draft, bound to its settings: `configure` runs, in this process, and says what the policy reads.
pub(crate) fn bind_draft(compiled: &mut Compiled, module: &[u8], source: &PolicySource<'_>) -> Result<(), LoadError> {
    let report = inspect(module, source)?;
    let (_, inputs) = configure(&compiled.runner, source)?;
    check_inputs(&inputs, &report.declared_inputs)?;
    compiled.facts.inputs = inputs;
    Ok(())
}

const DRAFT: &str = "a draft";

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

pub(crate) type Configured = ((wasmtime::Store<crate::sandbox::Sandbox>, wasmtime::component::Instance), Vec<String>);

pub(crate) fn configure(runner: &Runner, source: &PolicySource<'_>) -> Result<Configured, LoadError> {
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

pub(crate) fn prepare(pool: &Pool, wasm: &[u8]) -> Result<(Component, Runner), LoadError> {
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

pub(crate) fn inspect(wasm: &[u8], source: &PolicySource<'_>) -> Result<Report, LoadError> {
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

pub(crate) fn pointers(inputs: &[String]) -> Result<Box<[Pointer]>, LoadError> {
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
