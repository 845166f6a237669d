//! `portcullis ledger`: reading, verifying, proving, exporting and erasing.

mod erase;
mod holder;
mod list;
mod place;
mod prove;
mod rotate;
mod server;
mod show;
mod verify;
mod waiting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use portcullis::{Ledger, LedgerOptions, Reader, StoreError, Stored};
use portcullis_gate::Request;
use portcullis_ledger::store::postgres::PostgresOptions;
use portcullis_ledger::{Event, SigningKey, VerifierKey, read_signing_key};
use uuid::Uuid;

use crate::args::{LedgerArgs, LedgerCommand};
use crate::decide::{Decided, Named, Standing, asked};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::text::shown;

use server::Server;

pub use place::Place;
pub use prove::{included, newest};
pub use waiting::Waiting;

/// How long a command waits while another one writes to the same ledger.
pub const LOCK_WAIT: Duration = Duration::from_secs(20);

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

/// Opens the ledger for writing; makes it where there is none. In PostgreSQL, as one of its replicas.
///
/// # Errors
/// It cannot be opened, or does not match its checkpoints.
pub fn open(args: &LedgerArgs) -> anyhow::Result<Ledger> {
    open_as(args, Ledger::join_postgres)
}

/// Opens the ledger as the only one that writes.
///
/// # Errors
/// There is none, or it cannot be opened.
fn open_alone(args: &LedgerArgs) -> anyhow::Result<Ledger> {
    check_exists(&Place::of(args)?)?;
    open_as(args, Ledger::open_postgres)
}

type OpenPostgres = fn(&PostgresOptions, &Path, &[PathBuf], &LedgerOptions) -> Result<Ledger, StoreError>;

fn open_as(args: &LedgerArgs, postgres: OpenPostgres) -> anyhow::Result<Ledger> {
    let place = Place::of(args)?;
    let (key, copies) = (place.key(args)?, place.copies(args)?);
    check_file(&place)?;
    check_key(&place, &key)?;
    let options = LedgerOptions {
        key: Some(key.clone()),
        copies: Some(copies.clone()),
        lock_wait: LOCK_WAIT,
        ..LedgerOptions::default()
    };
    match &place {
        Place::File(path) => make_folder(path, args.named().is_none())?,
        Place::Postgres(_) => {
            for file in std::iter::once(&key).chain(&copies) {
                let named = args.ledger_key.as_ref() == Some(file) || args.checkpoint.contains(file);
                make_folder(file, !named)?;
            }
        }
    }
    let opened = {
        let _spinner = Spinner::start("opening the ledger");
        match &place {
            Place::File(path) => Ledger::open(path, &options),
            Place::Postgres(options_of) => postgres(options_of, &key, &copies, &options),
        }
    };
    opened.map_err(|error| {
        if let Some(unreachable) = unreachable(&place, &error) {
            return unreachable;
        }
        if let StoreError::Locked { path, .. } = &error {
            return holder::locked(&place, path);
        }
        let help = mending(&error);
        anyhow::Error::new(error).context(format!("the ledger {place} cannot be opened; {help}"))
    })
}

/// A server that does not answer, or does not let this user in or read, says nothing of the ledger that it keeps.
fn unreachable(place: &Place, error: &StoreError) -> Option<anyhow::Error> {
    let Place::Postgres(options) = place else { return None };
    let server = Server::of(options);
    match error {
        StoreError::Database { phase: "connecting", message } => {
            Some(anyhow::anyhow!("cannot reach {server}: {message}"))
        }
        StoreError::Database { phase: "reading the connection string", message }
        | StoreError::Refused { problem: message } => Some(anyhow::anyhow!("{server} cannot be used: {message}")),
        // A row of another shape is the ledger's.
        StoreError::Database { phase: "reading a row", .. } => None,
        StoreError::Database { phase, message } => Some(anyhow::anyhow!("{server} fails while {phase}: {message}")),
        _ => None,
    }
}

