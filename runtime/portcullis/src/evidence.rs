//! Evidence beside a module: `a.wasm.0123456789abcdef.sigstore.json`, with the first 16 hexadecimal digits of the bundle's
//! sha256, so that bundles do not stand in each other's way and none is changed in place.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use portcullis_attest::{Bundle, Claim, EvidenceError, MAX_BUNDLE_BYTES};
use portcullis_files::Rights;
use portcullis_gate::Sha256;

use crate::module_store::{EVIDENCE_DIGITS, EVIDENCE_SUFFIX, evidence_ending};

/// A file of evidence. Its bytes are read when they are asked for, so that any number of files costs their time and the
/// memory of one.
#[derive(Clone, Debug)]
pub struct EvidenceFile {
    /// Its name.
    pub name: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Read(Result<Vec<u8>, String>),
    /// In this folder, under the name that its bytes give to evidence about `file`.
    Beside {
        folder: PathBuf,
        file: String,
    },
}

impl EvidenceFile {
    /// One that was read already, or could not be.
    #[must_use]
    pub fn new(name: String, bytes: Result<Vec<u8>, String>) -> EvidenceFile {
        EvidenceFile { name, content: Content::Read(bytes) }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Why they were not read.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match &self.content {
            Content::Read(bytes) => bytes.clone(),
            Content::Beside { folder, file } => {
                let bytes = read(folder, &self.name)?;
                let named = evidence_name(file, Sha256::of(&bytes)) == self.name;
                if named { Ok(bytes) } else { Err("its bytes are not those that its name says".to_owned()) }
            }
        }
    }
}

/// What a file of evidence says, before anyone's key was asked.
#[derive(Clone, Debug)]
pub struct ClaimedEvidence {
    /// Its name.
    pub name: String,
    /// sha256 of its bytes; `None` where they could not be read.
    pub bundle_sha256: Option<Sha256>,
    /// What it hints at as its key: for bundles that `portcullis` wrote, the key's id.
    pub key_hint: String,
    /// What it claims, or why it claims nothing of that module. Anyone can write a claim: only a key proves it.
    pub claim: Result<Claim, String>,
}

/// The name of the file for a bundle about the module `file`.
#[must_use]
pub fn evidence_name(file: &str, bundle: Sha256) -> String {
    format!("{file}{}", evidence_ending(bundle))
}

/// The evidence beside a module, sorted by name. A link is followed where it stays in the module's folder.
///
/// # Errors
/// The folder cannot be read.
pub fn evidence_beside(module: &Path) -> io::Result<Vec<EvidenceFile>> {
    let folder = match module.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(file) = module.file_name().and_then(std::ffi::OsStr::to_str) else {
        return Err(io::Error::other("the module's file name is not UTF-8"));
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if digits_of(&name, file).is_some() {
            names.push(name);
        }
    }
    names.sort();
    let folder = std::fs::canonicalize(folder)?;
    let beside = |name: String| {
        let content = Content::Beside { folder: folder.clone(), file: file.to_owned() };
        EvidenceFile { name, content }
    };
    Ok(names.into_iter().map(beside).collect())
}

/// Whether evidence is well formed and about a module, whoever signed it.
#[must_use]
pub fn is_about(module: Sha256, evidence: &[u8]) -> bool {
    Bundle::parse(evidence).and_then(|bundle| claimed(&bundle, module)).is_ok()
}

/// What the evidence beside a module claims of it: for people who want to see who says that they signed or reviewed it.
/// Nothing is verified; what counts is decided with the keys of a policy set, when that is locked and loaded.
///
/// # Errors
/// As for [`evidence_beside`].
pub fn evidence_of(module: &Path, sha256: Sha256) -> io::Result<Vec<ClaimedEvidence>> {
    let claimed = |file: EvidenceFile| {
        let bytes = file.bytes();
        let bundle_sha256 = bytes.as_ref().ok().map(|bytes| Sha256::of(bytes));
        let bundle = bytes.and_then(|bytes| Bundle::parse(&bytes).map_err(|error| error.to_string()));
        let key_hint = bundle.as_ref().map(|bundle| bundle.hint().to_owned()).unwrap_or_default();
        let claim = bundle.and_then(|bundle| claimed(&bundle, sha256).map_err(|error| error.to_string()));
        ClaimedEvidence { name: file.name, bundle_sha256, key_hint, claim }
    };
    Ok(evidence_beside(module)?.into_iter().map(claimed).collect())
}

fn claimed(bundle: &Bundle, module: Sha256) -> Result<Claim, EvidenceError> {
    let claim = bundle.claim()?;
    match claim.subjects.first() {
        Some(found) if !claim.subjects.contains(&module) => {
            Err(EvidenceError::OtherModule { kind: claim.kind, found: *found, module })
        }
        _ => Ok(claim),
    }
}

