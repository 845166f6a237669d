// A description of 2 MiB.
// expect: load.format
use std::borrow::Cow;

use wasm_encoder::{Component, CustomSection};

pub fn bytes() -> Vec<u8> {
    let text = format!("{{\"name\":\"guest.hostile\",\"summary\":\"{}\"}}", "x".repeat(2 << 20));
    let mut bytes = super::find("00-allow").bytes;
    let mut component = Component::new();
    component.section(&CustomSection { name: Cow::Borrowed("portcullis-policy"), data: Cow::Owned(text.into_bytes()) });
    bytes.extend_from_slice(&component.as_slice()[8..]);
    bytes
}
