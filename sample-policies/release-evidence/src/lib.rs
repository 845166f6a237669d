//! A release has an image that is pinned by digest, with provenance that a trusted builder signed.
//!
//! The signature is checked here, in the sandbox: Ed25519 over a DSSE envelope with an in-toto statement and SLSA
//! provenance. Nothing of a payload is read before a trusted key has signed it. Not judged: transparency logs,
//! certificates, and how old a key is.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod envelope;
mod key;
mod statement;

use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

use crate::envelope::{Envelope, Signature, Verified};
use crate::key::Key;
use crate::statement::{Provenance, repository};

/// Who may vouch for a release, and where it may come from.
#[derive(Settings)]
struct Settings {
    /// Public keys, by name.
    #[setting(length = 1..=16)]
    keys: BTreeMap<String, KeySettings>,
    /// Repositories that a release may be built from: `https://github.com/acme/app`, or `https://github.com/acme/*`.
    #[setting(length = 1..)]
    sources: Vec<String>,
    /// Image repositories that may be released: `registry.example.com/app`, or `registry.example.com/*`. Empty: any.
    #[setting(default = [])]
    images: Vec<String>,
    /// For single services, by resource id, instead of `sources` and `images`: so that no service is
    /// released under the name of another.
    #[setting(default)]
    services: BTreeMap<String, Service>,
}

/// A key and who uses it.
#[derive(Settings)]
struct KeySettings {
    /// An Ed25519 public key as PEM, or the base64 inside it.
    public_key: String,
    /// The builders that sign with it, by their id; `https://example.com/builder@*` is every version.
    #[setting(length = 1..)]
    builders: Vec<String>,
}

/// Where one service may come from.
#[derive(Settings)]
struct Service {
    /// As above.
    #[setting(length = 1..)]
    sources: Vec<String>,
    /// As above.
    #[setting(length = 1..)]
    images: Vec<String>,
}

/// The settings with their keys decoded.
struct Trust {
    keys: Vec<Key>,
    everyone: Service,
    services: BTreeMap<String, Service>,
}

impl Prepared for Trust {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Trust, Vec<Problem>> {
        let Settings { keys, sources, images, services } = settings;
        let (mut trusted, mut problems) = (Vec::new(), Vec::new());
        for (name, key) in keys {
            match Key::read(name, key) {
                Ok(key) => trusted.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        let everyone = Service { sources, images };
        if problems.is_empty() { Ok(Trust { keys: trusted, everyone, services }) } else { Err(problems) }
    }
}

#[derive(Inputs)]
struct Inputs {
    #[input("/resource/id")]
    service: String,
    #[input("/context/evidence/image")]
    image: Option<String>,
    #[input("/context/evidence/provenance")]
    provenance: Option<Envelope>,
    #[input("/context/evidence/signature")]
    signature: Option<Signature>,
}

#[policy(
    name = "sample.release-evidence",
    summary = "A release has a pinned image with signed provenance from a trusted builder and source.",
    codes(
        VERIFIED = "sample.release-evidence.verified": "The provenance is signed and says what it must.",
        IMAGE_MISSING = "sample.release-evidence.image-missing": "The request names no image.",
        IMAGE_NOT_PINNED = "sample.release-evidence.image-not-pinned": "The image is not pinned by a digest.",
        IMAGE_NOT_ALLOWED = "sample.release-evidence.image-not-allowed": "The image is of another repository.",
        PROVENANCE_MISSING = "sample.release-evidence.provenance-missing": "There is no provenance.",
        SIGNATURE_MISSING = "sample.release-evidence.signature-missing": "The provenance is not signed.",
        SIGNATURE_INVALID = "sample.release-evidence.signature-invalid": "No trusted key signed the provenance.",
        ENVELOPE_MALFORMED = "sample.release-evidence.envelope-malformed": "The envelope cannot be decoded.",
        STATEMENT_MALFORMED = "sample.release-evidence.statement-malformed": "The payload is no provenance.",
        DIGEST_MISMATCH = "sample.release-evidence.digest-mismatch": "The provenance is about another image.",
        BUILDER_UNTRUSTED = "sample.release-evidence.builder-untrusted": "The key is not this builder's.",
        SOURCE_UNTRUSTED = "sample.release-evidence.source-untrusted": "Built from another repository.",
        MATERIALS_MISSING = "sample.release-evidence.materials-missing": "The source's commit is not recorded.",
    )
)]
fn evaluate(trust: &Trust, input: &Inputs) -> Vec<Finding> {
    let expected = trust.services.get(&input.service).unwrap_or(&trust.everyone);
    let Some(image) = &input.image else {
        return vec![defer(IMAGE_MISSING, "name the image that is released, with its digest").provide(IMAGE)];
    };
    let Some((name, digest)) = pinned(image) else {
        let message = format!("{} is not pinned: REPOSITORY@sha256:DIGEST", quote(image));
        return vec![deny(IMAGE_NOT_PINNED, message).at(IMAGE)];
    };
    let mut findings = Vec::new();
    if !expected.images.is_empty() && !matches_any(&expected.images, name) {
        let message = format!("{} is not among the images of {}", quote(name), quote(&input.service));
        findings.push(deny(IMAGE_NOT_ALLOWED, message).at(IMAGE));
    }
    match provenance(trust, input) {
        Ok((key, provenance)) => {
            findings.extend(judge(expected, key, &provenance, digest));
            if findings.is_empty() {
                let message = format!("{} built it; signed with key {}", quote(&provenance.builder), quote(&key.name));
                findings.push(allow(VERIFIED, message).at(PROVENANCE));
            }
        }
        Err(finding) => findings.push(finding),
    }
    findings
}

