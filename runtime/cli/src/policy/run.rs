//! `portcullis policy run`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use portcullis::doors::{self, DoorOptions, Kind};
use portcullis_engine::{CacheUse, History, LoadError, Mode, PolicySource, RecordedHistory, Traced};
use portcullis_gate::{Answer, Document, Limits, Request, Said, Sha256, Verdict, masked};
use uuid::Uuid;

use super::cases::{self, Case};
use super::{compare, run_report, suite};
use crate::args::{ReportFormat, RunArgs};
use crate::decide::input::{self, Source};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::{cache, report};

/// What a policy is run with.
pub struct Given {
    /// The request, as the policy sees it: a door's masks are applied.
    pub request: Request,
    /// What `configure` gets.
    pub settings: String,
    /// The reference documents, as JSON text.
    pub data: BTreeMap<String, String>,
    /// Where questions about past decisions are answered; `None`: they are faults.
    pub history: Option<Arc<dyn History>>,
    /// The case that all of it is from.
    pub case: Option<Case>,
}

/// What came of it.
pub struct Done<'a> {
    /// What the policy was run with.
    pub given: &'a Given,
    /// The component's digest.
    pub module_sha256: Sha256,
    /// Its limits.
    pub limits: Limits,
    /// How long it took to load.
    pub load: std::time::Duration,
    /// Whether it was compiled before, and taken from the cache.
    pub cached: bool,
    /// What was loaded and evaluated, or why it could not be loaded.
    pub ran: Result<Evaluated, LoadError>,
    /// What the case expected and what came, where they differ.
    pub difference: Option<String>,
}

/// A policy that was loaded and evaluated.
pub struct Evaluated {
    /// How it gets its settings.
    pub mode: Mode,
    /// The pointers of its declared inputs.
    pub pointers: Vec<String>,
    /// Everything that went into the evaluation, and what came of it.
    pub traced: Traced,
}

/// Runs a policy on one request and prints everything.
///
/// # Errors
/// A file cannot be read, or is not what it should be.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let module = suite::read_module(&args.module)?;
    let given = given(args)?;
    let engine = cache::engine(&args.cache)?;
    let limits = suite::limits(&module);
    let name = args.module.file_stem().unwrap_or_default().to_string_lossy();
    let source = PolicySource {
        name: &name,
        settings: &given.settings,
        limits,
        data: Arc::new(suite::documents(&given.data)?),
        expected_sha256: None,
    };
    let started = Instant::now();
    let loaded = {
        let _spinner = Spinner::start("compiling the policy");
        engine.load(&module, &source)
    };
    let load = started.elapsed();
    let cached = loaded.as_ref().is_ok_and(|policy| *policy.cache_use() == CacheUse::Hit);
    let ran = loaded.map(|policy| Evaluated {
        mode: policy.mode().clone(),
        pointers: policy.inputs().iter().map(|pointer| pointer.as_str().to_owned()).collect(),
        traced: policy.trace(&given.request, given.history.clone()),
    });
    let said = match &ran {
        Ok(evaluated) => evaluated.traced.evaluation.said.clone(),
        Err(error) => suite::not_loaded(error),
    };
    let difference = given.case.as_ref().and_then(|case| compare::difference(&case.expect, &said));
    let done = Done { given: &given, module_sha256: Sha256::of(&module), limits, load, cached, ran, difference };
    report::out(&match args.format {
        ReportFormat::Human => run_report::human(&name, &done, &said),
        ReportFormat::Json => run_report::json(&name, &done, &said)?,
    })?;
    Ok(exit(&said))
}

/// As a policy set of this policy alone would.
fn exit(said: &Said) -> Exit {
    match said {
        Said::Fault(_) => Exit::Error,
        Said::Answer(Answer { verdict: Verdict::Abstain, .. }) => Exit::Deny,
        Said::Answer(Answer { verdict: Verdict::Findings(findings), .. }) => {
            findings.iter().map(|finding| finding.outcome).max().map_or(Exit::Error, Exit::from)
        }
    }
}

