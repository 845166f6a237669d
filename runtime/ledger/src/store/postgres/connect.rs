//! Connecting: what a connection string says, the time limits that it leaves out, and TLS.
//!
//! `sslmode`, `sslrootcert`, `sslcert` and `sslkey` mean what they mean to
//! [libpq](https://www.postgresql.org/docs/current/libpq-ssl.html), but that nothing is read from the user's home folder:
//!
//! | sslmode | encrypted | the certificate |
//! |---|---|---|
//! | `disable` | no | |
//! | `prefer`, the default | where the server can, which is not so over a Unix socket | is not looked at |
//! | `require` | yes | is not looked at; with `sslrootcert`, as for `verify-ca` |
//! | `verify-ca` | yes | is of an authority in `sslrootcert` |
//! | `verify-full` | yes | is of an authority in `sslrootcert`, and names the host |
//!
//! With `sslcert` and `sslkey`, both in PEM, this program shows the server who it is; that needs `require` or more. A key
//! that others than its owner can read is refused. Files are read for each connection, so that those that were exchanged
//! count.
//!
//! Only `verify-full` keeps out somebody between this program and the server who can have a certificate made by the same
//! authority, and only `verify-*` (or `channel_binding=require`) keeps out anybody.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::Client;
use super::failed;
use super::verifier::Lenient;
use crate::store_error::StoreError;

/// How long a connection may take to be made, where the connection string does not say.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was sent may stay without an acknowledgement, and how long a server may be silent to keepalives, where the
/// connection string does not say: otherwise a server that a network swallowed is waited for about 15 minutes.
const SILENCE: Duration = Duration::from_secs(10);
/// The time from one keepalive to the next.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// What tokio-postgres has where nothing is said.
const KEEPALIVES_IDLE_DEFAULT: Duration = Duration::from_secs(2 * 60 * 60);

/// A connection as a string says, in either form that libpq reads.
///
/// # Errors
/// [`StoreError::Refused`] for a string that cannot be followed, [`StoreError::File`] for a file of certificates that cannot
/// be read, [`StoreError::Database`] where there is no connection.
pub(super) fn connect(text: &str) -> Result<Client, StoreError> {
    let Settings { mut config, security, shown } = Settings::parse(text)?;
    let client = match security.verifier()? {
        None => Client::connect(config.ssl_mode(SslMode::Disable), NoTls),
        Some(verifier) => {
            config.ssl_mode(if security == Security::Prefer { SslMode::Prefer } else { SslMode::Require });
            Client::connect(&config, MakeRustlsConnect::new(client(verifier, shown.as_ref())?))
        }
    };
    client.map_err(failed("connecting"))
}

/// What a connection string says.
struct Settings {
    config: Config,
    security: Security,
    shown: Option<Shown>,
}

/// What this program shows to the server: the files of a certificate, with those between it and the authority, and of its
/// key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    certificates: PathBuf,
    key: PathBuf,
}

/// What is asked of the way to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Security {
    Plain,
    Prefer,
    Encrypted,
    Authority(PathBuf),
    Host(PathBuf),
}

