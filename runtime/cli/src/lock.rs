//! `portcullis lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use portcullis::{LOCK_FILE, Locked, LockedModule, MANIFEST_FILE, ModuleStore, NotLoaded, PolicySet, SetError};
use portcullis_files::Rights;
use portcullis_gate::{Fault, FoundPolicy, LoadFault, Lock, LockedPolicy, Manifest, OCI_SCHEME, Sha256};
use portcullis_inspect::{InspectLimits, inspect};

use crate::args::LockArgs;
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::text::shown;
use crate::{cache, modules, report};

/// Writes the lock of a policy set, or compares it with what is there.
///
/// # Errors
/// The manifest is wrong, a file cannot be read, or the lock cannot be written. With `--check` also: there is no lock.
pub fn run(args: &LockArgs) -> anyhow::Result<Exit> {
    let manifest = manifest_path(&args.policies);
    let path = manifest.with_file_name(LOCK_FILE);
    let modules = modules::store(&args.modules).ok();
    let resolved = if args.check { locked_modules(&args.policies) } else { resolve(args, modules.as_ref())? };
    let engine = cache::engine(&args.cache)?;
    let Locked { lock: found, not_loaded } = {
        let _spinner = Spinner::start("compiling policies");
        PolicySet::lock_with(&args.policies, modules.as_ref(), &resolved, &engine)
            .map_err(|error| with_fetch(args, error))?
    };
    cache::warn_of_not_kept(&engine);
    warn_of_manifest(&manifest)?;
    if let Some(policy) = not_loaded.iter().find(|policy| of_the_host(policy)) {
        bail!("{policy}; this says nothing of the module, so nothing was locked");
    }
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
    if !not_loaded.is_empty() && !args.allow_failing {
        for policy in &not_loaded {
            report::warning(&format!("it could only fail: {policy}"));
        }
        report::warning(&format!(
            "{shown_path} was not written; mend {}, or lock as it is with --allow-failing",
            if not_loaded.len() == 1 { "this policy" } else { "these policies" }
        ));
        return Ok(Exit::Refused);
    }
    // A lock that cannot be read is replaced; everything in it is new then.
    let before = old.as_deref().and_then(|bytes| Lock::parse(&shown_path.to_string(), bytes).ok());
    let text = found.render();
    if old.as_deref() != Some(text.as_bytes()) {
        portcullis_files::replace(&path, text.as_bytes(), Rights::Usual).context("the lock cannot be written")?;
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

/// Shows what is worth knowing about the manifest although it is no error, as deciding by it would.
fn warn_of_manifest(path: &Path) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let manifest = Manifest::parse(&name, &bytes, Timestamp::now())?;
    if !manifest.warnings.is_empty() {
        let text = String::from_utf8_lossy(&bytes);
        report::marks(&name, &text, &manifest.warnings, miette::Severity::Warning);
    }
    Ok(())
}

/// Whether a policy was not loaded for a reason that lies in this machine.
fn of_the_host(policy: &NotLoaded) -> bool {
    policy.error.fault == LoadFault::Compiler || policy.error.cause == Some(Fault::Host)
}

/// Asks the registries what the references name now, and fetches it.
fn resolve(args: &LockArgs, store: Option<&ModuleStore>) -> anyhow::Result<BTreeMap<String, LockedModule>> {
    let references = modules::references(&PolicySet::definition(&args.policies)?.1);
    let mut resolved = BTreeMap::new();
    if references.is_empty() {
        return Ok(resolved);
    }
    let store = store.context("there is no home folder to keep modules in: say --module-store DIR")?;
    let client = modules::client(&args.registry, false)?;
    let _spinner = Spinner::start("fetching modules");
    for (module, (reference, limits)) in references {
        let artifact = client.pull(&reference, &limits)?;
        modules::keep(store, &artifact)?;
        let (manifest_sha256, module_sha256) = (artifact.manifest_sha256(), artifact.module_sha256());
        resolved.insert(module, LockedModule { manifest_sha256, module_sha256 });
    }
    Ok(resolved)
}

/// What the lock that is there says of references. Where it says nothing of one, or is none, the comparison tells.
fn locked_modules(policies: &Path) -> BTreeMap<String, LockedModule> {
    let lock = PolicySet::definition(policies).and_then(|(manifest, _)| PolicySet::read_lock(&manifest));
    let policies = lock.map(|lock| lock.policies).unwrap_or_default();
    let pins = policies.iter().filter_map(|policy| Some((policy.oci.as_ref()?, policy.module_sha256)));
    pins.map(|(pin, module)| (pin.reference.clone(), modules::locked_module(pin, module))).collect()
}

/// A module that is not here yet is something to fetch, not something to mend.
fn with_fetch(args: &LockArgs, error: SetError) -> anyhow::Error {
    let fetched = matches!(&error, SetError::NotLocked { files, .. } if files.iter().any(|file| file.file.starts_with(OCI_SCHEME)));
    let error = anyhow::Error::from(error);
    if !(args.check && fetched) {
        return error;
    }
    error.context(format!(
        "modules of registries are not here as the lock pins them: run `portcullis policy fetch --policies {}`, or \
         `portcullis lock` where the manifest names others",
        args.policies.display()
    ))
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
    let mut definition = Manifest::parse(&name, &bytes, Timestamp::now())?.definition;
    definition.find_keys(&found.keys);
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
        oci: locked.oci.clone(),
        settings_sha256: Some(locked.settings_sha256),
        data: locked.data.iter().map(|(name, digest)| (name.clone(), Some(*digest))).collect(),
        inputs: locked.inputs.clone(),
    }
}

