//! Keys in files.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portcullis_attest::PrivateKey;
use portcullis_files::{Rights, create_new};
use portcullis_gate::{MAX_PUBLIC_KEY_BYTES, PublicKey};

use crate::args::KeygenArgs;
use crate::exit::Exit;
use crate::report;
use crate::text::shown;

const MAX_PRIVATE_KEY_BYTES: u64 = 4096;

/// Makes a key.
///
/// # Errors
/// One of the files is there already or cannot be written.
pub fn keygen(args: &KeygenArgs) -> anyhow::Result<Exit> {
    let mut public_file = args.out.clone().into_os_string();
    public_file.push(".pub");
    let public_file = PathBuf::from(public_file);
    if public_file.exists() {
        bail!("{} is there already; nothing was written", public_file.display());
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness for a key: {error}"))?;
    let key = PrivateKey::from_seed(&seed).map_err(|problem| anyhow::anyhow!("the key is {problem}"))?;
    let secret = key.to_secret_pem().map_err(|problem| anyhow::anyhow!("the key is {problem}"))?;
    write_new(&args.out, &secret, Rights::Owner)?;
    write_new(&public_file, &key.public().to_pem(), Rights::Usual)?;
    report::out(&format!(
        "{}: the private key; keep it where only its owner can read it\n{}: the public key, for [keys] of a manifest\nkey {}\n",
        shown(&args.out.display().to_string()),
        shown(&public_file.display().to_string()),
        key.public().id()
    ))?;
    Ok(Exit::Done)
}

/// A private key, from a file that nobody else can read.
pub(super) fn private(path: &Path) -> anyhow::Result<PrivateKey> {
    let shown = path.display();
    // Told before anything of its mode: everyone may read it, and it signs nothing.
    if read(path, MAX_PUBLIC_KEY_BYTES as u64, |_| Ok(())).is_ok_and(|text| PublicKey::parse(&text).is_ok()) {
        bail!("{shown} is a public key, and only the private one signs: it is in the file without .pub");
    }
    let text = read(path, MAX_PRIVATE_KEY_BYTES, |file| {
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{shown}: others can read or write this private key (mode {:04o}); `chmod 600` it", mode & 0o7777);
        }
        Ok(())
    })?;
    PrivateKey::from_pem(&text).map_err(|problem| anyhow::anyhow!("{shown}: {problem}"))
}

/// Public keys, each from a file.
pub(super) fn public(paths: &[PathBuf]) -> anyhow::Result<Vec<PublicKey>> {
    let read = |path: &PathBuf| {
        let text = read(path, MAX_PUBLIC_KEY_BYTES as u64, |_| Ok(()))?;
        PublicKey::parse(&text).map_err(|problem| anyhow::anyhow!("{}: {problem}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn read(path: &Path, limit: u64, check: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<String> {
    let context = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(context)?;
    if !file.metadata().with_context(context)?.is_file() {
        bail!("{} is no plain file", path.display());
    }
    check(&file)?;
    let mut text = String::new();
    file.take(limit.saturating_add(1)).read_to_string(&mut text).with_context(context)?;
    if text.len() as u64 > limit {
        bail!("{} is larger than a key", path.display());
    }
    Ok(text)
}

fn write_new(path: &Path, text: &str, rights: Rights) -> anyhow::Result<()> {
    if create_new(path, text.as_bytes(), rights).context("the key cannot be written")? {
        return Ok(());
    }
    bail!("{} is there already; nothing was written", path.display());
}