fn given(args: &RunArgs) -> anyhow::Result<Given> {
    if let Some(file) = &args.case {
        let case = only_case(file, args.name.as_deref())?;
        let (request, settings, data) = (case.request.clone(), case.settings.clone(), case.data.clone());
        return Ok(Given { request, settings, data, history: suite::history(&case), case: Some(case) });
    }
    let request = args.request.as_deref().context("name a request with --request FILE")?;
    let request = request_from(args, request)?;
    let settings = match (&args.settings, &args.settings_json) {
        (Some(path), _) => read_json(path).context("--settings")?,
        (None, Some(json)) => strict(json.as_bytes()).context("--settings-json")?,
        (None, None) => "{}".to_owned(),
    };
    let mut data = BTreeMap::new();
    for argument in &args.data {
        let Some((name, path)) = argument.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(report::usage(format!("--data {argument}: write NAME=FILE")));
        };
        if data.insert(name.to_owned(), read_json(Path::new(path)).context("--data")?).is_some() {
            return Err(report::usage(format!("--data gives {name:?} twice")));
        }
    }
    let history = args.history.as_deref().map(|path| history(path, request.now())).transpose()?;
    Ok(Given { request, settings, data, history, case: None })
}

fn only_case(file: &Path, name: Option<&str>) -> anyhow::Result<Case> {
    let mut cases = cases::read_file(file)?;
    if let Some(name) = name {
        match cases.iter().position(|case| case.name == name) {
            Some(at) => return Ok(cases.swap_remove(at)),
            None => cases.retain(|case| case.name.contains(name)),
        }
    }
    match cases.len() {
        1 => Ok(cases.swap_remove(0)),
        0 => bail!("{} has no such case", file.display()),
        _ => {
            let names: Vec<String> = cases.iter().map(|case| format!("  {:?}", case.name)).collect();
            bail!("{} has several such cases; choose one with --name TEXT:\n{}", file.display(), names.join("\n"))
        }
    }
}

/// A payload, through its door, masked as the door asks.
fn request_from(args: &RunArgs, path: &Path) -> anyhow::Result<Request> {
    let options = DoorOptions {
        subject: args.subject.clone(),
        environment: args.environment.clone(),
        resource_id: args.resource_id.clone(),
        context: input::context(&args.context)?,
    };
    let named = || format!("--request {}", path.display());
    let payload = read(path).with_context(named)?;
    let opened = doors::open(args.from.map(Kind::from), &payload, &options).with_context(named)?;
    let now = args.now.unwrap_or_else(Timestamp::now);
    let request = Request::parse(&opened.request, now).with_context(named)?;
    // A key of this process, as for a rehearsal: tokens are equal within a run.
    let key = Sha256::of(Uuid::new_v4().as_bytes());
    let mut token = |value: &str| {
        format!("masked:hmac-sha256:{}", portcullis_ledger::keyed_digest(key.as_bytes(), value.as_bytes()))
    };
    match masked(request.document(), &opened.masks, &mut token) {
        None => Ok(request),
        Some(text) => Request::parse(text.as_bytes(), now).context("--request, masked"),
    }
}

/// Past decisions as a case has them, or the questions and answers of a recorded decision.
fn history(path: &Path, now: Timestamp) -> anyhow::Result<Arc<dyn History>> {
    let text = read_json(path).context("--history")?;
    let written: Vec<serde_json::Value> = serde_json::from_str(&text).context("--history: not a list")?;
    if written.iter().any(|one| one.get("query").is_some()) {
        let calls = serde_json::from_str(&text).context("--history: not what a recorded decision's history is")?;
        return Ok(Arc::new(RecordedHistory::new(calls)));
    }
    Ok(Arc::new(cases::past(&text, now).context("--history")?))
}

fn read_json(path: &Path) -> anyhow::Result<String> {
    strict(&read(path)?).with_context(|| path.display().to_string())
}

/// The text as it is, where it is strict JSON.
fn strict(bytes: &[u8]) -> anyhow::Result<String> {
    Document::parse(bytes)?;
    Ok(std::str::from_utf8(bytes)?.to_owned())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let source = if path == Path::new("-") { Source::Stdin } else { Source::File(path.to_owned()) };
    source.read().map_err(|undecided| anyhow::Error::msg(undecided.message))
}
