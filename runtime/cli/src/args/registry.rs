//! Policies in registries, and where their modules are kept here.

use std::path::PathBuf;

use clap::Args;

use super::ReportFormat;

/// How registries are spoken to.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Speak http, without encryption; to a registry on this machine it is spoken anyway. No credentials go over it to
    /// another machine
    #[arg(long, help_heading = "Registry", conflicts_with = "https")]
    pub plain_http: bool,
    /// Speak https to a registry on this machine too
    #[arg(long, help_heading = "Registry")]
    pub https: bool,
    /// A token server of another owner that may see the registry's credentials; may be given several times
    #[arg(long, help_heading = "Registry", value_name = "HOST")]
    pub allow_realm: Vec<String>,
    /// The certificates, in PEM, that the registry's own goes back to [default: Mozilla's]
    #[arg(long, help_heading = "Registry", value_name = "FILE", env = "PORTCULLIS_REGISTRY_CA")]
    pub registry_ca: Option<PathBuf>,
    /// How long speaking with a registry may take for one artifact, in seconds
    #[arg(long, help_heading = "Registry", value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub registry_timeout: u64,
}

/// Where modules that come from registries are kept.
#[derive(Debug, Args)]
pub struct ModuleStoreArgs {
    /// Where modules that come from registries are kept [default: portcullis/modules in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_MODULES")]
    pub module_store: Option<PathBuf>,
}

/// Pushes a component, and the evidence beside it (FILE.*.sigstore.json), to a registry as a Wasm OCI artifact.
///
/// The component is inspected first. Credentials come from PORTCULLIS_REGISTRY_USERNAME and PORTCULLIS_REGISTRY_PASSWORD,
/// or from where Docker and Podman keep them. Over https, the proxy of HTTPS_PROXY or ALL_PROXY is used, but for what NO_PROXY
/// lists. Pushing the same bytes again gives the same digest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy push target/policies/rules.wasm \\
      registry.example.com/policies/rules:1.2
  portcullis policy push rules.wasm localhost:5000/rules:dev \\
      --annotation org.opencontainers.image.revision=4f2a")]
pub struct PushArgs {
    /// An annotation of the manifest; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// How to print what was pushed
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to: REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REF")]
    pub reference: String,
}

/// Pulls a component and its evidence from a registry. Digests are compared and the component is inspected before the file
/// appears; evidence is written beside it, under names computed from its bytes, and is not verified. Credentials and proxies are
/// those of `policy push`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy pull registry.example.com/policies/rules:1.2 \\
      --out rules.wasm
  portcullis policy pull ghcr.io/acme/rules@sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9 \\
      --out rules.wasm")]
pub struct PullArgs {
    /// Where to write the component
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How to print what was pulled
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Where from: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST
    #[arg(value_name = "REF")]
    pub reference: String,
}

/// Fetches the modules that a policy set's lock pins into the module store: exactly those, whatever their tags name today.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy fetch --policies policies
  portcullis policy fetch --policies policies \\
      --module-store /var/lib/portcullis/modules")]
pub struct FetchArgs {
    /// The policy set: a portcullis.toml, or the folder that holds it
    #[arg(long, value_name = "DIR-OR-FILE", env = "PORTCULLIS_POLICIES")]
    pub policies: PathBuf,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Writes the modules that a policy set's lock pins, with their evidence, from the module store into one file: an OCI image
/// layout in a tar, for machines without a network. Modules that are files beside the manifest are not in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy save --policies policies --out modules.tar
  skopeo copy oci-archive:modules.tar:registry.example.com/policies/rules:1.2 \\
      docker://mirror.example.com/rules:1.2")]
pub struct SaveArgs {
    /// The policy set: a portcullis.toml, or the folder that holds it
    #[arg(long, value_name = "DIR-OR-FILE", env = "PORTCULLIS_POLICIES")]
    pub policies: PathBuf,
    /// Where to write the archive
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
}

/// Puts the modules of an archive (`policy save`, or any OCI image layout of policies in a tar) into the module store. Every
/// digest is computed and every module inspected first; what is not as it should be puts nothing there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy load modules.tar
  portcullis policy load modules.tar \\
      --module-store /var/lib/portcullis/modules")]
pub struct LoadArgs {
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    /// The archive
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