/// What a new lock says that the old one does not, a line each.
fn changes(old: Option<&Lock>, new: &Lock) -> Vec<String> {
    let Some(old) = old else {
        let keys = new.keys.iter().map(|(name, id)| format!("+ the key {}: {}", shown(name), id.short()));
        return new.policies.iter().map(|policy| format!("+ {}", summary(policy))).chain(keys).collect();
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
    let names: BTreeSet<&String> = old.keys.keys().chain(new.keys.keys()).collect();
    for name in names {
        let short = |lock: &Lock| lock.keys.get(name).map(Sha256::short);
        match (short(old), short(new)) {
            (None, Some(after)) => changes.push(format!("+ the key {}: {after}", shown(name))),
            (Some(before), None) => changes.push(format!("- the key {}: {before}", shown(name))),
            (Some(before), Some(after)) if before != after => {
                changes.push(format!("~ the key {}: {before} → {after}", shown(name)));
            }
            _ => {}
        }
    }
    if changes.is_empty() && old.set_sha256 != new.set_sha256 {
        let (before, after) = (old.set_sha256.short(), new.set_sha256.short());
        changes.push(format!(
            "~ the set's levels, tree, matchers, limits or waivers, or its trust rules: {before} → {after}"
        ));
    }
    changes
}

fn summary(policy: &LockedPolicy) -> String {
    let from = policy.oci.as_ref().map(|pin| format!(" from {}", shown(&pin.reference))).unwrap_or_default();
    format!("{}: module {}{from}", shown(&policy.name), policy.module_sha256.short())
}

fn differences(before: &LockedPolicy, after: &LockedPolicy) -> Vec<String> {
    let name = shown(&after.name);
    let mut changes = Vec::new();
    let compare = |changes: &mut Vec<String>, what: String, before: Option<&Sha256>, after: Option<&Sha256>| {
        if before != after {
            let short = |digest: Option<&Sha256>| digest.map_or_else(|| "nothing".to_owned(), Sha256::short);
            changes.push(format!("~ {name}: {what} {} → {}", short(before), short(after)));
        }
    };
    compare(&mut changes, "module".into(), Some(&before.module_sha256), Some(&after.module_sha256));
    let manifest = |policy: &LockedPolicy| policy.oci.as_ref().map(|pin| pin.manifest_sha256);
    let (old, new) = (manifest(before), manifest(after));
    if let (Some(old), Some(new), Some(pin)) = (old, new, &after.oci)
        && before.oci.as_ref().map(|pin| &pin.reference) == Some(&pin.reference)
        && old != new
    {
        let reference = shown(&pin.reference);
        changes.push(format!("~ {name}: {reference} moved, from manifest sha256:{old} to sha256:{new}"));
    } else if before.oci != after.oci {
        let place = |policy: &LockedPolicy| policy.oci.as_ref().map_or("a file".into(), |pin| shown(&pin.reference));
        changes.push(format!("~ {name}: comes from {}, and came from {}", place(after), place(before)));
    }
    compare(&mut changes, "settings".into(), Some(&before.settings_sha256), Some(&after.settings_sha256));
    let documents: BTreeSet<&String> = before.data.keys().chain(after.data.keys()).collect();
    for document in documents {
        compare(
            &mut changes,
            format!("document {}", shown(document)),
            before.data.get(document),
            after.data.get(document),
        );
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
        changes.push(format!("~ {name}: can no longer be loaded, so it can only fail"));
    }
    changes
}

fn manifest_path(policies: &Path) -> PathBuf {
    if policies.is_dir() { policies.join(MANIFEST_FILE) } else { policies.to_owned() }
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
            oci: None,
            settings_sha256: Sha256::of(b"{}"),
            data: [("calendar".to_owned(), Sha256::of(module.as_bytes()))].into(),
            inputs: inputs.map(|inputs| inputs.iter().map(|input| (*input).to_owned()).collect()),
        }
    }

    fn lock(set: &str, policies: Vec<LockedPolicy>) -> Lock {
        Lock { name: "acme".into(), set_sha256: Sha256::of(set.as_bytes()), keys: Default::default(), policies }
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
        let keyed =
            |set: &str, key: &[u8]| Lock { keys: [("alice".to_owned(), Sha256::of(key))].into(), ..lock(set, vec![]) };
        let (one, other) = (keyed("1", b"one"), keyed("2", b"other"));
        let short = |key: &[u8]| Sha256::of(key).short();
        let exchanged = format!("~ the key alice: {} → {}", short(b"one"), short(b"other"));
        assert_eq!(changes(Some(&one), &other), [exchanged]);
        assert_eq!(changes(Some(&lock("1", vec![])), &one), [format!("+ the key alice: {}", short(b"one"))]);
        assert_eq!(changes(Some(&one), &lock("1", vec![])), [format!("- the key alice: {}", short(b"one"))]);
        assert_eq!(changes(None, &one), [format!("+ the key alice: {}", short(b"one"))]);
        let broken = lock("1", vec![policy("c", "c", None)]);
        assert!(changes(Some(&old), &broken).iter().any(|change| change.contains("can only fail")));
    }
}
