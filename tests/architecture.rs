//! Which way dependencies point.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate of ours may depend on, of ours.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("portcullis-files", &[]),
    ("portcullis-gate", &[]),
    ("portcullis-inspect", &["portcullis-gate"]),
    ("portcullis-engine", &["portcullis-files", "portcullis-gate", "portcullis-inspect"]),
    ("portcullis-attest", &["portcullis-gate"]),
    ("portcullis-ledger", &["portcullis-files", "portcullis-gate", "portcullis-attest"]),
    ("portcullis-registry", &["portcullis-gate", "portcullis-inspect"]),
    (
        "portcullis",
        &["portcullis-files", "portcullis-gate", "portcullis-attest", "portcullis-engine", "portcullis-ledger"],
    ),
    (
        "portcullis-cli",
        &[
            "portcullis-files",
            "portcullis-gate",
            "portcullis-inspect",
            "portcullis-attest",
            "portcullis-engine",
            "portcullis-ledger",
            "portcullis-registry",
            "portcullis",
        ],
    ),
    ("portcullis-tests", &["portcullis-gate", "portcullis-inspect", "portcullis-engine", "portcullis"]),
    ("portcullis-skip", &[]),
    ("portcullis-bench", &["portcullis-gate", "portcullis-engine", "portcullis-ledger", "portcullis"]),
];

/// Crates that run guests, and who may name them. The benchmarks measure them side by side.
const EXECUTORS: [&str; 3] = ["wasmtime", "wasmtime-wizer", "extism"];
const MAY_EXECUTE: [&str; 2] = ["portcullis-engine", "portcullis-bench"];

/// Clients of HTTP.
const HTTP_CLIENTS: [&str; 5] = ["ureq", "reqwest", "hyper", "oci-client", "curl"];

/// What would give the gate and the inspection more than bytes.
const NOT_PURE: [&str; 6] = ["tokio", "rayon", "tempfile", "getrandom", "reqwest", "hyper"];

#[test]
fn arrows_point_down() {
    let dependencies = dependencies();
    let members: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(members, ALLOWED.iter().map(|(name, _)| *name).collect(), "what each crate may depend on is said here");
    for (name, allowed) in ALLOWED {
        let found = &dependencies[name];
        let ours: Vec<_> = found.iter().filter(|dependency| dependencies.contains_key(*dependency)).collect();
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn only_the_engine_executes() {
    for (name, found) in dependencies() {
        for dependency in &found {
            let executes = EXECUTORS.contains(&dependency.as_str()) || dependency.starts_with("cranelift");
            assert!(!executes || MAY_EXECUTE.contains(&name.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

/// Deciding asks nothing of a network: what speaks HTTP is beside the library, not under it.
#[test]
fn only_the_registry_speaks_http() {
    for (name, found) in dependencies() {
        for dependency in &found {
            let speaks = HTTP_CLIENTS.contains(&dependency.as_str());
            assert!(!speaks || name == "portcullis-registry", "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn the_floor_is_pure() {
    let dependencies = dependencies();
    for name in ["portcullis-gate", "portcullis-inspect", "portcullis-attest"] {
        for dependency in &dependencies[name] {
            assert!(!NOT_PURE.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

/// How a file gets its name, for whoever does without `portcullis-files`.
const NAMING: [&str; 4] = ["fs::rename(", "hard_link(", ".persist(", ".persist_noclobber("];
/// Who does, and why.
const NAMES_FILES: [(&str, &str); 2] = [
    // A child wrote it, into a file that was open; it can be made anew, and is authenticated.
    ("engine/src/cache.rs", ".persist("),
    // A folder.
    ("cli/src/policy_build/tools.rs", "fs::rename("),
];

/// Whatever is written to last is synced, under a name that nobody could make first, and its folder with it.
#[test]
fn only_one_crate_puts_files_into_their_place() {
    let runtime = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime"));
    let mut found = BTreeSet::new();
    for file in sources(runtime) {
        let name = file.strip_prefix(runtime).expect("below it").to_str().expect("UTF-8").to_owned();
        if !name.contains("/src/") || name.starts_with("files/") || name.ends_with("/tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(NAMING.iter().filter(|call| code.contains(**call)).map(|call| (name.clone(), *call)));
    }
    let allowed: BTreeSet<_> = NAMES_FILES.iter().map(|(name, call)| ((*name).to_owned(), *call)).collect();
    assert_eq!(found, allowed);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")).chain(below).collect()
}

/// The crates of the workspace with their direct dependencies; those for tests alone are left out.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let direct = package["dependencies"].as_array().expect("dependencies").iter();
            let direct = direct.filter(|dependency| dependency["kind"].is_null()).map(|d| text(&d["name"])).collect();
            (text(&package["name"]), direct)
        })
        .collect()
}
