//! Receipts: no panic; one spelling; and behind good signatures, whatever verifies is consistent.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use libfuzzer_sys::fuzz_target;
use portcullis_ledger::{Receipt, SigningKey};
use serde_json::{Value, json};

const SEED: [u8; 32] = [7; 32];

fuzz_target!(|bytes: &[u8]| {
    let key = SigningKey::from_seed("gate.example.com/log", &SEED).expect("a key");
    if let Ok(receipt) = Receipt::from_bytes(bytes) {
        assert_eq!(receipt.to_bytes().as_deref(), Ok(bytes));
        check(&receipt, &key);
    }
    // The bytes as what was signed: the decision's statement, and behind a line feed the summary's.
    let mut statements = bytes.splitn(2, |byte| *byte == b'\n');
    let decision = envelope(statements.next().unwrap_or_default(), &key);
    let summary = envelope(statements.next().unwrap_or_default(), &key);
    let file = json!({ "decision": decision, "summary": summary, "type": "https://portcullis.dev/receipt/v1" });
    let receipt = Receipt::from_bytes(file.to_string().as_bytes()).expect("members in order, no spaces");
    check(&receipt, &key);
});

fn check(receipt: &Receipt, key: &SigningKey) {
    match receipt.verify(key.verifier()) {
        Ok(verified) => {
            let decision: Value = serde_json::from_slice(verified.decision()).expect("JSON");
            assert_eq!(decision["outcome"], verified.outcome().as_str());
            assert_eq!(decision["proceed"], verified.proceeds());
            assert_eq!(decision["id"], verified.event().id.to_string());
            assert!(verified.index() < verified.checkpoint().size());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn envelope(payload: &[u8], key: &SigningKey) -> Value {
    let kind = "application/vnd.in-toto+json";
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    let sig = ed25519_dalek::SigningKey::from_bytes(&SEED).sign(&[head.as_bytes(), payload].concat());
    json!({
        "payload": STANDARD.encode(payload),
        "payloadType": kind,
        "signatures": [{ "keyid": key.verifier().id(), "sig": STANDARD.encode(sig.to_bytes()) }],
    })
}
