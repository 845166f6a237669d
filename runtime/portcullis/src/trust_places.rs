//! Which modules the patterns of trust rules mean: by what the manifest writes, and by where it is behind all links.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use portcullis_gate::{ModulePattern, NamePattern, PolicySpec, normal_module};

use crate::ReadFiles;

/// Most entries of folders that are looked at for what one pattern means.
const MAX_ENTRIES: usize = 1 << 18;

/// Where a module is: as the manifest writes it, in its one spelling, and behind all links.
pub(crate) struct Place {
    normal: String,
    resolved: Option<PathBuf>,
}

impl Place {
    /// Where the module of a policy is.
    ///
    /// # Errors
    /// It cannot be said.
    pub(crate) fn of(spec: &PolicySpec, files: &dyn ReadFiles) -> Result<Place, String> {
        let normal = normal_module(&spec.module).ok_or("its name has an empty part, or one of dots, after ://")?;
        // What has a scheme may all the same be a file, to whoever reads it.
        let resolved = match files.resolved(&spec.module) {
            Ok(resolved) => Some(resolved),
            Err(_) if normal.contains("://") => None,
            Err(error) => return Err(format!("it cannot be found: {error}")),
        };
        Ok(Place { normal, resolved })
    }
}

/// What the patterns of one set mean, each looked up once.
#[derive(Default)]
pub(crate) struct Places {
    targets: HashMap<String, BTreeSet<PathBuf>>,
}

impl Places {
    /// Whether one of the patterns means a module: by its spelling; by where it is, below where the pattern's folder is; or as
    /// what a link leads to that the pattern matches.
    ///
    /// # Errors
    /// It cannot be told, because what the pattern matches cannot be looked at.
    pub(crate) fn mean(
        &mut self,
        patterns: &[ModulePattern],
        place: &Place,
        files: &dyn ReadFiles,
    ) -> Result<bool, String> {
        if patterns.iter().any(|pattern| pattern.matches(&place.normal)) {
            return Ok(true);
        }
        let Some(resolved) = &place.resolved else { return Ok(false) };
        for pattern in patterns {
            let Some((folder, names)) = pattern.folder() else { continue };
            // Where the folder is not, nothing is that it would match.
            let Ok(folder) = files.resolved(folder) else { continue };
            let texts = folder.to_str().zip(resolved.to_str());
            if texts.is_some_and(|(folder, resolved)| ModulePattern::matches_below(folder, names, resolved)) {
                return Ok(true);
            }
            if !self.targets.contains_key(pattern.as_str()) {
                let found = linked(&folder, names).map_err(|error| {
                    format!("it cannot be told whether the [[trust]] for {:?} is about it: {error}", pattern.as_str())
                })?;
                self.targets.insert(pattern.as_str().to_owned(), found);
            }
            if self.targets.get(pattern.as_str()).is_some_and(|targets| targets.contains(resolved)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where everything is, behind all links, that the names of a pattern match below a folder that was resolved.
fn linked(folder: &Path, names: &[NamePattern]) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    // A link may lead back up: each folder is looked at once for each name of the pattern.
    let mut seen = BTreeSet::from([(folder.to_path_buf(), 0)]);
    let mut open = vec![(folder.to_path_buf(), 0)];
    let mut entries = 0_usize;
    while let Some((folder, number)) = open.pop() {
        let Some(pattern) = names.get(number) else { continue };
        let last = number.saturating_add(1) == names.len();
        let mut enter = |folder: PathBuf, number: usize| {
            if number < names.len() && seen.insert((folder.clone(), number)) {
                open.push((folder, number));
            }
        };
        if matches!(pattern, NamePattern::AnyFolders) {
            enter(folder.clone(), number.saturating_add(1));
        }
        for entry in std::fs::read_dir(&folder).map_err(|error| of(&folder, &error))? {
            let entry = entry.map_err(|error| of(&folder, &error))?;
            entries = entries.saturating_add(1);
            if entries > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files and folders below it")));
            }
            // A name that is not UTF-8 is no module's; there may be modules below.
            let matches = match pattern {
                NamePattern::AnyFolders => true,
                NamePattern::One(_) => entry.file_name().to_str().is_some_and(|name| pattern.matches(name)),
            };
            if !matches {
                continue;
            }
            let Some((path, is_folder)) = behind(&entry)? else { continue };
            match (pattern, is_folder) {
                (NamePattern::AnyFolders, true) => enter(path, number),
                (NamePattern::One(_), true) => enter(path, number.saturating_add(1)),
                (_, false) if last => _ = found.insert(path),
                (_, false) => {}
            }
        }
    }
    Ok(found)
}

/// Where an entry is behind links, and whether it is a folder; `None` for a link to nothing and for what is neither.
fn behind(entry: &std::fs::DirEntry) -> io::Result<Option<(PathBuf, bool)>> {
    let path = entry.path();
    let kind = entry.file_type().map_err(|error| of(&path, &error))?;
    if !kind.is_symlink() {
        return Ok((kind.is_dir() || kind.is_file()).then(|| (path, kind.is_dir())));
    }
    let target = match std::fs::canonicalize(&path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(of(&path, &error)),
        // A link to nothing, or to itself, is the way to no module.
        Err(_) => return Ok(None),
    };
    let kind = std::fs::metadata(&target).map_err(|error| of(&target, &error))?;
    Ok((kind.is_dir() || kind.is_file()).then(|| (target, kind.is_dir())))
}

fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Site(tempfile::TempDir);

    impl Site {
        fn new(files: &[&str], links: &[(&str, &str)]) -> Site {
            let site = Site(tempfile::tempdir().unwrap());
            for file in files {
                let path = site.0.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, file).unwrap();
            }
            for (target, link) in links {
                let path = site.0.path().join(link);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(site.0.path().join(target), path).unwrap();
            }
            site
        }

        fn linked(&self, folder: &str, rest: &str) -> Vec<String> {
            let root = std::fs::canonicalize(self.0.path()).unwrap();
            // Below a wildcard, so that no part of it is taken for the folder.
            let pattern = ModulePattern::new(&format!("*/{rest}")).unwrap();
            let (_, [_, names @ ..]) = pattern.folder().unwrap() else { panic!("{pattern:?}") };
            let found = linked(&root.join(folder), names).unwrap();
            found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
        }
    }

