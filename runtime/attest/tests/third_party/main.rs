//! What this crate writes, checked by programs that this project did not write, and what they write, checked by it: see
//! `tools/check-bundles.sh`, which fetches them. Where one of them cannot be had, its check is skipped, and
//! `portcullis-skip` says what becomes of that. With `PORTCULLIS_FETCH=off`, nothing is fetched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use portcullis_attest::{
    Bundle, Kind, PrivateKey, Review, base64, pre_authentication_encoding, review_statement, signature_statement,
};
use portcullis_gate::{PublicKey, Sha256};
use serde_json::json;

const MODULE: &[u8] = b"\0asm module";

#[test]
fn other_programs_agree() {
    let say = |text: &str| std::io::stderr().write_all(text.as_bytes()).unwrap();
    if std::env::var("PORTCULLIS_FETCH").is_ok_and(|mode| mode == "off") {
        return portcullis_skip::skip(
            "third-party",
            "signatures and reviews were not checked by other programs: PORTCULLIS_FETCH=off",
        );
    }
    let samples = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundle-samples");
    _ = std::fs::remove_dir_all(&samples);
    write(&samples);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/check-bundles.sh");
    let output = Command::new("bash").arg(script).arg(&samples).output().unwrap();
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    say(&text);
    assert!(output.status.success(), "{text}");
    skipped(&text);
    for name in ["securesystemslib", "sigstore", "openssl"] {
        let passed = text.contains(&format!("ok {name}"));
        assert!(passed || text.contains(&format!("SKIPPED {name}")), "{name}:\n{text}");
        if passed {
            theirs(&samples.join("theirs"), name);
        }
    }
}

/// What the script says that it could not check: `SKIPPED NAME: WHY`.
fn skipped(text: &str) {
    let lines = text.lines().filter_map(|line| line.strip_prefix("SKIPPED ")?.split_once(": "));
    lines.for_each(|(name, why)| portcullis_skip::skip(name, why));
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

fn write(folder: &Path) {
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    std::fs::create_dir_all(folder.join("ours")).unwrap();
    put("module.wasm", MODULE);
    let now = "2026-03-14T09:30:00Z".parse().unwrap();
    let inspection = json!({ "admissible": true, "calls": ["log"] });
    let review = Review { reviewer: "Alice é".into(), reviewed_at: now, note: Some("\"SEC-7\"\n".into()), inspection };
    let module = Sha256::of(MODULE);
    let samples = [
        ("signature", "release", key(1), signature_statement("module.wasm", module, MODULE.len(), now)),
        ("review", "alice", key(2), review_statement("module.wasm", module, &review)),
    ];
    for (name, by, key, statement) in samples {
        let bundle = Bundle::sign(statement.clone(), &key);
        Bundle::parse(&bundle).unwrap().verify(module, [key.public()]).unwrap();
        let message = pre_authentication_encoding("application/vnd.in-toto+json", &statement);
        let parsed: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
        let signature = parsed["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
        put(&format!("ours/{name}.json"), &bundle);
        put(&format!("ours/{name}.by"), by.as_bytes());
        put(&format!("ours/{name}.message"), &message);
        put(&format!("ours/{name}.signature"), &base64::decode(signature).unwrap());
        put(&format!("ours/{by}"), key.to_secret_pem().unwrap().as_bytes());
        put(&format!("ours/{by}.pub"), key.public().to_pem().as_bytes());
    }
}

/// What another program made is verified here, and a changed byte of it is not.
fn theirs(folder: &Path, name: &str) {
    let text = |file: String| std::fs::read_to_string(folder.join(file)).unwrap();
    if name == "openssl" {
        let key = PrivateKey::from_pem(&text("openssl.key".into())).unwrap();
        assert_eq!(*key.public(), PublicKey::parse(&text("openssl.key.pub".into())).unwrap());
        return;
    }
    let key = PublicKey::parse(&text(format!("{name}.pub"))).unwrap();
    let bundle = text(format!("{name}.json"));
    let evidence = Bundle::parse(bundle.as_bytes()).unwrap().verify(Sha256::of(MODULE), [&key]).unwrap();
    let expected = if name == "sigstore" { Kind::Signature } else { Kind::Review };
    assert_eq!((evidence.kind(), evidence.key()), (expected, &key));
    assert!(Bundle::parse(bundle.as_bytes()).unwrap().verify(Sha256::of(b"other"), [&key]).is_err());
    let parsed: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    for member in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
        let bytes = base64::decode(parsed.pointer(member).unwrap().as_str().unwrap()).unwrap();
        for at in 0..bytes.len() {
            let (mut changed, mut bytes) = (parsed.clone(), bytes.clone());
            bytes[at] ^= 1;
            *changed.pointer_mut(member).unwrap() = base64::encode(&bytes).into();
            let changed = Bundle::parse(changed.to_string().as_bytes()).unwrap();
            assert!(changed.verify(Sha256::of(MODULE), [&key]).is_err(), "{name}: byte {at} of {member}");
        }
    }
}
