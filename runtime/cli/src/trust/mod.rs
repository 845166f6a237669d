//! `portcullis policy keygen`, `sign` and `verify`, and `portcullis review`.

mod keys;
pub mod review;
mod sign;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use portcullis_gate::{MAX_INSTANCES, MAX_MEMORY_MIB, MAX_MODULE_MIB, MAX_TABLE_ELEMENTS};
use portcullis_inspect::{InspectLimits, Refusal, inspect};

use crate::exit::Exit;
use crate::report;

pub use keys::keygen;
pub use sign::{sign, verify};

/// The limits that a policy set can give a module at most.
fn widest() -> InspectLimits {
    InspectLimits {
        module_bytes: MAX_MODULE_MIB.saturating_mul(1 << 20),
        memory_bytes: MAX_MEMORY_MIB.saturating_mul(1 << 20),
        table_elements: MAX_TABLE_ELEMENTS,
        instances: MAX_INSTANCES,
        ..InspectLimits::default()
    }
}

/// What a command exits with that was to sign bytes which no policy set could load; `None` where one could.
fn refused(bytes: &[u8], name: &str) -> Option<Exit> {
    inspect(bytes, &widest()).err().map(|refusal| not_signed(name, &refusal))
}

fn not_signed(name: &str, refusal: &Refusal) -> Exit {
    report::warning(&format!("nothing was signed: no policy set could load {name}: {}", refusal.detail));
    Exit::Refused
}

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
