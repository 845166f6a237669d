//! `portcullis decide`.

mod github;
mod human;
pub mod input;
mod json;
mod junit;
mod named;
pub mod words;

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::doors::{self, DoorError, DoorOptions, Kind};
use portcullis::{DecideError, DecideOptions, Gate, MANIFEST_FILE, Place, PolicySet};
use portcullis_gate::{DecisionView, Request, RequestError};
use serde::Serialize;

use crate::args::{DecideArgs, DecisionFormat};
use crate::each::each;
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::{cache, ledger, modules, report};

pub use human::push_decision;
pub use json::{Line, printable};
pub use named::{Entity, Named};
pub use words::asked;

/// One payload and what became of it.
pub struct Payload {
    /// What the caller calls it.
    source: String,
    decided: Result<Decided, Undecided>,
}

/// A decision, and what is shown beside it.
pub struct Decided {
    /// Who wants to do what to what.
    pub asked: String,
    /// What the request names; `None` where it was erased.
    pub named: Option<Named>,
    pub view: DecisionView<'static>,
    pub place: Place,
    pub standing: Standing,
}

/// What a decision is good for when it is printed, whatever its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It says what may happen now.
    Holds,
    /// Its outcome proceeds, and it gives no permission: it was made under the same idempotency key, and its time is over.
    Lapsed,
    /// It is not recorded, and gives no permission.
    Rehearsal,
    /// It is read from the ledger; nobody asks now.
    Past,
}

/// Why there is no decision. Nothing proceeds.
#[derive(Clone, Debug, Serialize)]
pub struct Undecided {
    /// `request.shape`, `payload.unreadable` ...
    code: String,
    /// For people.
    pub message: String,
}

/// More requests than any command line decides at once.
const MAX_IN_FLIGHT: usize = 1024;

