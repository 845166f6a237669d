//! `portcullis policy test`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};
use portcullis_engine::{Engine, History, LoadError, Policy, PolicySource};
use portcullis_gate::{Document, Fault, Faulted, Limits, MAX_TIME_MS, Said};
use portcullis_inspect::{InspectLimits, inspect};

use super::cases::{self, Case};
use super::compare::{codes, difference};
use crate::args::TestArgs;
use crate::cache;
use crate::exit::Exit;
use crate::progress;
use crate::report;
use crate::text::{counted, shown};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// How much more wall time a policy gets here: its code is a draft, and other work may share the machine. Fuel is exact.
const DRAFT_SLOWNESS: u64 = 10;

/// Most failing cases shown of one policy.
const MAX_FAILURES: usize = 20;

/// A policy with its component and the cases that were chosen.
struct Suite {
    name: String,
    module: Vec<u8>,
    cases: Vec<Case>,
    /// Whether every case of the policy is among them.
    complete: bool,
}

/// Loads a component with each of the settings and documents of its cases, once.
struct Loader<'a> {
    engine: &'a Engine,
    suite: &'a Suite,
    /// The default, raised where the author proposes more.
    limits: Limits,
    loaded: BTreeMap<(String, BTreeMap<String, String>), Result<Policy, LoadError>>,
}

/// Runs the cases of each policy.
///
/// # Errors
/// A case is malformed, a component is missing, or there is nothing to run.
pub fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let suites = suites(args)?;
    let total = suites.iter().map(|suite| suite.cases.len()).sum();
    let engine = cache::draft_engine(&args.cache)?;
    let bar = progress::bar(total);
    let (mut passed, mut failed) = (0usize, 0usize);
    for suite in &suites {
        bar.set_message(suite.name.clone());
        let mut out = String::new();
        let failures = run_suite(&engine, suite, &bar, &mut out)?;
        failed = failed.saturating_add(failures);
        passed = passed.saturating_add(suite.cases.len().saturating_sub(failures));
        bar.suspend(|| print(&out))?;
    }
    bar.finish_and_clear();
    let style = if failed == 0 { GOOD } else { BAD };
    print(&format!("{style}{passed} passed, {failed} failed{style:#}\n"))?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Error })
}

/// Runs the cases of one policy, writes what came of them, and returns how many failed.
fn run_suite(engine: &Engine, suite: &Suite, bar: &indicatif::ProgressBar, out: &mut String) -> anyhow::Result<usize> {
    let report = inspect(&suite.module, &InspectLimits::default());
    if let Err(refusal) = &report {
        bar.inc(suite.cases.len() as u64);
        let cases = counted(suite.cases.len(), "case was", "cases were");
        _ = writeln!(out, "{BAD}✖ {}{BAD:#}: the component is refused, so its {cases} not run", shown(&suite.name));
        _ = writeln!(out, "  {}", shown(&refusal.to_string()));
        return Ok(suite.cases.len());
    }
    let mut limits = report.map_or_else(|_| Limits::default(), |report| report.raised(Limits::default()));
    limits.time_ms = limits.time_ms.saturating_mul(DRAFT_SLOWNESS).min(MAX_TIME_MS);
    let mut loader = Loader { engine, suite, limits, loaded: BTreeMap::new() };
    let mut failures = String::new();
    let mut failed = 0usize;
    let mut reached = BTreeSet::new();
    for case in &suite.cases {
        let said = loader.evaluate(case)?;
        bar.inc(1);
        reached.extend(codes(&said).map(str::to_owned));
        if let Some(difference) = difference(&case.expect, &said) {
            failed = failed.saturating_add(1);
            if failed > MAX_FAILURES {
                continue;
            }
            _ = writeln!(failures, "  {BAD}✖ {}{BAD:#}", shown(&case.name));
            _ = writeln!(failures, "    {FAINT}{}; - is expected, + is what came{FAINT:#}", case.file.display());
            for line in difference.lines() {
                let style = match line.as_bytes().first() {
                    Some(b'-') => AnsiColor::Red.on_default(),
                    Some(b'+') => AnsiColor::Green.on_default(),
                    _ => FAINT,
                };
                _ = writeln!(failures, "    {style}{line}{style:#}");
            }
        }
    }
    if let Some(more @ 1..) = failed.checked_sub(MAX_FAILURES) {
        _ = writeln!(failures, "  {BAD}✖ and {} more{BAD:#}", counted(more, "case", "cases"));
    }
    let (style, symbol) = if failed == 0 { (GOOD, '✔') } else { (BAD, '✖') };
    let passed = suite.cases.len().saturating_sub(failed);
    let of = counted(suite.cases.len(), "case passes", "cases pass");
    _ = writeln!(out, "{style}{symbol} {}{style:#}: {passed} of {of}", shown(&suite.name));
    out.push_str(&failures);
    if suite.complete {
        push_unreached(out, suite, &reached);
    }
    Ok(failed)
}

