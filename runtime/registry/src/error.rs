use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_gate::Sha256;
use portcullis_inspect::Refusal;

/// Why nothing was pulled, pushed, saved or loaded. Whatever a registry said is in it escaped and cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The bytes are not those of the digest.
    #[error("{what}: the digest does not match, expected sha256:{expected}, found sha256:{found}")]
    Digest {
        /// What was read.
        what: String,
        /// What it should be.
        expected: Sha256,
        /// Of what was read.
        found: Sha256,
    },
    /// The size is not that of the descriptor.
    #[error("{what}: the size does not match, expected {expected} bytes, found {found}")]
    Size {
        /// What was read.
        what: String,
        /// What the descriptor says.
        expected: u64,
        /// What is there, or what the registry announces.
        found: u64,
    },
    /// More than may be.
    #[error("{what}: larger than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: String,
        /// Most bytes.
        limit: u64,
    },
    /// The answer ended early.
    #[error("{what}: the answer of {host} ended before it was complete")]
    Cut {
        /// What was read.
        what: String,
        /// Who answered.
        host: String,
    },
    /// The answer is compressed, or otherwise not the bytes themselves.
    #[error("{what}: {host} answers in the encoding {encoding:?}; only the bytes themselves are accepted")]
    Encoded {
        /// What was read.
        what: String,
        /// Who answered.
        host: String,
        /// The encoding.
        encoding: String,
    },
    /// It took too long.
    #[error("{what}: {host} did not answer in full within {} s in all", limit.as_secs_f64())]
    Time {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// Of the whole operation.
        limit: Duration,
    },
    /// Another status than the protocol asks for.
    #[error("{what}: {host} answers {status}{}", said(*status, message.as_deref()))]
    Status {
        /// What was asked for.
        what: String,
        /// Who answered.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says to it.
        message: Option<String>,
    },
    /// The registry does not let the caller do that.
    #[error("{what}: {host} refuses access, {credentials}")]
    Denied {
        /// What was asked for.
        what: String,
        /// Who refuses.
        host: String,
        /// With which credentials it was asked.
        credentials: String,
    },
    /// The token server is none that may see credentials or give tokens for this registry.
    #[error("{registry} sends for tokens to {realm}, which {reason}; nothing was sent there{}", allow.as_ref().map(|host| format!("; if that is meant, say --allow-realm {host}")).unwrap_or_default())]
    Realm {
        /// The registry.
        registry: String,
        /// The token server as the registry names it.
        realm: String,
        /// What is wrong with it.
        reason: &'static str,
        /// The host that could be allowed.
        allow: Option<String>,
    },
    /// The connection would go to where it does not belong.
    #[error("{host} is at {address}, {reason}; not connected")]
    Address {
        /// The name.
        host: String,
        /// One of its addresses.
        address: IpAddr,
        /// Why that is refused.
        reason: &'static str,
    },
    /// A redirect that is not followed.
    #[error("{what}: {host} redirects {reason}")]
    Redirect {
        /// What was asked for.
        what: String,
        /// Who redirects.
        host: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// Credentials would go over a connection without TLS to another machine.
    #[error("{host} asks for credentials over plain http, where anyone on the way reads them; nothing was sent")]
    InClear {
        /// Who asks.
        host: String,
    },
    /// The registry does not follow the protocol.
    #[error("{what}: {host} does not follow the protocol: {detail}")]
    Protocol {
        /// What was asked for.
        what: String,
        /// Who answered.
        host: String,
        /// What is wrong.
        detail: String,
    },
    /// There is no connection, or it broke.
    #[error("{what}: cannot reach {host}: {detail}")]
    Connection {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What went wrong.
        detail: String,
    },
    /// The manifest is not one of a policy.
    #[error("{what}: {error}")]
    Manifest {
        /// Which manifest.
        what: String,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// The module is not admissible.
    #[error("the module is refused ({}): {}", .0.fault.code(), .0.detail)]
    Refused(Box<Refusal>),
    /// Credentials are configured and cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The archive is not an OCI image layout of policies.
    #[error("the archive: {0}")]
    Archive(String),
    /// The archive cannot be read or written.
    #[error("the archive: {0}")]
    Io(#[from] std::io::Error),
    /// An option is wrong.
    #[error("{0}")]
    Option(String),
}

/// What is wrong with a manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not JSON of that shape.
    #[error("it is no OCI image manifest: {0}")]
    Malformed(String),
    /// It is an index, a Docker manifest or something else.
    #[error("it is of the media type {0:?}, not an OCI image manifest")]
    MediaType(String),
    /// It is of another artifact.
    #[error("it is no Wasm artifact: its config is of the media type {0:?}")]
    Config(String),
    /// More layers than a policy has.
    #[error("it has {found} layers, more than {limit}")]
    Layers {
        /// How many.
        found: usize,
        /// Most.
        limit: usize,
    },
    /// Not exactly one module.
    #[error("it has {0} modules, not one")]
    Modules(usize),
    /// A layer of another kind.
    #[error("it has a layer of the media type {0:?}, which is no part of a policy")]
    Layer(String),
    /// A digest that is not a sha256.
    #[error("{0:?} is no sha256 digest")]
    Digest(String),
    /// A layer that is too large.
    #[error("its {what} has {size} bytes, more than {limit}")]
    Size {
        /// Which part.
        what: &'static str,
        /// What the descriptor says.
        size: u64,
        /// Most bytes.
        limit: u64,
    },
}

/// Why credentials that are configured cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A file of credentials cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of credentials is wrong. What is in it is not said.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: &'static str,
    },
    /// A credential helper does not work.
    #[error("{}: the credential helper {helper:?} for {registry}: {detail}", path.display())]
    Helper {
        /// The file that names it.
        path: PathBuf,
        /// The helper.
        helper: String,
        /// The registry.
        registry: String,
        /// What went wrong.
        detail: String,
    },
    /// Only one of the two variables is set.
    #[error("{} and {} are set together or not at all", crate::USERNAME_VARIABLE, crate::PASSWORD_VARIABLE)]
    HalfSet,
}

/// What a registry says to a status that was not asked for; and where it is one of success, that it is no registry's.
fn said(status: u16, message: Option<&str>) -> String {
    match (status, message) {
        (_, Some(message)) => format!(": {message}"),
        (200..=299, None) => {
            ", which no registry answers to that: is it one, and is the name of the repository right?".into()
        }
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_as_no_registry_does_is_doubted() {
        let status = |status, message: Option<&str>| {
            let message = message.map(str::to_owned);
            RegistryError::Status { what: "a push".into(), host: "h".into(), status, message }.to_string()
        };
        assert!(status(200, None).starts_with("a push: h answers 200, which no registry answers"));
        assert_eq!(status(500, None), "a push: h answers 500");
        assert_eq!(status(404, Some("NAME_UNKNOWN")), "a push: h answers 404: NAME_UNKNOWN");
    }
}
