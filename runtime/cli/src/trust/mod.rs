//! `portcullis policy keygen`, `sign` and `verify`, and `portcullis review`.

mod keys;
pub mod review;
mod sign;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use portcullis_gate::MAX_MODULE_MIB;

pub use keys::keygen;
pub use sign::{sign, verify};

/// The bytes of a module, and its file's name.
fn module(path: &Path) -> anyhow::Result<(Vec<u8>, String)> {
    let shown = path.display();
    let name = path.file_name().and_then(std::ffi::OsStr::to_str);
    let name = name.with_context(|| format!("{shown}: the file's name is not UTF-8"))?;
    let limit = MAX_MODULE_MIB.saturating_mul(1 << 20);
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > limit {
        bail!("{shown} is larger than {MAX_MODULE_MIB} MiB, which no policy set loads");
    }
    Ok((bytes, name.to_owned()))
}
