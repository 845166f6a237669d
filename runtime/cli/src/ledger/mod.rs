//! `portcullis ledger`: reading, verifying, proving, exporting and erasing.

mod erase;
mod list;
mod prove;
mod rotate;
mod show;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use portcullis::{Ledger, LedgerOptions, Reader, StoreError, Stored};
use portcullis_gate::Request;
use portcullis_ledger::{Event, SigningKey, VerifierKey, default_copies, read_signing_key};
use uuid::Uuid;

use crate::args::{LedgerArgs, LedgerCommand};
use crate::cache;
use crate::decide::{Decided, asked};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::text::shown;

pub use prove::{included, newest};

/// How long a command waits while another one writes to the same ledger.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// Does what a `ledger` subcommand says.
///
/// # Errors
/// The ledger cannot be read, or standard output cannot be written.
pub fn run(command: &LedgerCommand) -> anyhow::Result<Exit> {
    match command {
        LedgerCommand::List(args) => list::run(args),
        LedgerCommand::Show(args) => show::run(args),
        LedgerCommand::Verify(args) => verify::run(args),
        LedgerCommand::Prove(args) => prove::run(args),
        LedgerCommand::Export(args) => prove::export(args),
        LedgerCommand::Checkpoint(args) => prove::checkpoint(args),
        LedgerCommand::Erase(args) => erase::run(args),
        LedgerCommand::Retain(args) => erase::retain(args),
        LedgerCommand::RotateKey(args) => rotate::run(args),
    }
}

/// The ledger's file.
///
/// # Errors
/// None is named and there is no home folder.
pub fn path(args: &LedgerArgs) -> anyhow::Result<PathBuf> {
    match &args.ledger {
        Some(path) => Ok(path.clone()),
        None => Ok(cache::state()
            .context("there is no home folder for a ledger; name one with --ledger FILE, or rehearse with --dry-run")?
            .join("decisions.ledger")),
    }
}

/// Opens the ledger for writing; makes it where there is none.
///
/// # Errors
/// It cannot be opened, or does not match its checkpoints.
pub fn open(args: &LedgerArgs) -> anyhow::Result<Ledger> {
    let path = path(args)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        if args.ledger.is_some() {
            bail!("there is no folder {} for the ledger {}; make it first", folder.display(), path.display());
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let copies = (!args.checkpoint.is_empty()).then(|| args.checkpoint.clone());
    let options =
        LedgerOptions { key: args.ledger_key.clone(), copies, lock_wait: LOCK_WAIT, ..LedgerOptions::default() };
    let opened = {
        let _spinner = Spinner::start("opening the ledger");
        Ledger::open(&path, &options)
    };
    opened.map_err(|error| {
        let help = mending(&error);
        anyhow::Error::new(error).context(format!("the ledger {} cannot be opened; {help}", path.display()))
    })
}

/// What a person can do about a ledger that does not open.
fn mending(error: &StoreError) -> &'static str {
    match error {
        StoreError::Locked { .. } => "wait for the other program to end, or give it a ledger of its own",
        StoreError::Behind { .. } | StoreError::NotPrefix { .. } => {
            "it is not the file that was written last: look for that one, and do not delete the checkpoint"
        }
        StoreError::WrongKey { .. } => "name the key that it was made with: --ledger-key FILE",
        StoreError::CopyMissing { .. } => {
            "put the copy of the checkpoint back, or say where it is: --checkpoint FILE; without it nobody knows whether \
             events were cut off"
        }
        StoreError::Foreign { .. } => "name a ledger, or a file that is not there yet: --ledger FILE",
        StoreError::Version { .. } => "use the release that wrote it",
        StoreError::Damaged { .. } | StoreError::Database { .. } => {
            "`portcullis ledger verify` says what is wrong with it; restore it from where it is whole"
        }
        _ => "nothing proceeds until it can be; `--dry-run` rehearses without one",
    }
}

