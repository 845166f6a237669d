//! Where a module is in a registry: `oci://registry.example.com/policies/window:1.2`.
//!
//! The grammar is that of the [OCI distribution specification](https://github.com/opencontainers/distribution-spec), made
//! stricter so that one place has one spelling: the registry is always named, in lower case, by one of its names and
//! without the port that it would have anyway, and there is no default. Names that only DNS or a registry know to be the
//! same are other places.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::digest::Sha256;

/// What a module's path starts with, where it is in a registry.
pub const OCI_SCHEME: &str = "oci://";

/// Longest registry and repository together, in bytes.
pub const MAX_REPOSITORY_BYTES: usize = 255;
/// Longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 128;

/// An artifact in a registry, by its tag, its digest or both; where there are both, the digest decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OciReference {
    host: String,
    port: Option<u16>,
    repository: String,
    tag: Option<String>,
    digest: Option<Sha256>,
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OciReferenceError {
    /// There is no `/` after the registry, or nothing before it.
    #[error("it names no registry and repository, as in registry.example.com/policies/window:1.2")]
    NoRegistry,
    /// The registry is not a host, or not written in the one way.
    #[error("the registry is not a host in lower case with an optional port, as in registry.example.com:5000")]
    Registry,
    /// The port is what it would be without.
    #[error(
        "the registry is named with the port of https or http (443, 80): leave it out, so that one place has one name"
    )]
    DefaultPort,
    /// The registry is Docker Hub, by one of its other names.
    #[error("the registry is Docker Hub, which is named docker.io and in no other way")]
    Alias,
    /// The repository breaks the grammar.
    #[error("the repository is not of the form policies/window: a-z 0-9, joined by . _ __ - and /")]
    Repository,
    /// Registry and repository are too long.
    #[error("registry and repository have more than {MAX_REPOSITORY_BYTES} bytes")]
    TooLong,
    /// The tag breaks the grammar.
    #[error("the tag is not 1 to {MAX_TAG_BYTES} of A-Z a-z 0-9 _ . -, not starting with . or -")]
    Tag,
    /// The digest is not a sha256.
    #[error("the digest is not sha256: and 64 lower-case hexadecimal digits")]
    Digest,
    /// There is neither a tag nor a digest.
    #[error("it names neither a tag nor a digest: add one, as in :1.2 or @sha256:...; there is no default")]
    NoVersion,
}

impl OciReference {
    /// The reference that a manifest's `module` names; `None` where that is a file.
    ///
    /// # Errors
    /// It starts with [`OCI_SCHEME`] and is none.
    pub fn of_module(module: &str) -> Option<Result<OciReference, OciReferenceError>> {
        module.strip_prefix(OCI_SCHEME).map(OciReference::from_str)
    }

    /// The registry's host, without its port. An IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The registry's port, where it is named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as they were written.
    #[must_use]
    pub fn registry(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The repository in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest's digest, where there is one.
    #[must_use]
    pub fn digest(&self) -> Option<Sha256> {
        self.digest
    }

    /// The same artifact by the digest of its manifest.
    #[must_use]
    pub fn pinned(&self, manifest_sha256: Sha256) -> OciReference {
        OciReference { digest: Some(manifest_sha256), ..self.clone() }
    }

    /// Whether the registry is on this machine by its name alone: `localhost`, 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether a host is this machine by its name alone: `localhost`, 127.0.0.0/8 or ::1, an IPv6 address in brackets.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bracketed.and_then(|text| text.parse::<Ipv6Addr>().ok()).is_some_and(|address| address.is_loopback())
}

impl FromStr for OciReference {
    type Err = OciReferenceError;

    /// Reads `registry/repository:tag`, `registry/repository@sha256:digest` or both.
    fn from_str(text: &str) -> Result<OciReference, OciReferenceError> {
        let (registry, rest) = text.split_once('/').ok_or(OciReferenceError::NoRegistry)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(read_digest(digest)?)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) if is_tag(tag) => (repository, Some(tag.to_owned())),
            Some(_) => return Err(OciReferenceError::Tag),
            None => (rest, None),
        };
        let (host, port) = read_registry(registry)?;
        if !repository.split('/').all(is_component) {
            return Err(OciReferenceError::Repository);
        }
        if registry.len().saturating_add(repository.len()) >= MAX_REPOSITORY_BYTES {
            return Err(OciReferenceError::TooLong);
        }
        if tag.is_none() && digest.is_none() {
            return Err(OciReferenceError::NoVersion);
        }
        Ok(OciReference { host, port, repository: repository.to_owned(), tag, digest })
    }
}

