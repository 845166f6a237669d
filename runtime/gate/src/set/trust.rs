//! Whom a set believes: keys, and which modules need whose signatures and reviews.

use jiff::Timestamp;

use crate::key::PublicKey;
use crate::oci::{OCI_SCHEME, is_unwritten};

/// What modules of a set need before they are loaded. Without rules, nothing.
///
/// ```toml
/// trust-default = "refuse"                   # or "accept": what becomes of modules that no rule matches
///
/// [keys.release]
/// public-key-file = "keys/release.pub"       # or public-key = "PEM"
/// not-after = 2027-01-01T00:00:00Z           # from then on, nothing counts that it signed
///
/// [[trust]]
/// modules = ["policies/*.wasm", "oci://registry.example.com/policies/*"]
/// signed-by = ["release"]                    # any one of these
/// reviewed-by = { any = 2, of = ["alice", "bob", "carol"] }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The keys by name, sorted by it.
    pub keys: Vec<TrustKey>,
    /// Every rule that matches a module must be met, in any order.
    pub rules: Vec<TrustRule>,
    /// What becomes of modules that no rule matches, where there are rules.
    pub default: TrustDefault,
}

/// A key that signs or reviews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustKey {
    /// 1 to 64 bytes of `a-z 0-9 - _ .`.
    pub name: String,
    /// Where the key is.
    pub source: KeySource,
    /// From then on, by the host's clock when the set is loaded, nothing counts that it signed.
    pub not_after: Option<Timestamp>,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the manifest.
    Inline(PublicKey),
    /// In a file relative to the manifest.
    File(String),
}

/// Which modules need what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRule {
    /// At least one.
    pub modules: Vec<ModulePattern>,
    /// Names of keys, one of which must have signed the module; none: no signature is needed.
    pub signed_by: Vec<String>,
    /// Who must have reviewed it.
    pub reviewed_by: Option<Reviewers>,
}

/// A number of reviews by different keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewers {
    /// How many: 1 to the number of keys.
    pub any: u32,
    /// Names of keys.
    pub of: Vec<String>,
}

/// What becomes of a module that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustDefault {
    /// It is not loaded.
    #[default]
    Refuse,
    /// It is loaded; the lock alone pins it.
    Accept,
}

/// A pattern of `module` values: `*` is any characters but a slash, `?` one of them, `**` any number of folders, `[..]` one
/// of those characters, none of them a slash. Upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePattern {
    text: String,
    normal: String,
    /// One for each part of `normal`.
    names: Vec<NamePattern>,
}

/// One part of a [`ModulePattern`], between slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// `**`: any number of folders.
    AnyFolders,
    /// One name.
    One(glob::Pattern),
}

impl NamePattern {
    /// Whether a file or folder of that name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            NamePattern::AnyFolders => true,
            NamePattern::One(pattern) => pattern.matches_with(name, MATCHING),
        }
    }

    fn new(part: &str) -> Result<NamePattern, glob::PatternError> {
        Ok(if part == "**" { NamePattern::AnyFolders } else { NamePattern::One(glob::Pattern::new(part)?) })
    }

    /// Whether these are the names of a whole path. The time is that of comparing each pattern with each name, at most: only
    /// the last `**` is ever tried again. (A [`glob::Pattern`] with slashes tries all of its wildcards again.)
    fn are(patterns: &[NamePattern], names: &[&str]) -> bool {
        let (mut patterns, mut names) = (patterns, names);
        let mut again: Option<(&[NamePattern], &[&str])> = None;
        while let Some((name, further)) = names.split_first() {
            match patterns.split_first() {
                Some((NamePattern::AnyFolders, [])) => return true,
                Some((NamePattern::AnyFolders, after)) => {
                    again = Some((after, further));
                    patterns = after;
                }
                Some((one, after)) if one.matches(name) => (patterns, names) = (after, further),
                _ => {
                    let Some((after, from)) = again else { return false };
                    (patterns, names) = (after, from);
                    again = from.split_first().map(|(_, from)| (after, from));
                }
            }
        }
        patterns.is_empty()
    }
}

impl Trust {
    /// Whether modules are asked for evidence.
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The key of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&TrustKey> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl TrustDefault {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TrustDefault::Refuse => "refuse",
            TrustDefault::Accept => "accept",
        }
    }
}

