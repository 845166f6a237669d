//! Text in a module's data that a reviewer wants to know of: addresses, keys, tokens, paths of the machine that built it.
//!
//! Only ASCII is searched, each data segment and each custom section by itself. What is found is a reason to ask. That nothing
//! is found says nothing: text can be put together while the module runs.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use regex::bytes::Regex;
use serde::Serialize;

use crate::stop::wide;
use crate::text;

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StringKind {
    /// The head of a private key in PEM.
    PrivateKey,
    /// The head of another PEM block: a certificate, a public key.
    Pem,
    /// A credential by its form: of AWS, GitHub, GitLab, Slack, Google, Stripe, npm; a JWT. Cut so that it cannot be used.
    Token,
    /// A URL. A password in it is cut out.
    Url,
    /// A host name under a well-known top-level domain.
    Host,
    /// An IP address.
    Ip,
    /// A path in a home or build folder: of the machine that built it.
    BuildPath,
}

impl StringKind {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StringKind::PrivateKey => "private-key",
            StringKind::Pem => "pem",
            StringKind::Token => "token",
            StringKind::Url => "url",
            StringKind::Host => "host",
            StringKind::Ip => "ip",
            StringKind::BuildPath => "build-path",
        }
    }
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundString {
    /// What it looks like.
    pub kind: StringKind,
    /// The text, escaped and cut.
    pub text: String,
    /// Where it is: `data of core module 0`, `custom section x`.
    pub place: String,
    /// Where it is in the file, in bytes from its beginning; of several, the first.
    pub at: u64,
    /// How often.
    pub count: u64,
}

/// Collects texts; bounded however many there are.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    found: Vec<FoundString>,
    /// Where each text that is kept stands in `found`, by kind and by how it begins.
    kept: HashMap<StringKind, HashMap<Vec<u8>, usize>>,
    /// Matches that were not kept, by kind.
    pub left_out: HashMap<StringKind, u64>,
}

impl Strings {
    /// Searches `bytes`, which begin at the byte `at` of the file. Linear in them.
    pub(crate) fn search(&mut self, bytes: &[u8], at: u64, place: &dyn Fn() -> String) {
        for (kind, pattern) in patterns() {
            for found in pattern.find_iter(bytes) {
                let before = bytes.get(..found.start()).unwrap_or_default();
                let after = bytes.get(found.end()).copied();
                if accepted(*kind, found.as_bytes(), before, after) {
                    self.keep(*kind, found.as_bytes(), at.saturating_add(wide(found.start())), place);
                }
            }
        }
    }

    /// What was found: keys first, and in the order of the file.
    pub(crate) fn into_found(mut self) -> Vec<FoundString> {
        self.found.sort_by_key(|found| (found.kind, found.at));
        self.found
    }

    fn keep(&mut self, kind: StringKind, found: &[u8], at: u64, place: &dyn Fn() -> String) {
        let kept = self.kept.entry(kind).or_default();
        let begin = found.get(..MAX_COMPARED_BYTES).unwrap_or(found);
        if let Some(found) = kept.get(begin).and_then(|place| self.found.get_mut(*place)) {
            found.count = found.count.saturating_add(1);
        } else if kept.len() < MAX_OF_A_KIND {
            kept.insert(begin.to_vec(), self.found.len());
            let text = shown(kind, &String::from_utf8_lossy(begin));
            self.found.push(FoundString { kind, text, place: place(), at, count: 1 });
        } else {
            let left_out = self.left_out.entry(kind).or_default();
            *left_out = left_out.saturating_add(1);
        }
    }
}

/// Whether a match is what it looks like, with the bytes before it and the one after it.
fn accepted(kind: StringKind, found: &[u8], before: &[u8], after: Option<u8>) -> bool {
    let last = before.last().copied();
    let of_a_url = before.ends_with(b"://");
    let joins =
        |byte: Option<u8>, also: &[u8]| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte));
    let text = std::str::from_utf8(found).unwrap_or_default();
    match kind {
        StringKind::PrivateKey => text.contains("PRIVATE KEY"),
        StringKind::Pem => !text.contains("PRIVATE KEY"),
        StringKind::Token | StringKind::Url | StringKind::BuildPath => true,
        // The host of a URL is told with the URL; and what goes on is no host.
        StringKind::Host => !of_a_url && !joins(last, b".-_/") && !joins(after, b".-_/"),
        StringKind::Ip if text.contains(':') => {
            let groups = text.split(':').filter(|group| !group.is_empty()).count();
            let plausible = groups >= 3 && text.bytes().any(|byte| byte.is_ascii_digit());
            plausible && !joins(last, b":") && !joins(after, b":") && text.parse::<Ipv6Addr>().is_ok()
        }
        StringKind::Ip => {
            let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || byte == b'.');
            !of_a_url && !digit(last) && !digit(after) && text.parse::<Ipv4Addr>().is_ok()
        }
    }
}