impl Loader<'_> {
    fn evaluate(&mut self, case: &Case) -> anyhow::Result<Said> {
        let key = (case.settings.clone(), case.data.clone());
        let policy = match self.loaded.entry(key) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let parse = |(name, json): (&String, &String)| Ok((name.clone(), Document::parse(json.as_bytes())?));
                let data: BTreeMap<String, Document> = case.data.iter().map(parse).collect::<anyhow::Result<_>>()?;
                let source = PolicySource {
                    name: &self.suite.name,
                    settings: &case.settings,
                    limits: self.limits,
                    data: Arc::new(data),
                    expected_sha256: None,
                };
                entry.insert(self.engine.load(&self.suite.module, &source))
            }
        };
        Ok(match policy {
            Ok(policy) => {
                let history: Option<Arc<dyn History>> = match &case.past {
                    Some(past) => Some(Arc::new(past.clone())),
                    None => None,
                };
                policy.evaluate_with(&case.request, history).said
            }
            Err(error) => Said::Fault(Faulted { fault: Fault::Load(error.fault), detail: error.detail.clone() }),
        })
    }
}

/// Codes that the description declares and no case reaches, and codes that it does not declare.
fn push_unreached(out: &mut String, suite: &Suite, reached: &BTreeSet<String>) {
    let Ok(report) = inspect(&suite.module, &InspectLimits::default()) else { return };
    let declared: BTreeSet<String> = report.codes.into_iter().map(|code| code.code).collect();
    for code in declared.difference(reached) {
        _ = writeln!(out, "  {FAINT}note: no case reaches {}{FAINT:#}", shown(code));
    }
    if report.description.is_some() {
        for code in reached.difference(&declared) {
            _ = writeln!(out, "  {FAINT}note: the description does not declare {}{FAINT:#}", shown(code));
        }
    }
}

fn suites(args: &TestArgs) -> anyhow::Result<Vec<Suite>> {
    let mut dirs = Vec::new();
    for dir in &args.dirs {
        dirs.extend(policies_in(dir)?);
    }
    if dirs.is_empty() {
        bail!("there is no `cases` folder in {} nor in a folder there; name policy crates", list(&args.dirs));
    }
    if args.module.is_some() && dirs.len() > 1 {
        return Err(report::usage("--module is for one policy; name one folder"));
    }
    let mut suites = Vec::new();
    for dir in &dirs {
        let name = name(dir)?;
        let module = match &args.module {
            Some(module) => module.clone(),
            None => find_module(dir, &name)?,
        };
        let module = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let mut cases = cases::read(&dir.join("cases"))?;
        if cases.is_empty() {
            bail!("{} holds no case", dir.join("cases").display());
        }
        let all = cases.len();
        if let Some(filter) = &args.filter {
            cases.retain(|case| case.name.contains(filter.as_str()));
        }
        suites.push(Suite { name, module, complete: cases.len() == all, cases });
    }
    suites.retain(|suite| !suite.cases.is_empty());
    if suites.is_empty() {
        bail!("no case has a name that contains {:?}", args.filter.as_deref().unwrap_or_default());
    }
    Ok(suites)
}

/// The folder itself where it has cases; else those of its folders that have, by name.
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

fn name(dir: &Path) -> anyhow::Result<String> {
    let full = dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?;
    let name = full.file_name().with_context(|| format!("{} is not a policy's folder", full.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The component of a policy: NAME.wasm in its folder, the only .wasm file there, or NAME.wasm in target/policies of the nearest folder above it that has one.
fn find_module(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
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
             with `portcullis policy build {}`, or name it with --module",
            dir.display(),
            dir.display()
        )
    })
}

fn list(dirs: &[PathBuf]) -> String {
    dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn print(text: &str) -> anyhow::Result<()> {
    anstream::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}
