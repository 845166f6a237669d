use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("keys/cache.key") };
    let cache = Cache::open(&options, u64::MAX).expect("opens");
    (folder, cache)
}

#[test]
fn every_flipped_byte_is_refused() {
    let (_folder, cache) = cache();
    let name = Sha256::of(b"one");
    cache.put(&name, b"machine code").expect("written");
    assert!(matches!(cache.get(&name), Lookup::Found(content) if content == b"machine code"));
    let good = fs::read(cache.path(&name)).expect("an entry");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(cache.path(&name), &bad).expect("written");
        assert!(matches!(cache.get(&name), Lookup::Refused), "byte {at}");
    }
    for length in 0..good.len() {
        fs::write(cache.path(&name), &good[..length]).expect("written");
        assert!(matches!(cache.get(&name), Lookup::Refused), "length {length}");
    }
}

/// What a child that compiles one module can write, having that entry's key, is no other module's entry.
#[test]
fn the_key_of_one_entry_authenticates_no_other() {
    let (_folder, cache) = cache();
    let (mine, other) = (Sha256::of(b"mine"), Sha256::of(b"other"));
    let mut entry = Vec::new();
    cache.entry_key(&mine).write(&mut entry, b"machine code").expect("written");
    fs::write(cache.path(&mine), &entry).expect("written");
    fs::write(cache.path(&other), &entry).expect("written");
    assert!(matches!(cache.get(&mine), Lookup::Found(content) if content == b"machine code"));
    assert!(matches!(cache.get(&other), Lookup::Refused));
}

#[test]
fn a_draft_is_no_entry_until_it_is_published_and_leaves_nothing() {
    let (folder, cache) = cache();
    let name = Sha256::of(b"one");
    let files = || fs::read_dir(folder.path().join("cache")).expect("a folder").count();
    let draft = cache.draft().expect("a draft");
    cache.entry_key(&name).write(draft.file(), b"machine code").expect("written");
    assert!(matches!(cache.get(&name), Lookup::Absent));
    drop(draft);
    assert_eq!(files(), 0);
    let draft = cache.draft().expect("a draft");
    cache.entry_key(&name).write(draft.file(), b"machine code").expect("written");
    assert_eq!(cache.entry_key(&name).open_file(draft.file()).as_deref(), Some(b"machine code".as_slice()));
    cache.publish(&name, draft).expect("published");
    assert!(matches!(cache.get(&name), Lookup::Found(_)));
    assert_eq!(files(), 1);
}

#[test]
fn drafts_that_were_abandoned_are_removed_and_nothing_else() {
    let (folder, cache) = cache();
    let name = Sha256::of(b"one");
    cache.put(&name, b"1").expect("written");
    let place = folder.path().join("cache");
    let old = std::time::SystemTime::now() - 2 * ABANDONED;
    for file in [".compiling-old", "another"] {
        fs::write(place.join(file), "x").expect("written");
    }
    for entry in fs::read_dir(&place).expect("a folder") {
        let file = File::options().write(true).open(entry.expect("an entry").path()).expect("opens");
        file.set_modified(old).expect("a time");
    }
    let young = cache.draft().expect("a draft");
    let options = CacheOptions { folder: place.clone(), key_file: folder.path().join("keys/cache.key") };
    let cache = Cache::open(&options, u64::MAX).expect("opens");
    assert!(matches!(cache.get(&name), Lookup::Found(_)));
    assert!(!place.join(".compiling-old").exists() && place.join("another").exists());
    assert!(young.0.path().exists());
}

#[test]
fn swapped_entries_and_other_keys_are_refused() {
    let (folder, cache) = cache();
    let (one, two) = (Sha256::of(b"one"), Sha256::of(b"two"));
    cache.put(&one, b"1").expect("written");
    cache.put(&two, b"2").expect("written");
    fs::copy(cache.path(&one), cache.path(&two)).expect("copied");
    assert!(matches!(cache.get(&two), Lookup::Refused));
    let options = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("other/cache.key") };
    assert!(matches!(Cache::open(&options, u64::MAX).expect("opens").get(&one), Lookup::Refused));
}

#[test]
fn a_key_inside_the_folder_or_open_to_others_is_refused() {
    let (folder, _cache) = cache();
    let inside = CacheOptions { folder: folder.path().join("c"), key_file: folder.path().join("c/key") };
    assert!(Cache::open(&inside, u64::MAX).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key_file = folder.path().join("keys/cache.key");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).expect("permissions");
        assert!(Cache::open(&CacheOptions { folder: folder.path().join("cache"), key_file }, u64::MAX).is_err());
    }
}

fn named(cache: &Cache) -> Vec<String> {
    let entries = fs::read_dir(&cache.folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(EXTENSION)).collect();
    names.sort();
    names
}

fn at(path: &Path, seconds: u64) {
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).expect("opens").set_modified(time).expect("a time");
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let (folder, cache) = cache();
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| Sha256::of(name.as_bytes()));
    for (place, name) in [&one, &two, &three].into_iter().enumerate() {
        cache.put(name, &[7; 1_000 - MAC_BYTES]).expect("written");
        at(&cache.path(name), 1_000 + place as u64);
    }
    // It is used, and so the second is the oldest.
    assert!(matches!(cache.get(&one), Lookup::Found(_)));
    fs::write(cache.folder.join("another file"), [0; 5_000]).expect("written");
    let options = CacheOptions { folder: cache.folder.clone(), key_file: folder.path().join("keys/cache.key") };
    let cache = Cache::open(&options, 3_000).expect("opens");
    assert_eq!(named(&cache).len(), 3, "just what it may have");
    cache.put(&four, &[7; 1_000 - MAC_BYTES]).expect("written");
    assert!(matches!(cache.get(&two), Lookup::Absent));
    for name in [&one, &three, &four] {
        assert!(matches!(cache.get(name), Lookup::Found(_)));
    }
    assert!(cache.folder.join("another file").exists(), "it is no entry");
    // A smaller bound holds at the next start.
    let cache = Cache::open(&options, 1_999).expect("opens");
    assert_eq!(named(&cache).len(), 1);
    let error = cache.put(&two, &[7; 2_000]).expect_err("too large");
    assert!(error.contains("more than the cache may have"), "{error}");
    assert_eq!(named(&cache).len(), 1, "and nothing went for it");
}

/// The entry that was just made stays, though another process removes entries at the same time, or its time is wrong.
#[test]
fn what_was_just_made_stays() {
    let (folder, _) = cache();
    let options = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("keys/cache.key") };
    let cache = Cache::open(&options, 2_500).expect("opens");
    let (one, two) = (Sha256::of(b"one"), Sha256::of(b"two"));
    cache.put(&one, &[7; 1_000]).expect("written");
    at(&cache.path(&one), 32_503_680_000);
    cache.put(&two, &[7; 2_000]).expect("written");
    assert!(matches!((cache.get(&one), cache.get(&two)), (Lookup::Absent, Lookup::Found(_))));
    // While another process holds the lock, nothing is removed.
    let lock = File::open(&cache.key_file).expect("opens");
    lock.lock().expect("locked");
    cache.put(&one, &[7; 1_000]).expect("written");
    assert_eq!(named(&cache).len(), 2);
    lock.unlock().expect("unlocked");
    cache.put(&one, &[7; 1_000]).expect("written");
    assert_eq!(named(&cache).len(), 1);
}
