//! Manifests and indexes of the [OCI image specification](https://github.com/opencontainers/image-spec), as far as a policy
//! uses them.
//!
//! The types are written here: what is needed of the specification is two small structures.

use std::collections::BTreeMap;

use portcullis_gate::Sha256;
use serde::{Deserialize, Serialize};

use crate::artifact::{EVIDENCE_MEDIA_TYPE, MODULE_MEDIA_TYPE};
use crate::error::ManifestError;
use crate::http::shown;
use crate::{MAX_CONFIG_BYTES, MAX_EVIDENCE, MAX_EVIDENCE_BYTES};

pub(crate) const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const TITLE: &str = "org.opencontainers.image.title";

/// What is somewhere else, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest as it is written. What else one may hold is not looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub schema_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The `index.json` of a layout.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub schema_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub manifests: Vec<Descriptor>,
}

/// A blob that a manifest names, with bounds that were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub sha256: Sha256,
    pub size: u64,
}

/// What a policy's manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub config: Blob,
    pub module: Blob,
    pub evidence: Vec<Blob>,
}

/// Only as much as tells what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
}

impl Descriptor {
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest: format!("sha256:{}", Sha256::of(bytes)),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            annotations: BTreeMap::new(),
        }
    }

    pub fn titled(mut self, title: String) -> Descriptor {
        self.annotations.insert(TITLE.into(), title);
        self
    }

    /// The blob, where it is not larger than `limit`.
    pub fn blob(&self, what: &'static str, limit: u64) -> Result<Blob, ManifestError> {
        let sha256 = self.digest.strip_prefix("sha256:").and_then(Sha256::from_hex);
        let sha256 = sha256.ok_or_else(|| ManifestError::Digest(shown(&self.digest)))?;
        if self.size > limit {
            return Err(ManifestError::Size { what, size: self.size, limit });
        }
        Ok(Blob { sha256, size: self.size })
    }
}

/// The parts of a policy, by its manifest. `content_type` is what a registry calls the document.
pub(crate) fn parts(bytes: &[u8], content_type: Option<&str>, module_limit: u64) -> Result<Parts, ManifestError> {
    let malformed = |error: serde_json::Error| ManifestError::Malformed(shown(&error.to_string()));
    // An array would do for a structure too.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ManifestError::Malformed("it is no JSON object".into()));
    }
    let kind: Kind = serde_json::from_slice(bytes).map_err(malformed)?;
    let content_type = content_type.and_then(|text| text.split(';').next()).map(str::trim);
    // Both have to say the same, or a document could be one thing here and another elsewhere.
    for media_type in [kind.media_type.as_deref(), content_type].into_iter().flatten() {
        if media_type != MANIFEST_MEDIA_TYPE {
            return Err(ManifestError::MediaType(shown(media_type)));
        }
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
    if manifest.schema_version != 2 {
        return Err(ManifestError::Malformed(format!("its schemaVersion is {}, not 2", manifest.schema_version)));
    }
    let limit = MAX_EVIDENCE.saturating_add(1);
    if manifest.layers.len() > limit {
        return Err(ManifestError::Layers { found: manifest.layers.len(), limit });
    }
    if manifest.config.media_type != CONFIG_MEDIA_TYPE {
        return Err(ManifestError::Config(shown(&manifest.config.media_type)));
    }
    let config = manifest.config.blob("config", MAX_CONFIG_BYTES)?;
    let mut modules = Vec::new();
    let mut evidence = Vec::new();
    for layer in &manifest.layers {
        match layer.media_type.as_str() {
            MODULE_MEDIA_TYPE => modules.push(layer.blob("module", module_limit)?),
            EVIDENCE_MEDIA_TYPE => evidence.push(layer.blob("evidence", MAX_EVIDENCE_BYTES)?),
            other => return Err(ManifestError::Layer(shown(other))),
        }
    }
    match modules.as_slice() {
        [module] => Ok(Parts { config, module: *module, evidence }),
        more => Err(ManifestError::Modules(more.len())),
    }
}

