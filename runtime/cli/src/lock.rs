//! `portcullis lock`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::{LOCK_FILE, Locked, MANIFEST_FILE, PolicySet};
use portcullis_gate::{FoundPolicy, Lock, LockedPolicy, Manifest, Sha256};
use portcullis_inspect::{InspectLimits, inspect};

use crate::args::LockArgs;
use crate::cache;
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::report;
use crate::text::shown;

/// Writes the lock of a policy set, or compares it with what is there.
///
/// # Errors
/// The manifest is wrong, a file cannot be read, or the lock cannot be written. With `--check` also: there is no lock.
pub fn run(args: &LockArgs) -> anyhow::Result<Exit> {
    let manifest = manifest_path(&args.policies);
    let path = manifest.with_file_name(LOCK_FILE);
    let Locked { lock: found, not_loaded } = {
        let _spinner = Spinner::start("compiling policies");
        PolicySet::lock(&args.policies, &cache::engine(&args.cache)?)?
    };
    let shown_path = path.display();
    let old = match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown_path}")),
    };
    if args.check {
        let command = format!("portcullis lock --policies {}", args.policies.display());
        let old = old.with_context(|| format!("{shown_path} is not there; write it with `{command}`"))?;
        return check(&manifest, &Lock::parse(&shown_path.to_string(), &old)?, &found, &command);
    }
    // A lock that cannot be read is replaced; everything in it is new then.
    let before = old.as_deref().and_then(|bytes| Lock::parse(&shown_path.to_string(), bytes).ok());
    let text = found.render();
    if old.as_deref() != Some(text.as_bytes()) {
        write(&path, &text).with_context(|| format!("cannot write {shown_path}"))?;
    }
    let changes = changes(before.as_ref(), &found);
    let mut out = String::new();
    let verb = if changes.is_empty() { "is up to date" } else { "is written" };
    _ = writeln!(out, "{shown_path} {verb}: policy set {} {}", shown(&found.name), found.set_sha256.short());
    for change in changes {
        _ = writeln!(out, "  {change}");
    }
    print(&out)?;
    for policy in &not_loaded {
        report::warning(&format!("it is locked, but it will fail in every decision that concerns it: {policy}"));
    }
    for proposal in proposals(&manifest)? {
        report::warning(&proposal);
    }
    Ok(Exit::Done)
}

/// For each policy that gets less than its author proposes, the line for the manifest.
fn proposals(manifest: &Path) -> anyhow::Result<Vec<String>> {
    let name = manifest.display().to_string();
    let bytes = std::fs::read(manifest).with_context(|| format!("cannot read {name}"))?;
    let definition = Manifest::parse(&name, &bytes, Timestamp::now())?.definition;
    let mut proposals = Vec::new();
    for policy in definition.policies() {
        // What cannot be read or is refused for other reasons was told before.
        let Ok(module) = std::fs::read(manifest.with_file_name(&policy.module)) else { continue };
        let Ok(report) = inspect(&module, &InspectLimits::default()) else { continue };
        let lacking = report.lacking(&policy.limits);
        if lacking.is_empty() {
            continue;
        }
        let limits: Vec<String> = lacking.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        proposals.push(format!(
            "{} gets less than its author proposes; if you agree, give it limits = {{ {} }}",
            shown(&policy.name),
            limits.join(", ")
        ));
    }
    Ok(proposals)
}

fn check(manifest: &Path, lock: &Lock, found: &Lock, command: &str) -> anyhow::Result<Exit> {
    let name = manifest.display().to_string();
    let bytes = std::fs::read(manifest).with_context(|| format!("cannot read {name}"))?;
    let definition = Manifest::parse(&name, &bytes, Timestamp::now())?.definition;
    let files: Vec<FoundPolicy> = found.policies.iter().map(found_policy).collect();
    let mismatches = lock.verify(&definition, &files, &name);
    let mut out = String::new();
    for mismatch in &mismatches {
        _ = writeln!(out, "{}", shown(&mismatch.to_string()));
    }
    if mismatches.is_empty() {
        _ = writeln!(out, "the lock matches: policy set {} {}", shown(&found.name), found.set_sha256.short());
        print(&out)?;
        return Ok(Exit::Done);
    }
    _ = writeln!(out, "the lock does not match; if these changes are meant, run `{command}` and review its difference");
    print(&out)?;
    Ok(Exit::Error)
}

fn found_policy(locked: &LockedPolicy) -> FoundPolicy {
    FoundPolicy {
        module_sha256: Some(locked.module_sha256),
        settings_sha256: Some(locked.settings_sha256),
        data: locked.data.iter().map(|(name, digest)| (name.clone(), Some(*digest))).collect(),
        inputs: locked.inputs.clone(),
    }
}

/// What a new lock says that the old one does not, a line each.
fn changes(old: Option<&Lock>, new: &Lock) -> Vec<String> {
    let Some(old) = old else {
        return new.policies.iter().map(|policy| format!("+ {}", summary(policy))).collect();
    };
    let mut changes = Vec::new();
    for policy in &new.policies {
        match old.policy(&policy.name) {
            None => changes.push(format!("+ {}", summary(policy))),
            Some(before) => changes.extend(differences(before, policy)),
        }
    }
    let gone = old.policies.iter().filter(|policy| new.policy(&policy.name).is_none());
    changes.extend(gone.map(|policy| format!("- {}", summary(policy))));
    if changes.is_empty() && old.set_sha256 != new.set_sha256 {
        let (before, after) = (old.set_sha256.short(), new.set_sha256.short());
        changes.push(format!("~ the set's levels, tree, matchers, limits or waivers: {before} → {after}"));
    }
    changes
}