impl Settings {
    fn parse(text: &str) -> Result<Settings, StoreError> {
        let Taken { rest, mode, authorities, certificates, key } = Taken::of(text)?;
        let mut config: Config = rest.parse().map_err(failed("reading the connection string"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_keepalives_idle() == KEEPALIVES_IDLE_DEFAULT {
            config.keepalives_idle(SILENCE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(3);
        }
        let security = match (mode.as_deref(), authorities) {
            (Some("disable"), None) => Security::Plain,
            (None | Some("prefer"), None) => Security::Prefer,
            (Some("require"), None) => Security::Encrypted,
            (Some("require" | "verify-ca"), Some(file)) => Security::Authority(file.into()),
            (Some("verify-full"), Some(file)) => Security::Host(file.into()),
            (Some(mode @ ("verify-ca" | "verify-full")), None) => {
                return Err(StoreError::refused(format!(
                    "sslmode={mode} needs sslrootcert=FILE with the authorities to believe, such as \
                     /etc/ssl/certs/ca-certificates.crt for those that the system believes"
                )));
            }
            (None | Some("disable" | "prefer"), Some(_)) => {
                return Err(StoreError::refused("sslrootcert is of no use without sslmode=verify-full or verify-ca"));
            }
            (Some(other), _) => {
                return Err(StoreError::refused(format!(
                    "sslmode={other}: it is one of disable, prefer, require, verify-ca and verify-full"
                )));
            }
        };
        let shown = match (certificates, key) {
            (None, None) => None,
            (Some(_), Some(_)) if matches!(security, Security::Plain | Security::Prefer) => {
                return Err(StoreError::refused("sslcert and sslkey are of no use without sslmode=require or more"));
            }
            (Some(certificates), Some(key)) => Some(Shown { certificates: certificates.into(), key: key.into() }),
            (Some(_), None) => return Err(StoreError::refused("sslcert needs sslkey=FILE with the certificate's key")),
            (None, Some(_)) => return Err(StoreError::refused("sslkey needs sslcert=FILE with the key's certificate")),
        };
        Ok(Settings { config, security, shown })
    }
}

impl Security {
    /// Who looks at the server's certificate; `None` where nothing is encrypted.
    fn verifier(&self) -> Result<Option<Arc<dyn ServerCertVerifier>>, StoreError> {
        Ok(Some(match self {
            Security::Plain => return Ok(None),
            Security::Prefer | Security::Encrypted => Arc::new(Lenient::of_anybody(provider())),
            Security::Authority(file) => Arc::new(Lenient::of_authorities(read(file)?, provider())),
            Security::Host(file) => WebPkiServerVerifier::builder_with_provider(Arc::new(read(file)?), provider())
                .build()
                .map_err(|e| StoreError::file(file, e.to_string()))?,
        }))
    }
}

fn client(verifier: Arc<dyn ServerCertVerifier>, shown: Option<&Shown>) -> Result<ClientConfig, StoreError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| StoreError::refused(format!("TLS: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut client = match shown {
        None => builder.with_no_client_auth(),
        Some(Shown { certificates, key }) => {
            let (chain, secret) = (certificates_of(certificates)?, secret_of(key)?);
            let shown = builder.with_client_auth_cert(chain, secret);
            // Also where they do not belong together.
            shown.map_err(|e| StoreError::file(certificates, format!("with the key {}: {e}", key.display())))?
        }
    };
    // Asked for where TLS is begun without a request for it (sslnegotiation=direct).
    client.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(client)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Certificates of authorities.
fn read(file: &Path) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(file)? {
        roots.add(certificate).map_err(|e| StoreError::file(file, e.to_string()))?;
    }
    Ok(roots)
}

/// The certificates in a file, in PEM.
fn certificates_of(file: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let problem = |problem: String| StoreError::file(file, problem);
    let all = CertificateDer::pem_file_iter(file).map_err(|e| problem(e.to_string()))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| problem(e.to_string()))?;
    if all.is_empty() { Err(problem("there is no certificate in it".to_owned())) } else { Ok(all) }
}

/// The key in a file, in PEM. As for libpq, others than the owner may not read it; root may let its group.
fn secret_of(file: &Path) -> Result<PrivateKeyDer<'static>, StoreError> {
    let io = |what: &'static str| move |e| StoreError::io(file, what, e);
    let mut opened = File::open(file).map_err(io("opening the key"))?;
    let found = opened.metadata().map_err(io("looking at the mode"))?;
    let (mode, refused) = (found.mode() & 0o777, if found.uid() == 0 { 0o037 } else { 0o077 });
    if mode & refused != 0 {
        let problem = format!("the key's file has mode {mode:03o}, so others than its owner have access: chmod 600 it");
        return Err(StoreError::file(file, problem));
    }
    let mut pem = Vec::new();
    opened.read_to_end(&mut pem).map_err(io("reading the key"))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| StoreError::file(file, format!("as a private key: {e}")))
}

/// A connection string without what this module reads itself.
#[derive(Debug, Default)]
struct Taken {
    rest: String,
    mode: Option<String>,
    authorities: Option<String>,
    certificates: Option<String>,
    key: Option<String>,
}

