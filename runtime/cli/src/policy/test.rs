//! `portcullis policy test`.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_engine::Engine;
use portcullis_gate::{MAX_TIME_MS, Sha256};
use portcullis_inspect::{InspectLimits, inspect};
use serde::Serialize;

use super::compare::{codes, difference};
use super::coverage::Coverage;
use super::fuel::{self, Fuel};
use super::suite::{Choice, Loader, Suite, limits, said_word, suites};
use super::{test_report, watch};
use crate::args::{TestArgs, TestFormat};
use crate::exit::Exit;
use crate::{cache, progress, report};

/// How much more wall time a policy gets here: its code is a draft, and other work may share the machine. Fuel is exact.
const DRAFT_SLOWNESS: u64 = 10;

/// What came of all policies.
#[derive(Debug, Default, Serialize)]
pub struct Tested {
    /// Whether every case passed and nothing was found that is denied.
    pub ok: bool,
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// In the order of the arguments.
    pub policies: Vec<TestedPolicy>,
}

/// What came of one policy.
#[derive(Debug, Serialize)]
pub struct TestedPolicy {
    /// Its folder's name.
    pub name: String,
    /// The component's digest.
    pub module_sha256: Sha256,
    /// Why the component was refused; then no case was run, and each has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Its cases, in their order.
    pub cases: Vec<TestedCase>,
    /// Which codes they reach; `None` where not all of them ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What became of their fuel.
    pub fuel: fuel::Compared,
    /// What was found that is denied.
    pub denied: Vec<Denied>,
}

/// Something that the arguments deny.
#[derive(Debug, Serialize)]
pub struct Denied {
    /// What, and by which argument.
    pub what: &'static str,
    /// Each code or case.
    pub because: Vec<String>,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct TestedCase {
    /// Its name.
    pub name: String,
    /// The file that it is in.
    pub file: String,
    /// Whether the policy said what it should.
    pub passed: bool,
    /// What it said: an outcome, `abstain`, or a fault's code.
    pub said: String,
    /// Fuel used; absent where it was not evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Linear memory in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What was expected and what came, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
}

/// Runs the cases of each policy, once or whenever something changes.
///
/// # Errors
/// A case is malformed, a component is missing, or there is nothing to run.
pub fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    if !args.watch {
        return once(args, &cache::draft_engine(&args.cache)?);
    }
    if args.format != TestFormat::Human {
        return Err(report::usage("--watch is for people; leave out --format"));
    }
    watch::run(args)
}

/// Runs the cases of each policy and prints what came of them.
///
/// # Errors
/// As for [`run`].
pub fn once(args: &TestArgs, engine: &Engine) -> anyhow::Result<Exit> {
    let choice = Choice { dirs: &args.dirs, module: args.module.as_deref(), filter: args.filter.as_deref() };
    let suites = suites(&choice)?;
    let bar = progress::bar(suites.iter().map(|suite| suite.cases.len()).sum());
    let mut tested = Tested { ok: true, ..Tested::default() };
    for suite in &suites {
        bar.set_message(suite.name.clone());
        let policy = run_suite(args, engine, suite, &bar)?;
        if args.format == TestFormat::Human {
            bar.suspend(|| report::out(&test_report::policy(&policy, suite, args)))?;
        }
        let passed = policy.cases.iter().filter(|case| case.passed).count();
        tested.passed = tested.passed.saturating_add(passed);
        tested.failed = tested.failed.saturating_add(policy.cases.len().saturating_sub(passed));
        tested.ok &= policy.denied.is_empty();
        tested.policies.push(policy);
    }
    tested.ok &= tested.failed == 0;
    bar.finish_and_clear();
    report::out(&match args.format {
        TestFormat::Human => test_report::total(&tested),
        TestFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&tested)?) + "\n",
        TestFormat::Junit => test_report::junit(&tested)?,
    })?;
    Ok(if tested.ok { Exit::Done } else { Exit::Error })
}

