//! Archives: what was saved is loaded, and what is not a layout of policies puts nothing anywhere.

use portcullis_gate::Sha256;
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, RegistryError, load, save};
use tar::{Builder, EntryType, Header};

use super::server::Content;

fn saved(contents: &[(&str, &Content)]) -> Vec<u8> {
    let artifacts: Vec<_> =
        contents.iter().map(|(name, content)| ((*name).to_owned(), content.artifact.clone())).collect();
    let mut bytes = Vec::new();
    save(&artifacts, &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<(String, Artifact)>, RegistryError> {
    load(bytes, &InspectLimits::default())
}

fn error(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// The entries of an archive.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
    });
    entries.collect()
}

fn packed(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    packed_with(entries, |_, _| ())
}

/// Names are written as they are, whatever they are.
fn packed_with(entries: &[(String, Vec<u8>)], change: impl Fn(&str, &mut Header)) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(EntryType::Regular);
        change(name, &mut header);
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn what_was_saved_is_loaded() {
    let (one, two) = (Content::new(), Content::of(&[b"{}"], 3));
    let bytes = saved(&[("r.example/x:1", &one), ("r.example/x:2", &two)]);
    assert_eq!(bytes, saved(&[("r.example/x:1", &one), ("r.example/x:2", &two)]), "the same bytes again");
    let loaded = read(&bytes).unwrap();
    let names: Vec<_> = loaded.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["r.example/x:1", "r.example/x:2"]);
    for ((_, found), content) in loaded.iter().zip([&one, &two]) {
        assert_eq!(found.manifest(), content.artifact.manifest());
        assert_eq!(found.config(), content.artifact.config());
        assert_eq!((found.module(), found.evidence()), (content.artifact.module(), content.artifact.evidence()));
    }
    // Folders, `./` before names and extended headers, as other tools write them.
    let mut other =
        vec![("./".to_owned(), vec![]), ("./blobs/".into(), vec![]), ("pax".into(), b"30 mtime=1\n".to_vec())];
    other.extend(entries(&bytes).into_iter().map(|(name, bytes)| (format!("./{name}"), bytes)));
    let other = packed_with(&other, |name, header| match name {
        "pax" => header.set_entry_type(EntryType::XHeader),
        name if name.ends_with('/') => header.set_entry_type(EntryType::Directory),
        _ => {}
    });
    assert_eq!(read(&other).unwrap().len(), 2);
}

#[test]
fn every_changed_byte_of_a_blob_is_found() {
    let content = Content::new();
    let all = entries(&saved(&[("r.example/x:1", &content)]));
    let blobs = all.iter().filter(|(name, _)| name.starts_with("blobs/"));
    for (name, bytes) in blobs {
        let mut changed = all.clone();
        let entry = changed.iter_mut().find(|(other, _)| other == name).unwrap();
        entry.1[0] ^= 1;
        let found = Sha256::of(&entry.1);
        let expected = Sha256::of(bytes);
        assert_eq!(
            error(&packed(&changed)),
            format!("the archive: {name}: the digest does not match, expected sha256:{expected}, found sha256:{found}")
        );
        let without: Vec<_> = all.iter().filter(|(other, _)| other != name).cloned().collect();
        let says = error(&packed(&without));
        assert_eq!(
            says,
            format!("the archive: the archive: r.example/x:1 names the blob sha256:{expected}, which is not in it")
        );
    }
}

#[test]
fn what_is_no_layout_of_policies() {
    let content = Content::new();
    let all = entries(&saved(&[("r.example/x:1", &content)]));
    let with = |name: &str, bytes: &[u8]| {
        let mut all = all.clone();
        all.push((name.to_owned(), bytes.to_vec()));
        all
    };
    for (name, says) in [
        ("../blobs/x", "\"../blobs/x\" leads out of it"),
        ("/etc/passwd", "\"/etc/passwd\" leads out of it"),
        ("blobs/sha256/../../x", "\"blobs/sha256/../../x\" leads out of it"),
        ("blobs\\sha256", "\"blobs\\\\sha256\" leads out of it"),
        ("blobs/sha256/abc", "\"blobs/sha256/abc\" is no part of a layout"),
        ("blobs/sha512/abc", "\"blobs/sha512/abc\" is no part of a layout"),
        ("readme", "\"readme\" is no part of a layout"),
        ("index.json", "\"index.json\" is in it twice"),
    ] {
        assert_eq!(error(&packed(&with(name, b"x"))), format!("the archive: {says}"));
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::GNULongName,
        EntryType::GNUSparse,
    ] {
        let archive = packed_with(&with("x", b""), |name, header| {
            if name == "x" {
                header.set_entry_type(kind);
                header.set_link_name("/etc/passwd").unwrap();
            }
        });
        assert_eq!(error(&archive), "the archive: \"x\" is neither a file nor a folder", "{kind:?}");
    }
    let large = packed(&with("index.json", &vec![b' '; 4 * 1024 * 1024 + 1]));
    assert_eq!(error(&large), "the archive: index.json: larger than 4194304 bytes");
    let without = |name: &str| packed(&all.iter().filter(|(other, _)| other != name).cloned().collect::<Vec<_>>());
    assert_eq!(error(&without("oci-layout")), "the archive: there is no \"oci-layout\" in it");
    assert_eq!(error(&without("index.json")), "the archive: there is no \"index.json\" in it");
    assert_eq!(error(b""), "the archive: there is no \"oci-layout\" in it");
    assert!(error(&[b'x'; 2048]).starts_with("the archive: it is no tar"));
    let whole = saved(&[("r.example/x:1", &content)]);
    let cut = error(&whole[..whole.len() / 2]);
    assert!(cut.starts_with("the archive: it ends within \"blobs/sha256/"), "{cut}");

    let replaced = |name: &str, from: &str, to: &str| {
        let mut all = all.clone();
        let entry = all.iter_mut().find(|(other, _)| other == name).unwrap();
        let text = String::from_utf8(entry.1.clone()).unwrap();
        assert!(text.contains(from));
        entry.1 = text.replace(from, to).into_bytes();
        error(&packed(&all))
    };
    assert_eq!(
        replaced("oci-layout", "1.0.0", "2.0.0"),
        "the archive: its oci-layout is of another version than 1.0.0"
    );
    assert_eq!(
        replaced("index.json", "image.manifest", "image.index"),
        "the archive: r.example/x:1: it is of the media type \"application/vnd.oci.image.index.v1+json\", not an OCI \
         image manifest"
    );
    assert!(replaced("index.json", "sha256:", "sha512:").contains("is no sha256 digest"));
    let mut nothing = all.clone();
    nothing.iter_mut().find(|(name, _)| name == "index.json").unwrap().1 =
        br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
    assert_eq!(error(&packed(&nothing)), "the archive: its index names nothing");
    let many: Vec<_> = (0..20_001).map(|n| (format!("d{n}/"), vec![])).collect();
    let many = packed_with(&many, |_, header| header.set_entry_type(EntryType::Directory));
    assert_eq!(error(&many), "the archive: more than 20000 entries");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever is changed, what comes out is a policy by its digest, or nothing.
    #[test]
    fn a_changed_archive_gives_the_same_policies_or_none(at in 0usize..200_000, byte in proptest::num::u8::ANY) {
        let content = Content::new();
        let mut bytes = saved(&[("r.example/x:1", &content)]);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(loaded) = read(&bytes) {
            proptest::prop_assert!(loaded.iter().all(|(_, found)| found.module() == content.artifact.module()));
        }
    }
}
