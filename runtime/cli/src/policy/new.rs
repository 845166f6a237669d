//! `portcullis policy new`: a policy that builds and passes its cases at once. The SDKs are part of the command, so nothing
//! but a language's own toolchain has to be fetched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portcullis_gate::is_policy_code;

use crate::args::NewArgs;
use crate::exit::Exit;
use crate::policy_build::Language;
use crate::report;
use crate::text::{counted, shown};

/// Every file of the SDKs and templates, by its path in `policies-sdk`.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/scaffolds.rs"));

/// Writes the folder of a new policy.
///
/// # Errors
/// The name cannot be a policy's, the folder holds something already, or a file cannot be written.
pub fn run(args: &NewArgs) -> anyhow::Result<Exit> {
    if let Some(problem) = name_problem(&args.name) {
        return Err(report::usage(format!("{:?} cannot be a policy's name: {problem}", args.name)));
    }
    if args.sdk.is_some() && args.lang != Language::Rust {
        return Err(report::usage("--sdk is for Rust; the other SDKs are some files in the policy's own folder"));
    }
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let shown_folder = shown(&folder.display().to_string());
    let is_empty = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown_folder}")),
    };
    if !is_empty {
        bail!("{shown_folder} is there and not empty; name another folder with --out");
    }
    let files = scaffold(&args.name, args.lang, args.sdk.as_deref())?;
    for (path, content) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = String::new();
    let count = counted(files.len(), "file", "files");
    _ = writeln!(out, "{shown_folder}: a policy in {}, {count}; README.md says what is where", args.lang.name());
    _ = writeln!(out, "  portcullis policy build {shown_folder} && portcullis policy test {shown_folder}");
    anstream::stdout().lock().write_all(out.as_bytes()).context("cannot write to standard output")?;
    Ok(Exit::Done)
}

/// What a name is.
const RULE: &str = "it is of a-z 0-9 -, at most 40 of them, begins with a letter and does not end with -";

/// What is wrong with a name. It becomes a part of codes, a file's name and, in some languages, of a package.
fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Some(RULE);
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some(RULE);
    }
    if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) || name.ends_with('-') {
        return Some(RULE);
    }
    (!is_policy_code(&format!("example.{name}.open"))).then_some("no code can have it")
}

/// The files of a new policy, by their path in its folder.
fn scaffold(name: &str, language: Language, sdk: Option<&Path>) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let (limits, toml) = limits(language);
    let sdk_path = match sdk {
        None => "sdk".to_owned(),
        Some(path) => std::fs::canonicalize(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .display()
            .to_string(),
    };
    let values = [
        ("{{name}}", name.to_owned()),
        ("{{limits}}", limits),
        ("{{toml}}", toml),
        ("{{sdk}}", serde_json::Value::from(sdk_path).to_string()),
    ];
    for (from, to) in places(language) {
        let is_sdk = to.starts_with("sdk/");
        if is_sdk && sdk.is_some() {
            continue;
        }
        for (path, content) in FILES {
            let Some(rest) = path.strip_prefix(from) else { continue };
            if language == Language::Rust && rest == "policy.json" {
                continue;
            }
            let content = match *path {
                "rust/Cargo.toml" => sdk_manifest(content),
                _ if is_sdk => content.to_vec(),
                _ => filled(content, &values),
            };
            let rest = match rest {
                "gitignore" => ".gitignore",
                other => other.strip_suffix(".in").unwrap_or(other),
            };
            files.insert(format!("{to}{rest}"), content);
        }
    }
    Ok(files)
}

/// Which part of `policies-sdk` goes where.
fn places(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::Rust => &[
            ("template/", ""),
            ("rust-template/", ""),
            ("rust/Cargo.toml", "sdk/Cargo.toml"),
            ("rust/src/", "sdk/src/"),
            ("rust/macros/", "sdk/macros/"),
            ("rust/wit/", "sdk/wit/"),
        ],
        Language::Javascript => &[("template/", ""), ("javascript/template/", ""), ("javascript/sdk/", "sdk/")],
        Language::Typescript => &[("template/", ""), ("javascript/template-ts/", ""), ("javascript/sdk/", "sdk/")],
        Language::Python => &[("template/", ""), ("python/template/", ""), ("python/sdk/", "sdk/")],
        Language::Go => &[("template/", ""), ("go/template/", ""), ("go/sdk/", "sdk/")],
        Language::C => &[("template/", ""), ("c/template/", ""), ("c/sdk/", "sdk/")],
    }
}