impl ModulePattern {
    /// Checks a pattern and brings it into its normal form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<ModulePattern, &'static str> {
        if text.is_empty() || text.len() > MAX_PATTERN_BYTES || text.chars().any(char::is_control) {
            return Err("is empty, longer than 1,024 bytes, or has control characters");
        }
        let up_from_wildcard = text.split('/').skip_while(|part| !part.contains(WILDCARDS)).any(|part| part == "..");
        if up_from_wildcard {
            return Err("goes up after a wildcard");
        }
        let normal = normal_module(text).ok_or("has an empty part, or one of dots, after ://")?;
        let registry = normal.strip_prefix(OCI_SCHEME).map(|rest| rest.split('/').next().unwrap_or(rest));
        if registry.is_some_and(is_unwritten) {
            return Err("names a registry as no module may: without the ports 443 and 80, and Docker Hub as docker.io");
        }
        let names = normal.split('/').map(NamePattern::new).collect::<Result<_, _>>().map_err(|error| error.msg)?;
        Ok(ModulePattern { text: text.into(), normal, names })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The folder before the first wildcard, and the patterns of the names below it: what may be resolved on a disk, and what
    /// may not. `None` for what is no path.
    #[must_use]
    pub fn folder(&self) -> Option<(&str, &[NamePattern])> {
        if self.normal.contains("://") {
            return None;
        }
        let literal = self.normal.find(WILDCARDS).unwrap_or(self.normal.len());
        let (folder, rest) = match self.normal.get(..literal)?.rfind('/') {
            None => (".", self.normal.as_str()),
            Some(at) => (self.normal.get(..at.max(1))?, self.normal.get(at.checked_add(1)?..)?),
        };
        let above = self.names.len().checked_sub(rest.split('/').count())?;
        Some((folder, self.names.get(above..)?))
    }

    /// Whether a module of that normal form is meant.
    #[must_use]
    pub fn matches(&self, normal: &str) -> bool {
        NamePattern::are(&self.names, &normal.split('/').collect::<Vec<_>>())
    }

    /// Whether these names mean what is at `resolved`, below a folder that was resolved.
    #[must_use]
    pub fn matches_below(folder: &str, names: &[NamePattern], resolved: &str) -> bool {
        let literal = |part: &str| glob::Pattern::new(&glob::Pattern::escape(part)).map(NamePattern::One);
        let folder = folder.trim_end_matches('/').split('/').map(literal).collect::<Result<Vec<_>, _>>();
        // A folder that could not be compared would be meant: what is meant needs evidence.
        folder.map_or(true, |folder| {
            NamePattern::are(&[&folder, names].concat(), &resolved.split('/').collect::<Vec<_>>())
        })
    }
}

/// The one spelling of a `module` value that patterns are compared with: no empty parts and none of dots, but for `..` at
/// the start. `None` for what has a scheme and such parts all the same.
///
/// What lies behind links is not known here: whoever can look compares the resolved path too.
#[must_use]
pub fn normal_module(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let odd = |part: &str| matches!(part, "" | "." | "..");
        return (!rest.split('/').any(odd)).then(|| format!("{}://{rest}", scheme.to_ascii_lowercase()));
    }
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    Some(format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")))
}

