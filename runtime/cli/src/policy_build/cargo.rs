use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cargo_metadata::{CrateType, Message, Metadata, MetadataCommand, Package, PackageId};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::toolchain::{Compiler, TARGET};

/// A cargo workspace with policy crates in it.
pub struct Workspace {
    metadata: Metadata,
    /// The `Cargo.toml` that was asked for.
    manifest: PathBuf,
    /// The stack of its policies.
    stack_kib: u64,
}

/// A compiled crate: a core module.
pub struct Module {
    pub package: String,
    pub path: PathBuf,
}

impl Workspace {
    /// Reads the workspace that the crate in `folder` belongs to.
    ///
    /// # Errors
    /// There is no crate or workspace, or cargo cannot read it.
    pub fn find(folder: &Path) -> anyhow::Result<Workspace> {
        let manifest = folder.join("Cargo.toml");
        let manifest = std::fs::canonicalize(&manifest)
            .with_context(|| format!("there is no cargo package here: cannot open {}", manifest.display()))?;
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .other_options(vec!["--filter-platform".into(), TARGET.into()])
            .exec()
            .with_context(|| format!("cargo cannot read {}", manifest.display()))?;
        let stack_kib = stack_kib(&metadata)?;
        Ok(Workspace { metadata, manifest, stack_kib })
    }

    /// The policy crates to build, by name: those that make a `cdylib` and depend on the SDK.
    ///
    /// # Errors
    /// There is none: what a policy crate needs.
    pub fn policies(&self, all: bool) -> anyhow::Result<Vec<&Package>> {
        let mut packages = self.metadata.workspace_packages();
        if all {
            packages.retain(|package| missing(package).is_none());
            packages.sort_by(|a, b| a.name.cmp(&b.name));
            if packages.is_empty() {
                bail!(
                    "no package of the workspace of {} is a policy: a policy depends on {SDK} and its [lib] has \
                     crate-type = [\"cdylib\"]",
                    self.manifest.display()
                );
            }
            return Ok(packages);
        }
        packages.retain(|package| package.manifest_path == self.manifest);
        let Some(package) = packages.first() else {
            bail!("{} is a workspace without a package; build all of its policies with --all", self.manifest.display());
        };
        match missing(package) {
            None => Ok(packages),
            Some(missing) => bail!("{} is no policy: {missing}", package.name),
        }
    }

    /// Where components go unless they are told otherwise.
    pub fn default_folder(&self) -> PathBuf {
        if let [only] = self.metadata.workspace_packages().as_slice()
            && only.manifest_path == self.manifest
            && let Some(folder) = self.manifest.parent()
        {
            return folder.to_owned();
        }
        self.metadata.target_directory.join("policies").into_std_path_buf()
    }

    /// Compiles the packages, in one run of cargo; their modules, in the packages' order.
    ///
    /// # Errors
    /// Compile errors, which have been shown.
    pub fn compile(&self, packages: &[&Package], compiler: &Compiler) -> anyhow::Result<Vec<Module>> {
        let mut command = self.command(packages, compiler);
        let mut cargo = command.spawn().context("cannot run cargo")?;
        let bar = spinner(packages);
        let warnings = forward(&mut cargo, &bar);
        let mut modules = Vec::new();
        if let Some(messages) = cargo.stdout.take() {
            for message in Message::parse_stream(BufReader::new(messages)) {
                match message.context("cannot read what cargo says")? {
                    Message::CompilerArtifact(artifact) => {
                        bar.set_message(format!("compiled {}", artifact.target.name));
                        let file = artifact.filenames.iter().find(|file| file.extension() == Some("wasm"));
                        if let Some(file) = file {
                            modules.push((artifact.package_id, file.clone()));
                        }
                    }
                    Message::TextLine(line) => bar.println(line),
                    _ => {}
                }
            }
        }
        let status = cargo.wait().context("cannot wait for cargo")?;
        _ = warnings.map(std::thread::JoinHandle::join);
        bar.finish_and_clear();
        if !status.success() {
            bail!("cargo could not build {} ({status})", names(packages));
        }
        packages.iter().map(|package| module_of(package, &modules)).collect()
    }

