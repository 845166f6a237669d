//! `portcullis inspect`: the report that a reviewer reads before a module goes into a policy set.

#[cfg(test)]
pub mod fixtures;
mod html;
pub mod human;
mod origin;
pub mod page;
pub mod sections;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use portcullis::{Usage, Used};
use portcullis_gate::Sha256;
use portcullis_inspect::{InspectLimits, Review, review};
use serde::Serialize;

use self::origin::Origin;
use crate::args::{InspectArgs, InspectFormat};
use crate::decide::printable;
use crate::each::{each, processors};
use crate::exit::Exit;
use crate::progress::bar;
use crate::{ledger, replay, report};

/// The members of the JSON: those of [`Review`], and these.
#[derive(Serialize)]
pub struct Inspected {
    #[serde(flatten)]
    pub review: Review,
    /// Where it came from, as far as that is known outside of it.
    pub origin: Origin,
    /// What it did in recorded decisions; only where a ledger was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// Reads a module and reports what it is and can do.
///
/// # Errors
/// The file or the ledger cannot be read, or the report cannot be written.
pub fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let review = read(&args.file)?.1;
    let usage = match &args.ledger {
        Some(ledger) => Some(usage(ledger, args.since, review.report.module_sha256)?),
        None => None,
    };
    let exit = if review.report.admissible { Exit::Done } else { Exit::Refused };
    let sha256 = review.report.module_sha256;
    let inspected = Inspected { review, origin: Origin::of(&args.file, sha256), usage };
    let text = match args.format {
        InspectFormat::Human => human::render(&sections::page(&inspected)),
        InspectFormat::Html => html::render(&sections::page(&inspected)),
        InspectFormat::Json => printable(&serde_json::to_string_pretty(&inspected)?) + "\n",
    };
    match &args.out {
        None => report::out(&text)?,
        Some(file) => {
            let text = anstream::adapter::strip_str(&text).to_string();
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(exit)
}

/// A module's bytes and what can be said of them.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> anyhow::Result<(Vec<u8>, Review)> {
    let limits = InspectLimits::default();
    let failed = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(failed)?;
    let mut bytes = Vec::new();
    file.by_ref().take(limits.module_bytes.saturating_add(1)).read_to_end(&mut bytes).with_context(failed)?;
    let mut review = review(&bytes, &limits);
    if bytes.len() as u64 > limits.module_bytes {
        // Refused for its size: what is beyond is only counted and hashed.
        let (digest, size) = digest(&bytes, file).with_context(failed)?;
        review.report.module_sha256 = digest;
        review.report.size_bytes = size;
        review.report.detail =
            Some(format!("{size} bytes, more than {}: raise `module-mib` in the policy's limits", limits.module_bytes));
        if let Some(need) = review.limits.iter_mut().find(|need| need.limit == "module-mib") {
            (need.needs, need.fits) = (size, false);
        }
        review.complete = false;
    }
    Ok((bytes, review))
}

fn digest(begin: &[u8], mut rest: File) -> std::io::Result<(Sha256, u64)> {
    use sha2::Digest as _;
    if !rest.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file, and larger than a module may be"));
    }
    let mut hasher = sha2::Sha256::new_with_prefix(begin);
    let mut size = begin.len() as u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok((Sha256::from_bytes(hasher.finalize().into()), size)),
            count => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                size = size.saturating_add(count as u64);
            }
        }
    }
}

fn usage(path: &Path, since: Option<jiff::Timestamp>, module: Sha256) -> anyhow::Result<Usage> {
    let reader = ledger::reader_at(path)?;
    let ids = replay::decisions(&reader, since)?;
    let bar = bar(ids.len());
    let used = each(&ids, processors(), |id| {
        let used = Used::read(&reader, *id, module);
        bar.inc(1);
        used
    });
    bar.finish_and_clear();
    let used: Vec<Option<Used>> = used.into_iter().collect::<Result<_, _>>()?;
    Ok(Usage::of(used.into_iter().flatten()))
}