/// Opens a ledger for writing that is there already.
///
/// # Errors
/// There is none, or it cannot be opened.
pub fn open_existing(args: &LedgerArgs) -> anyhow::Result<Ledger> {
    check_exists(&path(args)?)?;
    open(args)
}

/// Opens the ledger for reading; another process may be writing to it.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn reader(args: &LedgerArgs) -> anyhow::Result<Reader> {
    reader_at(&path(args)?)
}

/// Opens the ledger in that file for reading.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn reader_at(path: &Path) -> anyhow::Result<Reader> {
    check_exists(path)?;
    Reader::open(path).with_context(|| format!("the ledger {} cannot be read", path.display()))
}

fn check_exists(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        bail!(
            "there is no ledger at {}; `portcullis decide` makes one, or name another with --ledger FILE",
            path.display()
        );
    }
    Ok(())
}

/// The copies of the checkpoint that belong to a ledger.
pub fn copies(args: &LedgerArgs, path: &Path) -> Vec<PathBuf> {
    if args.checkpoint.is_empty() { default_copies(path) } else { args.checkpoint.clone() }
}

/// The key that signs for a ledger.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn signing_key(args: &LedgerArgs) -> anyhow::Result<SigningKey> {
    let mut beside = path(args)?.into_os_string();
    beside.push(".key");
    let file = args.ledger_key.clone().unwrap_or_else(|| beside.into());
    read_signing_key(&file)?
        .with_context(|| format!("{}: there is no signing key; name it with --ledger-key FILE", file.display()))
}

/// The public half of the key beside a ledger, where this user can read it.
#[must_use]
pub fn own_key(args: &LedgerArgs, path: &Path) -> Option<VerifierKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".key");
    let file = args.ledger_key.clone().unwrap_or_else(|| beside.into());
    match read_signing_key(&file) {
        Ok(key) => Some(key?.verifier().clone()),
        Err(error) => {
            crate::report::warning(&format!("{error}; the ledger is believed about its own key"));
            None
        }
    }
}

/// The public key in a file, as `ledger export` writes it.
///
/// # Errors
/// It cannot be read or is no key.
pub fn public_key(file: &Path) -> anyhow::Result<VerifierKey> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.trim().parse().with_context(|| format!("{} is no public key of a ledger", file.display()))
}

/// The id of a decision, from an id or from the index of its event.
///
/// # Errors
/// There is no such decision.
pub fn id(reader: &Reader, text: &str) -> anyhow::Result<Uuid> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let Ok(index) = text.parse::<u64>() else {
        bail!("{:?} is neither a decision's id nor an event's index", shown(text))
    };
    let events = reader.events(index..index.saturating_add(1))?;
    match events.into_iter().next() {
        Some((_, event)) if event.kind == "decision" => Ok(event.id),
        Some((_, event)) => bail!("event {index} is no decision but {}", event.kind),
        None => bail!("the ledger has no event {index}"),
    }
}

/// A stored decision as it was shown when it was made; `None` where it was erased.
///
/// # Errors
/// It is of another version.
pub fn decided(stored: &Stored) -> anyhow::Result<Option<Decided>> {
    let Some(json) = &stored.decision else { return Ok(None) };
    let view = portcullis_gate::DecisionView::parse(json)
        .with_context(|| format!("event {} was written by another version", stored.index))?;
    let now = view.now.parse()?;
    let request = stored.request.as_deref().map(|bytes| Request::parse(bytes, now)).transpose()?;
    let asked = request.as_ref().map_or_else(|| of_event(&stored.event), asked);
    let place = portcullis::Place::Ledger { index: stored.index };
    Ok(Some(Decided { asked, view: view.into_owned(), place, holds: true }))
}

/// What an event itself says of its request.
pub fn of_event(event: &Event) -> String {
    match &event.body {
        portcullis_ledger::Body::Decision(body) => {
            format!("{} {} {}", shown(&body.action), shown(&body.resource.kind), shown(&body.resource.id))
        }
        _ => event.kind().to_owned(),
    }
}
