use serde_json::json;

use super::*;
use crate::base64;
use crate::{Bundle, MAX_BUNDLE_BYTES, PrivateKey, review_statement, signature_statement};

const NOW: &str = "2026-03-14T09:30:00Z";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

fn module() -> Sha256 {
    Sha256::of(b"module")
}

fn signed() -> Vec<u8> {
    Bundle::sign(signature_statement("a.wasm", module(), 6, NOW.parse().unwrap()), &key(1))
}

fn review() -> Review {
    let inspection = json!({ "admissible": true });
    Review { reviewer: "Alice".into(), reviewed_at: NOW.parse().unwrap(), note: Some("SEC-7".into()), inspection }
}

fn verify(bundle: &[u8]) -> Result<Evidence, EvidenceError> {
    Bundle::parse(bundle)?.verify(module(), [key(2).public(), key(1).public()])
}

/// The signed bundle with one text in place of another, which must be there.
fn with(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(signed()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to).into_bytes()
}

/// A bundle of any statement, properly signed.
fn stating(statement: &Value) -> Vec<u8> {
    Bundle::sign(serde_json::to_vec(statement).unwrap(), &key(1))
}

fn statement() -> Value {
    serde_json::from_slice(&signature_statement("a.wasm", module(), 6, NOW.parse().unwrap())).unwrap()
}

#[test]
fn a_signature_is_written_like_this() {
    let bundle: Value = serde_json::from_slice(&signed()).unwrap();
    let id = key(1).public().id().to_string();
    let payload = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"a.wasm","digest":{{"sha256":"{}"}}}}],"predicateType":"https://portcullis.dev/attestation/policy-signature/v1","predicate":{{"signedAt":"2026-03-14T09:30:00Z","size":6}}}}"#,
        module()
    );
    let pae = format!("DSSEv1 28 application/vnd.in-toto+json {} {payload}", payload.len());
    let expected = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": id } },
        "dsseEnvelope": {
            "payload": base64::encode(payload.as_bytes()),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "keyid": id, "sig": base64::encode(&key(1).sign(pae.as_bytes())) }],
        },
    });
    assert_eq!(bundle, expected);
}

#[test]
fn a_key_proves_what_it_signed() {
    let evidence = verify(&signed()).unwrap();
    assert_eq!((evidence.kind(), evidence.key(), evidence.module()), (Kind::Signature, key(1).public(), module()));
    assert_eq!((evidence.bundle(), evidence.time()), (Sha256::of(&signed()), Some(NOW.parse().unwrap())));
    let reviewed = Bundle::sign(review_statement("a.wasm", module(), &review()), &key(2));
    let evidence = verify(&reviewed).unwrap();
    assert_eq!((evidence.kind(), evidence.key(), evidence.review()), (Kind::Review, key(2).public(), Some(&review())));
}

