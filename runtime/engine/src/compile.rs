//! From bytes to code: inspected, configured, snapshotted, compiled, checked. Runs in the process that
//! [`CompileIn`](crate::CompileIn) says, the same steps in either.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_gate::{Fault, LoadFault, Pointer, Said};
use portcullis_inspect::{DeclaredInputs, InspectLimits, Report};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::{Component, Instance};

use crate::PolicySource;
use crate::config::SMALL_MEMORY_BYTES;
use crate::deserialize::deserialize;
use crate::engine::{Effort, Pool, Shared};
use crate::error::LoadError;
use crate::prepared::Prepared;
use crate::runner::{Budget, Runner, Unconfigured, refill, said_alike};
use crate::sandbox::Sandbox;
use crate::snapshot;
use crate::text;
use crate::turns::Turn;
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
    /// What the cache keeps.
    ///
    /// # Errors
    /// The code cannot be written down.
    pub(crate) fn content(&self) -> Result<Vec<u8>, String> {
        content(&self.facts, &self.component)
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
        let (facts, code) = Facts::split(content)?;
        let pool = if facts.small { &shared.small } else { &shared.large };
        let component = deserialize(&pool.engine, code).ok()?;
        let runner = Runner::new(pool, &component).ok()?;
        Some(Compiled { facts, component, runner })
    }
}

impl Facts {
    /// The facts of a content, without looking at the code.
    pub(crate) fn of(content: &[u8]) -> Option<Facts> {
        Facts::split(content).map(|(facts, _)| facts)
    }

    fn split(content: &[u8]) -> Option<(Facts, &[u8])> {
        let (mut facts, code): (Facts, _) = split(content)?;
        // Whoever compiled it has had the module in its memory; what people read was not necessarily escaped there.
        facts.without_snapshot = facts.without_snapshot.map(|reason| text::shown(&reason));
        Some((facts, code))
    }
}

/// What the cache keeps: the length of the head as four bytes, the head as JSON, the code.
///
/// # Errors
/// The code cannot be written down.
pub(crate) fn content(head: &impl Serialize, code: &Component) -> Result<Vec<u8>, String> {
    let code = code.serialize().map_err(|error| error.to_string())?;
    let head = serde_json::to_vec(head).map_err(|error| error.to_string())?;
    let length = u32::try_from(head.len()).map_err(|error| error.to_string())?;
    Ok([&length.to_le_bytes(), head.as_slice(), code.as_slice()].concat())
}

/// The head and the code of what [`content`] made.
pub(crate) fn split<Head: DeserializeOwned>(content: &[u8]) -> Option<(Head, &[u8])> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (head, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(head).ok()?, code))
}

/// Makes a policy of a module. `kept` is the module's code that [`prepared::to_keep`](crate::prepared::to_keep) made
/// before, where it did.
///
/// # Errors
/// What is wrong with the module or its settings.
pub(crate) fn compile(
    shared: &Shared,
    module: &[u8],
    source: &PolicySource<'_>,
    kept: Option<&[u8]>,
) -> Result<Compiled, LoadError> {
    let report = inspect(module, source)?;
    let documents = report.data_documents.iter().map(|document| document.name.clone()).collect();
    if is_draft(shared, module) {
        return without_snapshot(prepare(&shared.large, module)?, Vec::new(), documents, DRAFT.into());
    }
    let prepared = Prepared::of(shared, module, kept)?;
    make_room(shared, &prepared.component)?;
    let (configured, inputs) = configure(shared, &prepared.runner, source)?;
    check_inputs(&inputs, &report.declared_inputs)?;
    let instrumented = match &prepared.instrumented {
        Ok(instrumented) => instrumented,
        Err(reason) => {
            let (reason, code) = (reason.clone(), (prepared.component, prepared.runner));
            return without_snapshot(code, inputs, documents, reason);
        }
    };
    let taken = snapshot::snapshot(instrumented, configured)
        .and_then(|wasm| from_snapshot(shared, &prepared.runner, &wasm, source, inputs.len()));
    match taken {
        Ok((component, runner, small)) => {
            let facts = Facts { inputs, documents, small, without_snapshot: None };
            Ok(Compiled { facts, component, runner })
        }
        Err(reason) => without_snapshot(prepare(&shared.large, module)?, inputs, documents, reason),
    }
}

/// The code of a snapshot, and whether it is of a small memory.
///
/// # Errors
/// Why the module cannot be run from it, for the record.
fn from_snapshot(
    shared: &Shared,
    configuring: &Runner,
    wasm: &[u8],
    source: &PolicySource<'_>,
    inputs: usize,
) -> Result<(Component, Runner, bool), String> {
    // A defect of the snapshot tool must not get past the checks that the module itself had to pass.
    let sizes = inspect(wasm, source).map_err(|error| error.to_string())?.sizes;
    let small = sizes.initial_memory_bytes <= SMALL_MEMORY_BYTES;
    let pool = if small { &shared.small } else { &shared.large };
    let (component, runner) = prepare(pool, wasm).map_err(|error| error.to_string())?;
    compare(shared, configuring, &runner, source, inputs)?;
    Ok((component, runner, small))
}

