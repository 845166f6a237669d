//! From what was read of a set to its policies.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_attest::NamedKey;
use portcullis_engine::{Declared, Engine, HostData, LoadError, Policy, PolicySource};
use portcullis_gate::{Document, Fault, Faulted, Limits, LoadFault, Pointer, PolicySpec, SetDefinition, Sha256};

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

/// Loads policies.
pub(super) fn load_each(policies: Vec<(&PolicySpec, &mut Found)>, engine: &Engine) -> Vec<Result<Policy, LoadError>> {
    each(
        policies,
        |spec, found| with_source(spec, found, |module, source| engine.load(module, source)),
        |policy, found| policy.with_documents(documents(found)?),
    )
}

/// The request fields that policies read. No code of a module comes into this process.
pub(super) fn inputs_of_each(
    policies: Vec<(&PolicySpec, &mut Found)>,
    engine: &Engine,
) -> Vec<Result<Box<[Pointer]>, LoadError>> {
    let declared = each(
        policies,
        |spec, found| {
            with_source(spec, found, |module, source| {
                let declared = engine.declared(module, source)?;
                declared.check_documents(&*source.data)?;
                Ok(declared)
            })
        },
        |declared: &Declared, found| {
            declared.check_documents(&*documents(found)?)?;
            Ok(declared.clone())
        },
    );
    declared.into_iter().map(|declared| declared.map(|declared| declared.inputs)).collect()
}

fn with_source<T>(
    spec: &PolicySpec,
    found: &mut Found,
    work: impl FnOnce(&[u8], &PolicySource<'_>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let module = found.module.clone()?;
    let settings = found.settings.clone()?;
    let settings = std::str::from_utf8(&settings);
    let source = PolicySource {
        name: &spec.name,
        settings: settings.map_err(|_| failed(LoadFault::Settings, "the settings are not UTF-8".into()))?,
        limits: spec.limits,
        data: documents(found)?,
        expected_sha256: found.digests.module_sha256,
    };
    work(&module, &source)
}

fn documents(found: &mut Found) -> Result<Arc<dyn HostData>, LoadError> {
    let data = std::mem::take(&mut found.data).into_iter().map(|(name, document)| Ok((name, document?)));
    Ok(Arc::new(data.collect::<Result<BTreeMap<String, Document>, LoadError>>()?))
}

/// Does the work once for the policies with the same module, settings and limits, on as many threads as there are cores, and
/// `again` for the others of them; results are in the order of the policies.
fn each<T: Send>(
    policies: Vec<(&PolicySpec, &mut Found)>,
    work: impl Fn(&PolicySpec, &mut Found) -> Result<T, LoadError> + Sync,
    again: impl Fn(&T, &mut Found) -> Result<T, LoadError>,
) -> Vec<Result<T, LoadError>> {
    let count = policies.len();
    let mut places: HashMap<(Sha256, Sha256, Limits), usize> = HashMap::new();
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for (place, (spec, found)) in policies.into_iter().enumerate() {
        // What could not be read is like nothing else.
        let key = found.digests.module_sha256.zip(found.digests.settings_sha256);
        let first =
            key.map_or(place, |(module, settings)| *places.entry((module, settings, spec.limits)).or_insert(place));
        if first == place { firsts.push((place, spec, found)) } else { others.push((place, first, spec, found)) }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(firsts.len());
    // The slow ones are rarely neighbours: whoever is free takes the next.
    let waiting = Mutex::new(firsts.into_iter());
    let done = Mutex::new(BTreeMap::new());
    let worker = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, spec, found)) = next else { return };
            let result = work(spec, found);
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(place, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without this thread, the others do its work.
            _ = std::thread::Builder::new().name("portcullis-load".into()).spawn_scoped(scope, worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (place, first, spec, found) in others {
        let result = match done.get(&first) {
            Some(Ok(first)) => again(first, found),
            // Its documents are its own matter.
            Some(Err(error)) if error.fault != LoadFault::Data => Err(error.clone()),
            Some(Err(_)) | None => work(spec, found),
        };
        done.insert(place, result);
    }
    let missing = || Err(failed(LoadFault::Compiler, "it was not loaded".into()));
    (0..count).map(|place| done.remove(&place).unwrap_or_else(missing)).collect()
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
