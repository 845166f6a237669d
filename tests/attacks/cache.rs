//! Row 19: the compile cache holds machine code, so whoever can write to it must not be able to have it run.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_engine::{CacheOptions, CacheUse, Engine, EngineOptions, Policy};
use portcullis_tests::find;
use tempfile::TempDir;

use super::meet::{load, options, request, said};

#[test]
fn an_entry_is_used_again() {
    let place = Place::new();
    assert_eq!(*place.load("00-allow").cache_use(), CacheUse::Stored);
    let again = place.load("00-allow");
    assert_eq!(*again.cache_use(), CacheUse::Hit);
    assert_eq!(said(&again.evaluate(&request())), "allow");
}

/// A policy from the cache is the policy: verdict, fuel, inputs, mode.
#[test]
fn a_cached_policy_is_the_same_policy() {
    let place = Place::new();
    for name in ["00-every-import", "26-table-set", "21-uninitialised-memory", "10-no-findings"] {
        let (fresh, cached) = (place.load(name), place.load(name));
        assert_eq!(*cached.cache_use(), CacheUse::Hit, "{name}");
        let (one, two) = (fresh.evaluate(&request()), cached.evaluate(&request()));
        assert_eq!((one.said, one.fuel, one.log), (two.said, two.fuel, two.log), "{name}");
        assert_eq!((fresh.inputs(), fresh.mode()), (cached.inputs(), cached.mode()), "{name}");
    }
}

#[test]
fn a_flipped_byte_is_refused_recompiled_and_recorded() {
    let place = Place::new();
    place.load("00-allow");
    let [entry] = place.entries().try_into().expect("one entry");
    let good = fs::read(&entry).unwrap();
    // The head, the facts, the code, the end: 64 places, and both ends.
    let step = good.len() / 64;
    let places = (0..good.len()).step_by(step).chain(good.len() - 40..good.len()).chain(0..16);
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        fs::write(&entry, &bad).unwrap();
        let policy = place.load("00-allow");
        assert_eq!(*policy.cache_use(), CacheUse::Refused, "byte {at}");
        assert_eq!(said(&policy.evaluate(&request())), "allow", "byte {at}");
        assert_eq!(*place.load("00-allow").cache_use(), CacheUse::Hit, "after byte {at}, which was mended");
    }
}

#[test]
fn cut_and_lengthened_entries_are_refused() {
    let place = Place::new();
    place.load("00-allow");
    let [entry] = place.entries().try_into().expect("one entry");
    let good = fs::read(&entry).unwrap();
    let longer = [good.as_slice(), b"x"].concat();
    for bad in [&good[..0], &good[..31], &good[..32], &good[..good.len() - 1], &longer] {
        fs::write(&entry, bad).unwrap();
        assert_eq!(*place.load("00-allow").cache_use(), CacheUse::Refused, "{} bytes", bad.len());
    }
}

/// The entry of one policy under the name of another: its code is authentic, but it is not that policy's.
#[test]
fn swapped_entries_are_refused() {
    let place = Place::new();
    place.load("00-allow");
    let [allow] = place.entries().try_into().expect("one entry");
    place.load("00-deny-by-zero");
    let deny = place.entries().into_iter().find(|entry| *entry != allow).expect("two entries");
    let (allow_bytes, deny_bytes) = (fs::read(&allow).unwrap(), fs::read(&deny).unwrap());
    assert_ne!(allow_bytes, deny_bytes);
    fs::write(&allow, &deny_bytes).unwrap();
    fs::write(&deny, &allow_bytes).unwrap();
    let policy = place.load("00-deny-by-zero");
    assert_eq!(*policy.cache_use(), CacheUse::Refused);
    assert_eq!(said(&policy.evaluate(&request())), "deny");
    let policy = place.load("00-allow");
    assert_eq!(*policy.cache_use(), CacheUse::Refused);
    assert_eq!(said(&policy.evaluate(&request())), "allow");
}

/// An entry is for its settings and limits, too.
#[test]
fn other_settings_and_limits_have_other_entries() {
    let place = Place::new();
    let guest = find("00-allow");
    for (settings, limits) in [("{}", vec![]), ("{\"a\":1}", vec![]), ("{}", vec![("fuel".to_owned(), 1_000_000)])] {
        let mut guest = guest.clone();
        guest.settings = settings.to_owned();
        guest.limits = limits;
        let policy = load(&place.engine(), &guest).unwrap();
        assert_eq!(*policy.cache_use(), CacheUse::Stored, "{settings}");
    }
    assert_eq!(place.entries().len(), 3);
}

/// A whole cache from elsewhere: authentic under its own key, not under ours.
#[test]
fn a_cache_from_another_machine_is_refused() {
    let (here, elsewhere) = (Place::new(), Place::new());
    elsewhere.load("00-allow");
    here.load("00-allow");
    for entry in elsewhere.entries() {
        fs::copy(&entry, here.folder().join(entry.file_name().unwrap())).unwrap();
    }
    assert_eq!(*here.load("00-allow").cache_use(), CacheUse::Refused);
}

/// What takes the place of an entry without being a file. What a link leads to may never end: `/dev/zero` says that it
/// has 0 bytes. So links are not followed, not even to what would be authentic.
#[test]
fn an_entry_that_is_no_file_does_not_stop_a_policy() {
    let place = Place::new();
    place.load("00-allow");
    let [entry] = place.entries().try_into().expect("one entry");
    let aside = place.root.path().join("aside");
    fs::rename(&entry, &aside).unwrap();
    fs::create_dir(&entry).unwrap();
    let policy = place.load("00-allow");
    assert_ne!(*policy.cache_use(), CacheUse::Hit);
    assert_eq!(said(&policy.evaluate(&request())), "allow");
    #[cfg(unix)]
    {
        fs::remove_dir(&entry).unwrap();
        std::os::unix::fs::symlink(&aside, &entry).unwrap();
        let policy = place.load("00-allow");
        assert_eq!(*policy.cache_use(), CacheUse::Refused);
        assert_eq!(said(&policy.evaluate(&request())), "allow");
    }
}

/// A cache and its key in a temporary folder; every load is by an engine of its own, as after a restart.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { root: tempfile::tempdir().expect("a folder") }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn engine(&self) -> Engine {
        let cache = CacheOptions { folder: self.folder(), key_file: self.root.path().join("key/cache.key") };
        Engine::new(&EngineOptions { cache: Some(cache), ..options() }).expect("an engine")
    }

    fn load(&self, name: &str) -> Policy {
        load(&self.engine(), &find(name)).expect("a policy")
    }

    fn entries(&self) -> Vec<PathBuf> {
        let is_entry = |path: &PathBuf| Path::extension(path).is_some_and(|extension| extension == "cwasm");
        let entries = fs::read_dir(self.folder()).expect("a cache");
        entries.map(|entry| entry.expect("an entry").path()).filter(is_entry).collect()
    }
}
