use std::collections::BTreeMap;

use portcullis_gate::Sha256;
use portcullis_inspect::{InspectLimits, Report, inspect};
use serde_json::json;

use crate::error::RegistryError;
use crate::manifest::{Blob, CONFIG_MEDIA_TYPE, Descriptor, MANIFEST_MEDIA_TYPE, Manifest, Parts};
use crate::{MAX_EVIDENCE, MAX_EVIDENCE_BYTES, MAX_MANIFEST_BYTES};

/// The media type of a WebAssembly component, and of the layer that is the policy.
pub const MODULE_MEDIA_TYPE: &str = "application/wasm";
/// The media type of a [Sigstore bundle](https://docs.sigstore.dev/about/bundle/), and of the layers that are evidence.
pub const EVIDENCE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A policy as registries and layouts hold it: every digest was computed, and the module is admissible. There is no other
/// way to have one.
#[derive(Clone)]
pub struct Artifact {
    manifest: Vec<u8>,
    manifest_sha256: Sha256,
    config: Vec<u8>,
    module: Vec<u8>,
    module_sha256: Sha256,
    evidence: Vec<Vec<u8>>,
}

/// Which blob of an artifact is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the artifact says about the module; nothing of it is believed.
    Config,
    /// The module.
    Module,
    /// Evidence about the module of that digest.
    Evidence(Sha256),
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Artifact({} with module {})", self.manifest_sha256, self.module_sha256)
    }
}

impl Artifact {
    /// An artifact of a module and of what was found beside it. The same bytes give the same artifact.
    ///
    /// # Errors
    /// [`RegistryError::Refused`]: the module is not admissible; or evidence or annotations are too many or too large.
    pub fn new(
        module: Vec<u8>,
        evidence: Vec<Vec<u8>>,
        annotations: &BTreeMap<String, String>,
        limits: &InspectLimits,
    ) -> Result<Artifact, RegistryError> {
        let report = inspect(&module, limits).map_err(|refusal| RegistryError::Refused(Box::new(refusal)))?;
        if evidence.len() > MAX_EVIDENCE {
            let message = format!("{} pieces of evidence, more than {MAX_EVIDENCE}", evidence.len());
            return Err(RegistryError::Option(message));
        }
        if evidence.iter().any(|bytes| size(bytes) > MAX_EVIDENCE_BYTES) {
            return Err(RegistryError::TooLarge { what: "evidence".into(), limit: MAX_EVIDENCE_BYTES });
        }
        let written: usize = annotations.iter().map(|(key, value)| key.len().saturating_add(value.len())).sum();
        if annotations.keys().any(String::is_empty) || written > MAX_ANNOTATION_BYTES {
            let message = format!("annotations have names, and at most {MAX_ANNOTATION_BYTES} bytes in all");
            return Err(RegistryError::Option(message));
        }
        let config = config(&module, &report);
        let titled = |bytes: &[u8]| {
            let digest: String = Sha256::of(bytes).to_string().chars().take(16).collect();
            Descriptor::of(EVIDENCE_MEDIA_TYPE, bytes).titled(format!("{TITLE_OF_MODULE}.{digest}.sigstore.json"))
        };
        let module_layer = Descriptor::of(MODULE_MEDIA_TYPE, &module).titled(TITLE_OF_MODULE.into());
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST_MEDIA_TYPE.into()),
            config: Descriptor::of(CONFIG_MEDIA_TYPE, &config),
            layers: std::iter::once(module_layer).chain(evidence.iter().map(|bytes| titled(bytes))).collect(),
            annotations: annotations.clone(),
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|error| RegistryError::Option(error.to_string()))?;
        let (manifest_sha256, module_sha256) = (Sha256::of(&manifest), Sha256::of(&module));
        Ok(Artifact { manifest, manifest_sha256, config, module, module_sha256, evidence })
    }

    /// An artifact whose manifest is at hand, and whose blobs `read` gets: each is compared with its size and digest, and
    /// the module is inspected. `what` is what errors call it.
    ///
    /// # Errors
    /// [`RegistryError`]: the first thing that is not as it should be, or what `read` says.
    pub fn read(
        what: &str,
        manifest: Vec<u8>,
        expected: Option<Sha256>,
        limits: &InspectLimits,
        read: impl FnMut(Part, Sha256, u64) -> Result<Vec<u8>, RegistryError>,
    ) -> Result<Artifact, RegistryError> {
        let parts = check_manifest(what, &manifest, expected, None, limits)?;
        Artifact::assemble(what, manifest, &parts, limits, read)
    }

    pub(crate) fn assemble(
        what: &str,
        manifest: Vec<u8>,
        parts: &Parts,
        limits: &InspectLimits,
        mut read: impl FnMut(Part, Sha256, u64) -> Result<Vec<u8>, RegistryError>,
    ) -> Result<Artifact, RegistryError> {
        let mut checked = |part: Part, name: &str, blob: &Blob| {
            let bytes = read(part, blob.sha256, blob.size)?;
            let name = || format!("{what}: the {name}");
            if size(&bytes) != blob.size {
                return Err(RegistryError::Size { what: name(), expected: blob.size, found: size(&bytes) });
            }
            same(name, blob.sha256, &bytes)?;
            Ok(bytes)
        };
        let config = checked(Part::Config, "config", &parts.config)?;
        let module = checked(Part::Module, "module", &parts.module)?;
        inspect(&module, limits).map_err(|refusal| RegistryError::Refused(Box::new(refusal)))?;
        let module_sha256 = parts.module.sha256;
        let evidence = parts.evidence.iter().map(|blob| checked(Part::Evidence(module_sha256), "evidence", blob));
        let evidence = evidence.collect::<Result<_, _>>()?;
        Ok(Artifact { manifest_sha256: Sha256::of(&manifest), manifest, config, module, module_sha256, evidence })
    }

    /// The manifest, as it is addressed.
    #[must_use]
    pub fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// The artifact's digest: that of its manifest.
    #[must_use]
    pub fn manifest_sha256(&self) -> Sha256 {
        self.manifest_sha256
    }

    /// The artifact's config.
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// The component.
    #[must_use]
    pub fn module(&self) -> &[u8] {
        &self.module
    }

    /// The component's digest, which a lock pins.
    #[must_use]
    pub fn module_sha256(&self) -> Sha256 {
        self.module_sha256
    }

    /// Sigstore bundles about the module, none of them verified.
    #[must_use]
    pub fn evidence(&self) -> &[Vec<u8>] {
        &self.evidence
    }

    /// Everything but the manifest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &[u8]> {
        [self.config.as_slice(), &self.module].into_iter().chain(self.evidence.iter().map(Vec::as_slice))
    }
}