/// What is shown of a match.
fn shown(kind: StringKind, found: &str) -> String {
    match kind {
        StringKind::Token => cut(found),
        StringKind::Url => text::name(&without_tokens(&without_password(found))),
        StringKind::BuildPath => text::name(&without_tokens(found)),
        StringKind::PrivateKey | StringKind::Pem | StringKind::Host | StringKind::Ip => text::name(found),
    }
}

/// A token as it is shown.
fn cut(token: &str) -> String {
    let head: String = token.chars().take(SHOWN_OF_A_TOKEN).collect();
    format!("{head}… ({} bytes)", token.len())
}

/// Text with the tokens in it cut.
fn without_tokens(text: &str) -> String {
    let tokens = patterns().iter().filter(|(kind, _)| *kind == StringKind::Token);
    let cut_out = tokens.fold(text.as_bytes().to_vec(), |text, (_, pattern)| {
        let shown = |found: &regex::bytes::Captures<'_>| {
            cut(&String::from_utf8_lossy(found.get_match().as_bytes())).into_bytes()
        };
        pattern.replace_all(&text, shown).into_owned()
    });
    String::from_utf8_lossy(&cut_out).into_owned()
}

/// A URL with `…` for the password in it.
fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:…{}", rest.get(user.len()..)?))
    });
    parts.unwrap_or_else(|| url.to_owned())
}

#[expect(clippy::expect_used, reason = "fixed patterns, which a test compiles")]
fn patterns() -> &'static [(StringKind, Regex)] {
    static ALL: OnceLock<Vec<(StringKind, Regex)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let compiled = |(kind, pattern): &(StringKind, &str)| (*kind, Regex::new(pattern).expect("a fixed pattern"));
        PATTERNS.iter().map(compiled).collect()
    })
}

/// No pattern matches anything but ASCII.
const PATTERNS: [(StringKind, &str); 17] = [
    (StringKind::PrivateKey, r"(?-u)-----BEGIN [A-Z0-9 ]{1,60}-----"),
    (StringKind::Pem, r"(?-u)-----BEGIN [A-Z0-9 ]{1,60}-----"),
    (StringKind::Token, r"(?-u)(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}"),
    (StringKind::Token, r"(?-u)gh[pousr]_[A-Za-z0-9]{36,}"),
    (StringKind::Token, r"(?-u)github_pat_[A-Za-z0-9_]{50,}"),
    (StringKind::Token, r"(?-u)glpat-[A-Za-z0-9_-]{20,}"),
    (StringKind::Token, r"(?-u)xox[abeprs]-[A-Za-z0-9-]{10,}"),
    (StringKind::Token, r"(?-u)AIza[0-9A-Za-z_-]{35}"),
    (StringKind::Token, r"(?-u)[rs]k_live_[0-9A-Za-z]{20,}"),
    (StringKind::Token, r"(?-u)npm_[A-Za-z0-9]{36}"),
    (StringKind::Token, r"(?-u)eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    (
        StringKind::Url,
        r"(?-u)(?:https?|wss?|s?ftps?|ssh|git|file|ldaps?|smtps?|s3|gs|tcp|udp|unix|grpcs?|postgres|postgresql|mysql|mongodb|mongodb\+srv|rediss?|amqps?|kafka|nats)://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%{}-]+",
    ),
    (
        StringKind::Host,
        r"(?-u)[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|net|org|io|dev|cloud|app|info|biz|xyz|edu|gov|mil|eu|de|fr|uk|nl|ch|pl|se|ru|cn|jp|br|au|internal|intranet|local|localdomain|corp|lan|home|onion)",
    ),
    (StringKind::Host, r"(?-u)localhost"),
    (StringKind::Ip, r"(?-u)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"),
    (StringKind::Ip, r"(?-u)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,8}"),
    (
        StringKind::BuildPath,
        r"(?-u)(?:/home/|/Users/|/root/|/builds/|/github/workspace/|/__w/|[A-Z]:\\Users\\)[A-Za-z0-9._@+/\\-]{2,}",
    ),
];

