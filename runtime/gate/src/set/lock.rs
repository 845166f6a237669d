//! `portcullis.lock`: what exactly a set runs. Written by `portcullis lock`, committed, and checked at every start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlStringBuilder};

use super::digest::digest;
use super::read::{self, Item, Reader, Table};
use super::source::SourceError;
use super::{PolicySpec, SetDefinition, Settings};
use crate::digest::Sha256;
use crate::oci::OciReference;

/// The digests of a set and of all its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The set's name.
    pub name: String,
    /// Digest of everything that can change a decision: see [`Lock::digest_of`].
    pub set_sha256: Sha256,
    /// One entry for each policy, in the manifest's order.
    pub policies: Vec<LockedPolicy>,
}

/// What one policy is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPolicy {
    /// Its name in the set.
    pub name: String,
    /// Of the component.
    pub module_sha256: Sha256,
    /// Where the component came from, for one that a registry holds.
    pub oci: Option<OciPin>,
    /// Of the settings text.
    pub settings_sha256: Sha256,
    /// Of each reference document.
    pub data: BTreeMap<String, Sha256>,
    /// The request fields that it reads, as JSON pointers, in its order; `None` where it could not be configured, so
    /// that it can only fault.
    pub inputs: Option<Vec<String>>,
}

/// The artifact in a registry that held a module when it was locked.
///
/// Not in the set's digest: it says where the module is found, and the module's own digest says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciPin {
    /// The manifest's `module`: `oci://` and a reference.
    pub reference: String,
    /// Of the artifact's manifest, which the reference named then.
    pub manifest_sha256: Sha256,
}

/// What was found of one policy, aligned with the set's policies. `None`: the file could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPolicy {
    /// Of the component.
    pub module_sha256: Option<Sha256>,
    /// Where the component came from, for one that a registry holds.
    pub oci: Option<OciPin>,
    /// Of the settings text.
    pub settings_sha256: Option<Sha256>,
    /// Of each reference document.
    pub data: BTreeMap<String, Option<Sha256>>,
    /// The request fields that it reads; `None` where it could not be configured.
    pub inputs: Option<Vec<String>>,
}

/// Something that is not as the lock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The file, as the manifest names it.
    pub file: String,
    /// What it is to the set: `the module of "stage0"`.
    pub what: String,
    /// What the lock says; `None` where it has no such entry.
    pub expected: Option<String>,
    /// What is there; `None` where there is nothing, or nothing that can be read.
    pub found: Option<String>,
}

impl Lock {
    /// Locks what was found. `manifest` is what messages call the manifest's file.
    ///
    /// # Errors
    /// Every file that could not be read.
    pub fn new(definition: &SetDefinition, found: &[FoundPolicy], manifest: &str) -> Result<Lock, Vec<Mismatch>> {
        let mut unreadable = Vec::new();
        let mut policies = Vec::with_capacity(found.len());
        for (spec, found) in aligned(definition, found) {
            let mut need = |digest: Option<Sha256>, (file, what)| {
                if digest.is_none() {
                    unreadable.push(Mismatch { file, what, expected: None, found: None });
                }
                digest
            };
            // Of a module that a registry holds, a lock says where it was found too.
            let pinned = found.oci.is_some() == OciReference::of_module(&spec.module).is_some();
            let module = need(found.module_sha256.filter(|_| pinned), module_of(spec));
            let settings = need(found.settings_sha256, settings_of(spec, manifest));
            let mut data = BTreeMap::new();
            for (name, file) in &spec.data {
                let digest = need(found.data.get(name).copied().flatten(), document_of(spec, name, file));
                data.extend(digest.map(|digest| (name.clone(), digest)));
            }
            if let (Some(module_sha256), Some(settings_sha256)) = (module, settings) {
                let (name, oci, inputs) = (spec.name.clone(), found.oci.clone(), found.inputs.clone());
                policies.push(LockedPolicy { name, module_sha256, oci, settings_sha256, data, inputs });
            }
        }
        if !unreadable.is_empty() {
            return Err(unreadable);
        }
        let set_sha256 = digest(definition, &policies.iter().collect::<Vec<_>>());
        Ok(Lock { name: definition.name().into(), set_sha256, policies })
    }

