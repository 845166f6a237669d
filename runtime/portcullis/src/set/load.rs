//! From what was read of a set to its policies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_attest::NamedKey;
use portcullis_engine::{Engine, LoadError, Policy, PolicySource};
use portcullis_gate::{Document, Fault, Faulted, LoadFault, Pointer, PolicySpec, SetDefinition};

use super::SetError;
use super::files::{Found, ReadFiles, failed};
use crate::trust;

/// Whether modules are asked for the evidence that the set's trust rules say.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    Evidence,
    Nothing,
}

pub(super) fn check_trust(
    path: &Path,
    definition: &SetDefinition,
    keys: Vec<NamedKey>,
    found: &[Found],
    files: &dyn ReadFiles,
    now: Timestamp,
) -> Result<Option<Arc<[u8]>>, SetError> {
    let modules = found.iter().map(|found| found.digests.module_sha256);
    let evidence = trust::check(definition, keys, modules, files, now)
        .map_err(|untrusted| SetError::Untrusted { path: path.into(), untrusted })?;
    Ok(evidence.map(|evidence| evidence.to_bytes().into()))
}

pub(super) fn load(spec: &PolicySpec, found: &mut Found, engine: &Engine) -> Result<Policy, LoadError> {
    with_source(spec, found, |module, source| engine.load(module, source))
}

pub(super) fn inputs(spec: &PolicySpec, found: &mut Found, engine: &Engine) -> Result<Box<[Pointer]>, LoadError> {
    with_source(spec, found, |module, source| engine.inputs(module, source))
}

fn with_source<T>(
    spec: &PolicySpec,
    found: &mut Found,
    work: impl FnOnce(&[u8], &PolicySource<'_>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let module = found.module.as_ref().map_err(Clone::clone)?;
    let settings = found.settings.as_ref().map_err(Clone::clone)?;
    let data = std::mem::take(&mut found.data).into_iter().map(|(name, document)| Ok((name, document?)));
    let source = PolicySource {
        name: &spec.name,
        settings,
        limits: spec.limits,
        data: Arc::new(data.collect::<Result<BTreeMap<String, Document>, LoadError>>()?),
        expected_sha256: found.digests.module_sha256,
    };
    work(module, &source)
}

/// Does the work for each policy, on as many threads as there are cores; results are in the manifest's order.
pub(super) fn each<T: Send>(
    specs: &[PolicySpec],
    found: &mut [Found],
    work: impl Fn(&PolicySpec, &mut Found) -> Result<T, LoadError> + Sync,
) -> Vec<Result<T, LoadError>> {
    let mut results: Vec<Option<Result<T, LoadError>>> = std::iter::repeat_with(|| None).take(found.len()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(found.len());
    // The slow ones are rarely neighbours: whoever is free takes the next.
    let waiting = Mutex::new(specs.iter().zip(found).zip(&mut results));
    let worker = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(((spec, found), result)) = next else { return };
            *result = Some(work(spec, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without this thread, the others do its work.
            _ = std::thread::Builder::new().name("portcullis-load".into()).spawn_scoped(scope, worker);
        }
        worker();
    });
    let missing = || failed(LoadFault::Compiler, "it was not loaded".into());
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(missing()))).collect()
}

/// A load error as the fault that it is in each decision: what went wrong inside the guest, where it was running.
pub(super) fn faulted(error: LoadError) -> Faulted {
    match error.cause {
        Some(cause) => Faulted { fault: cause, detail: format!("while it was being configured: {}", error.detail) },
        None => Faulted { fault: Fault::Load(error.fault), detail: error.detail },
    }
}

pub(super) fn texts(inputs: &[Pointer]) -> Vec<String> {
    inputs.iter().map(|pointer| pointer.as_str().to_owned()).collect()
}