    #[test]
    fn what_a_pattern_matches_through_links_is_where_they_lead() {
        let site = Site::new(
            &["srv/a/x.wasm", "srv/a/y.wasm", "teams/b/x.wasm", "srv/deep/er/x.wasm", "other/x.wasm"],
            &[("srv/a", "teams/a"), ("other/x.wasm", "teams/c/x.wasm"), ("srv/deep", "teams/d"), ("none", "teams/e")],
        );
        assert_eq!(site.linked("teams", "*/x.wasm"), ["other/x.wasm", "srv/a/x.wasm", "teams/b/x.wasm"]);
        assert_eq!(site.linked("teams", "*/X.WASM").len(), 3, "upper and lower case are the same");
        assert_eq!(site.linked("teams", "?/y.*"), ["srv/a/y.wasm"]);
        assert_eq!(
            site.linked("teams", "**/x.wasm"),
            ["other/x.wasm", "srv/a/x.wasm", "srv/deep/er/x.wasm", "teams/b/x.wasm"]
        );
        assert_eq!(site.linked("teams/c", "x.wasm"), ["other/x.wasm"]);
        assert_eq!(site.linked("teams", "**").len(), 5);
        assert_eq!(site.linked("teams", "z/*"), Vec::<String>::new());
    }

    #[test]
    fn links_in_a_circle_end() {
        let site = Site::new(&["a/b/x.wasm"], &[("a", "a/b/up"), ("a/self", "a/self")]);
        assert_eq!(site.linked("a", "**/x.wasm"), ["a/b/x.wasm"]);
        assert_eq!(site.linked("", "a/*/*/*/x.wasm"), ["a/b/x.wasm"]);
        assert_eq!(site.linked("", "a/*/*/x.wasm"), Vec::<String>::new());
        assert_eq!(site.linked("", "a/b/up/b/x.wasm"), ["a/b/x.wasm"]);
    }

    #[test]
    fn what_is_too_much_is_said() {
        let site = Site::new(&["a/b/x.wasm"], &[]);
        let error =
            linked(&site.0.path().join("nothing"), ModulePattern::new("*").unwrap().folder().unwrap().1).unwrap_err();
        assert!(error.to_string().contains("nothing"), "{error}");
    }
}