    /// The digest that a set has with this lock's files; `None` where the lock lacks one of its policies.
    #[must_use]
    pub fn digest_of(&self, definition: &SetDefinition) -> Option<Sha256> {
        let locked: Option<Vec<_>> = definition.policies().iter().map(|spec| self.policy(&spec.name)).collect();
        Some(digest(definition, &locked?))
    }

    /// The entry of a policy.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&LockedPolicy> {
        self.policies.iter().find(|locked| locked.name == name)
    }

    /// Everything that is not as the lock says: files, declared inputs, missing and surplus entries, and the manifest's
    /// own meaning. Empty: the set is the one that was locked.
    #[must_use]
    pub fn verify(&self, definition: &SetDefinition, found: &[FoundPolicy], manifest: &str) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        for (spec, found) in aligned(definition, found) {
            match self.policy(&spec.name) {
                Some(locked) => locked.verify(spec, &found, manifest, &mut mismatches),
                None => {
                    let (file, what) = module_of(spec);
                    let found = found.module_sha256.map(|digest| digest.to_string());
                    mismatches.push(Mismatch { file, what, expected: None, found });
                }
            }
        }
        let names: BTreeSet<_> = definition.policies().iter().map(|spec| spec.name.as_str()).collect();
        for locked in self.policies.iter().filter(|locked| !names.contains(locked.name.as_str())) {
            mismatches.push(Mismatch {
                file: manifest.into(),
                what: format!("the policy {:?}", locked.name),
                expected: Some(locked.module_sha256.to_string()),
                found: None,
            });
        }
        let digest = self.digest_of(definition);
        if digest.is_some_and(|digest| digest != self.set_sha256) {
            mismatches.push(Mismatch {
                file: manifest.into(),
                what: "the set (its levels, tree, matchers, limits and waivers, and the lock's own entries)".into(),
                expected: Some(self.set_sha256.to_string()),
                found: digest.map(|digest| digest.to_string()),
            });
        }
        mismatches
    }

    /// The lock as TOML. The same set gives the same bytes.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::from(HEADER);
        _ = writeln!(out, "portcullis-lock = 1\n\n[set]\nname = {}", string(&self.name));
        _ = writeln!(out, "sha256 = \"{}\"", self.set_sha256);
        for policy in &self.policies {
            _ = writeln!(out, "\n[[policy]]\nname = {}", string(&policy.name));
            _ = writeln!(out, "module-sha256 = \"{}\"", policy.module_sha256);
            _ = writeln!(out, "settings-sha256 = \"{}\"", policy.settings_sha256);
            match policy.inputs.as_deref() {
                None => {}
                Some([]) => out.push_str("inputs = []\n"),
                Some(inputs) => {
                    out.push_str("inputs = [\n");
                    for input in inputs {
                        _ = writeln!(out, "    {},", string(input));
                    }
                    out.push_str("]\n");
                }
            }
            if let Some(OciPin { reference, manifest_sha256 }) = &policy.oci {
                _ = writeln!(out, "[policy.oci]\nreference = {}", string(reference));
                _ = writeln!(out, "manifest-sha256 = \"{manifest_sha256}\"");
            }
            if !policy.data.is_empty() {
                out.push_str("[policy.data]\n");
                for (name, digest) in &policy.data {
                    _ = writeln!(out, "{} = \"{digest}\"", name.to_toml_key());
                }
            }
        }
        out
    }

    /// Reads a lock. `file` is what messages call it.
    ///
    /// # Errors
    /// [`SourceError`]: everything that is wrong with it, with its line.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Lock, SourceError> {
        let text = read::text(file, bytes)?;
        let root = read::root(file, text)?;
        let first_line = 0..text.lines().next().map_or(0, str::len);
        let root = Table { entries: root.get_ref(), span: first_line, what: "a lock" };
        let mut reader = Reader::default();
        let lock = read_lock(&mut reader, &root);
        match lock {
            Some(lock) if reader.marks.is_empty() => Ok(lock),
            _ => Err(SourceError { file: file.into(), text: text.into(), marks: reader.marks }),
        }
    }
}

