//! No other name of a module's place takes it out of a trust rule, and no file beside it stops it.

use super::site::{Run, STAGE0, STAGE0_SET, Site};

const MODULE: &str = "stage0-constraints.wasm";

fn site() -> Site {
    let site = Site::new();
    site.add_module("stage0-constraints");
    site.write("check.json", STAGE0);
    assert_eq!(site.run(&["policy", "keygen", "--out", "release"]).code, 0);
    site
}

/// A set whose rule is about a pattern, with a module, that accepts what no rule is about.
fn lock(site: &Site, pattern: &str, module: &str) -> Run {
    let set = STAGE0_SET.replace(MODULE, module).replacen("[[policy]]", "trust-default = \"accept\"\n[[policy]]", 1);
    let trust = format!(
        "[keys.release]\npublic-key-file = \"release.pub\"\n[[trust]]\nmodules = [{pattern:?}]\nsigned-by = [\"release\"]\n"
    );
    site.write("portcullis.toml", format!("{set}{trust}"));
    site.run(&["lock", "--policies", "."])
}

#[test]
fn where_a_link_leads_that_a_pattern_matches_is_meant_too() {
    let site = site();
    std::fs::create_dir_all(site.path().join("srv/a/deep")).unwrap();
    std::fs::create_dir_all(site.path().join("teams/b")).unwrap();
    for place in ["srv/a/x.wasm", "srv/a/deep/x.wasm", "free.wasm", "srv/one.wasm"] {
        std::fs::copy(site.path().join(MODULE), site.path().join(place)).unwrap();
    }
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(site.path().join(to), site.path().join(at)).unwrap();
    link("srv/a", "teams/a");
    link("srv/one.wasm", "teams/b/x.wasm");
    for (pattern, place) in [
        ("teams/*/x.wasm", "srv/a/x.wasm"),
        ("teams/*/x.wasm", "srv/one.wasm"),
        ("teams/b/x.wasm", "srv/one.wasm"),
        ("teams/**/x.wasm", "srv/a/deep/x.wasm"),
        ("**/x.wasm", "srv/one.wasm"),
        ("t*/?/X.wasm", "srv/a/x.wasm"),
    ] {
        for module in [place.to_owned(), site.path().join(place).to_string_lossy().into_owned()] {
            let run = lock(&site, pattern, &module);
            assert!(
                run.code == 1 && run.stderr.contains("needs a signature by release"),
                "{pattern} {module}: {}",
                run.stderr
            );
        }
    }
    for place in ["free.wasm", "srv/a/x.wasm"] {
        assert_eq!(lock(&site, "teams/*/y.wasm", place).code, 0, "{place}");
    }
}

#[test]
fn a_registry_has_one_name() {
    let site = site();
    for module in [
        "oci://registry.example.com:443/policies/a:1",
        "oci://registry.example.com:80/policies/a:1",
        "oci://registry.example.com./policies/a:1",
        "oci://Registry.example.com/policies/a:1",
        "oci://registry.example.com//policies/a:1",
        "oci://registry.example.com/%70olicies/a:1",
        "oci://registry%2eexample.com/policies/a:1",
        "oci://index.docker.io/acme/a:1",
    ] {
        let run = lock(&site, "oci://registry.example.com/policies/*", module);
        assert!(run.code == 1 && run.stderr.contains("is no reference"), "{module}: {}", run.stderr);
    }
    for pattern in ["oci://registry.example.com:443/policies/*", "oci://registry-1.docker.io/acme/*"] {
        let run = lock(&site, pattern, MODULE);
        assert!(run.code == 1 && run.stderr.contains("names a registry as no module may"), "{pattern}: {}", run.stderr);
    }
}

/// 80 pieces of evidence stopped every set that has the module.
#[test]
fn files_beside_a_module_stop_nobody() {
    let site = site();
    let wasm = std::fs::read(site.path().join(MODULE)).unwrap();
    let module = portcullis_gate::Sha256::of(&wasm);
    let stranger = portcullis_attest::PrivateKey::from_seed(&[9; 32]).unwrap();
    for n in 0..100 {
        let statement = portcullis_attest::signature_statement(
            &format!("stranger {n}"),
            module,
            wasm.len(),
            "2026-03-14T09:30:00Z".parse().unwrap(),
        );
        for bytes in [portcullis_attest::Bundle::sign(statement, &stranger), format!("{{\"junk\":{n}}}").into_bytes()] {
            site.write(&portcullis::evidence_name(MODULE, portcullis_gate::Sha256::of(&bytes)), &bytes);
        }
    }
    let run = lock(&site, "*.wasm", MODULE);
    assert!(run.code == 1 && run.stderr.contains("and 180 more files do not count"), "{}", run.stderr);
    assert_eq!(site.run(&["policy", "sign", MODULE, "--key", "release"]).code, 0);
    let run = lock(&site, "*.wasm", MODULE);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let decided = site.run(&["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"]);
    assert_eq!(decided.code, 0, "{}", decided.stderr);
}