/// Writes a bundle beside a module, under its name. The path.
///
/// # Errors
/// It cannot be written.
pub fn write_evidence(module: &Path, bundle: &[u8]) -> io::Result<PathBuf> {
    let Some(file) = module.file_name().and_then(std::ffi::OsStr::to_str) else {
        return Err(io::Error::other("the module's file name is not UTF-8"));
    };
    let path = module.with_file_name(evidence_name(file, Sha256::of(bundle)));
    // The name says the bytes: what is there already is the same, or was damaged.
    portcullis_files::replace(&path, bundle, Rights::Usual)?;
    Ok(path)
}

/// The digits in a name of evidence about `file`.
fn digits_of<'n>(name: &'n str, file: &str) -> Option<&'n str> {
    let digits = name.strip_prefix(file)?.strip_prefix('.')?.strip_suffix(EVIDENCE_SUFFIX)?;
    let fits = digits.len() == EVIDENCE_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fits.then_some(digits)
}

fn read(inside: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = std::fs::canonicalize(inside.join(name)).map_err(|error| error.to_string())?;
    if !path.starts_with(inside) {
        return Err("a link out of its folder, which is not followed".into());
    }
    read_bundle(&path).map_err(|error| error.to_string())
}

/// Reads the file of a bundle: a plain file of at most [`MAX_BUNDLE_BYTES`].
///
/// # Errors
/// It cannot be read, is no plain file, or is too large.
pub fn read_bundle(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take((MAX_BUNDLE_BYTES as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(io::Error::other(format!("larger than {MAX_BUNDLE_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, module: &str, bytes: &[u8]) -> String {
        let name = evidence_name(module, Sha256::of(bytes));
        std::fs::write(folder.join(&name), bytes).unwrap();
        name
    }

    fn names(module: &Path) -> Vec<(String, bool)> {
        evidence_beside(module).unwrap().into_iter().map(|file| (file.name.clone(), file.bytes().is_ok())).collect()
    }

    #[test]
    fn evidence_is_found_by_the_modules_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("a.wasm");
        let one = put(folder.path(), "a.wasm", b"one");
        assert_eq!(one.len(), "a.wasm.".len() + 16 + ".sigstore.json".len());
        put(folder.path(), "b.wasm", b"one");
        put(folder.path(), "aa.wasm", b"one");
        for other in ["a.wasm.sigstore.json", "a.wasm.0123456789ABCDEF.sigstore.json", "a.wasm.0123.sigstore.json"] {
            std::fs::write(folder.path().join(other), b"one").unwrap();
        }
        assert_eq!(names(&module), [(one.clone(), true)]);
        // Under another name than its bytes have, it is named and not read.
        std::fs::write(folder.path().join(&one), b"two").unwrap();
        assert_eq!(names(&module), [(one, false)]);
    }

    #[test]
    fn links_that_leave_the_folder_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let module = folder.path().join("a.wasm");
        let name = put(outside.path(), "a.wasm", b"outside");
        std::os::unix::fs::symlink(outside.path().join(&name), folder.path().join(&name)).unwrap();
        let found = evidence_beside(&module).unwrap().remove(0);
        assert!(found.bytes().unwrap_err().contains("a link out of its folder"));
        std::fs::remove_file(folder.path().join(&name)).unwrap();
        // As a mounted ConfigMap has it.
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        put(&folder.path().join("..data"), "a.wasm", b"outside");
        std::os::unix::fs::symlink(Path::new("..data").join(&name), folder.path().join(&name)).unwrap();
        assert_eq!(names(&module), [(name.clone(), true)]);
        std::fs::remove_file(folder.path().join(&name)).unwrap();
        std::fs::create_dir(folder.path().join(&name)).unwrap();
        assert_eq!(names(&module), [(name, false)]);
    }

    #[test]
    fn files_are_bounded_in_size_and_not_in_number() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("a.wasm");
        put(folder.path(), "a.wasm", &vec![b' '; MAX_BUNDLE_BYTES]);
        let large = put(folder.path(), "a.wasm", &vec![b' '; MAX_BUNDLE_BYTES + 1]);
        let found = evidence_beside(&module).unwrap();
        for file in &found {
            assert_eq!(file.bytes().is_ok(), file.name != large);
        }
        for n in 0..200u32 {
            put(folder.path(), "a.wasm", &n.to_be_bytes());
        }
        let found = evidence_beside(&module).unwrap();
        assert_eq!((found.len(), found.iter().filter(|file| file.bytes().is_ok()).count()), (202, 201));
    }
}