impl LockedPolicy {
    fn verify(&self, spec: &PolicySpec, found: &FoundPolicy, manifest: &str, mismatches: &mut Vec<Mismatch>) {
        let mut compare = |(file, what), expected: Option<Sha256>, found: Option<Sha256>| {
            if expected.is_none() || expected != found {
                let text = |digest: Option<Sha256>| digest.map(|digest| digest.to_string());
                mismatches.push(Mismatch { file, what, expected: text(expected), found: text(found) });
            }
        };
        compare(module_of(spec), Some(self.module_sha256), found.module_sha256);
        compare(settings_of(spec, manifest), Some(self.settings_sha256), found.settings_sha256);
        for (name, file) in &spec.data {
            let found = found.data.get(name).copied().flatten();
            compare(document_of(spec, name, file), self.data.get(name).copied(), found);
        }
        for (name, digest) in self.data.iter().filter(|(name, _)| !spec.data.contains_key(*name)) {
            compare(document_of(spec, name, manifest), Some(*digest), None);
        }
        self.verify_reference(spec, mismatches);
        // A policy that cannot be configured faults: there is nothing that it could read.
        if found.inputs.is_some() && self.inputs != found.inputs {
            let text = |inputs: &Option<Vec<String>>| inputs.as_ref().map(|inputs| format!("{inputs:?}"));
            mismatches.push(Mismatch {
                file: spec.module.clone(),
                what: format!("the inputs of {:?}", spec.name),
                expected: text(&self.inputs),
                found: text(&found.inputs),
            });
        }
    }
}

impl LockedPolicy {
    /// A lock that was made of another reference pins another version than the manifest asks for.
    fn verify_reference(&self, spec: &PolicySpec, mismatches: &mut Vec<Mismatch>) {
        let reference = OciReference::of_module(&spec.module).and_then(Result::ok);
        let what = format!("where the module of {:?} comes from", spec.name);
        let locked = self.oci.as_ref().map(|pin| pin.reference.as_str());
        let named = reference.is_some().then_some(spec.module.as_str());
        if locked != named {
            let text = |place: Option<&str>| Some(place.unwrap_or("a file").to_owned());
            let (expected, found) = (text(locked), text(named));
            mismatches.push(Mismatch { file: spec.module.clone(), what, expected, found });
            return;
        }
        let named = reference.and_then(|reference| reference.digest());
        if let Some((named, pin)) = named.zip(self.oci.as_ref())
            && named != pin.manifest_sha256
        {
            let (expected, found) = (Some(pin.manifest_sha256.to_string()), Some(named.to_string()));
            mismatches.push(Mismatch { file: spec.module.clone(), what, expected, found });
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { file, what, expected, found } = self;
        match (expected, found) {
            (Some(expected), Some(found)) => write!(f, "{file}: {what}: changed, expected {expected}, found {found}"),
            (Some(expected), None) => write!(f, "{file}: {what}: gone or unreadable, expected {expected}"),
            (None, Some(found)) => write!(f, "{file}: {what}: not in the lock, found {found}"),
            (None, None) => write!(f, "{file}: {what}: unreadable"),
        }
    }
}

fn aligned<'a>(
    definition: &'a SetDefinition,
    found: &'a [FoundPolicy],
) -> impl Iterator<Item = (&'a PolicySpec, FoundPolicy)> {
    let found = found.iter().cloned().chain(std::iter::repeat_with(FoundPolicy::default));
    definition.policies().iter().zip(found)
}

fn module_of(spec: &PolicySpec) -> (String, String) {
    (spec.module.clone(), format!("the module of {:?}", spec.name))
}

fn settings_of(spec: &PolicySpec, manifest: &str) -> (String, String) {
    let file = match &spec.settings {
        Settings::Inline(_) => manifest,
        Settings::File(file) => file,
    };
    (file.into(), format!("the settings of {:?}", spec.name))
}

fn document_of(spec: &PolicySpec, name: &str, file: &str) -> (String, String) {
    (file.into(), format!("the document {name:?} of {:?}", spec.name))
}