/// Most keys and most rules of a set.
pub const MAX_TRUST_KEYS: usize = 256;
/// Most rules of a set.
pub const MAX_TRUST_RULES: usize = 256;
/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024;
const WILDCARDS: [char; 3] = ['*', '?', '['];
const MATCHING: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: false, require_literal_separator: true, require_literal_leading_dot: false };

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, module: &str) -> bool {
        ModulePattern::new(pattern).unwrap().matches(&normal_module(module).unwrap())
    }

    #[test]
    fn a_module_has_one_spelling() {
        for (text, normal) in [
            ("a.wasm", "a.wasm"),
            ("./a.wasm", "a.wasm"),
            ("./x/../policies/a.wasm", "policies/a.wasm"),
            ("policies//a.wasm", "policies/a.wasm"),
            ("policies/./a.wasm", "policies/a.wasm"),
            ("../x/../../y/a.wasm", "../../y/a.wasm"),
            ("x/../../a.wasm", "../a.wasm"),
            ("/x/../../a.wasm", "/a.wasm"),
            ("//srv/a.wasm", "/srv/a.wasm"),
            ("OCI://registry.example.com/p/a:1", "oci://registry.example.com/p/a:1"),
        ] {
            assert_eq!(normal_module(text).as_deref(), Some(normal), "{text}");
            assert_eq!(normal_module(normal).as_deref(), Some(normal));
        }
        for text in ["oci://r/p/../q/a", "oci://r/p/./a", "oci://r//a", "oci:///a", "oci://r/a/"] {
            assert_eq!(normal_module(text), None, "{text}");
        }
    }

    #[test]
    fn no_spelling_of_a_path_evades_a_pattern() {
        for module in [
            "../policies/a.wasm",
            "./../policies/a.wasm",
            ".././policies//a.wasm",
            "x/../../policies/a.wasm",
            "../policies/x/../a.wasm",
            "../x/../policies/./a.wasm",
            "../Policies/A.WASM",
        ] {
            assert!(matches("../policies/*.wasm", module), "{module}");
            assert!(matches("./x/../../policies/?.wasm", module), "{module}");
        }
        for module in ["policies/a.wasm", "../policies/x/a.wasm", "../policies2/a.wasm", "../../policies/a.wasm"] {
            assert!(!matches("../policies/*.wasm", module), "{module}");
        }
        assert!(matches("../policies/**/*.wasm", "../policies/x/y/a.wasm"));
        assert!(matches("../policies/**/*.wasm", "../policies/a.wasm"));
        assert!(matches("oci://registry.example.com/policies/*", "oci://REGISTRY.example.com/policies/a:1@sha256:00"));
        assert!(!matches("oci://registry.example.com/policies/*", "oci://registry.example.com.evil/policies/a"));
        assert!(!matches("oci://registry.example.com/policies/*", "oci://registry.example.com/policies/x/a"));
        assert!(!matches("*", "oci://registry.example.com/a"));
    }

    #[test]
    fn a_pattern_has_a_folder_that_can_be_resolved() {
        for (pattern, folder) in [
            ("a.wasm", Some((".", "a.wasm"))),
            ("../p/*.wasm", Some(("../p", "*.wasm"))),
            ("/srv/**/x?.wasm", Some(("/srv", "**/x?.wasm"))),
            ("/*.wasm", Some(("/", "*.wasm"))),
            ("p*/q/*.wasm", Some((".", "p*/q/*.wasm"))),
            ("oci://r/*", None),
        ] {
            let pattern = ModulePattern::new(pattern).unwrap();
            let rest = folder.map(|(folder, rest)| (folder, ModulePattern::new(rest).unwrap().names));
            assert_eq!(pattern.folder(), rest.as_ref().map(|(folder, rest)| (*folder, rest.as_slice())), "{pattern:?}");
        }
        let names = ModulePattern::new("*.wasm").unwrap().names;
        assert!(ModulePattern::matches_below("/srv/[x]", &names, "/srv/[x]/a.wasm"));
        assert!(!ModulePattern::matches_below("/srv/[x]", &names, "/srv/x/a.wasm"));
        assert!(ModulePattern::matches_below("/", &names, "/a.wasm"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, says) in [
            ("", "empty"),
            ("a\nb", "control"),
            (&"a".repeat(1025), "longer"),
            ("p/*/../a", "goes up"),
            ("p/**a", "recursive wildcards"),
            ("p/[a", "invalid range"),
            ("p/[a/b]c", "invalid range"),
            ("oci://r/../a", "of dots"),
            ("oci://registry.example.com:443/policies/*", "without the ports"),
            ("oci://Registry-1.docker.io/acme/*", "docker.io"),
        ] {
            let error = ModulePattern::new(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        // Fuzzing found patterns that took minutes: a slash sent every wildcard before it back to its next try.
        let pattern = ModulePattern::new(&format!("{}b", "*?".repeat(500))).unwrap();
        assert!(!pattern.matches(&format!("{}/{}", "a".repeat(5_000), "c".repeat(5_000))));
        assert!(!pattern.matches(&"a".repeat(10_000)));
        let pattern = ModulePattern::new(&"**/a*a/".repeat(100)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "aa/".repeat(5_000))));
        assert!(pattern.matches("aa/".repeat(5_000).trim_end_matches('/')));
    }

    proptest::proptest! {
        /// Names are compared one by one; where the whole is short enough to try everything, that is the same.
        #[test]
        fn a_path_matches_as_its_whole_would(pattern in "([ab?*]{1,3}|\\*\\*|\\[ab\\]|\\[!a\\])(/([aB?*]{0,3}|\\*\\*)){0,4}", path in "/?[abA]{0,3}(/[ab]{0,2}){0,5}") {
            if let (Ok(pattern), Some(path)) = (ModulePattern::new(&pattern), normal_module(&path)) {
                let whole = glob::Pattern::new(&pattern.normal).unwrap();
                proptest::prop_assert_eq!(pattern.matches(&path), whole.matches_with(&path, MATCHING));
            }
        }
    }
}
