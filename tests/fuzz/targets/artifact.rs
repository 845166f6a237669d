//! References, manifests of artifacts, and archives: no panic, and what is accepted is what its digest says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::{OciReference, Sha256};
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, RegistryError, load, save};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(reference) = text.parse::<OciReference>() {
                assert_eq!(reference.to_string(), text);
                assert!(!reference.repository().split('/').any(|part| part.is_empty() || part == ".."));
            }
        }
        1 => {
            let limits = InspectLimits::default();
            let mut asked = 0;
            let read = Artifact::read("fuzz", rest.to_vec(), None, &limits, |_, _, size| {
                asked += 1;
                assert!(size <= limits.module_bytes);
                Err(RegistryError::Option("nothing".into()))
            });
            assert!(read.is_err() && asked <= 1);
        }
        _ => {
            let Ok(artifacts) = load(rest, &InspectLimits::default()) else { return };
            for (_, artifact) in &artifacts {
                assert_eq!(Sha256::of(artifact.module()), artifact.module_sha256());
            }
            let mut again = Vec::new();
            save(&artifacts, &mut again).expect("what was loaded is saved");
            assert_eq!(load(again.as_slice(), &InspectLimits::default()).expect("and loaded").len(), artifacts.len());
        }
    }
});