/// Most texts of a kind that are kept.
pub(crate) const MAX_OF_A_KIND: usize = 50;
/// How much of two texts is compared, and shown at most.
const MAX_COMPARED_BYTES: usize = 4096;
/// How many characters of a token are shown: its prefix, and not enough to search for it.
const SHOWN_OF_A_TOKEN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<(StringKind, String)> {
        let mut strings = Strings::default();
        strings.search(bytes, 100, &|| "data".into());
        strings.into_found().into_iter().map(|found| (found.kind, found.text)).collect()
    }

    #[test]
    fn each_kind_is_found_amid_other_text() {
        use StringKind::{BuildPath, Host, Ip, Pem, PrivateKey, Token, Url};
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N";
        for (text, kind, shown) in [
            ("-----BEGIN RSA PRIVATE KEY-----MII", PrivateKey, "-----BEGIN RSA PRIVATE KEY-----"),
            ("-----BEGIN CERTIFICATE-----", Pem, "-----BEGIN CERTIFICATE-----"),
            ("xAKIAIOSFODNN7EXAMPLE", Token, "AKIAIO… (20 bytes)"),
            (&format!("ghp_{}", "a".repeat(36)), Token, "ghp_aa… (40 bytes)"),
            (&format!("glpat-{}", "a".repeat(20)), Token, "glpat-… (26 bytes)"),
            (&format!("AIza{}", "a".repeat(35)), Token, "AIzaaa… (39 bytes)"),
            (jwt, Token, &format!("eyJhbG… ({} bytes)", jwt.len())),
            ("errorhttps://a.example.com/x?y=1\0", Url, "https://a.example.com/x?y=1"),
            ("postgres://ann:hunter2@db/x", Url, "postgres://ann:…@db/x"),
            ("evil.example.com", Host, "evil.example.com"),
            ("\0db.corp.internal\0", Host, "db.corp.internal"),
            ("localhost", Host, "localhost"),
            ("to 169.254.169.254!", Ip, "169.254.169.254"),
            ("[fe80::1:2:3]", Ip, "fe80::1:2:3"),
            ("/home/ann/.cargo/registry", BuildPath, "/home/ann/.cargo/registry"),
            ("C:\\Users\\ann\\x", BuildPath, "C:\\Users\\ann\\x"),
        ] {
            let all = found(text.as_bytes());
            assert!(all.contains(&(kind, shown.to_owned())), "{text}: {all:?}");
        }
    }

    #[test]
    fn what_only_resembles_one_is_left_alone() {
        for text in [
            "1.2.3.4.5",
            "256.1.1.1",
            "a::b::c",
            "core::fmt::Error",
            "main.rs",
            "a.come",
            "sample.rules.no-rule",
            "a.dev-x",
            "12:30:45",
            "",
        ] {
            assert_eq!(found(text.as_bytes()), [], "{text}");
        }
        assert_eq!(found(b"https://a.example.com/"), [(StringKind::Url, "https://a.example.com/".into())]);
    }

    #[test]
    fn a_secret_is_not_repeated_in_the_report() {
        let token = format!("ghp_{}", "Zq9".repeat(12));
        let text = format!("{token} https://u:p4ssw0rd@h/ {token} https://h/?key={token}&x=1 /home/ann/{token}");
        let mut strings = Strings::default();
        strings.search(text.as_bytes(), 0, &|| "data".into());
        let found = strings.into_found();
        let shown = format!("{found:?}");
        assert!(!shown.contains("Zq9Zq9") && !shown.contains("p4ssw0rd"), "{shown}");
        assert_eq!((found[0].count, found[0].at), (4, 0));
        assert!(shown.contains("https://h/?key=ghp_Zq… (40 bytes)&x=1"), "{shown}");
    }

    #[test]
    fn many_are_counted_and_few_are_kept() {
        let text: String = (0..1000).map(|n| format!("https://h{n}/ ")).collect();
        let mut strings = Strings::default();
        strings.search(text.as_bytes(), 0, &|| "data".into());
        assert_eq!(strings.left_out[&StringKind::Url], 950);
        assert_eq!(strings.into_found().len(), MAX_OF_A_KIND);
    }

    /// Runs of what a pattern could go on for ever with.
    #[test]
    fn hostile_text_takes_no_longer_than_other_text() {
        for piece in [
            "a.com.",
            "a.com ",
            "a.",
            "-",
            ":",
            "1.",
            "1.2.3.4 ",
            "eyJaaaaaaaa.",
            "/home/",
            "/home/aa ",
            "https://",
            "https://a ",
            "AKIAIOSFODNN7EXAMPLE ",
            "aaaaaaaa",
        ] {
            // Each time another one, where a number makes it another.
            let text: String = (0..(1 << 20) / piece.len()).map(|n| format!("{piece}{n}")).collect();
            let start = std::time::Instant::now();
            found(text.as_bytes());
            found(piece.repeat((1 << 20) / piece.len()).as_bytes());
            assert!(start.elapsed() < std::time::Duration::from_secs(5), "{piece}: {:?}", start.elapsed());
        }
    }
}
