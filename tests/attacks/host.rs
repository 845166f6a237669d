//! Row 22: the host itself panics while it serves a policy.

use std::collections::BTreeMap;

use portcullis_engine::HostData;
use portcullis_gate::Document;

/// Reference documents, of which the one called `panic` does so.
pub struct Panicking(pub BTreeMap<String, Document>);

impl HostData for Panicking {
    fn document(&self, name: &str) -> Option<&Document> {
        assert!(name != "panic", "a defect of the host");
        self.0.document(name)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }
}
