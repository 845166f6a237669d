//! Policies in OCI registries and in OCI layouts.
//!
//! What it does: pushes and pulls a policy as the
//! [Wasm OCI artifact](https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/) of the CNCF, over the
//! [OCI distribution protocol](https://github.com/opencontainers/distribution-spec), and writes and reads the
//! [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) in a tar for machines
//! without a network. What it refuses to do: believe a digest that it did not compute, give out a module that
//! inspection refuses, read without a bound, follow the registry's word to where credentials or connections do not
//! belong, resolve a tag while something is decided.
//!
//! | what a registry could do | what comes of it |
//! |---|---|
//! | answer without end, with too much, too slowly, compressed | [`RegistryError::TooLarge`], [`RegistryError::Time`], [`RegistryError::Encoded`] |
//! | answer other bytes than their digest says | [`RegistryError::Digest`] with the expected and the found one |
//! | name a token server of another owner, or without TLS | [`RegistryError::Realm`]; nothing is sent there |
//! | redirect to another host | followed over https, a few times, without credentials |
//! | point to a private, loopback or link-local address | [`RegistryError::Address`], unless the registry itself is as near |
//! | a manifest with many layers, or of another kind | [`RegistryError::Manifest`] |
//!
//! The protocol is written here, over `ureq`. The `oci-client` crate sends credentials to whatever realm a registry names,
//! reads manifests and token answers without a bound, follows redirects by its HTTP client's rules, takes neither a
//! resolver nor a client of ours, and falls back to its default settings where those given are wrong.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod address;
mod artifact;
mod challenge;
mod client;
mod credentials;
mod error;
mod guard;
mod helper;
mod http;
mod layout;
mod manifest;
mod proxy;
mod realm;
mod token;

pub use artifact::{Artifact, EVIDENCE_MEDIA_TYPE, MODULE_MEDIA_TYPE, Part};
pub use client::{Client, ClientOptions, Pushed};
pub use credentials::{Credentials, Keychain, PASSWORD_VARIABLE, REGISTRY_VARIABLE, USERNAME_VARIABLE};
pub use error::{CredentialError, ManifestError, RegistryError};
pub use layout::{MAX_ARCHIVE_BYTES, load, save};
pub use proxy::Proxy;

/// Largest manifest or index, in bytes: what registries accept.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Largest config of an artifact, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
/// Largest evidence about a module, in bytes.
pub const MAX_EVIDENCE_BYTES: u64 = 1024 * 1024;
/// Most evidence about a module.
pub const MAX_EVIDENCE: usize = 64;
/// Largest answer of a token server, and of a credential helper, in bytes.
pub const MAX_TOKEN_ANSWER_BYTES: u64 = 64 * 1024;
/// Most redirects that one request follows.
pub const MAX_REDIRECTS: usize = 3;
/// How long a push or a pull may take, unless told: 120 s.
pub const DEFAULT_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(120);