/// As it is written, without the scheme.
impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry(), self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@sha256:{digest}"),
            None => Ok(()),
        }
    }
}

fn read_registry(text: &str) -> Result<(String, Option<u16>), OciReferenceError> {
    let error = OciReferenceError::Registry;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(error)?;
        let parsed: Ipv6Addr = address.parse().map_err(|_| error)?;
        // One spelling for one address.
        if parsed.to_string() != address {
            return Err(error);
        }
        let port = match port.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if port.is_empty() => None,
            None => return Err(error),
        };
        return Ok((format!("[{address}]"), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(read_port(port)?)),
        None => (text, None),
    };
    // A first segment without a dot and without a port reads as a part of the repository.
    let named = host.contains('.') || port.is_some() || host == "localhost";
    if !named || !is_host(host) {
        return Err(error);
    }
    if is_alias(host) {
        return Err(OciReferenceError::Alias);
    }
    Ok((host.to_owned(), port))
}

fn read_port(text: &str) -> Result<u16, OciReferenceError> {
    let port: u16 = text.parse().map_err(|_| OciReferenceError::Registry)?;
    match port {
        _ if port == 0 || port.to_string() != text => Err(OciReferenceError::Registry),
        _ if DEFAULT_PORTS.contains(&port) => Err(OciReferenceError::DefaultPort),
        _ => Ok(port),
    }
}

/// Whether a pattern of references asks for a registry in a way in which none is written: it would match nothing.
pub(crate) fn is_unwritten(registry: &str) -> bool {
    let (host, port) = registry.rsplit_once(':').unwrap_or((registry, ""));
    is_alias(&host.to_ascii_lowercase()) || port.parse().is_ok_and(|port| DEFAULT_PORTS.contains(&port))
}

/// Whether a registry has a name that is written instead.
fn is_alias(host: &str) -> bool {
    matches!(host, "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com")
}

/// The ports of https and http: which of them a registry without a port has is known where it is connected to.
const DEFAULT_PORTS: [u16; 2] = [443, 80];

/// A domain name in lower case, or an IPv4 address in its four decimal parts and in no other of its notations.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or("");
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    text.split('.').all(label) && (!numeric || text.parse::<Ipv4Addr>().is_ok())
}

/// `a-z 0-9`, joined by one dot, one or two underscores, or hyphens.
fn is_component(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let ends = |b: Option<&u8>| b.is_some_and(|b| is_letter(*b));
    ends(text.as_bytes().first())
        && ends(text.as_bytes().last())
        && text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(is_separator)
}