/// Whether what is compiled, and kept, is the module for whatever settings: `configure` has not run.
pub(crate) fn is_draft(shared: &Shared, module: &[u8]) -> bool {
    shared.effort == Effort::Draft && module.len() > DRAFT_SNAPSHOT_BYTES
}

/// A draft, bound to its settings: `configure` runs, in this process, and says what the policy reads.
pub(crate) fn bind_draft(
    shared: &Shared,
    compiled: &mut Compiled,
    module: &[u8],
    source: &PolicySource<'_>,
) -> Result<(), LoadError> {
    let report = inspect(module, source)?;
    make_room(shared, &compiled.component)?;
    let (_, inputs) = configure(shared, &compiled.runner, source)?;
    check_inputs(&inputs, &report.declared_inputs)?;
    compiled.facts.inputs = inputs;
    Ok(())
}

const DRAFT: &str = "a draft";

/// The module as it is, configured in every sandbox.
fn without_snapshot(
    (component, runner): (Component, Runner),
    inputs: Vec<String>,
    documents: Vec<String>,
    reason: String,
) -> Result<Compiled, LoadError> {
    let facts = Facts { inputs, documents, small: false, without_snapshot: Some(text::shown(&reason)) };
    Ok(Compiled { facts, component, runner })
}

/// Makes sure that there is room for a sandbox of this component.
///
/// # Errors
/// The engine is too small for it.
pub(crate) fn make_room(shared: &Shared, component: &Component) -> Result<(), LoadError> {
    shared.turns.make_room(component).map_err(|problem| LoadError::new(LoadFault::Resources, problem))
}

/// A sandbox in which `configure` has run, and the turn that it takes.
pub(crate) struct Configured<'e> {
    pub(crate) store: Store<Sandbox>,
    pub(crate) instance: Instance,
    turn: Turn<'e>,
}

/// Runs `configure` under its own limits; answers also the inputs.
///
/// # Errors
/// The settings are wrong, or the guest is.
pub(crate) fn configure<'e>(
    shared: &'e Shared,
    runner: &Runner,
    source: &PolicySource<'_>,
) -> Result<(Configured<'e>, Vec<String>), LoadError> {
    let turn = shared.turns.take();
    let budget = Budget::of_configuration(&source.limits);
    let mut store = runner.store(&source.limits, &source.data, None, budget);
    match runner.configured(&mut store, source.settings) {
        Ok((instance, inputs)) => {
            runner
                .check_types(&mut store, instance)
                .map_err(|error| LoadError::new(LoadFault::World, format!("{error:#}")))?;
            Ok((Configured { store, instance, turn }, inputs))
        }
        Err(Unconfigured::Problems(detail)) => Err(LoadError::new(LoadFault::Settings, detail)),
        Err(Unconfigured::Faulted(faulted)) => Err(LoadError {
            fault: LoadFault::Configure,
            cause: Some(faulted.fault),
            detail: format!("{}: {}", faulted.fault.explain(), faulted.detail),
        }),
    }
}

/// Runs the snapshot and the configured module side by side once, on inputs that are all missing: both must say the same.
fn compare(
    shared: &Shared,
    configuring: &Runner,
    snapshot: &Runner,
    source: &PolicySource<'_>,
    inputs: usize,
) -> Result<(), String> {
    let missing: Vec<Value<&str>> = std::iter::repeat_with(|| Value::Missing).take(inputs).collect();
    let budget = Budget::of_comparison(&source.limits);
    let from_snapshot = {
        let _turn = shared.turns.take();
        let mut store = snapshot.store(&source.limits, &source.data, None, budget);
        match snapshot.instance(&mut store) {
            Ok(instance) => snapshot.evaluate(&mut store, instance, &missing),
            Err(faulted) => return Err(format!("the snapshot does not start: {}", faulted.detail)),
        }
    };
    let (Configured { mut store, instance, turn }, _) =
        configure(shared, configuring, source).map_err(|error| error.to_string())?;
    // The module's code is slower: what the snapshot's answers in time must not be taken for another answer.
    let timed_out = matches!(&from_snapshot, Said::Fault(faulted) if faulted.fault == Fault::Time);
    refill(&mut store, if timed_out { budget } else { Budget::of_slow_comparison(&source.limits) });
    let from_module = configuring.evaluate(&mut store, instance, &missing);
    drop((store, turn));
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
