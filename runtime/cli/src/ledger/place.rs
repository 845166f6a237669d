//! Where a ledger is: a file, or a schema in PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use portcullis_ledger::default_copies;
use portcullis_ledger::store::postgres::PostgresOptions;

use super::server::Server;
use crate::args::LedgerArgs;
use crate::cache;

/// The schema where the URL names none.
const DEFAULT_SCHEMA: &str = "portcullis";
/// How long a replica that vanished keeps others from taking over.
pub(super) const LEASE: Duration = Duration::from_secs(5);

/// Where a ledger is.
#[derive(Debug)]
pub enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A schema in PostgreSQL.
    Postgres(PostgresOptions),
}

impl Place {
    /// The place that the arguments name, or the file in the user's state folder.
    ///
    /// # Errors
    /// None is named and there is no home folder, or the URL is wrong.
    pub fn of(args: &LedgerArgs) -> anyhow::Result<Place> {
        match args.named() {
            Some(named) => Place::named(&named),
            None => Ok(Place::File(
                state("name one with --ledger FILE, or rehearse with --dry-run")?.join("decisions.ledger"),
            )),
        }
    }

    /// The place of that name: a URL that begins with `postgres://` or `postgresql://`, else a file.
    ///
    /// # Errors
    /// The URL is wrong or of another kind.
    pub fn named(named: &Path) -> anyhow::Result<Place> {
        if let Some(url) =
            named.to_str().filter(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
        {
            return Ok(Place::Postgres(postgres(url)?));
        }
        if let Some((scheme, _)) = named.to_str().and_then(|text| text.split_once("://"))
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            bail!("no ledger can be at {scheme}://..: name a file, or postgres://USER@HOST/DATABASE?schema=NAME");
        }
        Ok(Place::File(named.to_owned()))
    }

    /// The file with the signing key.
    ///
    /// # Errors
    /// None is named, and there is no home folder.
    pub fn key(&self, args: &LedgerArgs) -> anyhow::Result<PathBuf> {
        match (&args.ledger_key, self) {
            (Some(key), _) => Ok(key.clone()),
            (None, Place::File(path)) => Ok(beside(path, ".key")),
            (None, Place::Postgres(place)) => {
                Ok(state("name the key with --ledger-key FILE")?.join(format!("{}.key", Server::of(place).file_name())))
            }
        }
    }

    /// The copies of the checkpoint.
    ///
    /// # Errors
    /// None is named, and there is no home folder.
    pub fn copies(&self, args: &LedgerArgs) -> anyhow::Result<Vec<PathBuf>> {
        if !args.checkpoint.is_empty() {
            return Ok(args.checkpoint.clone());
        }
        match self {
            Place::File(path) => Ok(default_copies(path)),
            Place::Postgres(place) => {
                let folder = state("name the copies with --checkpoint FILE")?;
                Ok(vec![folder.join(format!("{}.checkpoint", Server::of(place).file_name()))])
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Postgres(place) => write!(f, "in the schema {} of {}", place.schema, Server::of(place)),
        }
    }
}

/// `postgres://user@host/database?schema=NAME`, else as for libpq.
fn postgres(url: &str) -> anyhow::Result<PostgresOptions> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let mut schema = DEFAULT_SCHEMA;
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.strip_prefix("schema=") {
            Some("") => bail!("the ledger's URL names an empty schema"),
            Some(name) => schema = name,
            None => rest.push(pair),
        }
    }
    let connection = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let holder = format!("{} ({})", host.trim(), std::process::id());
    Ok(PostgresOptions { connection, schema: schema.to_owned(), holder, lease: LEASE })
}

fn state(else_: &str) -> anyhow::Result<PathBuf> {
    cache::state().with_context(|| format!("there is no home folder for a ledger; {else_}"))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_schema_and_its_password_is_not_shown() {
        let Place::Postgres(place) =
            Place::named("postgres://gate:secret@db/gate?connect_timeout=3&schema=log".as_ref()).unwrap()
        else {
            panic!("it is a URL")
        };
        assert_eq!(
            (place.connection.as_str(), place.schema.as_str()),
            ("postgres://gate:secret@db/gate?connect_timeout=3", "log")
        );
        let place = Place::named("postgresql:///gate?host=/run".as_ref()).unwrap();
        assert_eq!(place.to_string(), "in the schema portcullis of PostgreSQL at /run:5432/gate");
        assert!(!Place::named("postgres://gate:secret@db/gate".as_ref()).unwrap().to_string().contains("secret"));
        assert!(Place::named("postgres://db/gate?schema=".as_ref()).is_err());
        for wrong in ["mysql://db/gate", "https://db"] {
            assert!(Place::named(wrong.as_ref()).is_err(), "{wrong}");
        }
        for file in ["decisions.ledger", "postgres", "./postgres://x"] {
            assert!(matches!(Place::named(file.as_ref()).unwrap(), Place::File(path) if path == Path::new(file)));
        }
    }
}
