//! Requests: no panic; what is accepted is read alike the second time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::{Document, Pointer, Request, Value};

fuzz_target!(|bytes: &[u8]| {
    let (Ok(everything), Ok(now)) = (Pointer::new(""), "2026-03-14T09:30:00Z".parse()) else { return };
    if let Ok(document) = Document::parse(bytes) {
        if let Value::Json(text) = document.get(&everything) {
            let again = Document::parse(text.as_bytes()).expect("what was written is accepted");
            assert_eq!(again.get(&everything), Value::Json(text), "written and read again, it is the same");
        }
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(pointer) = Pointer::new(text)
        {
            _ = document.get(&pointer);
        }
    }
    if let Ok(request) = Request::parse(bytes, now) {
        assert!(Document::parse(bytes).is_ok(), "a request is a document");
        assert_eq!(request.bytes(), bytes);
    }
});
