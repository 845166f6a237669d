//! `portcullis policy build`: a policy's source becomes a component.
//!
//! The language is known by the source's name. What a language's tools leave is made to fit the contract here: nothing but
//! the contract's imports and exports, and the description at the top level.
//!
//! For Rust it brings what makes components small, fast and reproducible, so that an author's crate needs no profile, no linker
//! flags and no configuration: a 32 KiB stack, optimisation over the whole program, no names, and paths that do not
//! depend on the machine. The component's description moves from the inner module to the top level.

mod c;
mod cargo;
mod component;
mod describe;
mod encode;
mod go;
mod javascript;
mod language;
mod python;
#[cfg(test)]
mod tests;
mod toolchain;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portcullis_gate::{Limits, Sha256};
use portcullis_inspect::InspectLimits;

#[cfg(test)]
pub use encode::tests::sample;
pub use language::Language;

use crate::progress;
use crate::text::shown;

/// What to build, and where to put it.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The folder of a policy; of a cargo workspace, if `all`.
    pub folder: PathBuf,
    /// Build every policy crate of the workspace.
    pub all: bool,
    /// The component's file, for a single policy.
    pub out: Option<PathBuf>,
    /// The folder for `NAME.wasm`. Without `out` and `out_dir`: the policy's own; for a crate that is one of several in a
    /// workspace, `policies` in the workspace's target folder.
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

/// Compiles policies and writes their components.
///
/// # Errors
/// There is no policy, no toolchain to be had, a compile error (shown as the compiler shows it), or what comes out is no
/// policy.
pub fn build(options: &BuildOptions) -> anyhow::Result<Built> {
    match Language::of(&options.folder)? {
        Some(language) if !options.all && language != Language::Rust => {
            Ok(Built { components: vec![other(options, language)?] })
        }
        None if !options.all && options.folder.is_dir() => {
            let files = Language::ALL.map(Language::source).join(", ");
            bail!("there is no policy in {}: none of {files}", options.folder.display())
        }
        _ => crates(options),
    }
}

/// A policy in another language than Rust.
fn other(options: &BuildOptions, language: Language) -> anyhow::Result<BuiltComponent> {
    let folder = std::fs::canonicalize(&options.folder)?;
    let described = describe::read(&folder)?;
    let component = match language {
        Language::Javascript | Language::Typescript => javascript::component(&folder, language, &described),
        Language::Python => python::component(&folder, &described),
        Language::Go => go::component(&folder),
        Language::C => c::component(&folder),
        Language::Rust => bail!("Rust is built by cargo"),
    };
    let component = component.with_context(|| format!("cannot build {}", options.folder.display()))?;
    let sdk = format!("portcullis-policy {} ({})", env!("CARGO_PKG_VERSION"), language.name());
    let (bytes, report) = encode::finish(&component, &described.embedded(&sdk), &InspectLimits::default())?;
    let limits = InspectLimits::from(&report.raised(Limits::default()));
    if let Err(refusal) = portcullis_inspect::inspect(&bytes, &limits) {
        bail!("it needs more than the limits that {} proposes: {}", describe::FILE, refusal.detail);
    }
    let name = described.short_name;
    let path = match (&options.out, &options.out_dir) {
        (Some(file), _) => file.clone(),
        (None, folder) => folder.as_ref().unwrap_or(&options.folder).join(format!("{name}.wasm")),
    };
    write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    if matches!(language, Language::Javascript | Language::Typescript | Language::Python) {
        progress::say("note: two builds in this language differ in their bytes; ship this file, and pin its sha256");
    }
    Ok(BuiltComponent { name, path, bytes: bytes.len(), sha256: Sha256::of(&bytes) })
}

/// Shows what a tool said though it did what it was asked: its warnings.
fn pass_on(said: &[u8]) {
    for line in String::from_utf8_lossy(said).lines().filter(|line| !line.trim().is_empty()) {
        progress::say(&shown(line));
    }
}

fn crates(options: &BuildOptions) -> anyhow::Result<Built> {
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
    Ok(portcullis_files::replace(path, bytes, portcullis_files::Rights::Usual)?)
}