/// Decides each payload, records the decisions, and prints them.
///
/// # Errors
/// The policy set or the ledger cannot be opened, an option is wrong, or standard output cannot be written. A payload that
/// cannot be read or parsed is reported among the others.
pub fn run(args: &DecideArgs) -> anyhow::Result<Exit> {
    let sources = input::sources(&args.files)?;
    if args.idempotency_key.is_some() && sources.len() > 1 {
        return Err(report::usage(format!(
            "--idempotency-key stands for one request, and {} payloads are named: decide them one by one",
            sources.len()
        )));
    }
    let options = door_options(args)?;
    // While the ledger is open nobody else can write to it: whoever feeds this command slowly must not hold them up.
    let inputs: Vec<input::Input> = sources.into_iter().map(input::Input::new).collect();
    let (gate, waiting) = open(args)?;
    let waiting = Mutex::new(waiting);
    let decide = |input: &input::Input| {
        let decided = decide(args, &options, &gate, input);
        // The ledger answered.
        drop(waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
        Payload { source: input.source().to_string(), decided }
    };
    let payloads = each(&inputs, args.jobs, decide);

    print(args.format, &payloads)?;
    let exits = payloads.iter().map(|payload| match &payload.decided {
        Ok(decided) if decided.standing == Standing::Lapsed => Exit::Error,
        Ok(decided) => decided.view.outcome.into(),
        Err(_) => Exit::Error,
    });
    Ok(exits.reduce(Exit::stricter).unwrap_or(Exit::Error))
}

/// The gate that the arguments ask for, and what says why its ledger does not answer yet. What is rehearsed at another
/// time is never recorded.
fn open(args: &DecideArgs) -> anyhow::Result<(Gate, Option<ledger::Waiting>)> {
    let engine = cache::engine(&args.cache)?;
    let set = {
        let _spinner = Spinner::start("compiling policies");
        PolicySet::open_with(&args.policies, modules::store(&args.modules).ok().as_ref(), &engine)
            .map_err(|error| modules::manifest_first(&args.policies, error))?
    };
    cache::warn_of_not_kept(&engine);
    warn_of_manifest(args, &set);
    if let Some(now) = args.now {
        report::warning(&format!(
            "DRY RUN at another time: policies and waivers see {now} as the present; nothing is recorded, and nothing may \
             go on because of it"
        ));
    } else if args.dry_run {
        report::warning("DRY RUN: nothing is recorded, and nothing may go on because of it");
    }
    if args.dry_run || args.now.is_some() {
        return Ok((Gate::dry_run(set, MAX_IN_FLIGHT), None));
    }
    let opened = Arc::new(ledger::open(&args.ledger)?);
    let waiting = ledger::Waiting::start(&opened);
    Ok((Gate::new(set, opened, MAX_IN_FLIGHT)?, waiting))
}

fn decide(args: &DecideArgs, options: &DoorOptions, gate: &Gate, input: &input::Input) -> Result<Decided, Undecided> {
    let bytes = input.bytes()?;
    let opened = doors::open(args.from.map(Kind::from), &bytes, options)?;
    let request = Request::parse(&opened.request, args.now.unwrap_or_else(Timestamp::now))?;
    let unnamed = options.subject.is_none() && asks_nobody(opened.kind, &request);
    if unnamed && args.format == DecisionFormat::Human {
        report::note(&format!(
            "{} does not say who asks, so it is recorded as asked by {}: say it with --subject TYPE:ID",
            input.source(),
            words::asker(&request)
        ));
    }
    let options = DecideOptions {
        correlation_id: args.correlation_id.clone().or(opened.uid),
        idempotency_key: args.idempotency_key.clone(),
        masks: opened.masks,
        ..DecideOptions::default()
    };
    let recorded = gate.decide(request, &options)?;
    let view = recorded.view().map_err(|error| Undecided::new("portcullis.record", error.to_string()))?;
    let standing = if *recorded.place() == Place::DryRun {
        Standing::Rehearsal
    } else if recorded.outcome().proceeds() && recorded.permission().is_none() {
        Standing::Lapsed
    } else {
        Standing::Holds
    };
    let (request, place) = (recorded.request(), recorded.place().clone());
    Ok(Decided::new(asked(request), Some(Named::of(request)), view.into_owned(), place, standing))
}

/// Whether a payload of a kind that need not say who asks does not.
fn asks_nobody(kind: Kind, request: &Request) -> bool {
    match kind {
        Kind::Terraform => true,
        Kind::Stage0 => words::asker(request).starts_with("run "),
        Kind::Native | Kind::Kubernetes => false,
    }
}

/// Shows what is worth knowing about the manifest although it is no error.
fn warn_of_manifest(args: &DecideArgs, set: &PolicySet) {
    if set.warnings().is_empty() {
        return;
    }
    let path = if args.policies.is_dir() { args.policies.join(MANIFEST_FILE) } else { args.policies.clone() };
    if let Ok(text) = std::fs::read_to_string(&path) {
        report::marks(&path.display().to_string(), &text, set.warnings(), miette::Severity::Warning);
    }
}

fn print(format: DecisionFormat, payloads: &[Payload]) -> anyhow::Result<()> {
    let text = match format {
        DecisionFormat::Human => human::render(payloads),
        DecisionFormat::Json => json::render(payloads)?,
        DecisionFormat::Github => github::render(payloads),
        DecisionFormat::Junit => junit::render(payloads)?,
    };
    if format == DecisionFormat::Human {
        anstream::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")?;
    } else {
        std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")?;
    }
    if format == DecisionFormat::Github
        && let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())
    {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        file.as_mut()
            .map_err(|error| std::io::Error::new(error.kind(), error.to_string()))
            .and_then(|file| file.write_all(github::step_summary(payloads).as_bytes()))
            .context("cannot write the step summary to GITHUB_STEP_SUMMARY")?;
    }
    Ok(())
}

fn door_options(args: &DecideArgs) -> anyhow::Result<DoorOptions> {
    Ok(DoorOptions {
        subject: args.subject.clone(),
        environment: args.environment.clone(),
        resource_id: args.resource_id.clone(),
        context: input::context(&args.context)?,
    })
}

impl Decided {
    /// What is printed of a decision. One that has lapsed does not proceed, whatever it said when it was made.
    pub fn new(
        asked: String,
        named: Option<Named>,
        mut view: DecisionView<'static>,
        place: Place,
        standing: Standing,
    ) -> Decided {
        view.proceed = view.proceed && standing != Standing::Lapsed;
        Decided { asked, named, view, place, standing }
    }
}

impl Undecided {
    fn new(code: &str, message: impl Into<String>) -> Undecided {
        Undecided { code: code.to_owned(), message: message.into() }
    }
}

impl From<RequestError> for Undecided {
    fn from(error: RequestError) -> Undecided {
        Undecided::new(error.code, error.message)
    }
}

impl From<DecideError> for Undecided {
    fn from(error: DecideError) -> Undecided {
        Undecided::new(error.code(), error.to_string())
    }
}

impl From<DoorError> for Undecided {
    fn from(error: DoorError) -> Undecided {
        match error {
            DoorError::Request(error) => error.into(),
            DoorError::Shape { .. } => Undecided::new("payload.shape", error.to_string()),
            DoorError::Option { .. } => Undecided::new("payload.option", error.to_string()),
            DoorError::Guess { .. } => Undecided::new("payload.unknown", format!("{error} (--from KIND)")),
        }
    }
}

#[cfg(test)]
mod tests;
