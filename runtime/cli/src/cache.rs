//! Where compiled policies are kept.

use std::path::PathBuf;

use portcullis_engine::{CacheOptions, Effort, Engine, EngineOptions};

use crate::args::CacheArgs;
use crate::report;

/// An engine that keeps what it compiles where the arguments say.
///
/// # Errors
/// The engine cannot be set up.
pub fn engine(args: &CacheArgs) -> anyhow::Result<Engine> {
    let cache = if args.no_cache { None } else { options(args) };
    Ok(Engine::new(&EngineOptions { cache, max_cache_bytes: args.cache_mib << 20, ..EngineOptions::default() })?)
}

/// An engine for trying policies out: it compiles in less than half the time.
///
/// # Errors
/// The engine cannot be set up.
pub fn draft_engine(args: &CacheArgs) -> anyhow::Result<Engine> {
    let cache = if args.no_cache { None } else { options(args) };
    let max_cache_bytes = args.cache_mib << 20;
    Ok(Engine::new(&EngineOptions { cache, max_cache_bytes, effort: Effort::Draft, ..EngineOptions::default() })?)
}

/// Says that compiled policies are not kept, where they should be and could not be.
pub fn warn_of_not_kept(engine: &Engine) {
    if let Some(reason) = engine.not_kept() {
        report::warning(&format!(
            "compiled policies are not kept, so each command compiles them anew: {reason} (--cache-dir DIR, or --no-cache)"
        ));
    }
}

/// The entries are in the cache folder; the key that authenticates them is in the state folder, so that a cache which
/// comes from elsewhere is not believed.
fn options(args: &CacheArgs) -> Option<CacheOptions> {
    let (Some(folder), Some(state)) = (args.cache_dir.clone().or_else(folder), state()) else {
        report::warning(
            "there is no home folder, so compiled policies are not kept; set XDG_CACHE_HOME and XDG_STATE_HOME",
        );
        return None;
    };
    Some(CacheOptions { folder, key_file: state.join("cache.key") })
}

/// Where the command keeps what can be fetched or made again; `None` where there is no home folder.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    base("XDG_CACHE_HOME", ".cache")
}

/// Where the command keeps what is not a cache; `None` where there is no home folder.
#[must_use]
pub fn state() -> Option<PathBuf> {
    base("XDG_STATE_HOME", ".local/state")
}

/// `portcullis` in the folder that the variable names, or in `fallback` of the home folder. Relative paths in these
/// variables are ignored, as the XDG base directory specification asks.
fn base(variable: &str, fallback: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(fallback)))?;
    Some(base.join("portcullis"))
}
