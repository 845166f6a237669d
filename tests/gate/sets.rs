//! What a set has several times is read, compiled and recorded once.

use portcullis::{CacheOptions, CacheUse, Engine, EngineOptions, Outcome, PolicySet, ReplayResult, Replayer};
use portcullis_tests::find;

use super::site::{Site, decide, engine, options};

/// Policies over two equal files of one module; three with the same settings, one of them with a document that the module
/// asks for.
fn written(site: &Site) -> std::path::PathBuf {
    let folder = site.path().join("set");
    std::fs::create_dir(&folder).unwrap();
    let module = find("27-description-data").bytes;
    std::fs::write(folder.join("document.json"), r#"{"weekend":[6,7]}"#).unwrap();
    for file in ["one.wasm", "same.wasm"] {
        std::fs::write(folder.join(file), &module).unwrap();
    }
    let mut manifest = "portcullis = 1\nname = \"set\"\n[limits]\ntime-ms = 20_000\n".to_owned();
    for (policy, module, settings) in [
        ("a", "one.wasm", "{}"),
        ("b", "same.wasm", "{}"),
        ("c", "one.wasm", "{ a = 1 }"),
        ("d", "one.wasm", "{}"),
        ("e", "same.wasm", "{}"),
        ("f", "one.wasm", "{ a = 1 }"),
    ] {
        manifest += &format!(
            "[[policy]]\nname = \"{policy}\"\nmodule = \"{module}\"\nsettings = {settings}\ndata = {{ calendar = \"document.json\" }}\n"
        );
    }
    std::fs::write(folder.join("portcullis.toml"), manifest).unwrap();
    let locked = PolicySet::lock(&folder, engine()).unwrap();
    assert!(locked.not_loaded.is_empty(), "{:?}", locked.not_loaded);
    std::fs::write(folder.join("portcullis.lock"), locked.lock.render()).unwrap();
    folder
}

#[test]
fn equal_policies_are_compiled_once_and_equal_files_recorded_once() {
    let site = Site::new();
    let folder = written(&site);
    let cache = CacheOptions { folder: site.path().join("cache"), key_file: site.path().join("key/cache.key") };
    let engine = Engine::new(&EngineOptions { cache: Some(cache), ..options().engine }).unwrap();
    let set = PolicySet::open(&folder, &engine).unwrap();
    // Whoever loads a second time what is in the cache by then has a hit.
    for policy in set.policies() {
        assert_eq!(*policy.as_ref().unwrap().cache_use(), CacheUse::Stored);
    }
    assert_eq!(std::fs::read_dir(site.path().join("cache")).unwrap().count(), 2, "one for each settings");
    let bytes: Vec<usize> = set.files().others.iter().map(|bytes| bytes.len()).collect();
    assert_eq!(bytes.len(), 4, "the module, the document, two settings: {bytes:?}");

    let gate = site.gate(set);
    let recorded = decide(&gate, "payment-api");
    assert_eq!(recorded.outcome(), Outcome::Allow);
    std::fs::remove_dir_all(&folder).unwrap();
    let reader = site.reader();
    let replayed = Replayer::new(&reader, engine.clone()).replay(recorded.id()).unwrap();
    assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
}

/// A document that one of two equal policies lacks is that one's fault.
#[test]
fn documents_are_each_policys_own() {
    let site = Site::new();
    let folder = written(&site);
    let manifest = std::fs::read_to_string(folder.join("portcullis.toml")).unwrap();
    let (start, end) = manifest.split_once("\ndata = ").unwrap();
    let (_, end) = end.split_once('\n').unwrap();
    std::fs::write(folder.join("portcullis.toml"), format!("{start}\n{end}")).unwrap();
    let locked = PolicySet::lock(&folder, engine()).unwrap();
    let names: Vec<&str> = locked.not_loaded.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["a"], "the first, whose work the others share");
    std::fs::write(folder.join("portcullis.lock"), locked.lock.render()).unwrap();
    let set = PolicySet::open(&folder, engine()).unwrap();
    let faults: Vec<Option<&str>> =
        set.policies().iter().map(|policy| policy.as_ref().err().map(|faulted| faulted.fault.code())).collect();
    assert_eq!(faults, [Some("load.data"), None, None, None, None, None]);
}
