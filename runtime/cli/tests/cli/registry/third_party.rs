//! `skopeo`, which this project did not write, reads what we push and save, and what it writes is loaded.

use std::process::Command;

use portcullis_gate::Sha256;

use super::super::site::Site;
use super::server::{Registry, Settings, installed, push};

fn skopeo(site: &Site, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("skopeo");
    // Its policy of signatures is asked for even where none is checked.
    command.args(["--insecure-policy"]).args(arguments).current_dir(site.path());
    let output = command.env("HOME", site.path()).env("TMPDIR", site.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn skopeo_reads_what_is_pushed_and_saved_and_what_it_writes_is_loaded() {
    if !installed("skopeo") {
        return;
    }
    let (Some(one), Some(two)) = (Registry::start(&Settings::default()), Registry::start(&Settings::default())) else {
        return;
    };
    let site = Site::new();
    site.add_module("stage0-constraints");
    let evidence = b"{\"evidence\":1}";
    let digits = &Sha256::of(evidence).to_string()[..16];
    site.write(&format!("stage0-constraints.wasm.{digits}.sigstore.json"), evidence);
    let reference = one.reference("policies/stage0:1.2");
    let pushed = push(&site, "stage0-constraints.wasm", &reference, &[]);

    let docker = format!("docker://{reference}");
    let raw = skopeo(&site, &["inspect", "--raw", "--tls-verify=false", &docker]);
    assert_eq!(Sha256::of(&raw).to_string(), pushed.manifest);
    let manifest: serde_json::Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");

    // Saved by us, copied by skopeo to another registry, pulled by us.
    site.write(
        "portcullis.toml",
        format!("portcullis = 1\nname = \"acme\"\n[[policy]]\nname = \"stage0\"\nmodule = \"oci://{reference}\"\n"),
    );
    assert_eq!(site.run(&["lock", "--policies", "."]).code, 0);
    assert_eq!(site.run(&["policy", "save", "--policies", ".", "--out", "modules.tar"]).code, 0);
    let mirror = two.reference("mirror/stage0:1.2");
    let archive = format!("oci-archive:modules.tar:{reference}");
    skopeo(&site, &["copy", "--dest-tls-verify=false", &archive, &format!("docker://{mirror}")]);
    let pulled = site.run(&["policy", "pull", &mirror, "--out", "pulled.wasm", "--format", "json"]).json();
    assert_eq!(pulled["manifest_sha256"].as_str(), Some(&*pushed.manifest), "the same artifact by the same digest");
    assert_eq!(std::fs::read(site.path().join(format!("pulled.wasm.{digits}.sigstore.json"))).unwrap(), evidence);

    // Saved by skopeo, loaded by us.
    skopeo(&site, &["copy", "--src-tls-verify=false", &docker, "oci-archive:theirs.tar:stage0"]);
    let load = site.run(&["policy", "load", "theirs.tar", "--module-store", "modules"]);
    assert!(load.code == 0 && load.stdout.contains(&pushed.module), "{}{}", load.stdout, load.stderr);
    assert!(site.path().join("modules/sha256").join(&pushed.module).is_file());
}
