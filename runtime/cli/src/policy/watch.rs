//! `portcullis policy test --watch`: builds and tests again whenever a file of a policy changes.
//!
//! Files are looked at a few times in a second; what counts is their content, so that a build which writes what was there
//! already starts no other. What a build makes (components, `target`, hidden folders, locks) is not looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use portcullis_gate::Sha256;

use super::fuel::FUEL_FILE;
use super::{suite, test};
use crate::args::TestArgs;
use crate::exit::Exit;
use crate::policy_build::{BuildOptions, build};
use crate::text::{counted, shown};
use crate::{cache, report};

/// How often files are looked at; a change is acted on once nothing has changed for this long.
const INTERVAL: Duration = Duration::from_millis(300);
/// Most files that are watched.
const MAX_FILES: usize = 20_000;
/// Deepest folder below a policy's that is looked into.
const MAX_DEPTH: usize = 16;
/// Larger files count as changed when their size or time does.
const MAX_HASHED_BYTES: u64 = 1024 * 1024;
/// Folders that builds fill.
const BUILT: [&str; 4] = ["target", "node_modules", "__pycache__", "dist"];

/// What a file was when it was looked at.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
    /// `None` where the file is too large to be read for this.
    sha256: Option<Sha256>,
}

/// The files of one policy.
struct Watched {
    dir: PathBuf,
    /// The component, where it is not built here.
    module: Option<PathBuf>,
    /// Most files.
    limit: usize,
    seen: BTreeMap<PathBuf, Seen>,
}

/// Builds and tests, and does so again for what changes, until Ctrl-C. Exits as the last run would have.
///
/// # Errors
/// The folders cannot be read, or signals cannot be caught. What is wrong with a policy is shown, and watching goes on.
pub fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let stop = interrupted()?;
    let engine = cache::draft_engine(&args.cache)?;
    let builds = !args.no_build && args.module.is_none();
    let mut watched = Vec::new();
    for dir in suite::folders(&args.dirs)? {
        let module = match (builds, &args.module) {
            (true, _) => None,
            (false, Some(module)) => Some(module.clone()),
            (false, None) => Some(suite::find_module(&dir, &suite::name(&dir)?, "name it with --module")?),
        };
        let mut policy = Watched { dir, module, limit: MAX_FILES, seen: BTreeMap::new() };
        policy.look()?;
        watched.push(policy);
    }
    let mut last = BTreeMap::new();
    let mut changed: Vec<usize> = (0..watched.len()).collect();
    loop {
        for at in changed {
            let Some(policy) = watched.get(at) else { continue };
            let exit = tested(args, builds, &policy.dir, &engine).unwrap_or_else(|error| match is_set(&stop) {
                true => Exit::Error,
                false => report::error(&error),
            });
            last.insert(at, exit);
            if is_set(&stop) {
                break;
            }
        }
        if !is_set(&stop) {
            let files = watched.iter().map(|policy| policy.seen.len()).sum();
            report::out(&format!("watching {}; Ctrl-C ends\n", counted(files, "file", "files")))?;
        }
        match next_change(&mut watched, &stop)? {
            Some(next) => changed = next,
            None => break,
        }
    }
    report::out("\nno longer watching\n")?;
    let all = last.len() == watched.len() && last.values().all(|exit| *exit == Exit::Done);
    Ok(if all { Exit::Done } else { Exit::Error })
}

/// Builds and tests one policy.
fn tested(args: &TestArgs, builds: bool, dir: &Path, engine: &portcullis_engine::Engine) -> anyhow::Result<Exit> {
    if builds {
        build(&BuildOptions { folder: dir.to_owned(), all: false, out: None, out_dir: None })?;
    }
    test::once(&TestArgs { dirs: vec![dir.to_owned()], ..args.clone() }, engine)
}

/// Waits until files change and then rest; the policies that they belong to. `None` where the wait was interrupted.
fn next_change(watched: &mut [Watched], stop: &AtomicBool) -> anyhow::Result<Option<Vec<usize>>> {
    let mut changed: BTreeMap<usize, String> = BTreeMap::new();
    loop {
        if is_set(stop) {
            return Ok(None);
        }
        std::thread::sleep(INTERVAL);
        let mut rests = true;
        for (at, policy) in watched.iter_mut().enumerate() {
            if let Some(file) = policy.look()? {
                rests = false;
                changed.entry(at).or_insert(file.display().to_string());
            }
        }
        if rests && !changed.is_empty() {
            let files: Vec<String> = changed.values().map(|file| shown(file)).collect();
            report::out(&format!("\nchanged: {}\n", files.join(", ")))?;
            return Ok(Some(changed.into_keys().collect()));
        }
    }
}