fn is_tag(text: &str) -> bool {
    (1..=MAX_TAG_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !text.starts_with(['.', '-'])
}

fn read_digest(text: &str) -> Result<Sha256, OciReferenceError> {
    text.strip_prefix("sha256:").and_then(Sha256::from_hex).ok_or(OciReferenceError::Digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";

    #[test]
    fn references_are_read_and_written() {
        for text in [
            "registry.example.com/policies/window:1.2",
            "localhost/x:latest",
            "localhost:5000/x:1",
            "127.0.0.1:5000/a/b__c/d-e--f:V_1.2-rc",
            "[::1]:5000/x:1",
            "[2001:db8::1]/x:1",
            "ghcr.io/acme/window@sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
            "ghcr.io/acme/window:1@sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        ] {
            let reference: OciReference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.to_string(), text);
        }
        let reference: OciReference = format!("r.example:81/a/b:1@sha256:{DIGEST}").parse().unwrap();
        assert_eq!((reference.host(), reference.port()), ("r.example", Some(81)));
        assert_eq!((reference.registry().as_str(), reference.repository()), ("r.example:81", "a/b"));
        assert_eq!((reference.tag(), reference.digest()), (Some("1"), Sha256::from_hex(DIGEST)));
    }

    #[test]
    fn what_is_none_is_refused_with_its_reason() {
        use OciReferenceError::*;
        let long = format!("r.example/{}:1", "a".repeat(MAX_REPOSITORY_BYTES));
        for (text, error) in [
            ("", NoRegistry),
            ("window:1.2", NoRegistry),
            ("window/x:1", Registry),
            ("/x:1", Registry),
            ("user@registry.example.com/x:1", Registry),
            ("Registry.example.com/x:1", Registry),
            ("registry.example.com:/x:1", Registry),
            ("registry.example.com:0/x:1", Registry),
            ("registry.example.com:080/x:1", Registry),
            ("registry.example.com:65536/x:1", Registry),
            ("registry..example/x:1", Registry),
            ("-a.example/x:1", Registry),
            ("registry.example.com:443/x:1", DefaultPort),
            ("registry.example.com:80/x:1", DefaultPort),
            ("localhost:80/x:1", DefaultPort),
            ("[::1]:443/x:1", DefaultPort),
            ("docker.io:443/acme/x:1", DefaultPort),
            ("index.docker.io/acme/x:1", Alias),
            ("registry-1.docker.io/acme/x:1", Alias),
            ("registry-1.docker.io:5000/acme/x:1", Alias),
            ("registry.example.com./x:1", Registry),
            ("registry%2Eexample.com/x:1", Registry),
            ("registry.example.com%3A5000/x:1", Registry),
            ("registry.example.com/%78:1", Repository),
            ("127.1/x:1", Registry),
            ("127.0.0.01/x:1", Registry),
            ("a.0x7f000001/x:1", Registry),
            ("[0:0:0:0:0:0:0:1]/x:1", Registry),
            ("[::1/x:1", Registry),
            ("[::1]5000/x:1", Registry),
            ("r.example/:1", Repository),
            ("r.example//x:1", Repository),
            ("r.example/../x:1", Repository),
            ("r.example/x/:1", Repository),
            ("r.example/X:1", Repository),
            ("r.example/a___b:1", Repository),
            ("r.example/a._b:1", Repository),
            ("r.example/a?b:1", Repository),
            ("r.example/é:1", Repository),
            (long.as_str(), TooLong),
            ("r.example/x:", Tag),
            ("r.example/x:.1", Tag),
            ("r.example/x:1:2", Tag),
            ("r.example/x:1\n", Tag),
            ("r.example/x", NoVersion),
            ("r.example/x@sha256:abc", Digest),
            ("r.example/x@sha512:abc", Digest),
            ("r.example/x:1@", Digest),
        ] {
            assert_eq!(text.parse::<OciReference>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn this_machine_is_known_by_name() {
        let loopback = |text: &str| format!("{text}/x:1").parse::<OciReference>().unwrap().is_loopback();
        assert!(["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000"].into_iter().all(loopback));
        assert!(!["localhost.example.com", "128.0.0.1", "[::2]", "169.254.169.254"].into_iter().any(loopback));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_accepted_is_written_as_it_was_read(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,60}") {
            if let Ok(reference) = text.parse::<OciReference>() {
                proptest::prop_assert_eq!(reference.to_string(), text);
            }
        }

        #[test]
        fn what_follows_the_grammar_is_accepted(
            text in "[a-z]{1,9}(\\.[a-z]{2,9}){1,3}(:[1-9][0-9]{0,3})?(/[a-z0-9]{1,4}([._-][a-z0-9]{1,4}){0,2}){1,3}:[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"
        ) {
            let reference = text.parse::<OciReference>();
            proptest::prop_assume!(reference != Err(OciReferenceError::DefaultPort));
            proptest::prop_assert!(reference.is_ok(), "{text}: {reference:?}");
            let reference = reference.unwrap();
            // What goes into a URL needs no escape there.
            proptest::prop_assert!(!reference.repository().split('/').any(|part| part.is_empty() || part == ".."));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            _ = text.parse::<OciReference>();
            _ = OciReference::of_module(&text);
        }
    }
}
