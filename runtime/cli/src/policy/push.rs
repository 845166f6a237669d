//! `portcullis policy push` and `pull`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portcullis::{evidence_beside, evidence_path};
use portcullis_attest::MAX_BUNDLE_BYTES;
use portcullis_files::{Rights, replace};
use portcullis_gate::{OCI_SCHEME, OciReference, Sha256};
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, MAX_EVIDENCE, MAX_EVIDENCE_BYTES};
use serde_json::json;

use crate::args::{PullArgs, PushArgs, ReportFormat};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::text::shown;
use crate::{modules, report};

/// Pushes a component and its evidence.
///
/// # Errors
/// The component is refused, or the registry does not take it.
pub fn push(args: &PushArgs) -> anyhow::Result<Exit> {
    let (reference, annotations) = (reference(&args.reference)?, annotations(&args.annotation)?);
    let limits = InspectLimits::default();
    let module = read(&args.file, limits.module_bytes)?;
    let evidence = evidence(&args.file)?;
    let artifact = Artifact::new(module, evidence, &annotations, &limits)
        .with_context(|| format!("{} was not pushed", args.file.display()))?;
    let client = modules::client(&args.registry, true)?;
    let pushed = {
        let _spinner = Spinner::start("pushing");
        client.push(&reference, &artifact)?
    };
    let (manifest, module) = (pushed.manifest_sha256, pushed.module_sha256);
    let evidence = artifact.evidence().len();
    report::out(&match args.format {
        ReportFormat::Human => {
            format!(
                "pushed {reference}\n  manifest sha256:{manifest}\n  module   sha256:{module} ({} bytes)\n{}",
                artifact.module().len(),
                if evidence == 0 { String::new() } else { format!("  evidence {evidence}\n") }
            )
        }
        ReportFormat::Json => {
            format!(
                "{}\n",
                json!({
                    "reference": reference.to_string(),
                    "pinned": reference.pinned(manifest).to_string(),
                    "manifest_sha256": manifest,
                    "module_sha256": module,
                    "evidence": evidence,
                })
            )
        }
    })?;
    Ok(Exit::Done)
}

/// Pulls a component and its evidence into files.
///
/// # Errors
/// Anything is not as it should be: then there is no new file.
pub fn pull(args: &PullArgs) -> anyhow::Result<Exit> {
    let reference = reference(&args.reference)?;
    if args.out.is_dir() {
        return Err(report::usage(format!(
            "--out {} is a folder; name a file in it",
            shown(&args.out.display().to_string())
        )));
    }
    let client = modules::client(&args.registry, true)?;
    let artifact = {
        let _spinner = Spinner::start("pulling");
        client.pull(&reference, &InspectLimits::default())?
    };
    let evidence = write_all(&args.out, &artifact)?;
    let (manifest, module) = (artifact.manifest_sha256(), artifact.module_sha256());
    let evidence: Vec<String> = evidence.iter().map(|path| path.display().to_string()).collect();
    report::out(&match args.format {
        ReportFormat::Human => {
            let mut out = format!("pulled {reference}\n  manifest sha256:{manifest}\n");
            let path = args.out.display().to_string();
            _ = writeln!(out, "  module   sha256:{module} ({} bytes) {}", artifact.module().len(), shown(&path));
            for path in &evidence {
                _ = writeln!(out, "  evidence {} (not verified)", shown(path));
            }
            out
        }
        ReportFormat::Json => {
            format!(
                "{}\n",
                json!({
                    "reference": reference.to_string(),
                    "pinned": reference.pinned(manifest).to_string(),
                    "manifest_sha256": manifest,
                    "module_sha256": module,
                    "evidence": evidence,
                })
            )
        }
    })?;
    Ok(Exit::Done)
}

/// Writes the evidence, and last the module: where it is, its evidence is too. What is written before a failure is removed
/// again.
fn write_all(out: &Path, artifact: &Artifact) -> anyhow::Result<Vec<PathBuf>> {
    let mut evidence = Vec::new();
    let mut made = Vec::new();
    let mut written = || {
        for bytes in artifact.evidence() {
            let path = evidence_path(out, Sha256::of(bytes));
            let is_new = !path.exists();
            replace(&path, bytes, Rights::Usual).context("the evidence cannot be written")?;
            if is_new {
                made.push(path.clone());
            }
            evidence.push(path);
        }
        replace(out, artifact.module(), Rights::Usual).context("the component cannot be written")
    };
    if let Err(error) = written() {
        for path in made {
            // It was written a moment ago; what cannot be removed now is named by the module that it is about.
            _ = std::fs::remove_file(path);
        }
        return Err(error);
    }
    Ok(evidence)
}

fn reference(text: &str) -> anyhow::Result<OciReference> {
    let bare = text.strip_prefix(OCI_SCHEME).unwrap_or(text);
    bare.parse().map_err(|error| report::usage(format!("{:?} is no reference: {error}", shown(text))))
}

fn annotations(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for text in given {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            pair.ok_or_else(|| report::usage(format!("{:?} is not of the form KEY=VALUE", shown(text))))?;
        if annotations.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(report::usage(format!("the annotation {:?} is given twice", shown(key))));
        }
    }
    Ok(annotations)
}

/// Each piece of evidence that trust rules accept can be pushed.
const _: () = assert!(MAX_EVIDENCE_BYTES >= MAX_BUNDLE_BYTES as u64);

/// The evidence beside a module. What trust rules would pass over is told, and not pushed.
fn evidence(module: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let found = evidence_beside(module).with_context(|| format!("the evidence of {}", module.display()))?;
    let mut evidence = Vec::new();
    for file in found {
        match file.bytes() {
            Ok(bytes) => evidence.push(bytes),
            Err(reason) => report::warning(&format!("{} is not pushed: {}", shown(&file.name), shown(&reason))),
        }
    }
    if evidence.len() > MAX_EVIDENCE {
        bail!(
            "{} files of evidence lie beside {}, and an artifact carries at most {MAX_EVIDENCE}: move away what no trust rule asks for",
            evidence.len(),
            module.display()
        );
    }
    Ok(evidence)
}

fn read(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        bail!("{}: larger than {limit} bytes", path.display());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_that_fails_leaves_nothing_new() {
        let module = crate::policy_build::sample(r#"{"name":"a.b","version":"1","inputs":[]}"#);
        let evidence = || vec![b"{\"one\":1}".to_vec(), b"{\"two\":2}".to_vec()];
        let artifact = Artifact::new(module, evidence(), &BTreeMap::new(), &InspectLimits::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = || {
            let mut names: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // The module's place is taken by a folder.
        let out = folder.path().join("a.wasm");
        std::fs::create_dir(&out).unwrap();
        let earlier = evidence_path(&out, Sha256::of(&evidence()[1]));
        std::fs::write(&earlier, &evidence()[1]).unwrap();
        let before = files();
        assert!(write_all(&out, &artifact).is_err());
        assert_eq!(files(), before, "what was there stays, what was written is gone");
        std::fs::remove_dir(&out).unwrap();
        assert_eq!(write_all(&out, &artifact).unwrap().len(), 2);
        assert_eq!(files().len(), 3);
    }
}
