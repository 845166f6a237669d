use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

/// What policies are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler that can make WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// What to call; `None` for the `rustc` that cargo uses by itself.
    pub rustc: Option<PathBuf>,
    /// The folder of its own libraries, and what a reproducible path says instead.
    pub sources: Option<(PathBuf, String)>,
}

/// Finds a compiler with the target's standard library: the one named by `PORTCULLIS_WASM_RUSTC`, cargo's own, or the
/// one that `tools/wasm-toolchain.sh` lays out.
///
/// # Errors
/// There is none: how to get one.
pub fn find(folder: &Path) -> anyhow::Result<Compiler> {
    if let Some(named) = std::env::var_os(NAMED) {
        let rustc = PathBuf::from(named);
        if has_target(&rustc, folder) {
            return Ok(compiler(&rustc, folder, true));
        }
        bail!("{NAMED} is {}, which has no standard library for {TARGET}", rustc.display());
    }
    let own = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    if has_target(&own, folder) {
        return Ok(compiler(&own, folder, false));
    }
    let laid_out = cache_folder().map(|cache| cache.join("portcullis/wasm-toolchain/bin/rustc"));
    match laid_out.filter(|rustc| has_target(rustc, folder)) {
        Some(rustc) => Ok(compiler(&rustc, folder, true)),
        None => bail!(
            "no Rust compiler here can make WebAssembly: the standard library for {TARGET} is missing.\n\
             With rustup:     rustup target add {TARGET}\n\
             On Debian, from a clone of Portcullis: tools/wasm-toolchain.sh (lays one out in the cache folder)\n\
             Or set {NAMED} to a rustc that has it."
        ),
    }
}

const NAMED: &str = "PORTCULLIS_WASM_RUSTC";

fn has_target(rustc: &Path, folder: &Path) -> bool {
    let Some(libraries) = print(rustc, folder, &["--print", "target-libdir", "--target", TARGET]) else { return false };
    let Ok(entries) = std::fs::read_dir(libraries.trim()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn compiler(rustc: &Path, folder: &Path, name: bool) -> Compiler {
    let sysroot = print(rustc, folder, &["--print", "sysroot"]);
    let version = print(rustc, folder, &["-vV"]).unwrap_or_default();
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    Compiler {
        rustc: name.then(|| rustc.to_path_buf()),
        sources: sysroot.zip(commit).map(|(sysroot, commit)| {
            (Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}"))
        }),
    }
}

/// In `folder`, whose toolchain file counts.
fn print(rustc: &Path, folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}

/// The user's cache folder.
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
}
