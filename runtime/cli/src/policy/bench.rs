//! `portcullis policy bench`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use portcullis_engine::{
    CacheOptions, Engine, EngineOptions, History, LoadTimes, Policy, PolicySource, RecordedHistory,
};
use portcullis_gate::{HistoryCall, Limits, PastDecision, Request, Sha256};

use super::suite::{self, said_word};
use super::{bench_ledger, bench_report, cases};
use crate::args::{BenchArgs, ReportFormat};
use crate::exit::Exit;
use crate::{cache, progress, report};

/// What a policy is loaded with, and the requests that it judges so.
pub struct Group {
    /// What `configure` gets.
    pub settings: String,
    /// The reference documents, as JSON text.
    pub data: BTreeMap<String, String>,
    /// The limits.
    pub limits: Limits,
    /// The requests.
    pub subjects: Vec<Subject>,
}

/// A request to judge.
pub struct Subject {
    /// The case's name, or the decision's id.
    pub name: String,
    /// The request.
    pub request: Request,
    /// What the policy is told of the past.
    pub past: Past,
}

/// Where a policy's questions about the past are answered.
pub enum Past {
    /// They are faults.
    None,
    /// From these decisions.
    Decisions(Arc<Vec<PastDecision>>),
    /// As in a recorded decision.
    Recorded(Vec<HistoryCall>),
}

/// The requests, and where they are from.
#[derive(Default)]
pub struct Subjects {
    /// By what the policy is loaded with.
    pub groups: BTreeMap<Key, Group>,
    /// `cases` or `recorded decisions`.
    pub source: &'static str,
    /// Recorded decisions that cannot be judged again, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// Tells groups apart: settings, documents, limits.
pub type Key = (String, BTreeMap<String, String>, String);

/// The figures.
pub struct Measured {
    /// The component's digest.
    pub module_sha256: Sha256,
    /// Where the requests are from.
    pub source: &'static str,
    /// Recorded decisions that cannot be judged again, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
    /// With how many settings and documents the policy was loaded.
    pub settings: usize,
    /// How often each request was judged.
    pub iterations: u32,
    /// Whole evaluations in nanoseconds, ascending.
    pub times_ns: Vec<u64>,
    /// Each request's.
    pub subjects: Vec<MeasuredSubject>,
    /// The limits of the group with the most requests.
    pub limits: Limits,
    /// The parts of loading, for that group.
    pub load: LoadTimes,
    /// Loading as a host does it, compiling everything.
    pub load_cold: Duration,
    /// Loading as a host does it, from the compile cache.
    pub load_cached: Duration,
}

/// What one request took.
pub struct MeasuredSubject {
    /// The case's name, or the decision's id.
    pub name: String,
    /// What the policy said.
    pub said: &'static str,
    /// Fuel used.
    pub fuel: u64,
    /// Linear memory in the end.
    pub memory_bytes: u64,
    /// The median, in nanoseconds.
    pub p50_ns: u64,
}

/// Most evaluations in one run: each is remembered.
const MAX_EVALUATIONS: u64 = 10_000_000;

/// Measures a policy and prints the figures.
///
/// # Errors
/// The policy cannot be loaded, or there is nothing to judge.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    let (name, module, folder) = component(args)?;
    let module = suite::read_module(&module)?;
    let subjects = match (&args.ledger, folder) {
        (Some(ledger), _) => bench_ledger::subjects(ledger, args, &Sha256::of(&module))?,
        (None, Some(folder)) => from_cases(&folder, suite::limits(&module))?,
        (None, None) => {
            return Err(report::usage("name the requests: --cases DIR, --ledger FILE, or the folder of a policy"));
        }
    };
    let measured = measure(&name, &module, subjects, args)?;
    report::out(&match args.format {
        ReportFormat::Human => bench_report::human(&name, &measured),
        ReportFormat::Json => bench_report::json(&name, &measured)?,
    })?;
    Ok(Exit::Done)
}

/// The policy's name, its component, and the folder of its cases.
fn component(args: &BenchArgs) -> anyhow::Result<(String, PathBuf, Option<PathBuf>)> {
    if args.policy.is_dir() {
        let name = suite::name(&args.policy)?;
        let module = suite::find_module(&args.policy, &name, "name the component itself")?;
        let folder = args.cases.clone().unwrap_or_else(|| args.policy.join("cases"));
        return Ok((name, module, Some(folder)));
    }
    let name = args.policy.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // The cases beside a component are those of its policy.
    let beside = args.policy.with_file_name("cases");
    let folder = args.cases.clone().or_else(|| beside.is_dir().then_some(beside));
    Ok((name, args.policy.clone(), folder))
}

fn from_cases(folder: &std::path::Path, limits: Limits) -> anyhow::Result<Subjects> {
    let mut subjects = Subjects { source: "cases", ..Subjects::default() };
    for case in cases::read(folder)? {
        let past = case.past.map_or(Past::None, |past| Past::Decisions(Arc::new(past)));
        let subject = Subject { name: case.name, request: case.request, past };
        subjects.add(case.settings, case.data, limits, subject);
    }
    Ok(subjects)
}

impl Subjects {
    /// Adds a request to the group that is loaded so.
    pub fn add(&mut self, settings: String, data: BTreeMap<String, String>, limits: Limits, subject: Subject) {
        let key = (settings.clone(), data.clone(), format!("{limits:?}"));
        let group = self.groups.entry(key);
        group.or_insert_with(|| Group { settings, data, limits, subjects: Vec::new() }).subjects.push(subject);
    }
}

