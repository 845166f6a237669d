//! Policies with their components and cases, and the running of a case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use portcullis_engine::{Engine, History, LoadError, Policy, PolicySource};
use portcullis_gate::{Document, Fault, Faulted, Limits, Said};
use portcullis_inspect::{InspectLimits, inspect};

use super::cases::{self, Case};
use crate::report;

/// A policy with its component and the cases that were chosen.
pub struct Suite {
    /// The folder's name.
    pub name: String,
    /// The policy's folder.
    pub dir: PathBuf,
    /// The component's bytes.
    pub module: Vec<u8>,
    /// The cases, in the order of the files' names and of the lists.
    pub cases: Vec<Case>,
    /// Whether every case of the policy is among them.
    pub complete: bool,
}

/// Which policies and cases.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// Policy folders, or folders of policy folders.
    pub dirs: &'a [PathBuf],
    /// The component, where there is one policy.
    pub module: Option<&'a Path>,
    /// Only cases whose name contains this.
    pub filter: Option<&'a str>,
}

/// What an evaluation took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Fuel used by `evaluate`.
    pub fuel: u64,
    /// Linear memory in the end, in bytes.
    pub memory_bytes: u64,
    /// Wall time, sandbox included.
    pub duration: Duration,
}

/// What came of a case.
pub struct Ran {
    /// What the policy said.
    pub said: Said,
    /// What it took; `None` where the policy could not be loaded.
    pub cost: Option<Cost>,
}

/// Loads a component with each of the settings and documents of its cases, once.
pub struct Loader<'a> {
    engine: &'a Engine,
    name: &'a str,
    module: &'a [u8],
    limits: Limits,
    loaded: BTreeMap<(String, BTreeMap<String, String>), Result<Policy, LoadError>>,
}

