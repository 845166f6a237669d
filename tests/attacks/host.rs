//! Row 22: the host itself panics while it serves a policy.

use std::collections::BTreeMap;

use portcullis_engine::HostData;
use portcullis_gate::{Document, Pointer, Value};

/// Reference documents, of which the one called `panic` does so.
pub struct Panicking(pub BTreeMap<String, Document>);

impl HostData for Panicking {
    fn value(&self, document: &str, pointer: &Pointer) -> Option<Value<'_>> {
        assert!(document != "panic", "a defect of the host");
        self.0.value(document, pointer)
    }

    fn has(&self, document: &str) -> bool {
        self.0.has(document)
    }
}
