//! Keys, notes and checkpoints: no panic; what is accepted has one spelling, also behind a good signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_ledger::{Checkpoint, SigningKey, VerifierKey, open_note, sign_note};

fuzz_target!(|text: &str| {
    let key = SigningKey::from_seed("gate.example.com/log", &[7; 32]).expect("a key");
    if let Ok(read) = text.parse::<VerifierKey>() {
        assert_eq!(read.to_string(), text);
    }
    if let Ok(read) = SigningKey::from_text(text) {
        assert_eq!(read.to_secret_text(), text);
    }
    if let Ok(opened) = open_note(text, key.verifier()) {
        assert!(text.starts_with(opened));
    }
    _ = Checkpoint::open(text, key.verifier());
    let Ok(note) = sign_note(text, &key) else { return };
    assert_eq!(open_note(&note, key.verifier()).as_deref(), Ok(text), "what was signed is opened");
    if let Ok(checkpoint) = Checkpoint::open(&note, key.verifier()) {
        assert_eq!(checkpoint.sign(&key).expect("it is of this log"), note, "one text for one checkpoint");
    }
});