impl Taken {
    fn of(text: &str) -> Result<Taken, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Taken::of_url(text)
        } else {
            Taken::of_pairs(text)
        }
    }

    /// Whether a setting is read here.
    fn takes(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.authorities = Some(value.to_owned()),
            "sslcert" => self.certificates = Some(value.to_owned()),
            "sslkey" => self.key = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    fn of_url(text: &str) -> Result<Taken, StoreError> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let mut taken = Taken::default();
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| StoreError::refused(format!("the connection's {key} is not UTF-8")))?;
            if !taken.takes(key, &value) {
                others.push(pair);
            }
        }
        taken.rest = if others.is_empty() { place.to_owned() } else { format!("{place}?{}", others.join("&")) };
        Ok(taken)
    }

    /// `key=value` or `key = 'value'`, with `\` before a character that stands for itself.
    fn of_pairs(text: &str) -> Result<Taken, StoreError> {
        let wrong = |what: &str| StoreError::refused(format!("the connection string {what}"));
        let mut taken = Taken::default();
        let mut left = text.trim_start();
        while !left.is_empty() {
            let (key, after) = left.split_once('=').ok_or_else(|| wrong("has a word without ="))?;
            let key = key.trim_end();
            if key.is_empty() || key.contains(char::is_whitespace) {
                return Err(wrong("has a word without ="));
            }
            let (quoted, value) = match after.trim_start().strip_prefix('\'') {
                Some(value) => (true, value),
                None => (false, after.trim_start()),
            };
            let (mut read, mut characters, mut closed) = (String::new(), value.char_indices(), !quoted);
            let end = loop {
                match characters.next() {
                    None => break value.len(),
                    Some((_, '\\')) => read.extend(characters.next().map(|(_, c)| c)),
                    Some((at, '\'')) if quoted => {
                        closed = true;
                        break at.saturating_add(1);
                    }
                    Some((at, c)) if !quoted && c.is_whitespace() => break at,
                    Some((_, c)) => read.push(c),
                }
            };
            if !closed {
                return Err(wrong("has a quote without an end"));
            }
            if !taken.takes(key, &read) {
                let escaped = read.replace('\\', "\\\\").replace('\'', "\\'");
                taken.rest.push_str(&format!("{key}='{escaped}' "));
            }
            left = value.get(end..).unwrap_or_default().trim_start();
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(text: &str) -> Result<Security, String> {
        Settings::parse(text).map(|settings| settings.security).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_of_the_way_is_read_from_both_forms() {
        let (ca, full) = (Security::Authority("/etc/my ca.pem".into()), Security::Host("/etc/my ca.pem".into()));
        for (pairs, url, expected) in [
            ("host=db", "", Security::Prefer),
            ("host=db sslmode=prefer", "?sslmode=prefer", Security::Prefer),
            ("sslmode = disable host=db", "?sslmode=disable", Security::Plain),
            ("host=db sslmode='require'", "?user=gate&sslmode=require", Security::Encrypted),
            (
                "host=db sslmode=require sslrootcert='/etc/my ca.pem'",
                "?sslmode=require&sslrootcert=/etc/my%20ca.pem",
                ca.clone(),
            ),
            (
                r"host=db sslmode=verify-ca sslrootcert=/etc/my\ ca.pem",
                "?sslrootcert=/etc/my%20ca.pem&sslmode=verify-ca",
                ca,
            ),
            (
                "host=db sslrootcert='/etc/my ca.pem' sslmode=verify-full",
                "?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem",
                full,
            ),
        ] {
            assert_eq!(security(pairs), Ok(expected.clone()), "{pairs}");
            assert_eq!(security(&format!("postgresql://gate@db/gate{url}")), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_shown_is_read_from_both_forms() {
        for text in [
            "host=db sslmode=require sslcert='/my client.pem' sslkey=/client.key",
            "postgres://db/gate?sslmode=require&sslcert=/my%20client.pem&sslkey=/client.key",
        ] {
            let shown = Shown { certificates: "/my client.pem".into(), key: "/client.key".into() };
            assert_eq!(Settings::parse(text).unwrap().shown, Some(shown), "{text}");
        }
    }

    #[test]
    fn what_would_be_less_than_asked_for_is_refused() {
        for (text, says) in [
            ("host=db sslmode=verify-full", "needs sslrootcert"),
            ("host=db sslmode=verify-ca", "needs sslrootcert"),
            ("host=db sslrootcert=/ca.pem", "of no use without"),
            ("host=db sslmode=prefer sslrootcert=/ca.pem", "of no use without"),
            ("host=db sslmode=disable sslrootcert=/ca.pem", "of no use without"),
            ("host=db sslmode=allow", "one of disable"),
            ("host=db sslmode=VERIFY-FULL sslrootcert=/ca.pem", "one of disable"),
            ("host=db sslmode=", "one of disable"),
            ("host=db sslmode='require", "quote without an end"),
            ("host=db sslmode", "without ="),
            ("sslmode host=db", "without ="),
            ("host=db sslmode=require sslcert=/client.pem", "needs sslkey"),
            ("host=db sslmode=require sslkey=/client.key", "needs sslcert"),
            ("host=db sslcert=/client.pem sslkey=/client.key", "of no use without"),
            ("host=db sslmode=disable sslcert=/client.pem sslkey=/client.key", "of no use without"),
            ("host=db sslpassword=secret", "sslpassword"),
        ] {
            let error = security(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_rest_means_the_same() {
        let meaning = |text: &str| {
            let config: Config = text.parse().unwrap();
            // What is shown of it hides the password.
            (format!("{config:?}"), config.get_password().map(<[u8]>::to_vec))
        };
        for text in
            [r"user='it\'s \\ me' password='a b' dbname=x host=/run application_name=''", "user=gate  host = db "]
        {
            assert_eq!(meaning(&Taken::of(text).unwrap().rest), meaning(text), "{text}");
            let more = Taken::of(&format!("{text} sslmode=require")).unwrap();
            assert_eq!(meaning(&more.rest), meaning(text), "{text}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_not_waited_for() {
        let config = Settings::parse("host=db").unwrap().config;
        assert_eq!(config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        assert_eq!((config.get_tcp_user_timeout(), config.get_keepalives_idle()), (Some(&SILENCE), SILENCE));
        let config = Settings::parse("host=db connect_timeout=2 tcp_user_timeout=3 keepalives_idle=4").unwrap().config;
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(2)));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(4));
    }
}
