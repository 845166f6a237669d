//! Evidence: no panic; nothing is proved without the key's signature; behind a good one, only of the module that is named.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_attest::{Bundle, Kind, PrivateKey};
use portcullis_gate::{ModulePattern, PublicKey, Sha256, normal_module};

fuzz_target!(|bytes: &[u8]| {
    let key = PrivateKey::from_seed(&[7; 32]).expect("a key");
    let module = Sha256::of(b"module");
    if let Ok(bundle) = Bundle::parse(bytes) {
        _ = bundle.claim();
        assert!(bundle.verify(module, []).is_err());
        // Seeds are signed with this key; whatever verifies is the seed, or spelled otherwise.
        if let Ok(evidence) = bundle.verify(module, [key.public()]) {
            assert_eq!((evidence.module(), evidence.key()), (module, key.public()));
        }
    }
    // The bytes as what was signed.
    let bundle = Bundle::parse(&Bundle::sign(bytes.to_vec(), &key)).expect("a bundle");
    match bundle.verify(module, [key.public()]) {
        Ok(evidence) => {
            let text = std::str::from_utf8(bytes).expect("JSON");
            assert!(text.contains(&module.to_string()));
            assert_eq!(evidence.kind() == Kind::Review, evidence.review().is_some());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        _ = PrivateKey::from_pem(text);
        if let Ok(key) = PublicKey::parse(text) {
            assert_eq!(PublicKey::parse(&key.to_pem()), Ok(key));
        }
        if let Some(normal) = normal_module(text) {
            assert_eq!(normal_module(&normal).as_ref(), Some(&normal));
        }
        let (pattern, path) = text.split_once('\n').unwrap_or((text, text));
        if let (Ok(pattern), Some(path)) = (ModulePattern::new(pattern), normal_module(path)) {
            _ = pattern.matches(&path);
        }
    }
});
