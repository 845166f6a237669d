//! `portcullis review`.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use portcullis::{Reader, Sha256, evidence_beside, read_bundle, write_evidence};
use portcullis_attest::{
    Bundle, Claim, Kind, MAX_NOTE_BYTES, MAX_REVIEWER_BYTES, PrivateKey, Review, review_statement,
};
use portcullis_gate::PublicKey;
use portcullis_inspect::{Report, inspect};
use portcullis_ledger::store::{Blob, Entry};
use portcullis_ledger::{Appended, Body, Event, PolicyReviewed, Time};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{keys, module, widest};
use crate::args::{ApproveArgs, ReportFormat, ReviewCommand, ReviewListArgs, ReviewShowArgs};
use crate::exit::Exit;
use crate::text::{counted, shown};
use crate::{ledger, report};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

const KIND: &str = "policy.reviewed";
/// Events read at once.
const PAGE: u32 = 256;

/// Does what a `review` subcommand says.
///
/// # Errors
/// A file or the ledger cannot be read or written, or the key is readable by others.
pub fn run(command: &ReviewCommand) -> anyhow::Result<Exit> {
    match command {
        ReviewCommand::Approve(args) => approve(args),
        ReviewCommand::List(args) => list(args),
        ReviewCommand::Show(args) => show(args),
    }
}

fn approve(args: &ApproveArgs) -> anyhow::Result<Exit> {
    if args.reviewer.trim().is_empty() || args.reviewer.len() > MAX_REVIEWER_BYTES {
        return Err(report::usage(format!("--reviewer is a name of 1 to {MAX_REVIEWER_BYTES} bytes")));
    }
    if args.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(report::usage(format!("--note has at most {MAX_NOTE_BYTES} bytes")));
    }
    let key = keys::private(&args.key)?;
    let (bytes, name) = module(&args.file)?;
    let sha256 = Sha256::of(&bytes);
    let inspected = match inspect(&bytes, &widest()) {
        Ok(report) => report,
        Err(refusal) => return Ok(super::not_signed(&name, &refusal)),
    };
    let review = Review {
        reviewer: args.reviewer.clone(),
        reviewed_at: seconds(Timestamp::now()),
        note: args.note.clone(),
        inspection: facts(&inspected)?,
    };
    let bundle = Bundle::sign(review_statement(&name, sha256, &review), &key);
    // What would not verify is not written.
    let evidence = Bundle::parse(&bundle)?.verify(sha256, [key.public()])?;
    let recorded = if args.no_ledger { None } else { Some(record(args, sha256, &bundle, &key)?) };
    let path = write_evidence(&args.file, &bundle).with_context(|| match recorded {
        Some(index) => format!("the review is event {index} of the ledger, and cannot be written beside the module"),
        None => "the review cannot be written".to_owned(),
    })?;
    if is_author(&args.file, sha256, &key)? {
        report::warning("this key signed the module as its author, so it does not count as its reviewer");
    }
    let recorded = recorded.map(|index| format!(", event {index} of the ledger")).unwrap_or_default();
    report::out(&format!(
        "{}: {} reviewed sha256 {sha256} with key {}{recorded}\n",
        shown(&path.display().to_string()),
        shown(&review.reviewer),
        evidence.key().id()
    ))?;
    Ok(Exit::Done)
}

/// Whether the evidence beside a module has a signature of the key as its author.
fn is_author(file: &Path, module: Sha256, key: &PrivateKey) -> anyhow::Result<bool> {
    let bundles = evidence_beside(file).context("the evidence beside the module cannot be read")?.into_iter();
    let signed = |bytes: Vec<u8>| {
        let evidence = Bundle::parse(&bytes).and_then(|bundle| bundle.verify(module, [key.public()]));
        evidence.is_ok_and(|evidence| evidence.kind() == Kind::Signature)
    };
    Ok(bundles.filter_map(|found| found.bytes().ok()).any(signed))
}

/// What the reviewer could have seen of the module, in brief, and the digest of the whole report.
fn facts(report: &Report) -> anyhow::Result<Value> {
    Ok(json!({
        "tool": format!("portcullis {}", env!("CARGO_PKG_VERSION")),
        "reportSha256": Sha256::of(&serde_json::to_vec(report)?),
        "admissible": report.admissible,
        "size": report.size_bytes,
        "reads": report.reads,
        "calls": report.calls.iter().map(|call| &call.name).collect::<Vec<_>>(),
        "description": report.description.as_ref().map(|about| json!({ "name": about.name, "version": about.version })),
    }))
}