fn summary(policy: &LockedPolicy) -> String {
    format!("{}: module {}", shown(&policy.name), policy.module_sha256.short())
}

fn differences(before: &LockedPolicy, after: &LockedPolicy) -> Vec<String> {
    let name = shown(&after.name);
    let mut changes = Vec::new();
    let mut compare = |what: String, before: Option<&Sha256>, after: Option<&Sha256>| {
        if before != after {
            let short = |digest: Option<&Sha256>| digest.map_or_else(|| "nothing".to_owned(), Sha256::short);
            changes.push(format!("~ {name}: {what} {} → {}", short(before), short(after)));
        }
    };
    compare("module".into(), Some(&before.module_sha256), Some(&after.module_sha256));
    compare("settings".into(), Some(&before.settings_sha256), Some(&after.settings_sha256));
    let documents: BTreeSet<&String> = before.data.keys().chain(after.data.keys()).collect();
    for document in documents {
        compare(format!("document {}", shown(document)), before.data.get(document), after.data.get(document));
    }
    let inputs = |policy: &LockedPolicy| policy.inputs.clone().unwrap_or_default().into_iter().collect::<BTreeSet<_>>();
    let (old, new) = (inputs(before), inputs(after));
    let list = |names: Vec<&String>| names.into_iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let (more, less) = (list(new.difference(&old).collect()), list(old.difference(&new).collect()));
    if !more.is_empty() {
        changes.push(format!("~ {name}: now reads {more}"));
    }
    if !less.is_empty() {
        changes.push(format!("~ {name}: no longer reads {less}"));
    }
    if before.inputs.is_some() && after.inputs.is_none() {
        changes.push(format!("~ {name}: can no longer be configured, so it can only fail"));
    }
    changes
}

fn manifest_path(policies: &Path) -> PathBuf {
    if policies.is_dir() { policies.join(MANIFEST_FILE) } else { policies.to_owned() }
}

/// Readers see the old lock or the new one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let aside = path.with_extension("lock.new");
    std::fs::write(&aside, text)?;
    std::fs::rename(&aside, path)
}

fn print(text: &str) -> anyhow::Result<()> {
    anstream::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, module: &str, inputs: Option<&[&str]>) -> LockedPolicy {
        LockedPolicy {
            name: name.into(),
            module_sha256: Sha256::of(module.as_bytes()),
            settings_sha256: Sha256::of(b"{}"),
            data: [("calendar".to_owned(), Sha256::of(module.as_bytes()))].into(),
            inputs: inputs.map(|inputs| inputs.iter().map(|input| (*input).to_owned()).collect()),
        }
    }

    fn lock(set: &str, policies: Vec<LockedPolicy>) -> Lock {
        Lock { name: "acme".into(), set_sha256: Sha256::of(set.as_bytes()), policies }
    }

    #[test]
    fn a_policy_that_gets_less_than_its_author_proposes_is_told_with_the_line_for_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let description =
            r#"{"name":"a.b","version":"1","inputs":[],"limits":{"fuel":5,"instances":48,"memory-mib":64}}"#;
        std::fs::write(folder.path().join("p.wasm"), crate::policy_build::sample(description)).unwrap();
        let told = |limits: &str| {
            let manifest = folder.path().join("portcullis.toml");
            let text = format!("portcullis = 1\nname = \"x\"\n[[policy]]\nname = \"p\"\nmodule = \"p.wasm\"\n{limits}");
            std::fs::write(&manifest, text).unwrap();
            proposals(&manifest).unwrap()
        };
        let says =
            "p gets less than its author proposes; if you agree, give it limits = { instances = 48, memory-mib = 64 }";
        assert_eq!(told(""), [says]);
        assert!(told("limits = { memory-mib = 64 }\n")[0].ends_with("limits = { instances = 48 }"));
        assert_eq!(told("limits = { instances = 50, memory-mib = 64 }\n"), [] as [&str; 0]);
    }

    #[test]
    fn what_changed_is_said_policy_by_policy() {
        let old =
            lock("1", vec![policy("a", "a", Some(&["/x", "/y"])), policy("b", "b", None), policy("c", "c", Some(&[]))]);
        let new =
            lock("2", vec![policy("a", "A", Some(&["/y", "/z"])), policy("b", "b", None), policy("d", "d", Some(&[]))]);
        insta::assert_snapshot!(changes(Some(&old), &new).join("\n"));
        assert_eq!(changes(Some(&old), &old), [] as [&str; 0]);
        assert_eq!(changes(None, &old).len(), 3);
        let relaxed = Lock { set_sha256: Sha256::of(b"3"), ..old.clone() };
        assert!(changes(Some(&old), &relaxed)[0].contains("levels, tree, matchers, limits or waivers"));
        let broken = lock("1", vec![policy("c", "c", None)]);
        assert!(changes(Some(&old), &broken).iter().any(|change| change.contains("can only fail")));
    }
}
