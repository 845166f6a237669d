//! Whether the modules of a set have the signatures and reviews that its trust rules ask for.

use jiff::Timestamp;
use portcullis_attest::{Bundle, Evidence, NamedKey, judge};
use portcullis_gate::{
    KeySource, MAX_PUBLIC_KEY_BYTES, PolicySpec, PublicKey, SetDefinition, Sha256, TrustDefault, TrustRule,
};
use std::collections::BTreeMap;
use std::fmt;

use crate::ReadFiles;
use crate::trust_places::{Place, Places};
use crate::trust_record::{PolicyEvidence, SetEvidence};

/// The code of a set that is not loaded because a module lacks evidence.
pub const LOAD_TRUST: &str = "load.trust";

/// Files that prove nothing and are named in a message.
const MAX_SHOWN: usize = 20;
/// Most bytes of the evidence of a set that counts: what others than the keys of the set wrote is none.
const MAX_SET_EVIDENCE_BYTES: usize = 64 << 20;

/// A module that lacks evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The policy's name in the set.
    pub policy: String,
    /// Its module, as in the manifest.
    pub module: String,
    /// The module's digest; `None` where it could not be read.
    pub sha256: Option<Sha256>,
    /// What is needed and what was found, a line each; or why nothing was looked for.
    pub lacks: Vec<String>,
    /// Evidence that proves nothing of the module, by file, and why.
    pub useless: Vec<(String, String)>,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = self.sha256.map(|sha256| format!(", sha256 {sha256}")).unwrap_or_default();
        write!(f, "  {} (policy {:?}{sha256})", self.module, self.policy)?;
        for lack in &self.lacks {
            write!(f, "\n    {lack}")?;
        }
        for (file, why) in self.useless.iter().take(MAX_SHOWN) {
            write!(f, "\n    {file} does not count: {why}")?;
        }
        match self.useless.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n    and {more} more files do not count"),
        }
    }
}