fn run_suite(
    args: &TestArgs,
    engine: &Engine,
    suite: &Suite,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<TestedPolicy> {
    let module_sha256 = Sha256::of(&suite.module);
    let report = match inspect(&suite.module, &InspectLimits::default()) {
        Ok(report) => report,
        Err(refusal) => {
            bar.inc(suite.cases.len() as u64);
            return Ok(refused(suite, module_sha256, refusal.fault.code(), refusal.to_string()));
        }
    };
    let mut limits = limits(&suite.module);
    limits.time_ms = limits.time_ms.saturating_mul(DRAFT_SLOWNESS).min(MAX_TIME_MS);
    let mut loader = Loader::new(engine, &suite.name, &suite.module, limits);
    let mut cases = Vec::with_capacity(suite.cases.len());
    let mut reached = BTreeSet::new();
    let mut used = BTreeMap::new();
    for case in &suite.cases {
        let ran = loader.run(case)?;
        bar.inc(1);
        reached.extend(codes(&ran.said).map(str::to_owned));
        let said = said_word(&ran.said);
        // What the clock cut short used as much fuel as the machine let it.
        if let Some(cost) = ran.cost.filter(|_| said != portcullis_gate::Fault::Time.code()) {
            used.insert(case.name.clone(), cost.fuel);
        }
        let difference = difference(&case.expect, &ran.said);
        cases.push(TestedCase {
            name: case.name.clone(),
            file: case.file.display().to_string(),
            passed: difference.is_none(),
            said: said.to_owned(),
            fuel: ran.cost.map(|cost| cost.fuel),
            memory_bytes: ran.cost.map(|cost| cost.memory_bytes),
            duration_us: ran.cost.map(|cost| u64::try_from(cost.duration.as_micros()).unwrap_or(u64::MAX)),
            difference,
        });
    }
    let coverage = suite.complete.then(|| Coverage::of(&report, &reached));
    let engine_sha256 = engine.configuration_sha256();
    let now = Fuel { version: fuel::VERSION, module_sha256, engine_sha256, cases: used };
    let passed = cases.iter().all(|case| case.passed);
    let fuel = compare_fuel(args, suite, &now, passed)?;
    let mut denied = Vec::new();
    if args.deny_uncovered && !coverage.as_ref().is_some_and(Coverage::is_complete) {
        let what = "the cases and the description do not have the same codes (--deny-uncovered)";
        denied.push(Denied { what, because: coverage.as_ref().map(Coverage::words).unwrap_or_default() });
    }
    if args.deny_fuel_change && !fuel.is_unchanged() {
        let what = "the cases do not use the fuel that is kept (--deny-fuel-change)";
        denied.push(Denied { what, because: fuel.words() });
    }
    if args.update_fuel && !passed {
        let what = "fuel is kept only of policies whose cases pass (--update-fuel)";
        denied.push(Denied { what, because: Vec::new() });
    }
    Ok(TestedPolicy { name: suite.name.clone(), module_sha256, refused: None, cases, coverage, fuel, denied })
}

fn compare_fuel(args: &TestArgs, suite: &Suite, now: &Fuel, passed: bool) -> anyhow::Result<fuel::Compared> {
    if args.update_fuel && passed {
        now.write(&suite.dir)?;
        return Ok(fuel::Compared::Written { cases: now.cases.len() });
    }
    Ok(match Fuel::read(&suite.dir)? {
        None => fuel::Compared::Absent,
        Some(kept) => fuel::Compared::Present(now.compare(&kept, args.fuel_tolerance, suite.complete)),
    })
}

fn refused(suite: &Suite, module_sha256: Sha256, code: &str, reason: String) -> TestedPolicy {
    let case = |case: &super::cases::Case| TestedCase {
        name: case.name.clone(),
        file: case.file.display().to_string(),
        passed: false,
        said: code.to_owned(),
        fuel: None,
        memory_bytes: None,
        duration_us: None,
        difference: None,
    };
    TestedPolicy {
        name: suite.name.clone(),
        module_sha256,
        cases: suite.cases.iter().map(case).collect(),
        refused: Some(reason),
        coverage: None,
        fuel: fuel::Compared::Absent,
        denied: Vec::new(),
    }
}