impl Past {
    fn history(&self) -> Option<Arc<dyn History>> {
        match self {
            Past::None => None,
            Past::Decisions(past) => Some(Arc::clone(past) as Arc<dyn History>),
            // For one evaluation.
            Past::Recorded(calls) => Some(Arc::new(RecordedHistory::new(calls.clone()))),
        }
    }
}

/// A policy as one group has it.
struct Loaded {
    policy: Policy,
    subjects: Vec<Subject>,
}

fn measure(name: &str, module: &[u8], subjects: Subjects, args: &BenchArgs) -> anyhow::Result<Measured> {
    let iterations = args.iterations;
    let Subjects { groups, source, mut left_out } = subjects;
    let total: usize = groups.values().map(|group| group.subjects.len()).sum();
    if (total as u64).saturating_mul(iterations.into()) > MAX_EVALUATIONS {
        return Err(report::usage(format!("{total} requests {iterations} times are more than {MAX_EVALUATIONS}")));
    }
    let Some(largest) = groups.values().max_by_key(|group| group.subjects.len()) else {
        bail!("there is no request to judge{}", bench_report::left_out(&left_out));
    };
    let limits = largest.limits;
    let (load, load_cold, load_cached) = measure_load(name, module, largest)?;

    let engine = cache::engine(&args.cache)?;
    let bar = progress::bar(groups.len().saturating_add(iterations as usize));
    bar.set_message("loading");
    let mut loaded = Vec::new();
    for group in groups.into_values() {
        match engine.load(module, &source_of(name, &group)?) {
            Ok(policy) => loaded.push(Loaded { policy, subjects: group.subjects }),
            // Cases of wrong settings expect it.
            Err(error) => {
                let count = left_out.entry(error.fault.code()).or_default();
                *count = count.saturating_add(group.subjects.len());
            }
        }
        bar.inc(1);
    }
    if loaded.is_empty() {
        bail!("the policy loads with none of the settings{}", bench_report::left_out(&left_out));
    }

    let mut figures: Vec<(MeasuredSubject, Vec<u64>)> = loaded
        .iter()
        .flat_map(|one| one.subjects.iter().map(|subject| judge(&one.policy, subject)))
        .map(|(first, _)| (first, Vec::with_capacity(iterations as usize)))
        .collect();
    bar.set_message("judging");
    for _ in 0..iterations {
        let all = loaded.iter().flat_map(|one| one.subjects.iter().map(|subject| judge(&one.policy, subject)));
        for ((_, took), times) in all.zip(figures.iter_mut().map(|(_, times)| times)) {
            times.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut times_ns = Vec::new();
    let mut measured = Vec::new();
    for (mut subject, mut times) in figures {
        times.sort_unstable();
        subject.p50_ns = percentile(&times, 50);
        times_ns.append(&mut times);
        measured.push(subject);
    }
    times_ns.sort_unstable();
    Ok(Measured {
        module_sha256: Sha256::of(module),
        source,
        left_out,
        settings: loaded.len(),
        iterations,
        times_ns,
        subjects: measured,
        limits,
        load,
        load_cold,
        load_cached,
    })
}

fn judge(policy: &Policy, subject: &Subject) -> (MeasuredSubject, Duration) {
    let history = subject.past.history();
    let done = policy.evaluate_with(&subject.request, history);
    let measured = MeasuredSubject {
        name: subject.name.clone(),
        said: said_word(&done.said),
        fuel: done.fuel,
        memory_bytes: done.memory_bytes,
        p50_ns: 0,
    };
    (measured, done.duration)
}

fn source_of<'a>(name: &'a str, group: &'a Group) -> anyhow::Result<PolicySource<'a>> {
    Ok(PolicySource {
        name,
        settings: &group.settings,
        limits: group.limits,
        data: Arc::new(suite::documents(&group.data)?),
        expected_sha256: None,
    })
}

/// The parts of loading; then all of it, without and with the cache. The second of two runs counts: in the first, the
/// engine itself is cold.
fn measure_load(name: &str, module: &[u8], group: &Group) -> anyhow::Result<(LoadTimes, Duration, Duration)> {
    let folder = tempfile::tempdir().context("cannot make a folder for a compile cache")?;
    let options = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("cache.key") };
    let source = source_of(name, group)?;
    let engine = Engine::new(&EngineOptions::default())?;
    engine.measure_load(module, &source)?;
    let parts = engine.measure_load(module, &source)?;
    let cached = Engine::new(&EngineOptions { cache: Some(options), ..EngineOptions::default() })?;
    let timed = |engine: &Engine| -> anyhow::Result<Duration> {
        let started = Instant::now();
        engine.load(module, &source)?;
        Ok(started.elapsed())
    };
    let cold = timed(&engine)?;
    timed(&cached)?;
    Ok((parts, cold, timed(&cached)?))
}

/// The nearest-rank percentile of ascending figures; 0 of none.
#[must_use]
pub fn percentile(ascending: &[u64], percent: usize) -> u64 {
    let rank = ascending.len().saturating_mul(percent).div_ceil(100).max(1);
    ascending.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<u64> = (1..=200).collect();
        assert_eq!([0, 50, 99, 100].map(|p| percentile(&figures, p)), [1, 100, 198, 200]);
        assert_eq!([50, 99].map(|p| percentile(&[7], p)), [7, 7]);
        assert_eq!(percentile(&[1, 9], 50), 1);
        assert_eq!(percentile(&[], 50), 0);
    }
}