impl Watched {
    /// Looks at every file; the first that is not what it was, if any.
    fn look(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let mut found = BTreeMap::new();
        self.walk(&self.dir, MAX_DEPTH, &mut found)?;
        if let Some(module) = &self.module {
            see(module, self.seen.get(module), &mut found);
        }
        let gone = self.seen.keys().find(|file| !found.contains_key(*file));
        let other = found.iter().find(|(file, seen)| {
            self.seen.get(*file).is_none_or(|before| match (&before.sha256, &seen.sha256) {
                (Some(before), Some(now)) => before != now,
                _ => before != *seen,
            })
        });
        let changed = other.map(|(file, _)| file).or(gone).cloned();
        self.seen = found;
        Ok(changed)
    }

    fn walk(&self, dir: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Seen>) -> anyhow::Result<()> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            // A folder inside that went while this looked.
            Err(error) if dir != self.dir && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let made = ["Cargo.lock", FUEL_FILE].contains(&&*name) || name.ends_with(".wasm");
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                if depth > 0 && !BUILT.contains(&&*name) {
                    self.walk(&path, depth.saturating_sub(1), found)?;
                }
            } else if kind.is_file() && !made {
                see(&path, self.seen.get(&path), found);
            }
            if found.len() > self.limit {
                bail!("{} has more than {} files; watch a smaller folder", self.dir.display(), self.limit);
            }
        }
        Ok(())
    }
}

/// Looks at a file; what is not there is not seen. It is read only where its size or time says that it may be another.
fn see(path: &Path, before: Option<&Seen>, found: &mut BTreeMap<PathBuf, Seen>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let (bytes, modified) = (metadata.len(), metadata.modified().ok());
    let seen = match before.filter(|before| before.bytes == bytes && before.modified == modified) {
        Some(before) => before.clone(),
        None => {
            let content = (bytes <= MAX_HASHED_BYTES).then(|| std::fs::read(path).ok()).flatten();
            Seen { bytes, modified, sha256: content.map(|content| Sha256::of(&content)) }
        }
    };
    found.insert(path.to_owned(), seen);
}

/// Set by Ctrl-C or a request to end; the second one ends the process at once.
fn interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, Exit::Error as i32, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot catch signals")?;
    }
    Ok(stop)
}

fn is_set(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_author_changes_is_seen_and_what_a_build_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        write("cases/a.json", "[]");
        let mut watched = Watched { dir: folder.path().to_owned(), module: None, limit: 20, seen: BTreeMap::new() };
        assert!(watched.look().unwrap().is_some());
        assert_eq!(watched.look().unwrap(), None);
        for made in ["target/release/x", "x.wasm", "Cargo.lock", "fuel.json", ".git/index", "node_modules/a/b.js"] {
            write(made, "made");
            assert_eq!(watched.look().unwrap(), None, "{made}");
        }
        write("src/lib.rs", "one");
        assert_eq!(watched.look().unwrap(), None, "the same content again");
        for (file, text) in [("src/lib.rs", "two"), ("cases/b.json", "[]"), ("default-matrix.json", "{}")] {
            write(file, text);
            assert_eq!(watched.look().unwrap(), Some(folder.path().join(file)));
            assert_eq!(watched.look().unwrap(), None);
        }
        std::fs::remove_file(folder.path().join("cases/b.json")).unwrap();
        assert_eq!(watched.look().unwrap(), Some(folder.path().join("cases/b.json")));
    }

    #[test]
    fn a_component_that_is_not_built_here_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("target/policies/x.wasm");
        std::fs::create_dir_all(module.parent().unwrap()).unwrap();
        std::fs::write(&module, "one").unwrap();
        let mut watched =
            Watched { dir: folder.path().to_owned(), module: Some(module.clone()), limit: 20, seen: BTreeMap::new() };
        watched.look().unwrap();
        std::fs::write(&module, "two").unwrap();
        assert_eq!(watched.look().unwrap(), Some(module));
    }

    #[test]
    fn a_folder_with_too_many_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=20 {
            std::fs::File::create(folder.path().join(n.to_string())).unwrap();
        }
        let mut watched = Watched { dir: folder.path().to_owned(), module: None, limit: 20, seen: BTreeMap::new() };
        assert!(watched.look().unwrap_err().to_string().contains("more than 20 files"));
    }
}
