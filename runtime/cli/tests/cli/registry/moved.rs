//! Pushing and pulling files.

use std::path::Path;

use portcullis_gate::Sha256;

use super::super::site::Site;
use super::server::{Registry, Settings, digests, padded, push};

fn site() -> Site {
    let site = Site::new();
    site.add_module("rules");
    site
}

#[test]
fn what_is_pushed_is_pulled() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let site = site();
    let module = std::fs::read(site.path().join("rules.wasm")).unwrap();
    let evidence = [b"{\"one\":1}".as_slice(), b"{\"two\":2}"];
    let name = |bytes: &[u8]| format!("rules.wasm.{}.sigstore.json", &Sha256::of(bytes).to_string()[..16]);
    for bytes in evidence {
        site.write(&name(bytes), bytes);
    }
    // Names that are close, and are not evidence about it.
    site.write("rules.wasm.sigstore.json", "x");
    site.write("other.wasm.0123456789abcdef.sigstore.json", "x");
    let reference = registry.reference("team/rules:1.2");
    let run = site.run(&["policy", "push", "rules.wasm", &reference, "--annotation", "a=b=c"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains(&format!("module   sha256:{}", Sha256::of(&module))), "{}", run.stdout);
    assert!(run.stdout.contains("evidence 2"), "{}", run.stdout);
    // Again gives the same digest, and the registry has every blob.
    let again = push(&site, "rules.wasm", &registry.reference("team/rules:again"), &[]);
    assert_eq!(again.module, Sha256::of(&module).to_string());

    for version in ["team/rules:1.2".to_owned(), format!("team/rules@sha256:{}", again.manifest)] {
        let elsewhere = Site::new();
        let run = elsewhere.run(&[
            "policy",
            "pull",
            &registry.reference(&version),
            "--out",
            "pulled.wasm",
            "--format",
            "json",
        ]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let pulled = digests(&run.json());
        assert_eq!(pulled.module, again.module);
        assert_eq!(std::fs::read(elsewhere.path().join("pulled.wasm")).unwrap(), module);
        for bytes in evidence {
            let path = elsewhere.path().join(name(bytes).replace("rules", "pulled"));
            assert_eq!(std::fs::read(path).unwrap(), bytes);
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 3, "nothing else was written");
    }
}

/// The same files as trust rules read: as many, and none of the others.
#[test]
fn evidence_that_trust_rules_accept_is_pushed_and_no_other() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let site = site();
    let name = |digits: &str| format!("rules.wasm.{digits}.sigstore.json");
    let write = |range: std::ops::Range<u32>| {
        for n in range {
            let bytes = format!("{{\"n\":{n}}}");
            site.write(&name(&Sha256::of(bytes.as_bytes()).to_string()[..16]), bytes);
        }
    };
    write(0..61);
    let secret = tempfile::tempdir().unwrap();
    let outside = b"of somebody else";
    std::fs::write(secret.path().join("file"), outside).unwrap();
    let link = name(&Sha256::of(outside).to_string()[..16]);
    std::os::unix::fs::symlink(secret.path().join("file"), site.path().join(&link)).unwrap();
    let pipe = name("00000000000000aa");
    assert!(std::process::Command::new("mkfifo").arg(site.path().join(&pipe)).status().unwrap().success());
    let damaged = name("0123456789abcdef");
    site.write(&damaged, "not what the name says");
    // No names of evidence.
    site.write(&name("0123456789ABCDEF"), "upper case");
    let reference = registry.reference("team/rules:reviewed");
    let run = site.run(&["policy", "push", "rules.wasm", &reference, "--format", "json"]);
    assert_eq!((run.code, run.json()["evidence"].as_u64()), (0, Some(61)), "{}", run.stderr);
    for (name, reason) in
        [(&link, "a link out of its folder"), (&pipe, "not a plain file"), (&damaged, "not those that its name says")]
    {
        let told = run.stderr.lines().any(|line| line.contains(name) && line.contains(reason));
        assert!(told, "{name}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("ABCDEF"), "{}", run.stderr);
    write(61..65);
    let run = site.run(&["policy", "push", "rules.wasm", &reference]);
    assert!(run.code == 1 && run.stderr.contains("carries at most 64"), "{}", run.stderr);
    let elsewhere = Site::new();
    let run = elsewhere.run(&["policy", "pull", &reference, "--out", "pulled.wasm"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 62, "the module and its evidence");
}

#[test]
fn what_is_refused_is_not_pushed() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let site = site();
    site.write("core.wasm", b"\0asm\x01\0\0\0");
    let reference = registry.reference("x:1");
    let run = site.run(&["policy", "push", "core.wasm", &reference]);
    assert!(run.code == 1 && run.stderr.contains("load.format"), "{}", run.stderr);
    assert!(!registry.data().join("docker/registry/v2/repositories").exists(), "nothing arrived");
    let run = site.run(&["policy", "pull", &reference, "--out", "x.wasm"]);
    assert!(run.code == 1 && run.stderr.contains("answers 404: MANIFEST_UNKNOWN"), "{}", run.stderr);
    assert!(!site.path().join("x.wasm").exists());
    for wrong in [
        vec!["policy", "push", "rules.wasm", "rules:1"],
        vec!["policy", "push", "rules.wasm", "registry.example.com/rules"],
        vec!["policy", "push", "rules.wasm", &reference, "--annotation", "x"],
        vec!["policy", "push", "rules.wasm", &reference, "--annotation", "a=1", "--annotation", "a=2"],
        vec!["policy", "pull", "registry.example.com/Rules:1", "--out", "x.wasm"],
    ] {
        let run = site.run(&wrong);
        assert!(run.code == 2 && run.stdout.is_empty(), "{wrong:?}: {}", run.stderr);
    }
}

#[test]
fn a_changed_byte_in_the_registrys_storage_is_found() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let site = site();
    let reference = registry.reference("x:1");
    let module = push(&site, "rules.wasm", &reference, &[]).module;
    let path = registry.data().join(format!("docker/registry/v2/blobs/sha256/{}/{module}/data", &module[..2]));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let run = site.run(&["policy", "pull", &reference, "--out", "x.wasm"]);
    let says = format!("expected sha256:{module}, found sha256:{}", Sha256::of(&bytes));
    assert!(run.code == 1 && run.stderr.contains(&says), "{}", run.stderr);
    assert!(!site.path().join("x.wasm").exists());
}

#[test]
fn a_password_comes_from_where_it_is_kept() {
    let Some(registry) = Registry::start(&Settings { password: true, ..Settings::default() }) else { return };
    let site = site();
    let reference = registry.reference("x:1");
    let push_with =
        |environment: &[(&str, &Path)]| site.run_with(&["policy", "push", "rules.wasm", &reference], "", environment);
    let run = push_with(&[]);
    assert!(run.code == 1 && run.stderr.contains("refuses access, asked without credentials"), "{}", run.stderr);
    let (user, password) = ("PORTCULLIS_REGISTRY_USERNAME", "PORTCULLIS_REGISTRY_PASSWORD");
    let run = push_with(&[(user, Path::new("user")), (password, Path::new("wrong-one"))]);
    assert!(
        run.code == 1 && run.stderr.contains("asked with the password from PORTCULLIS_REGISTRY_USERNAME"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("wrong-one"));
    let run = push_with(&[(user, Path::new("user"))]);
    assert!(run.code == 1 && run.stderr.contains("are set together"), "{}", run.stderr);
    assert_eq!(push_with(&[(user, Path::new("user")), (password, Path::new("secret"))]).code, 0);

    // Docker's file, and a helper that it names.
    let pull = |environment: &[(&str, &Path)]| {
        let run = site.run_with(&["policy", "pull", &reference, "--out", "x.wasm"], "", environment);
        (run.code, run.stderr)
    };
    assert_eq!(pull(&[]).0, 1);
    let auth = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"dXNlcjpzZWNyZXQ=\"}}}}}}", registry.address);
    site.write("home/.docker/config.json", &auth);
    assert_eq!(pull(&[]), (0, String::new()));
    site.write("home/.docker/config.json", format!("{{\"credHelpers\": {{\"{}\": \"ours\"}}}}", registry.address));
    let (code, stderr) = pull(&[]);
    assert!(code == 1 && stderr.contains("docker-credential-ours does not start"), "{stderr}");
    let says = r#"{"ServerURL":"x","Username":"user","Secret":"secret"}"#;
    site.write("bin/docker-credential-ours", format!("#!/bin/sh\n[ \"$1\" = get ] && echo '{says}'\n"));
    let helper = site.path().join("bin/docker-credential-ours");
    std::fs::set_permissions(helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", site.path().join("bin").display(), std::env::var("PATH").unwrap());
    assert_eq!(pull(&[("PATH", Path::new(&path))]), (0, String::new()));
}

#[test]
fn https_is_spoken_to_whom_the_certificate_names() {
    let Some(registry) = Registry::start(&Settings { tls: true, ..Settings::default() }) else { return };
    let site = site();
    let certificate = registry.certificate.as_ref().unwrap().to_str().unwrap();
    let reference = registry.reference("x:1").replace("127.0.0.1", "localhost");
    let push = |more: &[&str]| site.run(&[&["policy", "push", "rules.wasm", &reference], more].concat());
    let run = push(&["--https"]);
    assert!(
        run.code == 1 && run.stderr.contains("cannot reach") && run.stderr.contains("certificate"),
        "{}",
        run.stderr
    );
    let run = push(&["--https", "--registry-ca", certificate]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // Plain http to it is answered by a refusal, and not taken for an answer.
    assert_eq!(push(&[]).code, 1);
    site.write("empty.pem", "no certificate");
    let run = push(&["--https", "--registry-ca", "empty.pem"]);
    assert!(run.code == 1 && run.stderr.contains("holds none in PEM"), "{}", run.stderr);
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    site.write("other.pem", other.cert.pem());
    assert_eq!(push(&["--https", "--registry-ca", "other.pem"]).code, 1);
}

#[test]
fn a_tag_that_moved_is_pulled_anew_and_a_digest_is_not() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let site = site();
    let reference = registry.reference("x:1");
    let first = push(&site, "rules.wasm", &reference, &[]);
    padded(&site, "rules.wasm");
    let second = push(&site, "rules.wasm", &reference, &[]);
    assert_ne!(first.module, second.module);
    let pulled = |version: &str| {
        digests(
            &site.run(&["policy", "pull", &registry.reference(version), "--out", "x.wasm", "--format", "json"]).json(),
        )
        .module
    };
    assert_eq!(pulled("x:1"), second.module);
    assert_eq!(pulled(&format!("x:1@sha256:{}", first.manifest)), first.module);
}