fn record(args: &ApproveArgs, module: Sha256, bundle: &[u8], key: &PrivateKey) -> anyhow::Result<u64> {
    let body =
        PolicyReviewed { module_sha256: module, bundle_sha256: Sha256::of(bundle), key_sha256: key.public().id() };
    let event = Event { id: Uuid::now_v7(), time: Time::new(Timestamp::now())?, body: Body::PolicyReviewed(body) };
    let mut entry = Entry::new(&event)?;
    entry.blobs = vec![Blob::new(bundle.to_vec())];
    match ledger::open(&args.ledger)?.append(entry)? {
        Appended::Committed(commit) => Ok(commit.index),
        other => bail!("the ledger answered {other:?}"),
    }
}

/// A review, as it is listed.
struct Row {
    /// The evidence's file, or the ledger's event.
    place: String,
    index: Option<u64>,
    key: String,
    module: Option<Sha256>,
    /// What it claims, or why it is not one.
    claim: Result<Claim, String>,
    /// Whether one of the keys that were named signed it; `None` where none was named.
    verified: Option<bool>,
    /// The key that did.
    by: Option<Sha256>,
}

fn list(args: &ReviewListArgs) -> anyhow::Result<Exit> {
    let keys = keys::public(&args.key)?;
    let rows = match &args.file {
        Some(file) => beside(file, &keys)?,
        None => recorded(&ledger::reader(&args.ledger)?, &keys)?,
    };
    let sound = match &args.file {
        Some(_) => keys.iter().all(|key| rows.iter().any(|row| row.claim.is_ok() && row.by == Some(key.id()))),
        None => rows.iter().all(|row| row.claim.is_ok()),
    };
    let text = match args.format {
        ReportFormat::Json => {
            let rows: Vec<Value> = rows.iter().map(json_row).collect();
            crate::decide::printable(&serde_json::to_string_pretty(&rows)?) + "\n"
        }
        ReportFormat::Human => human(&rows, keys.is_empty()),
    };
    report::out(&text)?;
    Ok(if sound { Exit::Done } else { Exit::Unsound })
}

/// The reviews beside a module; signatures are passed over.
fn beside(file: &Path, keys: &[PublicKey]) -> anyhow::Result<Vec<Row>> {
    let (bytes, _) = module(file)?;
    let sha256 = Sha256::of(&bytes);
    let found =
        evidence_beside(file).with_context(|| format!("the evidence beside {} cannot be read", file.display()))?;
    let rows = found.into_iter().map(|found| {
        let bundle = found.bytes().and_then(|bytes| Bundle::parse(&bytes).map_err(|error| error.to_string()));
        row(found.name, None, bundle, Some(sha256), keys)
    });
    let is_review = |row: &Row| !matches!(&row.claim, Ok(claim) if claim.kind == Kind::Signature);
    Ok(rows.filter(is_review).collect())
}

/// The reviews in a ledger, the latest first. What an event says and its bundle does not is a problem.
fn recorded(reader: &Reader, keys: &[PublicKey]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut before = u64::MAX;
    loop {
        let page = reader.of_kind(KIND, before, PAGE)?;
        let Some((oldest, _)) = page.last() else { return Ok(rows) };
        before = *oldest;
        for (index, leaf) in &page {
            rows.push(recorded_row(reader, *index, leaf, keys)?);
        }
    }
}

fn recorded_row(reader: &Reader, index: u64, leaf: &[u8], keys: &[PublicKey]) -> anyhow::Result<Row> {
    let event = Event::decode(leaf)?;
    let Body::PolicyReviewed(body) = event.body else { bail!("event {index} is no review but {}", event.kind()) };
    let bundle = match reader.blob(&body.bundle_sha256)? {
        Some(bytes) => Bundle::parse(&bytes).map_err(|error| error.to_string()),
        None => Err("its bundle is not in the ledger".to_owned()),
    };
    let bundle = bundle.and_then(|bundle| {
        let same = bundle.hint() == body.key_sha256.to_string();
        if same { Ok(bundle) } else { Err("its bundle hints at another key than the event names".to_owned()) }
    });
    Ok(row(format!("event {index}, {}", event.time), Some(index), bundle, Some(body.module_sha256), keys))
}