fn read_lock(reader: &mut Reader, root: &Table<'_>) -> Option<Lock> {
    reader.keys(root, &["portcullis-lock", "set", "policy"]);
    match root.entries.get("portcullis-lock") {
        None => reader.missing(root, "portcullis-lock", REWRITE),
        Some(item) => {
            if reader.unsigned(item, "the format", REWRITE).is_some_and(|format| format != 1) {
                reader.report(item.span(), "the lock is of a format that this version does not know", REWRITE);
            }
        }
    }
    let Some(set) = root.entries.get("set") else {
        reader.missing(root, "set", REWRITE);
        return None;
    };
    let set = reader.table(set, "`set`", REWRITE)?;
    reader.keys(&set, &["name", "sha256"]);
    let name = reader.required_string(&set, "name", REWRITE);
    let set_sha256 = required_sha256(reader, &set, "sha256");
    let mut policies = Vec::new();
    let mut names = BTreeSet::new();
    let tables = root.entries.get("policy").and_then(|item| reader.array(item, "`policy`", REWRITE));
    for item in tables.unwrap_or_default() {
        let Some(table) = reader.table(item, "a locked policy", REWRITE) else { continue };
        if let Some(policy) = read_policy(reader, &table) {
            if !names.insert(policy.name.clone()) {
                reader.report(table.span, format!("a second entry of {:?}", policy.name), REWRITE);
            }
            policies.push(policy);
        }
    }
    Some(Lock { name: name?.into(), set_sha256: set_sha256?, policies })
}

fn read_policy(reader: &mut Reader, table: &Table<'_>) -> Option<LockedPolicy> {
    reader.keys(table, &["name", "module-sha256", "settings-sha256", "inputs", "oci", "data"]);
    let name = reader.required_string(table, "name", REWRITE);
    let module_sha256 = required_sha256(reader, table, "module-sha256");
    let settings_sha256 = required_sha256(reader, table, "settings-sha256");
    let inputs = table.entries.get("inputs").and_then(|item| reader.array(item, "`inputs`", REWRITE));
    let inputs = inputs.map(|items| {
        items.iter().filter_map(|item| reader.string_of(item, "an input", REWRITE).map(str::to_owned)).collect()
    });
    let oci = table.entries.get("oci").and_then(|item| reader.table(item, "`oci`", REWRITE));
    let oci = oci.and_then(|table| read_pin(reader, &table));
    let mut data = BTreeMap::new();
    if let Some(documents) = table.entries.get("data").and_then(|item| reader.table(item, "`data`", REWRITE)) {
        for (key, item) in documents.entries.iter() {
            data.extend(sha256_of(reader, item).map(|digest| (key.get_ref().to_string(), digest)));
        }
    }
    Some(LockedPolicy {
        name: name?.into(),
        module_sha256: module_sha256?,
        oci,
        settings_sha256: settings_sha256?,
        data,
        inputs,
    })
}

fn read_pin(reader: &mut Reader, table: &Table<'_>) -> Option<OciPin> {
    reader.keys(table, &["reference", "manifest-sha256"]);
    let reference = reader.required_string(table, "reference", REWRITE);
    if let Some(reference) = reference
        && OciReference::of_module(reference).is_none_or(|reference| reference.is_err())
    {
        reader.report(table.span.clone(), format!("{reference:?} is no reference"), REWRITE);
    }
    let manifest_sha256 = required_sha256(reader, table, "manifest-sha256");
    Some(OciPin { reference: reference?.into(), manifest_sha256: manifest_sha256? })
}

fn required_sha256(reader: &mut Reader, table: &Table<'_>, key: &str) -> Option<Sha256> {
    let item = table.entries.get(key);
    if item.is_none() {
        reader.missing(table, key, REWRITE);
    }
    sha256_of(reader, item?)
}

fn sha256_of(reader: &mut Reader, item: &Item<'_>) -> Option<Sha256> {
    let digest = Sha256::from_hex(reader.string_of(item, "a digest", REWRITE)?);
    if digest.is_none() {
        reader.report(item.span(), "not a sha256: 64 lower-case hexadecimal digits", REWRITE);
    }
    digest
}

fn string(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

const REWRITE: &str = "a lock is not written by hand: run `portcullis lock`";

const HEADER: &str = "\
# What exactly this policy set runs: sha256 of every module, of its settings and of its documents, the request fields
# that each policy reads, and the digest of the set as a whole. Written by `portcullis lock`; commit it. Whatever does
# not match it is refused.
";
