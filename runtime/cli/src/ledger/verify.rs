//! `portcullis ledger verify`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use portcullis_ledger::store::postgres::Postgres;
use portcullis_ledger::{Pages, Problem, ProblemCode, StoreError, Verification, verify_file, verify_store};
use serde_json::json;

use super::{Place, own_key, public_key, unreadable};
use crate::args::{ReportFormat, VerifyArgs};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::report;
use crate::text::{counted, shown};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

pub fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let place = match &args.file {
        Some(file) => Place::named(file)?,
        None => Place::of(&args.ledger)?,
    };
    let key = match &args.key {
        Some(file) => Some(public_key(file)?),
        // Whoever replaced the ledger may not have had its key.
        None => own_key(&args.ledger, &place),
    };
    let from = match (&args.key, &key) {
        (Some(file), _) => Some(file.display().to_string()),
        (None, Some(_)) => place.key(&args.ledger).ok().map(|file| file.display().to_string()),
        (None, None) => None,
    };
    let copies = if args.no_checkpoint { Vec::new() } else { copies(args, &place)? };
    let started = Instant::now();
    let found = {
        let _spinner = Spinner::start("verifying");
        match &place {
            Place::File(file) if file.exists() => verify_file(file, &copies, key.as_ref()),
            Place::File(file) => Err(StoreError::File { path: file.clone(), problem: "there is no such file".into() }),
            Place::Postgres(options) => {
                Postgres::open_reader(options).and_then(|mut store| verify_store(&mut store, &copies, key.as_ref()))
            }
        }
    };
    let found = match found {
        // A server that does not answer is no sign of tampering.
        Err(error) if matches!(place, Place::Postgres(_)) && super::unreachable(&place, &error).is_some() => {
            return Err(unreadable(&place, error));
        }
        found => found,
    };
    let sound = found.as_ref().is_ok_and(Verification::is_sound);
    let text = match args.format {
        ReportFormat::Human => human(&place, &found, from.as_deref(), started),
        ReportFormat::Json => json(&place.to_string(), &found, from.as_deref())?,
    };
    report::out(&text)?;
    Ok(if sound { Exit::Done } else { Exit::Unsound })
}

/// The copies to compare with. A machine that has not decided by a PostgreSQL ledger yet has none, and says so.
fn copies(args: &VerifyArgs, place: &Place) -> anyhow::Result<Vec<PathBuf>> {
    let mut copies = place.copies(&args.ledger)?;
    if matches!(place, Place::Postgres(_)) && args.ledger.checkpoint.is_empty() {
        copies.retain(|copy| {
            let there = copy.exists();
            if !there {
                report::warning(&format!(
                    "this machine has no copy of the checkpoint yet ({}), so an old state that was put back would not be \
                     seen here; deciding makes one, and --checkpoint FILE names one",
                    copy.display()
                ));
            }
            there
        });
    }
    Ok(copies)
}

fn human(place: &Place, found: &Result<Verification, StoreError>, key: Option<&str>, started: Instant) -> String {
    let mut out = String::new();
    let file = &place.to_string();
    match found {
        Err(error) => {
            _ = writeln!(out, "{BAD}✖ NOT SOUND{BAD:#}  {}\n  {}", shown(file), shown(&error.to_string()));
        }
        Ok(found) => {
            let events = counted(usize::try_from(found.size).unwrap_or(usize::MAX), "event", "events");
            let verdict = if found.is_sound() {
                format!("{GOOD}✔ SOUND{GOOD:#}")
            } else {
                format!("{BAD}✖ NOT SOUND{BAD:#}")
            };
            _ = writeln!(out, "{verdict}  {}: {events}{}, in {}", shown(file), bytes(place), took(started));
            for Problem { code, at, detail } in &found.problems {
                _ = writeln!(out, "  {BAD}✖{BAD:#} {}: {} {FAINT}({}){FAINT:#}", shown(at), shown(detail), name(*code));
            }
            if found.problems_left_out > 0 {
                _ = writeln!(out, "  and {} more", found.problems_left_out);
            }
            _ = writeln!(out, "  {FAINT}root {}{FAINT:#}", found.root);
            let erased = if found.erased > 0 { format!(", {} payloads erased", found.erased) } else { String::new() };
            let compared =
                counted(usize::try_from(found.checkpoints).unwrap_or(0), "signed checkpoint", "signed checkpoints");
            _ = writeln!(out, "  {FAINT}{compared} compared{erased}{FAINT:#}");
            let key = key.map_or_else(
                || "the one that the ledger names itself; --key FILE names one from elsewhere".to_owned(),
                |file| format!("the one in {}", shown(file)),
            );
            _ = writeln!(out, "  {FAINT}the key that was expected: {key}{FAINT:#}");
            if let Pages::NotChecked { reason } = &found.pages {
                _ = writeln!(out, "  {FAINT}the file's unused bytes were not looked at: {reason}{FAINT:#}");
            }
        }
    }
    out
}

/// How large a file is: `, 17 KB`, `, 3.2 GB`.
fn bytes(place: &Place) -> String {
    let Place::File(file) = place else { return String::new() };
    let length = std::fs::metadata(file).map_or(0, |found| found.len());
    const UNITS: [&str; 4] = ["bytes", "KB", "MB", "GB"];
    let (mut value, mut unit) = (length as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 10.0);
    format!(", {value:.decimals$} {}", UNITS.get(unit).copied().unwrap_or("GB"))
}

/// `12 ms`, `3.4 s`.
fn took(started: Instant) -> String {
    let took = started.elapsed();
    if took.as_secs() == 0 { format!("{} ms", took.as_millis()) } else { format!("{:.1} s", took.as_secs_f64()) }
}

/// A problem's code, as in the JSON.
fn name(code: ProblemCode) -> String {
    format!("{code:?}").to_lowercase()
}

fn json(file: &str, found: &Result<Verification, StoreError>, key: Option<&str>) -> anyhow::Result<String> {
    let shown = match found {
        Err(error) => {
            json!({ "file": file, "sound": false, "problems": [{ "code": "unreadable", "at": file, "detail": error.to_string() }] })
        }
        Ok(found) => json!({
            "file": file,
            "sound": found.is_sound(),
            "events": found.size,
            "root": found.root,
            "checkpoints": found.checkpoints,
            "key_file": key,
            "erased": found.erased,
            "pages_checked": matches!(found.pages, Pages::Checked { .. }),
            "problems": found.problems.iter().map(|Problem { code, at, detail }| {
                json!({ "code": name(*code), "at": at, "detail": detail })
            }).collect::<Vec<_>>(),
            "problems_left_out": found.problems_left_out,
        }),
    };
    Ok(crate::decide::printable(&serde_json::to_string_pretty(&shown)?) + "\n")
}
