//! Why a policy set is not opened, not locked, or lacks a policy.

use std::path::PathBuf;

use portcullis_engine::LoadError;
use portcullis_gate::{Mismatch, SourceError};

use crate::trust::{LOAD_TRUST, Untrusted};

/// Why a policy set was not opened or not locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest or the lock is wrong; the error shows the lines.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no lock.
    #[error("{}: there is no lock, so nothing says which modules these policies are; review them and write it with `portcullis lock --policies {}`", path.display(), manifest.display())]
    NoLock {
        /// Where the lock was looked for.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },
    /// Something is not what the lock says.
    #[error("{}: the policy set is not the one that was locked; nothing was loaded\n{}\nif these changes are meant, run `portcullis lock` and review its difference", path.display(), lines(mismatches))]
    Mismatch {
        /// The lock.
        path: PathBuf,
        /// Each difference, with file, expected and found.
        mismatches: Vec<Mismatch>,
    },
    /// Modules that a registry holds are not in the module store as the lock pins them.
    #[error("{}: these modules come from a registry and are not here as the lock pins them; nothing was loaded\n{}\nfetch them with `portcullis policy fetch --policies {} --module-store {}`", path.display(), lines(modules), path.display(), store.display())]
    NotFetched {
        /// The manifest.
        path: PathBuf,
        /// Where they were looked for.
        store: PathBuf,
        /// Each module, and why it is not read.
        modules: Vec<String>,
    },
    /// Modules come from a registry, and no module store was given.
    #[error("{}: {} comes from a registry, and no module store was given", path.display(), module)]
    NoModuleStore {
        /// The manifest.
        path: PathBuf,
        /// The first such module.
        module: String,
    },
    /// The trusted keys cannot be used.
    #[error("{}: the trusted keys cannot be used; nothing was loaded\n{}", path.display(), lines(problems))]
    Keys {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with each.
        problems: Vec<String>,
    },
    /// Modules lack signatures or reviews that the manifest asks for.
    #[error("{LOAD_TRUST}: {}: modules lack what the manifest's [[trust]] asks for; nothing was loaded\n{}", path.display(), untrusted.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Untrusted {
        /// The manifest.
        path: PathBuf,
        /// Each module, what it needs and what was found.
        untrusted: Vec<Untrusted>,
    },
    /// Files that a lock would have to name cannot be read.
    #[error("{}: these files cannot be read; nothing was locked\n{}", path.display(), lines(files))]
    NotLocked {
        /// The manifest.
        path: PathBuf,
        /// Each file, and what it is to the set.
        files: Vec<Mismatch>,
    },
}

/// A policy that cannot be loaded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the policy {name:?} ({module}): {error}")]
pub struct NotLoaded {
    /// The policy's name in the set.
    pub name: String,
    /// Its module's path, as in the manifest.
    pub module: String,
    /// Why.
    pub error: LoadError,
}

fn lines<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("  {item}")).collect::<Vec<_>>().join("\n")
}
