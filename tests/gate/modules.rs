//! Sets whose modules come from a registry: the module store stands between them and a network.

use std::collections::BTreeMap;
use std::fs;

use portcullis::{Gate, GateError, GateOptions, LockedModule, ModuleStore, PolicySet, SetError, Sha256};
use portcullis_tests::find;

use super::site::{Site, engine, options};

const MODULE: &str = "oci://registry.example.com/policies/x:1";

#[test]
fn a_module_of_a_registry_is_read_by_its_digest_and_from_nowhere_else() {
    let site = Site::new();
    let (folder, store) = (site.path().join("set"), ModuleStore::new(site.path().join("modules")));
    fs::create_dir(&folder).unwrap();
    let manifest = format!("portcullis = 1\nname = \"set\"\n[[policy]]\nname = \"x\"\nmodule = \"{MODULE}\"\n");
    fs::write(folder.join("portcullis.toml"), manifest).unwrap();
    // Without an answer to what the reference names, there is nothing to lock.
    let unresolved = PolicySet::lock_with(&folder, Some(&store), &BTreeMap::new(), engine());
    assert!(matches!(unresolved, Err(SetError::NotLocked { .. })), "{unresolved:?}");

    let module_sha256 = store.insert(&find("00-allow").bytes).unwrap();
    let locked = LockedModule { manifest_sha256: Sha256::of(b"a manifest"), module_sha256 };
    let resolved = BTreeMap::from([(MODULE.to_owned(), locked)]);
    let lock = PolicySet::lock_with(&folder, Some(&store), &resolved, engine()).unwrap();
    assert!(lock.not_loaded.is_empty());
    fs::write(folder.join("portcullis.lock"), lock.lock.render()).unwrap();

    let open = |modules: Option<ModuleStore>| {
        let options = GateOptions { modules, ..options() };
        Gate::open(&folder, &site.ledger_file(), &options)
    };
    assert!(open(Some(store.clone())).is_ok());
    let without = open(None).err();
    assert!(matches!(without, Some(GateError::Set(SetError::NoModuleStore { .. }))), "{without:?}");
    fs::write(store.path(module_sha256), b"another").unwrap();
    let changed = open(Some(store.clone())).err();
    assert!(
        matches!(&changed, Some(GateError::Set(SetError::NotFetched { modules, .. })) if modules[0].contains("changed")),
        "{changed:?}"
    );
    fs::remove_file(store.path(module_sha256)).unwrap();
    let missing = open(Some(store)).err().unwrap().to_string();
    assert!(missing.contains("portcullis policy fetch --policies") && missing.contains(MODULE), "{missing}");
}