fn row(
    place: String,
    index: Option<u64>,
    bundle: Result<Bundle, String>,
    module: Option<Sha256>,
    keys: &[PublicKey],
) -> Row {
    let key = bundle.as_ref().map(|bundle| bundle.hint().to_owned()).unwrap_or_default();
    let claim = bundle.as_ref().map_err(Clone::clone).and_then(|bundle| {
        let claim = bundle.claim().map_err(|error| error.to_string())?;
        match (module, claim.subjects.first()) {
            (Some(module), Some(found)) if !claim.subjects.contains(&module) => {
                let verb = if claim.kind == Kind::Review { "reviews" } else { "signs" };
                Err(format!("{verb} sha256:{found}, the module is sha256:{module}"))
            }
            _ => Ok(claim),
        }
    });
    let module = module.or_else(|| claim.as_ref().ok().and_then(|claim| claim.subjects.first().copied()));
    let evidence = bundle.ok().zip(module).and_then(|(bundle, module)| bundle.verify(module, keys).ok());
    let by = evidence.map(|evidence| evidence.key().id());
    let verified = (!keys.is_empty()).then_some(by.is_some());
    Row { place, index, key, module, claim, verified, by }
}

fn human(rows: &[Row], claims: bool) -> String {
    let mut out = String::new();
    for row in rows {
        push(&mut out, row);
    }
    _ = write!(out, "{}", counted(rows.len(), "review", "reviews"));
    out.push_str(if claims && !rows.is_empty() { "; claims, until --key says whose word counts\n" } else { "\n" });
    out
}

fn push(out: &mut String, row: &Row) {
    let mark = match (&row.claim, row.verified) {
        (Err(_), _) | (_, Some(false)) => format!("{BAD}✖{BAD:#}"),
        (Ok(_), Some(true)) => format!("{GOOD}✔{GOOD:#}"),
        (Ok(_), None) => "·".to_owned(),
    };
    let review = row.claim.as_ref().ok().and_then(|claim| claim.review.as_ref());
    match (&row.claim, review) {
        (Err(problem), _) => _ = writeln!(out, "{mark} {}", shown(problem)),
        (Ok(_), None) => _ = writeln!(out, "{mark} a signature of the author"),
        (Ok(_), Some(review)) => {
            _ = writeln!(out, "{mark} {}, at {}", shown(&review.reviewer), review.reviewed_at);
            if let Some(note) = &review.note {
                _ = writeln!(out, "    {}", shown(note));
            }
        }
    }
    if row.verified == Some(false) && row.claim.is_ok() {
        _ = writeln!(out, "    signed by none of the keys");
    }
    if let Some(module) = row.module {
        _ = writeln!(out, "    {FAINT}module {module}{FAINT:#}");
    }
    _ = writeln!(out, "    {FAINT}key {}{FAINT:#}\n    {FAINT}{}{FAINT:#}", shown(&row.key), shown(&row.place));
}

fn json_row(row: &Row) -> Value {
    json!({
        "place": row.place,
        "index": row.index,
        "module": row.module,
        "key": row.key,
        "verified": row.verified,
        "problem": row.claim.as_ref().err(),
        "review": row.claim.as_ref().ok().and_then(|claim| claim.review.as_ref()),
    })
}

fn show(args: &ReviewShowArgs) -> anyhow::Result<Exit> {
    let keys = keys::public(&args.key)?;
    let row = if let Ok(index) = args.review.parse::<u64>() {
        let reader = ledger::reader(&args.ledger)?;
        let event = reader.events(index..index.saturating_add(1))?.into_iter().next();
        let (_, event) = event.with_context(|| format!("the ledger has no event {index}"))?;
        recorded_row(&reader, index, &event.leaf, &keys)?
    } else {
        let bytes = read_bundle(Path::new(&args.review)).with_context(|| format!("cannot read {}", args.review))?;
        let bundle = Bundle::parse(&bytes).map_err(|error| error.to_string());
        row(args.review.clone(), None, bundle, None, &keys)
    };
    let sound = row.claim.is_ok() && row.verified != Some(false);
    let mut out = String::new();
    push(&mut out, &row);
    if let Some(review) = row.claim.as_ref().ok().and_then(|claim| claim.review.as_ref())
        && !review.inspection.is_null()
    {
        let text = crate::decide::printable(&serde_json::to_string_pretty(&review.inspection)?);
        _ = writeln!(out, "    what its inspection found:");
        for line in text.lines() {
            _ = writeln!(out, "      {}", shown(line));
        }
    }
    if row.verified.is_none() {
        _ = writeln!(out, "    a claim, until --key says whose word counts");
    }
    report::out(&out)?;
    Ok(if sound { Exit::Done } else { Exit::Unsound })
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