/// Reads the keys of a set, and tells its definition what they are.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn read_keys(definition: &mut SetDefinition, files: &dyn ReadFiles) -> Result<Vec<NamedKey>, Vec<String>> {
    let mut problems = Vec::new();
    let mut keys: Vec<NamedKey> = Vec::new();
    for key in &definition.trust().keys {
        let public = match &key.source {
            KeySource::Inline(public) => Ok(public.clone()),
            KeySource::File(file) => read_key(files, file).map_err(|problem| format!("{file}: {problem}")),
        };
        let public = public.and_then(|public| match keys.iter().find(|other| other.key == public) {
            Some(other) => Err(format!("it is the same key as {:?}: under two names it would count twice", other.name)),
            None => Ok(public),
        });
        match public {
            Ok(public) => keys.push(NamedKey { name: key.name.clone(), key: public, not_after: key.not_after }),
            Err(problem) => problems.push(format!("the key {:?}: {problem}", key.name)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    definition.find_keys(&keys.iter().map(|key| (key.name.clone(), key.key.id())).collect());
    Ok(keys)
}

fn read_key(files: &dyn ReadFiles, file: &str) -> Result<PublicKey, String> {
    let bytes = files.read(file, MAX_PUBLIC_KEY_BYTES).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "not UTF-8".to_owned())?;
    PublicKey::parse(text).map_err(str::to_owned)
}

/// Checks every policy. `modules` are the digests of what was read for each, in the manifest's order. What is to be
/// recorded of it; `None` where the set asks for nothing.
///
/// # Errors
/// Every module that lacks something.
pub(crate) fn check(
    definition: &SetDefinition,
    keys: Vec<NamedKey>,
    modules: impl IntoIterator<Item = Option<Sha256>>,
    files: &dyn ReadFiles,
    now: Timestamp,
) -> Result<Option<SetEvidence>, Vec<Untrusted>> {
    if !definition.trust().asks() {
        return Ok(None);
    }
    let mut untrusted = Vec::new();
    let mut policies = BTreeMap::new();
    let mut bytes = 0_usize;
    let modules = modules.into_iter().chain(std::iter::repeat(None));
    let mut places = Places::default();
    for (spec, sha256) in definition.policies().iter().zip(modules) {
        match check_policy(spec, sha256, definition, &keys, files, &mut places, now) {
            Ok(Some(evidence)) => {
                bytes = bytes.saturating_add(evidence.bytes());
                policies.insert(spec.name.clone(), evidence);
            }
            Ok(None) => {}
            Err((lacks, useless)) => {
                let (policy, module) = (spec.name.clone(), spec.module.clone());
                untrusted.push(Untrusted { policy, module, sha256, lacks, useless });
            }
        }
    }
    if bytes > MAX_SET_EVIDENCE_BYTES {
        untrusted.push(Untrusted {
            policy: definition.name().into(),
            module: "all modules".into(),
            sha256: None,
            lacks: vec![format!("{bytes} bytes of evidence, more than {MAX_SET_EVIDENCE_BYTES}")],
            useless: Vec::new(),
        });
    }
    if untrusted.is_empty() { Ok(Some(SetEvidence { keys, policies })) } else { Err(untrusted) }
}

/// What a module lacks, and the files that do not help.
type Lacks = (Vec<String>, Vec<(String, String)>);

fn check_policy(
    spec: &PolicySpec,
    sha256: Option<Sha256>,
    definition: &SetDefinition,
    keys: &[NamedKey],
    files: &dyn ReadFiles,
    places: &mut Places,
    now: Timestamp,
) -> Result<Option<PolicyEvidence>, Lacks> {
    let lacks = |lack: String| (vec![lack], Vec::new());
    let trust = definition.trust();
    let place = Place::of(spec, files).map_err(lacks)?;
    let mut matching: Vec<(usize, &TrustRule)> = Vec::new();
    for (number, rule) in trust.rules.iter().enumerate() {
        if places.mean(&rule.modules, &place, files).map_err(lacks)? {
            matching.push((number, rule));
        }
    }
    if matching.is_empty() {
        return match trust.default {
            TrustDefault::Accept => Ok(None),
            TrustDefault::Refuse => Err(lacks("no [[trust]] is about it, and trust-default is \"refuse\"".into())),
        };
    }
    let Some(sha256) = sha256 else { return Err(lacks("it cannot be read".into())) };
    let found = files.evidence(&spec.module).map_err(|error| lacks(format!("its evidence cannot be read: {error}")))?;
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut bundles = Vec::new();
    let mut useless = Vec::new();
    for file in found {
        let verified = file.bytes().and_then(|bytes| {
            let bundle = Bundle::parse(&bytes).map_err(|error| error.to_string())?;
            let one = bundle.verify(sha256, keys.iter().map(|key| &key.key)).map_err(|error| error.to_string())?;
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            Ok((one, text))
        });
        match verified {
            Ok((one, text)) => {
                evidence.push(one);
                bundles.push(text);
            }
            Err(why) => useless.push((file.name, why)),
        }
    }
    let unmet = judge(sha256, matching.iter().map(|(_, rule)| *rule), &evidence, keys, now);
    if !unmet.is_empty() {
        return Err((unmet.iter().map(ToString::to_string).collect(), useless));
    }
    let rules = matching.into_iter().map(|(place, _)| place).collect();
    Ok(Some(PolicyEvidence { module: sha256, rules, bundles }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use portcullis_attest::{PrivateKey, signature_statement};
    use portcullis_gate::Manifest;

    use super::*;
    use crate::EvidenceFile;

    const NOW: &str = "2026-03-14T09:30:00Z";

    /// A registry: modules have no place on a disk, and their evidence is where the store keeps it.
    struct Registry(std::io::Result<Vec<EvidenceFile>>);

    impl ReadFiles for Registry {
        fn read(&self, _: &str, _: usize) -> std::io::Result<Vec<u8>> {
            Err(std::io::ErrorKind::NotFound.into())
        }

        fn evidence(&self, _: &str) -> std::io::Result<Vec<EvidenceFile>> {
            self.0.as_ref().map(Clone::clone).map_err(|error| std::io::Error::other(error.to_string()))
        }

        fn resolved(&self, _: &str) -> std::io::Result<PathBuf> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[7; 32]).unwrap()
    }

    fn signed() -> Vec<EvidenceFile> {
        let statement = signature_statement("a", Sha256::of(b"a"), 1, NOW.parse().unwrap());
        let bytes = Bundle::sign(statement, &key());
        vec![EvidenceFile::new("a.sigstore.json".into(), Ok(bytes))]
    }

    fn checked(module: &str, files: &dyn ReadFiles) -> Result<usize, String> {
        let text = format!(
            "portcullis = 1\nname = \"set\"\n[[policy]]\nname = \"a\"\nmodule = \"{module}\"\n\
             [keys.release]\npublic-key = \"\"\"\n{}\"\"\"\n\
             [[trust]]\nmodules = \"oci://registry.example.com/policies/*\"\nsigned-by = \"release\"\n",
            key().public().to_pem()
        );
        let mut definition =
            Manifest::parse("portcullis.toml", text.as_bytes(), NOW.parse().unwrap()).unwrap().definition;
        let keys = read_keys(&mut definition, files).unwrap();
        let evidence = check(&definition, keys, [Some(Sha256::of(b"a"))], files, NOW.parse().unwrap());
        match evidence {
            Ok(evidence) => Ok(evidence.unwrap().policies.len()),
            Err(untrusted) => Err(untrusted.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn modules_of_a_registry_need_what_files_need() {
        let registry = Registry(Ok(signed()));
        for module in [
            "oci://registry.example.com/policies/a:1",
            "oci://registry.example.com/policies/a@sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        ] {
            assert_eq!(checked(module, &registry), Ok(1), "{module}");
            let none = checked(module, &Registry(Ok(Vec::new()))).unwrap_err();
            assert!(none.contains("needs a signature by release, found none"), "{none}");
        }
        for (module, says) in [
            ("oci://registry.example.com/other/a:1", "no [[trust]] is about it"),
            ("oci://registry.example.com:5000/policies/a:1", "no [[trust]] is about it"),
            // A file is where it is, or nowhere.
            ("policies/a", "it cannot be found"),
        ] {
            let error = checked(module, &registry).expect_err(module);
            assert!(error.contains(says), "{module}: {error}");
        }
        // Other spellings of a place that a rule is about are no modules at all.
        for module in [
            "OCI://Registry.example.com/policies/a:1",
            "oci://registry.example.com/policies/../policies/a:1",
            "oci://registry.example.com//policies/a:1",
            "oci://registry.example.com:443/policies/a:1",
            "oci://registry.example.com./policies/a:1",
            "oci://registry.example.com/%70olicies/a:1",
        ] {
            let text = format!("portcullis = 1\nname = \"set\"\n[[policy]]\nname = \"a\"\nmodule = {module:?}\n");
            let refused = Manifest::parse("portcullis.toml", text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap_err();
            let message = &refused.marks[0].message;
            assert!(message.contains("a module cannot come from") || message.contains("is no reference"), "{message}");
        }
    }

    #[test]
    fn evidence_that_cannot_be_read_is_none() {
        let module = "oci://registry.example.com/policies/a:1";
        let unreadable = checked(module, &Registry(Err(std::io::Error::other("on fire")))).unwrap_err();
        assert!(unreadable.contains("its evidence cannot be read: on fire"), "{unreadable}");
        let broken = EvidenceFile::new("b.sigstore.json".into(), Err("a link".into()));
        let only = checked(module, &Registry(Ok(vec![broken.clone()]))).unwrap_err();
        assert!(only.contains("b.sigstore.json does not count: a link"), "{only}");
        // One that counts is enough, whatever lies beside it.
        assert_eq!(checked(module, &Registry(Ok([vec![broken.clone()], signed()].concat()))), Ok(1));
        // However many: those of the key that is asked for count, and the others are named, up to a point.
        let many = vec![broken; 10_000];
        assert_eq!(checked(module, &Registry(Ok([many.clone(), signed()].concat()))), Ok(1));
        let only = checked(module, &Registry(Ok(many))).unwrap_err();
        assert!(only.contains("and 9980 more files do not count") && only.len() < 4096, "{only}");
    }
}
