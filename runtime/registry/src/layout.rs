//! Policies in a file, for machines without a network: an
//! [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) in a tar, as `skopeo` and
//! `oras` read and write it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Component;

use portcullis_gate::Sha256;
use portcullis_inspect::InspectLimits;
use serde::Deserialize;
use tar::{Archive, Builder, EntryType, Header};

use crate::MAX_MANIFEST_BYTES;
use crate::artifact::{Artifact, same};
use crate::error::RegistryError;
use crate::manifest::{Descriptor, INDEX_MEDIA_TYPE, Index, MANIFEST_MEDIA_TYPE, REF_NAME, index};

/// Largest archive, in bytes.
pub const MAX_ARCHIVE_BYTES: u64 = 512 * 1024 * 1024;

/// Writes artifacts, each with the name that it is known by: a reference without its scheme. The same artifacts give the
/// same bytes.
///
/// # Errors
/// [`RegistryError::Io`].
pub fn save(artifacts: &[(String, Artifact)], to: impl Write) -> Result<(), RegistryError> {
    let mut blobs: BTreeMap<Sha256, &[u8]> = BTreeMap::new();
    let mut manifests = Vec::new();
    for (name, artifact) in artifacts {
        let mut descriptor = Descriptor::of(MANIFEST_MEDIA_TYPE, artifact.manifest());
        descriptor.annotations.insert(REF_NAME.into(), name.clone());
        manifests.push(descriptor);
        blobs.insert(artifact.manifest_sha256(), artifact.manifest());
        blobs.extend(artifact.blobs().map(|blob| (Sha256::of(blob), blob)));
    }
    let index = Index { schema_version: 2, media_type: Some(INDEX_MEDIA_TYPE.into()), manifests };
    let index = serde_json::to_vec(&index).map_err(std::io::Error::from)?;
    let mut tar = Builder::new(to);
    append(&mut tar, LAYOUT_FILE, LAYOUT.as_bytes())?;
    append(&mut tar, INDEX_FILE, &index)?;
    for (sha256, bytes) in blobs {
        append(&mut tar, &format!("{BLOBS}{sha256}"), bytes)?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn append(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    header.set_mode(0o644);
    header.set_entry_type(EntryType::Regular);
    tar.append_data(&mut header, name, bytes)
}

/// Reads a layout: everything in it is a blob under its digest, or the index; every digest is computed and every module
/// inspected. Nothing is written anywhere.
///
/// # Errors
/// [`RegistryError`]: the first thing that is not as it should be.
pub fn load(from: impl Read, limits: &InspectLimits) -> Result<Vec<(String, Artifact)>, RegistryError> {
    let files = Files::read(from, limits)?;
    let layout: Layout = serde_json::from_slice(&files.layout).map_err(|_| wrong("its oci-layout is none"))?;
    if layout.image_layout_version != "1.0.0" {
        return Err(wrong("its oci-layout is of another version than 1.0.0"));
    }
    let manifests = index(&files.index)
        .map_err(|error| RegistryError::Manifest { what: "the archive: the index".into(), error })?;
    if manifests.is_empty() {
        return Err(wrong("its index names nothing"));
    }
    if manifests.len() > MAX_ENTRIES {
        return Err(wrong("its index names too much"));
    }
    let mut artifacts = Vec::with_capacity(manifests.len());
    for descriptor in manifests {
        let name = descriptor.annotations.get(REF_NAME).cloned().unwrap_or_else(|| descriptor.digest.clone());
        let what = format!("the archive: {}", crate::http::shown(&name));
        let bad = |error| RegistryError::Manifest { what: what.clone(), error };
        if descriptor.media_type != MANIFEST_MEDIA_TYPE {
            return Err(bad(crate::ManifestError::MediaType(crate::http::shown(&descriptor.media_type))));
        }
        let blob = descriptor.blob("manifest", MAX_MANIFEST_BYTES).map_err(bad)?;
        let manifest = files.blob(&what, blob.sha256)?;
        let artifact =
            Artifact::read(&what, manifest, Some(blob.sha256), limits, |_, sha256, _| files.blob(&what, sha256))?;
        artifacts.push((name, artifact));
    }
    Ok(artifacts)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// What an archive holds. Bounded, and in memory: nothing is unpacked.
struct Files {
    layout: Vec<u8>,
    index: Vec<u8>,
    blobs: BTreeMap<Sha256, Vec<u8>>,
}

impl Files {
    fn read(from: impl Read, limits: &InspectLimits) -> Result<Files, RegistryError> {
        let (mut layout, mut index, mut blobs) = (None, None, BTreeMap::new());
        let mut archive = Archive::new(from.take(MAX_ARCHIVE_BYTES));
        // Raw: extensions that rename what follows them are entries of their own, and refused.
        for (count, entry) in archive.entries()?.raw(true).enumerate() {
            let entry = entry.map_err(|error| wrong(&format!("it is no tar: {error}")))?;
            if count >= MAX_ENTRIES {
                return Err(wrong(&format!("more than {MAX_ENTRIES} entries")));
            }
            let kind = entry.header().entry_type();
            let name = name_of(&entry)?;
            match kind {
                EntryType::Directory => continue,
                // Times and owners, as other tools write them. What they say of names is not read.
                EntryType::XHeader | EntryType::XGlobalHeader if entry.size() <= MAX_EXTENSION_BYTES => continue,
                EntryType::Regular => {}
                _ => return Err(wrong(&format!("{name:?} is neither a file nor a folder"))),
            }
            let limit =
                if name.starts_with(BLOBS) { limits.module_bytes.max(MAX_MANIFEST_BYTES) } else { MAX_MANIFEST_BYTES };
            let size = entry.size();
            if size > limit {
                return Err(RegistryError::TooLarge { what: format!("the archive: {name}"), limit });
            }
            let mut bytes = Vec::new();
            entry.take(size).read_to_end(&mut bytes)?;
            if u64::try_from(bytes.len()) != Ok(size) {
                return Err(wrong(&format!("it ends within {name:?}")));
            }
            let twice = match name.as_str() {
                LAYOUT_FILE => layout.replace(bytes).is_some(),
                INDEX_FILE => index.replace(bytes).is_some(),
                name => {
                    let sha256 = name.strip_prefix(BLOBS).and_then(Sha256::from_hex);
                    let sha256 = sha256.ok_or_else(|| wrong(&format!("{name:?} is no part of a layout")))?;
                    same(|| format!("the archive: {name}"), sha256, &bytes)?;
                    blobs.insert(sha256, bytes).is_some()
                }
            };
            if twice {
                return Err(wrong(&format!("{name:?} is in it twice")));
            }
        }
        let missing = |name: &str| wrong(&format!("there is no {name:?} in it"));
        let layout = layout.ok_or_else(|| missing(LAYOUT_FILE))?;
        let index = index.ok_or_else(|| missing(INDEX_FILE))?;
        Ok(Files { layout, index, blobs })
    }

    fn blob(&self, what: &str, sha256: Sha256) -> Result<Vec<u8>, RegistryError> {
        let missing = || RegistryError::Archive(format!("{what} names the blob sha256:{sha256}, which is not in it"));
        self.blobs.get(&sha256).cloned().ok_or_else(missing)
    }
}

/// An entry's name: plain parts, `/` between them, perhaps after `./`. Nothing is ever opened by it.
fn name_of(entry: &tar::Entry<'_, impl Read>) -> Result<String, RegistryError> {
    let bytes = entry.path_bytes();
    let shown = crate::http::shown(&String::from_utf8_lossy(&bytes));
    let name = std::str::from_utf8(&bytes).map_err(|_| wrong(&format!("{shown:?} is no name of an entry")))?;
    let name = name.strip_prefix("./").unwrap_or(name);
    let plain = std::path::Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.contains('\\') { Ok(name.to_owned()) } else { Err(wrong(&format!("{shown:?} leads out of it"))) }
}

fn wrong(detail: &str) -> RegistryError {
    RegistryError::Archive(detail.to_owned())
}

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs/sha256/";
/// Most entries of an archive.
const MAX_ENTRIES: usize = 20_000;
/// Largest extension header, in bytes.
const MAX_EXTENSION_BYTES: u64 = 64 * 1024;
