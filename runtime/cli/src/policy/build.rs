//! `portcullis policy build`.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;

use crate::args::BuildArgs;
use crate::exit::Exit;
use crate::policy_build::{BuildOptions, build};
use crate::text::shown;

/// Builds a policy's crate, or all of a workspace, and prints what was written.
///
/// # Errors
/// What [`build`] says, or standard output cannot be written.
pub fn run(args: &BuildArgs) -> anyhow::Result<Exit> {
    let built = build(&BuildOptions {
        folder: args.all.clone().unwrap_or_else(|| args.dir.clone()),
        all: args.all.is_some(),
        out: args.out.clone(),
        out_dir: args.out_dir.clone(),
    })?;
    let mut out = String::new();
    for component in built.components {
        let (name, path) = (shown(&component.name), component.path.display().to_string());
        _ = writeln!(out, "{name}: {} ({} bytes, sha256 {})", shown(&path), component.bytes, component.sha256);
    }
    anstream::stdout().lock().write_all(out.as_bytes()).context("cannot write to standard output")?;
    Ok(Exit::Done)
}