/// What a manifest of at most [`MAX_MANIFEST_BYTES`] names.
pub(crate) fn check_manifest(
    what: &str,
    manifest: &[u8],
    expected: Option<Sha256>,
    content_type: Option<&str>,
    limits: &InspectLimits,
) -> Result<Parts, RegistryError> {
    if size(manifest) > MAX_MANIFEST_BYTES {
        return Err(RegistryError::TooLarge { what: format!("{what}: the manifest"), limit: MAX_MANIFEST_BYTES });
    }
    if let Some(expected) = expected {
        same(|| format!("{what}: the manifest"), expected, manifest)?;
    }
    crate::manifest::parts(manifest, content_type, limits.module_bytes)
        .map_err(|error| RegistryError::Manifest { what: format!("{what}: the manifest"), error })
}

/// Whether bytes are those of a digest.
pub(crate) fn same(what: impl FnOnce() -> String, expected: Sha256, bytes: &[u8]) -> Result<(), RegistryError> {
    let found = Sha256::of(bytes);
    if found == expected { Ok(()) } else { Err(RegistryError::Digest { what: what(), expected, found }) }
}

/// What the layout of Wasm artifacts asks for. `created` is the same for all: equal bytes are an equal artifact.
fn config(module: &[u8], report: &Report) -> Vec<u8> {
    let names = |externs: &[portcullis_inspect::Extern]| externs.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [format!("sha256:{}", Sha256::of(module))],
        "component": { "imports": names(&report.calls), "exports": names(&report.exports) },
    });
    config.to_string().into_bytes()
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What tools that unpack artifacts call the module.
const TITLE_OF_MODULE: &str = "policy.wasm";
/// Most bytes of all annotations.
const MAX_ANNOTATION_BYTES: usize = 64 * 1024;