#[test]
fn every_changed_byte_is_found() {
    let bundle = signed();
    for at in 0..bundle.len() {
        for bit in 0..8 {
            let mut changed = bundle.clone();
            changed[at] ^= 1 << bit;
            let verified = verify(&changed);
            assert!(verified.is_err(), "byte {at}, bit {bit}: {}", String::from_utf8_lossy(&changed));
        }
        assert!(verify(&bundle[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let says = |bundle: &[u8], expected: &str| {
        let error = verify(bundle).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let stranger = Bundle::sign(signature_statement("a.wasm", module(), 6, NOW.parse().unwrap()), &key(3));
    says(&stranger, &format!("wrong key: it is signed by none of the keys; it hints at \"{}\"", key(3).public().id()));
    // It says that it is of a key that is known.
    let id = |seed: u8| key(seed).public().id().to_string();
    let forged = String::from_utf8(stranger).unwrap().replace(&id(3), &id(1));
    says(forged.as_bytes(), &format!("the signature is not the key's ({})", id(1)));

    let other = Bundle::sign(signature_statement("a.wasm", Sha256::of(b"old"), 6, NOW.parse().unwrap()), &key(1));
    says(&other, &format!("signs sha256:{}, the module is sha256:{}", Sha256::of(b"old"), module()));
    let older = Bundle::sign(review_statement("a.wasm", Sha256::of(b"old"), &review()), &key(1));
    says(&older, &format!("reviews sha256:{}, the module is sha256:{}", Sha256::of(b"old"), module()));

    let mut provenance = statement();
    provenance["predicateType"] = "https://slsa.dev/provenance/v1".into();
    says(&stating(&provenance), "wrong predicate type \"https://slsa.dev/provenance/v1\"");
    says(&with("application/vnd.in-toto+json", "application/json"), "wrong payload type \"application/json\"");
    says(&with("bundle.v0.3+json", "bundle.v0.4+json"), "wrong media type");
    says(&with("\"publicKey\":{", "\"certificate\":{\"rawBytes\":\"\"},\"publicKey\":{"), "signed with a certificate");
    says(&with("\"publicKey\":{", "\"x509CertificateChain\":{},\"publicKey\":{"), "signed with a certificate");
    says(&with("\"dsseEnvelope\":{", "\"messageSignature\":{},\"dsseEnvelope\":{"), "it signs a message");
    says(&with("\"keyid\":\"", "\"keyid\":\"0"), "key id is not the hint");
    says(b"{}", "malformed: missing field");
    says(b"", "malformed");
    says(&vec![b' '; MAX_BUNDLE_BYTES + 1], "larger than a bundle");
}

/// Two readers must not see two things.
#[test]
fn a_bundle_and_its_statement_have_one_reading() {
    for (from, to) in [
        ("\"mediaType\":", "\"mediaType\":\"x\",\"mediaType\":"),
        ("\"signatures\":[", "\"signatures\":[],\"signatures\":["),
        ("\"verificationMaterial\":{", "\"verificationMaterial\":{\"tlogEntries\":[{\"a\":1,\"a\":2}],"),
        ("\"verificationMaterial\":{", "\"more\":1,\"verificationMaterial\":{"),
        ("\"publicKey\":{", "\"publicKey\":{\"rawBytes\":\"\","),
        ("\"payload\":\"ey", "\"payload\":\"\\u0065y="),
    ] {
        assert!(matches!(verify(&with(from, to)), Err(EvidenceError::Malformed { .. })), "{to}");
    }
    assert!(verify(&[signed(), b"{}".to_vec()].concat()).is_err());
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(verify(&with("\"publicKey\":{", &format!("\"tlogEntries\":[{deep}],\"publicKey\":{{"))).is_err());
    let twice = br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicateType":"y","subject":[],"predicate":{}}"#;
    let error = verify(&Bundle::sign(twice.to_vec(), &key(1))).unwrap_err().to_string();
    assert!(error.contains("the statement"), "{error}");
    let mut two = serde_json::from_slice::<Value>(&signed()).unwrap();
    let one = two["dsseEnvelope"]["signatures"][0].clone();
    two["dsseEnvelope"]["signatures"] = json!([one, one]);
    assert!(verify(&serde_json::to_vec(&two).unwrap()).unwrap_err().to_string().contains("2 signatures"));
}

/// Other signers add what proves nothing here, leave out what may be, and say more than we ask.
#[test]
fn bundles_of_other_tools_are_read() {
    let mut bundle: Value = serde_json::from_slice(&signed()).unwrap();
    bundle["verificationMaterial"]["tlogEntries"] = json!([{ "logIndex": "7" }]);
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({ "rfc3161Timestamps": [] });
    bundle["verificationMaterial"]["publicKey"]["hint"] = "release".into();
    bundle["dsseEnvelope"]["signatures"][0].as_object_mut().unwrap().remove("keyid");
    assert!(verify(&serde_json::to_vec_pretty(&bundle).unwrap()).is_ok());
    let mut said = statement();
    said["subject"] = json!([
        { "name": "b", "digest": { "sha256": Sha256::of(b"b"), "sha512": "00" }, "annotations": {} },
        { "name": "a", "digest": { "sha256": module() } },
    ]);
    said["more"] = true.into();
    said["predicate"] = json!({ "anything": [1] });
    let evidence = verify(&stating(&said)).unwrap();
    assert_eq!((evidence.kind(), evidence.time()), (Kind::Signature, None));
}

#[test]
fn statements_about_nothing_and_reviews_by_nobody_are_malformed() {
    let changed = |change: fn(&mut Value)| {
        let mut said: Value = serde_json::from_slice(&review_statement("a.wasm", module(), &review())).unwrap();
        change(&mut said);
        verify(&stating(&said))
    };
    assert!(changed(|_| {}).is_ok());
    for change in [
        (|said| said["subject"] = json!([])) as fn(&mut Value),
        |said| said["subject"] = json!([{ "name": "a" }]),
        |said| said["subject"] = json!([{ "digest": { "sha1": "00" } }]),
        |said| said["subject"][0]["digest"]["sha256"] = module().to_string().to_uppercase().into(),
        |said| said["subject"] = json!(vec![said["subject"][0].clone(); 257]),
        |said| said["_type"] = "https://in-toto.io/Statement/v0.1".into(),
        |said| said["predicate"] = json!({}),
        |said| said["predicate"]["reviewer"] = " ".into(),
        |said| said["predicate"]["reviewer"] = "a".repeat(257).into(),
        |said| said["predicate"]["note"] = "a".repeat(4097).into(),
        |said| said["predicate"]["reviewedAt"] = "yesterday".into(),
    ] {
        assert!(matches!(changed(change), Err(EvidenceError::Malformed { .. })));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_refused_or_verified(bytes: Vec<u8>) {
        proptest::prop_assert!(verify(&bytes).is_err());
    }
}