/// The provenance, once a trusted key has signed it.
fn provenance<'t>(trust: &'t Trust, input: &Inputs) -> Result<(&'t Key, Provenance), Finding> {
    let Some(envelope) = &input.provenance else {
        return Err(
            defer(PROVENANCE_MISSING, "attach the provenance of the image as a DSSE envelope").provide(PROVENANCE)
        );
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        let message = format!("payloadType is {}, not {PAYLOAD_TYPE}", quote(&envelope.payload_type));
        return Err(deny(ENVELOPE_MALFORMED, message).at(PROVENANCE));
    }
    if envelope.signatures.iter().flatten().next().is_none() && input.signature.is_none() {
        let message = "the provenance is not signed";
        return Err(defer(SIGNATURE_MISSING, message).provide(format!("{PROVENANCE}/signatures")));
    }
    let (key, payload) = match envelope.verify(input.signature.as_ref(), &trust.keys) {
        Verified::By(key, payload) => (key, payload),
        Verified::ByNobody => {
            return Err(deny(SIGNATURE_INVALID, "no trusted key signed this provenance").at(PROVENANCE));
        }
        Verified::Malformed => return Err(deny(ENVELOPE_MALFORMED, "the payload is no base64").at(PROVENANCE)),
    };
    let provenance = Provenance::read(&payload);
    provenance.map(|provenance| (key, provenance)).map_err(|why| deny(STATEMENT_MALFORMED, why).at(PROVENANCE))
}

/// Everything that is wrong with what was signed.
fn judge(expected: &Service, key: &Key, provenance: &Provenance, digest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |code, message: String| findings.push(deny(code, message).at(PROVENANCE));
    if !provenance.subjects.iter().any(|subject| subject == digest) {
        refuse(DIGEST_MISMATCH, "the provenance is about another image than the one released".into());
    }
    if !matches_any(&key.builders, &provenance.builder) {
        let builder = quote(&provenance.builder);
        refuse(BUILDER_UNTRUSTED, format!("builder {builder} may not sign with key {}", quote(&key.name)));
    }
    // A path that climbs is none of the patterns' business.
    let trusted =
        |uri: &String| uri.split('/').all(|segment| segment != "..") && matches_any(&expected.sources, repository(uri));
    match &provenance.source {
        Some(source) if trusted(source) => {
            if !provenance.materials.iter().any(|material| repository(material) == repository(source)) {
                refuse(MATERIALS_MISSING, "the provenance does not record the commit of its source".into());
            }
        }
        Some(source) => refuse(SOURCE_UNTRUSTED, format!("{} is no trusted source", quote(source))),
        None => refuse(SOURCE_UNTRUSTED, "the provenance does not say what it was built from".into()),
    }
    findings
}

/// The repository and the digest of `REPOSITORY@sha256:DIGEST`. A tag before the digest is not part of the repository.
fn pinned(image: &str) -> Option<(&str, &str)> {
    let (name, digest) = image.split_once('@')?;
    let digest = digest.strip_prefix("sha256:")?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let path = name.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    let tag = name.get(path..)?.find(':').map(|colon| path.saturating_add(colon));
    let name = name.get(..tag.unwrap_or(name.len()))?;
    (!name.is_empty() && digest.len() == 64 && digest.bytes().all(hex)).then_some((name, digest))
}

/// Exactly, or by the part before a `*` at the end.
fn matches_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    })
}

const IMAGE: &str = "/context/evidence/image";
const PROVENANCE: &str = "/context/evidence/provenance";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }

    #[test]
    fn pinned_images() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(pinned(&format!("r.example:5000/a:1@sha256:{digest}")), Some(("r.example:5000/a", digest)));
        assert_eq!(pinned(&format!("a@sha256:{digest}")), Some(("a", digest)));
        for image in
            ["a", "a:1", "a@sha256:00", &format!("@sha256:{digest}"), &format!("a@sha256:{}", digest.to_uppercase())]
        {
            assert_eq!(pinned(image), None, "{image}");
        }
    }
}
