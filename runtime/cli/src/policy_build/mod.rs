//! `portcullis policy build`: a policy's crate becomes a component.
//!
//! It brings what makes components small, fast and reproducible, so that an author's crate needs no profile, no linker
//! flags and no configuration: a 32 KiB stack, optimisation over the whole program, no names, and paths that do not
//! depend on the machine. The component's description moves from the inner module to the top level.

mod cargo;
mod component;
#[cfg(test)]
mod tests;
mod toolchain;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portcullis_gate::Sha256;

/// What to build, and where to put it.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The folder of a policy's crate; of a cargo workspace, if `all`.
    pub folder: PathBuf,
    /// Build every policy crate of the workspace.
    pub all: bool,
    /// The component's file, for a single crate.
    pub out: Option<PathBuf>,
    /// The folder for `NAME.wasm`. Without `out` and `out_dir`: `policies` in the workspace's target folder.
    pub out_dir: Option<PathBuf>,
}

/// What was built, in the order of the packages' names.
#[derive(Clone, Debug)]
pub struct Built {
    /// At least one.
    pub components: Vec<BuiltComponent>,
}

/// A component on disk.
#[derive(Clone, Debug)]
pub struct BuiltComponent {
    /// The crate's name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its digest, as a policy set's lock has it.
    pub sha256: Sha256,
}

/// Compiles policy crates and writes their components.
///
/// # Errors
/// There is no policy crate, no wasm target, a compile error (shown as the compiler shows it), or the crate is no
/// policy.
pub fn build(options: &BuildOptions) -> anyhow::Result<Built> {
    let workspace = cargo::Workspace::find(&options.folder)?;
    let packages = workspace.policies(options.all)?;
    let compiler = toolchain::find(&options.folder)?;
    let modules = workspace.compile(&packages, &compiler)?;
    let folder = options.out_dir.clone().unwrap_or_else(|| workspace.default_folder());
    let mut components = Vec::new();
    for module in modules {
        let path = match &options.out {
            Some(file) => file.clone(),
            None => folder.join(format!("{}.wasm", module.package)),
        };
        let core = std::fs::read(&module.path).with_context(|| format!("cannot read {}", module.path.display()))?;
        let bytes = component::from_module(&core).with_context(|| format!("{} is no policy", module.package))?;
        write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        components.push(BuiltComponent { name: module.package, path, bytes: bytes.len(), sha256: Sha256::of(&bytes) });
    }
    Ok(Built { components })
}

/// Writes a file in one step, and not at all if it is there already.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut partial = path.to_path_buf().into_os_string();
    partial.push(format!(".{}", std::process::id()));
    std::fs::write(&partial, bytes)?;
    std::fs::rename(&partial, path)
}