/// Refuses to open a ledger that is there without the key that it was made with.
fn check_key(place: &Place, key: &Path) -> anyhow::Result<()> {
    if key.exists() {
        return Ok(());
    }
    let there = match place {
        // What is no ledger, and why one cannot be read, is told by opening it.
        Place::File(path) => path.exists() && Reader::open(path).is_ok(),
        Place::Postgres(options) => Reader::open_postgres(options).is_ok(),
    };
    if there {
        bail!(
            "{}: the signing key is missing, and the ledger {place} was made with one. Copy it from where it is kept or from \
             a machine that writes this ledger, mode 0600, or name it with --ledger-key FILE; without it nothing can be \
             added",
            key.display()
        );
    }
    Ok(())
}

/// Makes a file's folder, where it is the user's state folder and not a misspelled one.
fn make_folder(path: &Path, make: bool) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder.filter(|folder| !folder.exists()) else { return Ok(()) };
    if !make {
        bail!("there is no folder {} for the ledger {}; make it first", folder.display(), path.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// What a person can do about a ledger that does not open.
fn mending(error: &StoreError) -> &'static str {
    match error {
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
    check_exists(&Place::of(args)?)?;
    open(args)
}

/// Opens the ledger for reading; another process may be writing to it.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn reader(args: &LedgerArgs) -> anyhow::Result<Reader> {
    reader_of(&Place::of(args)?)
}

/// Opens the ledger of that name for reading: a file, or a URL of PostgreSQL.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn reader_at(named: &Path) -> anyhow::Result<Reader> {
    reader_of(&Place::named(named)?)
}

fn reader_of(place: &Place) -> anyhow::Result<Reader> {
    check_exists(place)?;
    let opened = match place {
        Place::File(path) => Reader::open(path),
        Place::Postgres(options) => Reader::open_postgres(options),
    };
    opened.map_err(|error| unreadable(place, error))
}

fn unreadable(place: &Place, error: StoreError) -> anyhow::Error {
    match unreachable(place, &error) {
        Some(unreachable) => unreachable,
        None => anyhow::Error::new(error).context(format!("the ledger {place} cannot be read")),
    }
}

fn check_file(place: &Place) -> anyhow::Result<()> {
    match place {
        Place::File(path) if path.is_dir() => {
            bail!("{} is a folder: name the ledger's file in it", path.display())
        }
        Place::File(_) | Place::Postgres(_) => Ok(()),
    }
}

fn check_exists(place: &Place) -> anyhow::Result<()> {
    check_file(place)?;
    let there = match place {
        Place::File(path) => path.exists(),
        // Opening it for reading says what is missing.
        Place::Postgres(options) => {
            Reader::open_postgres(options).map(|_| true).map_err(|error| unreadable(place, error))?
        }
    };
    if !there {
        bail!("there is no ledger at {place}; `portcullis decide` makes one, or name another with --ledger FILE");
    }
    Ok(())
}

/// The copies of the checkpoint that belong to a ledger.
///
/// # Errors
/// None is named, and there is no home folder.
pub fn copies(args: &LedgerArgs) -> anyhow::Result<Vec<PathBuf>> {
    Place::of(args)?.copies(args)
}

/// The key that signs for a ledger.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn signing_key(args: &LedgerArgs) -> anyhow::Result<SigningKey> {
    let file = Place::of(args)?.key(args)?;
    read_signing_key(&file)?
        .with_context(|| format!("{}: there is no signing key; name it with --ledger-key FILE", file.display()))
}

/// The public half of the key that belongs to a ledger, where this user can read it.
#[must_use]
pub fn own_key(args: &LedgerArgs, place: &Place) -> Option<VerifierKey> {
    match read_signing_key(&place.key(args).ok()?) {
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

/// The public keys in a file, one a line, as `ledger export` and `ledger checkpoint --keys` write them.
///
/// # Errors
/// It cannot be read, holds no key, or something else than keys.
pub fn public_keys(file: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let keys = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::parse);
    let keys: Vec<VerifierKey> = keys
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is no list of public keys of a ledger", file.display()))?;
    if keys.is_empty() {
        bail!("{} holds no public key", file.display());
    }
    Ok(keys)
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
    let named = request.as_ref().map(Named::of);
    let place = portcullis::Place::Ledger { index: stored.index };
    Ok(Some(Decided::new(asked, named, view.into_owned(), place, Standing::Past)))
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
