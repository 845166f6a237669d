//! `portcullis decide`.

mod github;
mod human;
mod input;
mod json;
mod junit;
mod words;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::doors::{self, DoorError, DoorOptions, Kind};
use portcullis::{DecideOptions, MANIFEST_FILE, PolicySet};
use portcullis_gate::{Decision, Request, RequestError};
use serde::Serialize;

use crate::args::{DecideArgs, DecisionFormat};
use crate::cache;
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::report;

pub use json::printable;

/// One payload and what became of it.
pub struct Payload {
    /// What the caller calls it.
    source: String,
    decided: Result<Decision, Undecided>,
}

/// Why there is no decision. Nothing proceeds.
#[derive(Debug, Serialize)]
struct Undecided {
    /// `request.shape`, `payload.unreadable` ...
    code: String,
    message: String,
}

/// Decides each payload and prints the decisions.
///
/// # Errors
/// The policy set cannot be opened, an option is wrong, or standard output cannot be written. A payload that cannot be
/// read or parsed is reported among the others.
pub fn run(args: &DecideArgs) -> anyhow::Result<Exit> {
    let sources = input::sources(&args.files)?;
    let options = door_options(args)?;
    if let Some(now) = args.now {
        report::warning(&format!(
            "this is a rehearsal: policies and waivers see {now} as the present; nothing may go on because of it"
        ));
    }
    let set = {
        let _spinner = Spinner::start("compiling policies");
        PolicySet::open(&args.policies, &cache::engine(&args.cache)?)?
    };
    warn_of_manifest(args, &set);
    let decide =
        |source: &input::Source| Payload { source: source.to_string(), decided: decide(args, &options, &set, source) };
    let payloads = each(&sources, args.jobs, decide);

    print(args.format, &payloads)?;
    let exits = payloads.iter().map(|payload| match &payload.decided {
        Ok(decision) => decision.outcome().into(),
        Err(_) => Exit::Error,
    });
    Ok(exits.reduce(Exit::stricter).unwrap_or(Exit::Error))
}

fn decide(
    args: &DecideArgs,
    options: &DoorOptions,
    set: &PolicySet,
    source: &input::Source,
) -> Result<Decision, Undecided> {
    let bytes = source.read()?;
    let opened = doors::open(args.from.map(Kind::from), &bytes, options)?;
    let request = Request::parse(&opened.request, args.now.unwrap_or_else(Timestamp::now))?;
    let options = DecideOptions { correlation_id: opened.uid, ..DecideOptions::default() };
    Ok(set.decide(&request, &options))
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

/// `work` on every item, at most `jobs` at once, in the items' order.
fn each<T: Sync, R: Send>(items: &[T], jobs: u8, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let jobs = usize::from(jobs).min(items.len());
    if jobs <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let run = || {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                match items.get(n) {
                    Some(item) => done.push((n, work(item))),
                    None => return done,
                }
            }
        };
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
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
