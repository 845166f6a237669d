use std::collections::BTreeMap;
use std::convert::Infallible;

use super::*;
use crate::testing::{ORIGIN, key};
use crate::tree::testing::Tree;

type Files = BTreeMap<String, Vec<u8>>;

fn leaf(n: u64) -> Vec<u8> {
    format!("leaf {n}").into_bytes()
}

fn note(size: u64) -> String {
    let root = Tree::of((0..size).map(leaf)).edge.root();
    Checkpoint::new(ORIGIN, size, root).unwrap().sign(&key()).unwrap()
}

fn export(size: u64) -> Files {
    let mut files = Files::new();
    let written = write_export(
        &note(size),
        key().verifier(),
        |n| Ok::<_, Infallible>(leaf(n)),
        |path, bytes| {
            assert!(!files.contains_key(CHECKPOINT_PATH), "the checkpoint is last");
            assert_eq!(files.insert(path.to_owned(), bytes.to_vec()), None, "{path} is written once");
            Ok(())
        },
    );
    assert_eq!(written.unwrap().size(), size);
    files
}

fn verify(files: &Files) -> Result<(Checkpoint, u64), ExportError<String>> {
    let get = |path: &str| files.get(path).cloned().ok_or_else(|| format!("{path} is missing"));
    let mut entries = 0;
    let checkpoint = verify_export(key().verifier(), get, |n, bytes| {
        assert_eq!(n, entries);
        entries += 1;
        if bytes == leaf(n) { Ok(()) } else { Err(format!("{n} is another")) }
    })?;
    Ok((checkpoint, entries))
}

#[test]
fn the_files_are_those_of_the_layout() {
    let names = |size| export(size).into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["checkpoint", "log.vkey"]);
    assert_eq!(names(1), ["checkpoint", "log.vkey", "tile/0/000.p/1", "tile/entries/000.p/1"]);
    assert_eq!(names(256), ["checkpoint", "log.vkey", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(
        names(600),
        [
            "checkpoint",
            "log.vkey",
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88",
        ]
    );
    // The example of tlog-tiles: 70,000 leaves are 273 full tiles and one of 112, over one full tile and one of 17,
    // over one of 1.
    let files = export(70_000);
    let at = |level: &str| files.keys().filter(|path| path.starts_with(level)).count();
    assert_eq!((at("tile/0/"), at("tile/1/"), at("tile/2/"), at("tile/3/"), at("tile/entries/")), (274, 2, 1, 0, 274));
    for (path, hashes) in
        [("tile/0/273.p/112", 112), ("tile/1/000", 256), ("tile/1/001.p/17", 17), ("tile/2/000.p/1", 1)]
    {
        assert_eq!(files[path].len(), 32 * hashes, "{path}");
    }
    assert_eq!(verify(&files).unwrap().1, 70_000);
}

#[test]
fn a_tile_holds_the_nodes_of_the_tree() {
    let files = export(70_000);
    let tree = Tree::of((0..70_000).map(leaf));
    for (path, bytes) in &files {
        let Ok(path) = path.parse::<TilePath>() else { continue };
        let TileKind::Hashes { level } = path.kind() else { continue };
        for (n, hash) in bytes.chunks(32).enumerate() {
            let node = tree.node(8 * level, path.index() * 256 + n as u64).unwrap();
            assert_eq!(hash, node.as_bytes(), "{path} {n}");
        }
    }
}

#[test]
fn every_byte_of_an_export_counts() {
    let files = export(300);
    assert_eq!(verify(&files).unwrap().1, 300);
    for (path, bytes) in &files {
        let step = (bytes.len() / 50).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1;
            assert!(verify(&changed).is_err(), "{path}, byte {at}");
        }
        let mut changed = files.clone();
        changed.get_mut(path).unwrap().push(0);
        assert!(verify(&changed).is_err(), "{path} is longer");
        changed.remove(path);
        assert!(verify(&changed).is_err(), "{path} is gone");
    }
}

#[test]
fn leaves_that_are_not_the_checkpoints_are_not_exported() {
    let other = |n: u64| Ok::<_, Infallible>(leaf(if n == 200 { 0 } else { n }));
    let mut files = Vec::new();
    let written = write_export(&note(300), key().verifier(), other, |path, _| {
        files.push(path.to_owned());
        Ok(())
    });
    assert!(matches!(written, Err(ExportError::File { error: VerifyError::Root, .. })));
    assert!(!files.contains(&CHECKPOINT_PATH.to_owned()));

    let foreign = crate::SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let written = write_export(&note(3), foreign.verifier(), other, |path, _| panic!("{path}"));
    assert!(matches!(written, Err(ExportError::File { .. })));
}

/// Every entry is there and every tile agrees with them: only the root tells.
#[test]
fn another_logs_entries_under_the_checkpoint_are_found() {
    let mut files = export(300);
    let root = Tree::of((1..301).map(leaf)).edge.root();
    let other = Checkpoint::new(ORIGIN, 300, root).unwrap().sign(&key()).unwrap();
    files.insert(CHECKPOINT_PATH.to_owned(), other.into_bytes());
    assert!(matches!(verify(&files), Err(ExportError::File { error: VerifyError::Root, .. })));
}