/// The limits that a language's engine needs beyond the default, as members of `policy.json` and of a manifest.
fn limits(language: Language) -> (String, String) {
    let limits: &[(&str, u64)] = match language {
        Language::Rust | Language::C => &[],
        Language::Go => &[("memory-mib", 64), ("time-ms", 500)],
        Language::Javascript | Language::Typescript => &[("fuel", 50_000_000), ("memory-mib", 64), ("time-ms", 500)],
        Language::Python => &[("fuel", 50_000_000), ("instances", 48), ("memory-mib", 64), ("time-ms", 500)],
    };
    if limits.is_empty() {
        return Default::default();
    }
    let json: Vec<String> = limits.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    let toml: Vec<String> = limits.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    (format!(",\n  \"limits\": {{ {} }}", json.join(", ")), toml.join(", "))
}

/// The Rust SDK's manifest without what is not written: examples and tests.
fn sdk_manifest(content: &[u8]) -> Vec<u8> {
    let mut manifest = String::new();
    let mut skipping = false;
    for line in String::from_utf8_lossy(content).lines() {
        if line.starts_with('[') {
            skipping = line == "[dev-dependencies]";
        }
        if line.starts_with("members = ") {
            manifest.push_str("members = [\".\", \"macros\"]\n");
        } else if !skipping {
            manifest.push_str(line);
            manifest.push('\n');
        }
    }
    manifest.into_bytes()
}

fn filled(content: &[u8], values: &[(&str, String)]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value)).into_bytes()
}

const MAX_NAME_BYTES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "change-ticket", "a1", &"a".repeat(40)] {
            assert_eq!(name_problem(name), None, "{name}");
        }
        for name in ["", "A", "1a", "-a", "a-", "a_b", "a b", "a/b", "..", "é", &"a".repeat(41)] {
            assert!(name_problem(name).is_some(), "{name}");
        }
    }

    /// No placeholder is left, the description can be read, and each README has the line for the manifest.
    #[test]
    fn every_scaffold_is_whole() {
        for language in Language::ALL {
            let files = scaffold("change-ticket", language, None).unwrap();
            let text = |path: &str| String::from_utf8(files[path].clone()).unwrap();
            for (path, content) in &files {
                let text = String::from_utf8_lossy(content);
                assert!(path.starts_with("sdk/") || !text.contains("{{"), "{language:?}: {path}");
                assert!(!path.ends_with(".in"), "{language:?}: {path}");
            }
            assert!(files.contains_key(language.source()) && files.contains_key(".gitignore"), "{language:?}");
            assert!(files.keys().any(|path| path.starts_with("sdk/")), "{language:?}");
            assert!(text("README.md").contains("module = \"change-ticket.wasm\""), "{language:?}");
            assert_eq!(text("cases/policy.json").matches("\"name\": \"").count() / 2, 14, "{language:?}");
            if language == Language::Rust {
                assert!(!files.contains_key("policy.json") && files.contains_key("sdk/macros/src/lib.rs"));
                continue;
            }
            let description: serde_json::Value = serde_json::from_str(&text("policy.json")).unwrap();
            assert_eq!(description["name"], "example.change-ticket");
            for (key, value) in description["limits"].as_object().into_iter().flatten() {
                assert!(text("README.md").contains(&format!("{key} = {value}")), "{language:?}: {key}");
            }
        }
    }

    #[test]
    fn an_sdk_elsewhere_is_referred_to() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies-sdk/rust");
        let files = scaffold("a", Language::Rust, Some(&sdk)).unwrap();
        assert!(!files.keys().any(|path| path.starts_with("sdk/")));
        let manifest = String::from_utf8(files["Cargo.toml"].clone()).unwrap();
        let path = std::fs::canonicalize(&sdk).unwrap();
        assert!(manifest.contains(&format!("path = {path:?}")), "{manifest}");
    }
}