/// The manifests of a layout's index.
pub(crate) fn index(bytes: &[u8]) -> Result<Vec<Descriptor>, ManifestError> {
    let index: Index =
        serde_json::from_slice(bytes).map_err(|error| ManifestError::Malformed(shown(&error.to_string())))?;
    if index.schema_version != 2 {
        return Err(ManifestError::Malformed(format!("its schemaVersion is {}, not 2", index.schema_version)));
    }
    if let Some(media_type) = index.media_type.filter(|media_type| media_type != INDEX_MEDIA_TYPE) {
        return Err(ManifestError::MediaType(shown(&media_type)));
    }
    Ok(index.manifests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const LIMIT: u64 = 1000;

    fn digest(text: &str) -> String {
        format!("sha256:{}", Sha256::of(text.as_bytes()))
    }

    fn manifest() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "artifactType": "x",
            "config": {"mediaType": CONFIG_MEDIA_TYPE, "digest": digest("c"), "size": 1},
            "layers": [
                {"mediaType": EVIDENCE_MEDIA_TYPE, "digest": digest("e"), "size": 3, "annotations": {"a": "b"}},
                {"mediaType": MODULE_MEDIA_TYPE, "digest": digest("m"), "size": 2, "urls": ["https://evil.example"]},
            ],
        })
    }

    fn read(value: &Value) -> Result<Parts, ManifestError> {
        parts(value.to_string().as_bytes(), Some(MANIFEST_MEDIA_TYPE), LIMIT)
    }

    #[test]
    fn a_policy_is_a_module_with_evidence() {
        let blob = |text: &str, size| Blob { sha256: Sha256::of(text.as_bytes()), size };
        let expected = Parts { config: blob("c", 1), module: blob("m", 2), evidence: vec![blob("e", 3)] };
        assert_eq!(read(&manifest()), Ok(expected.clone()));
        let mut untyped = manifest();
        untyped.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(parts(untyped.to_string().as_bytes(), None, LIMIT), Ok(expected));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let changed = |pointer: &str, value: Value| {
            let mut manifest = manifest();
            *manifest.pointer_mut(pointer).unwrap() = value;
            read(&manifest).unwrap_err()
        };
        use ManifestError::*;
        assert_eq!(changed("/mediaType", json!(INDEX_MEDIA_TYPE)), MediaType(INDEX_MEDIA_TYPE.into()));
        assert_eq!(changed("/config/mediaType", json!("a\u{1b}b")), Config("a\\u{1b}b".into()));
        assert_eq!(changed("/layers/0/mediaType", json!("text/plain")), Layer("text/plain".into()));
        assert_eq!(changed("/layers/0/mediaType", json!(MODULE_MEDIA_TYPE)), Modules(2));
        assert_eq!(changed("/layers/1/mediaType", json!(EVIDENCE_MEDIA_TYPE)), Modules(0));
        assert_eq!(changed("/layers", json!([])), Modules(0));
        assert_eq!(changed("/layers/1/digest", json!("sha512:00")), Digest("sha512:00".into()));
        assert_eq!(changed("/config/digest", json!("../../x")), Digest("../../x".into()));
        assert_eq!(changed("/layers/1/size", json!(1001)), Size { what: "module", size: 1001, limit: LIMIT });
        let most = MAX_EVIDENCE_BYTES;
        assert_eq!(changed("/layers/0/size", json!(most + 1)), Size { what: "evidence", size: most + 1, limit: most });
        let layer = manifest()["layers"][0].clone();
        let limit = MAX_EVIDENCE + 1;
        assert_eq!(changed("/layers", json!(vec![layer; limit + 1])), Layers { found: limit + 1, limit });
        for (pointer, value) in [
            ("/schemaVersion", json!(1)),
            ("/layers", json!({})),
            ("/layers/1/size", json!(-1)),
            ("/layers/1/size", json!(1.5)),
            ("/config", json!(null)),
        ] {
            assert!(matches!(changed(pointer, value.clone()), Malformed(_)), "{pointer} {value}");
        }
        let refuse = |text: &[u8], content_type| parts(text, content_type, LIMIT).unwrap_err();
        assert!(matches!(refuse(b"[]", None), Malformed(_)));
        let text = manifest().to_string();
        let twice = text.replacen("\"layers\":", "\"layers\":[],\"layers\":", 1);
        assert!(matches!(refuse(twice.as_bytes(), None), Malformed(_)), "one of two lists of layers");
        assert_eq!(refuse(text.as_bytes(), Some(INDEX_MEDIA_TYPE)), MediaType(INDEX_MEDIA_TYPE.into()));
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            _ = parts(&bytes, None, LIMIT);
            _ = index(&bytes);
        }

        /// Whatever one change makes of a manifest, what is accepted is within the bounds.
        #[test]
        fn what_is_accepted_is_bounded(at in 0usize..700, byte in proptest::num::u8::ANY, size in 0u64..2000, count in 0usize..40) {
            let mut value = manifest();
            value["layers"][1]["size"] = json!(size);
            let layer = value["layers"][0].clone();
            value["layers"].as_array_mut().unwrap().extend(vec![layer; count]);
            let mut bytes = value.to_string().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(parts) = parts(&bytes, None, LIMIT) {
                proptest::prop_assert!(parts.module.size <= LIMIT && parts.evidence.len() <= MAX_EVIDENCE);
                proptest::prop_assert!(parts.evidence.iter().all(|blob| blob.size <= MAX_EVIDENCE_BYTES));
            }
        }
    }
}