    fn command(&self, packages: &[&Package], compiler: &Compiler) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg("build").args(["--quiet", "--release", "--lib", "--message-format", "json-render-diagnostics"]);
        command.arg("--manifest-path").arg(&self.manifest);
        command.args(["--target", TARGET, "--target-dir"]).arg(self.metadata.target_directory.join("wasm"));
        if std::io::stderr().is_terminal() {
            command.args(["--color", "always"]);
        }
        for setting in PROFILE {
            command.arg("--config").arg(format!("profile.release.{setting}"));
        }
        for package in packages {
            command.arg("--package").arg(&package.id.repr);
        }
        // What else would change the compiler or its flags, and so the bytes.
        for variable in
            ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
        {
            command.env_remove(variable);
        }
        if let Some(rustc) = &compiler.rustc {
            command.env("RUSTC", rustc);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", self.flags(compiler));
        command.current_dir(&self.metadata.workspace_root).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The compiler's flags, separated as cargo wants them.
    pub(super) fn flags(&self, compiler: &Compiler) -> OsString {
        let mut folders: Vec<(PathBuf, String)> = self
            .metadata
            .packages
            .iter()
            .filter_map(|package| {
                let folder = package.manifest_path.parent()?.as_std_path().to_path_buf();
                Some((folder, format!("/{}-{}", package.name, package.version)))
            })
            .chain([(self.metadata.workspace_root.clone().into_std_path_buf(), "/workspace".into())])
            .chain(compiler.sources.clone())
            .collect();
        // The last that fits counts: folders inside folders come later.
        folders.sort();
        let mut flags = OsString::from(format!("-Clink-arg=-zstack-size={}", self.stack_kib.saturating_mul(1024)));
        for (folder, name) in folders {
            flags.push("\u{1f}--remap-path-prefix=");
            flags.push(folder);
            flags.push("=");
            flags.push(name);
        }
        flags
    }
}

const SDK: &str = "portcullis-policy";
/// With static data it fits into the first page of memory, and the heap into the second.
const STACK_KIB: u64 = 32;
/// Largest stack that a workspace can ask for.
const MAX_STACK_KIB: u64 = 4096;
/// `s` gives components of 25 to 120 KB; a crate over that can ask for `z` in its workspace's `profile.release.package`.
const PROFILE: [&str; 7] = [
    "opt-level=\"s\"",
    "lto=\"fat\"",
    "codegen-units=1",
    "panic=\"abort\"",
    "strip=\"symbols\"",
    "debug=false",
    "overflow-checks=true",
];

/// The workspace's own, where it says one: `[workspace.metadata.portcullis] stack-kib = 512`. Not the package's: a policy is
/// to have the same bytes whether it is built alone or with others.
fn stack_kib(metadata: &Metadata) -> anyhow::Result<u64> {
    match metadata.workspace_metadata.pointer("/portcullis/stack-kib") {
        None => Ok(STACK_KIB),
        Some(asked) => asked.as_u64().filter(|kib| (STACK_KIB..=MAX_STACK_KIB).contains(kib)).with_context(|| {
            format!("workspace.metadata.portcullis.stack-kib is {asked}: it must be {STACK_KIB} to {MAX_STACK_KIB}")
        }),
    }
}

/// What a package lacks to be a policy.
fn missing(package: &Package) -> Option<&'static str> {
    if !package.dependencies.iter().any(|dependency| dependency.name == SDK) {
        return Some("it does not depend on portcullis-policy");
    }
    let library = package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
    (!library).then_some("its [lib] needs crate-type = [\"cdylib\"]")
}

fn module_of(
    package: &Package,
    modules: &[(PackageId, cargo_metadata::camino::Utf8PathBuf)],
) -> anyhow::Result<Module> {
    match modules.iter().find(|(id, _)| *id == package.id) {
        Some((_, path)) => Ok(Module { package: package.name.to_string(), path: path.clone().into_std_path_buf() }),
        None => bail!("cargo built {} but named no .wasm file", package.name),
    }
}

fn names(packages: &[&Package]) -> String {
    packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn spinner(packages: &[&Package]) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_message(format!("compiling {}", names(packages)));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Passes on what the compiler has to say, above the spinner.
fn forward(cargo: &mut Child, bar: &ProgressBar) -> Option<std::thread::JoinHandle<()>> {
    let said = cargo.stderr.take()?;
    let bar = bar.clone();
    Some(std::thread::spawn(move || show(said, &bar)))
}

#[expect(clippy::print_stderr, reason = "the compiler's own words")]
fn show(said: impl Read, bar: &ProgressBar) {
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        bar.suspend(|| eprintln!("{line}"));
    }
}
