//! `portcullis policy push` and `pull`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use portcullis::{MAX_EVIDENCE_FILES, evidence_beside, evidence_path};
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
    let client = modules::client(&args.registry, true)?;
    let artifact = {
        let _spinner = Spinner::start("pulling");
        client.pull(&reference, &InspectLimits::default())?
    };
    let mut evidence = Vec::new();
    for bytes in artifact.evidence() {
        let path = evidence_path(&args.out, Sha256::of(bytes));
        replace(&path, bytes, Rights::Usual).context("the evidence cannot be written")?;
        evidence.push(path);
    }
    // Last: where the module is, its evidence is too.
    replace(&args.out, artifact.module(), Rights::Usual).context("the component cannot be written")?;
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

/// What trust rules accept of a module can be pushed with it.
const _: () = assert!(MAX_EVIDENCE >= MAX_EVIDENCE_FILES && MAX_EVIDENCE_BYTES >= MAX_BUNDLE_BYTES as u64);

/// The evidence beside a module. What trust rules would pass over is told, and not pushed.
fn evidence(module: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let found = evidence_beside(module).with_context(|| format!("the evidence of {}", module.display()))?;
    let mut evidence = Vec::new();
    for file in found {
        match file.bytes {
            Ok(bytes) => evidence.push(bytes),
            Err(reason) => report::warning(&format!("{} is not pushed: {}", shown(&file.name), shown(&reason))),
        }
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