impl<'a> Loader<'a> {
    /// A loader for one component.
    pub fn new(engine: &'a Engine, name: &'a str, module: &'a [u8], limits: Limits) -> Loader<'a> {
        Loader { engine, name, module, limits, loaded: BTreeMap::new() }
    }

    /// The component with a case's settings and documents.
    ///
    /// # Errors
    /// A document is not strict JSON. That the component does not load is the inner error.
    pub fn policy(
        &mut self,
        settings: &str,
        data: &BTreeMap<String, String>,
    ) -> anyhow::Result<&Result<Policy, LoadError>> {
        let entry = match self.loaded.entry((settings.to_owned(), data.clone())) {
            std::collections::btree_map::Entry::Occupied(entry) => return Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => entry,
        };
        let source = PolicySource {
            name: self.name,
            settings,
            limits: self.limits,
            data: Arc::new(documents(data)?),
            expected_sha256: None,
        };
        Ok(entry.insert(self.engine.load(self.module, &source)))
    }

    /// Evaluates a case's request.
    ///
    /// # Errors
    /// As for [`Loader::policy`].
    pub fn run(&mut self, case: &Case) -> anyhow::Result<Ran> {
        Ok(match self.policy(&case.settings, &case.data)? {
            Ok(policy) => {
                let done = policy.evaluate_with(&case.request, history(case));
                let cost = Cost { fuel: done.fuel, memory_bytes: done.memory_bytes, duration: done.duration };
                Ran { said: done.said, cost: Some(cost) }
            }
            Err(error) => Ran { said: not_loaded(error), cost: None },
        })
    }
}

/// Limits where no policy set says any: the default ones, raised to what the component's author proposes.
pub fn limits(module: &[u8]) -> Limits {
    let report = inspect(module, &InspectLimits::default());
    report.map_or_else(|_| Limits::default(), |report| report.raised(Limits::default()))
}

/// Reference documents, parsed.
///
/// # Errors
/// One is not strict JSON: names it.
pub fn documents(data: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, Document>> {
    let parse = |(name, json): (&String, &String)| {
        let document = Document::parse(json.as_bytes()).with_context(|| format!("the document {name:?}"))?;
        Ok((name.clone(), document))
    };
    data.iter().map(parse).collect()
}

/// What a case's policy is told of the past; `None` where it gets no history.
pub fn history(case: &Case) -> Option<Arc<dyn History>> {
    case.past.as_ref().map(|past| -> Arc<dyn History> { Arc::new(past.clone()) })
}

/// What a policy that does not load says in every decision.
pub fn not_loaded(error: &LoadError) -> Said {
    Said::Fault(Faulted { fault: Fault::Load(error.fault), detail: error.detail.clone() })
}

/// What a policy said, in one word: the strictest finding's outcome, `abstain`, or a fault's code.
pub fn said_word(said: &Said) -> &'static str {
    use portcullis_gate::{Answer, Verdict};
    match said {
        Said::Fault(faulted) => faulted.fault.code(),
        Said::Answer(Answer { verdict: Verdict::Abstain, .. }) => "abstain",
        Said::Answer(Answer { verdict: Verdict::Findings(findings), .. }) => {
            let strictest = findings.iter().map(|finding| finding.outcome).max();
            strictest.map_or("no findings", |outcome| outcome.as_str())
        }
    }
}

/// The policies that the arguments choose, with their components and cases.
///
/// # Errors
/// There is none, a component is missing, or a case is malformed.
pub fn suites(choice: &Choice<'_>) -> anyhow::Result<Vec<Suite>> {
    let dirs = folders(choice.dirs)?;
    if choice.module.is_some() && dirs.len() > 1 {
        return Err(report::usage("--module is for one policy; name one folder"));
    }
    let mut suites = Vec::new();
    for dir in dirs {
        let name = name(&dir)?;
        let module = match choice.module {
            Some(module) => module.to_owned(),
            None => find_module(&dir, &name, "name it with --module")?,
        };
        let module = read_module(&module)?;
        let mut cases = cases::read(&dir.join("cases"))?;
        if cases.is_empty() {
            bail!("{} holds no case", dir.join("cases").display());
        }
        let all = cases.len();
        if let Some(filter) = choice.filter {
            cases.retain(|case| case.name.contains(filter));
        }
        suites.push(Suite { name, dir, module, complete: cases.len() == all, cases });
    }
    suites.retain(|suite| !suite.cases.is_empty());
    if suites.is_empty() {
        bail!("no case has a name that contains {:?}", choice.filter.unwrap_or_default());
    }
    Ok(suites)
}

/// The policy folders in `dirs`: each itself where it has cases; else those of its folders that have, by name.
///
/// # Errors
/// There is none, or a folder cannot be read.
pub fn folders(dirs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in dirs {
        found.extend(policies_in(dir)?);
    }
    if found.is_empty() {
        bail!("there is no `cases` folder in {} nor in a folder there; name policy crates", list(dirs));
    }
    Ok(found)
}

fn policies_in(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let has_cases = |dir: &Path| dir.join("cases").is_dir();
    if has_cases(dir) {
        return Ok(vec![dir.to_owned()]);
    }
    if !dir.is_dir() && dir.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut dirs = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    dirs.retain(|dir| has_cases(dir));
    dirs.sort();
    Ok(dirs)
}

/// The name of a policy's folder.
///
/// # Errors
/// There is no such folder, or it has no name.
pub fn name(dir: &Path) -> anyhow::Result<String> {
    let full = dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?;
    let name = full.file_name().with_context(|| format!("{} is not a policy's folder", full.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The component of a policy: NAME.wasm in its folder, the only .wasm file there, or NAME.wasm in target/policies of the
/// nearest folder above it that has one.
///
/// # Errors
/// There is none: how to make one.
pub fn find_module(dir: &Path, name: &str, otherwise: &str) -> anyhow::Result<PathBuf> {
    let file = format!("{name}.wasm");
    let full = dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?;
    let mut there = Vec::new();
    for entry in std::fs::read_dir(&full).with_context(|| format!("cannot read {}", dir.display()))? {
        there.push(entry?.path());
    }
    there.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    let only = if there.len() == 1 { there.pop() } else { None };
    let beside = std::iter::once(full.join(&file)).chain(only);
    let built = full.ancestors().map(|folder| folder.join("target").join("policies").join(&file));
    beside.chain(built).find(|path| path.is_file()).with_context(|| {
        format!(
            "{} has no component: there is neither {file} nor one other .wasm file in it, nor target/policies/{file} in a folder above; build it \
             with `portcullis policy build {}`, or {otherwise}",
            dir.display(),
            dir.display()
        )
    })
}

/// A component's bytes, at most one more than any policy set may allow.
///
/// # Errors
/// It cannot be read or is too large.
pub fn read_module(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;

    let limit = portcullis_gate::MAX_MODULE_MIB.saturating_mul(1024 * 1024);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > limit {
        bail!("{} is larger than {} MiB", path.display(), portcullis_gate::MAX_MODULE_MIB);
    }
    Ok(bytes)
}

fn list(dirs: &[PathBuf]) -> String {
    dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
}
