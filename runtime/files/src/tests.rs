use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_replaced_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    replace(&path, b"one", Rights::Usual).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o666 & !umask()));
    replace(&path, b"two", Rights::Owner).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o600));
    assert_eq!(names(folder.path()), ["a"]);
}

/// As a new file shows it.
fn umask() -> u32 {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("new"), "").unwrap();
    0o666 & !mode(&folder.path().join("new"))
}

#[test]
fn what_is_there_is_not_touched_by_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(create_new(&at("a"), b"one", Rights::Owner).unwrap());
    assert!(!create_new(&at("a"), b"two", Rights::Usual).unwrap());
    assert_eq!((fs::read(at("a")).unwrap(), mode(&at("a"))), (b"one".to_vec(), 0o600));
    // A link to nothing, a folder: the name is taken.
    std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    for name in ["link", "folder"] {
        assert!(!create_new(&at(name), b"three", Rights::Usual).unwrap(), "{name}");
    }
    assert_eq!(names(folder.path()), ["a", "folder", "link"]);
}

#[test]
fn an_error_names_the_file_and_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inside")).unwrap();
    let error = replace(&taken, b"x", Rights::Usual).unwrap_err();
    assert!(error.path == taken && error.phase == "renaming", "{error}");
    let missing = folder.path().join("missing/a");
    for error in [
        replace(&missing, b"x", Rights::Usual).unwrap_err(),
        create_new(&missing, b"x", Rights::Usual).unwrap_err(),
        rename(&taken, &missing).unwrap_err(),
    ] {
        assert_eq!((&error.path, error.source.kind()), (&missing, io::ErrorKind::NotFound));
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("missing/a"), "{error}");
    }
    assert_eq!(names(folder.path()), ["taken"]);
}

/// Eight at once, over and over: of new names one wins, and what is read is always what one of them wrote.
#[test]
fn writers_at_the_same_time_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (rounds, writers) = (50, 8);
    let (barrier, won) = (Barrier::new(writers), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (folder, barrier, won) = (folder.path(), &barrier, &won);
            scope.spawn(move || {
                let bytes = vec![u8::try_from(writer).unwrap(); 4096 + writer];
                barrier.wait();
                for round in 0..rounds {
                    replace(&folder.join("same"), &bytes, Rights::Usual).unwrap();
                    if create_new(&folder.join(round.to_string()), &bytes, Rights::Usual).unwrap() {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                    let read = fs::read(folder.join("same")).unwrap();
                    assert_eq!(read, vec![read[0]; 4096 + usize::from(read[0])]);
                }
            });
        }
    });
    assert_eq!((won.into_inner(), names(folder.path()).len()), (rounds, rounds + 1));
    for round in 0..rounds {
        let read = fs::read(folder.path().join(round.to_string())).unwrap();
        assert_eq!(read, vec![read[0]; 4096 + usize::from(read[0])]);
    }
}

#[test]
fn folders_are_made_from_the_top_and_a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    make_folders(&deep).unwrap();
    make_folders(&deep).unwrap();
    assert!(deep.is_dir());
    replace(&deep.join("file"), b"x", Rights::Usual).unwrap();
    assert_eq!(make_folders(&deep.join("file/d")).unwrap_err().phase, "creating the folder");
    make_folders(Path::new("")).unwrap();
}

/// The folder in which [`writes`] works.
const FOLDER: &str = "PORTCULLIS_FILES_TRACED";

#[test]
#[ignore = "started by the test below"]
fn writes() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    replace(&folder.join("replaced"), b"x", Rights::Usual).unwrap();
    assert!(create_new(&folder.join("new"), b"x", Rights::Usual).unwrap());
    assert!(!create_new(&folder.join("new"), b"x", Rights::Usual).unwrap());
    rename(&folder.join("new"), &folder.join("renamed")).unwrap();
    make_folders(&folder.join("made")).unwrap();
}

/// What a power failure would leave is decided by the order of the calls: bytes, sync, name, sync of the folder.
#[test]
fn bytes_are_synced_before_they_have_a_name_and_the_name_after() {
    if !Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return portcullis_skip::skip("strace", "the order of syncs was not tested: apt-get install strace");
    }
    let folder = tempfile::tempdir().unwrap();
    let inside = std::fs::canonicalize(folder.path()).unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let calls = "trace=write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat";
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-y", "-e", calls, "-o"])
        .arg(log.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "tests::writes", "--ignored"])
        .env(FOLDER, &inside)
        .output()
        .unwrap();
    assert!(traced.status.success(), "{traced:?}");
    let text = fs::read_to_string(log.path()).unwrap();
    let place = inside.display().to_string();
    // `PID call(..)`: the call's name, and what of its arguments is in the folder, where a new file is TEMP.
    let calls: Vec<String> = text
        .lines()
        .filter(|line| line.contains(&place))
        .map(|line| {
            let call = line.split_once(' ').unwrap().1.trim_start();
            let (name, arguments) = call.split_once('(').unwrap();
            let name = name.trim_end_matches("at2").trim_end_matches("at");
            let paths = arguments.match_indices(&place).map(|(at, _)| {
                let rest = &arguments[at + place.len()..];
                let end = rest.find(['"', '>', ' ']).unwrap_or(rest.len());
                if rest.starts_with("/.tmp") { "TEMP" } else { &rest[..end] }
            });
            format!("{name} {}", paths.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
        })
        .collect();
    let expected = [
        ["write TEMP", "fsync TEMP", "rename TEMP /replaced", "fsync"].as_slice(),
        &["write TEMP", "fsync TEMP", "rename TEMP /new", "fsync"],
        &["write TEMP", "fsync TEMP", "rename TEMP /new", "unlink TEMP"],
        &["rename /new /renamed", "fsync"],
        &["mkdir /made", "fsync"],
    ];
    assert_eq!(calls, expected.concat(), "{text}");
}
