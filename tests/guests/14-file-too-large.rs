// A file of 33 MiB, more than the limit of 32: the honest guest with a custom section.
// expect: load.size
use std::borrow::Cow;

use wasm_encoder::{Component, CustomSection};

pub fn bytes() -> Vec<u8> {
    let mut component = Component::new();
    component.section(&CustomSection { name: Cow::Borrowed("padding"), data: Cow::Owned(vec![0; 33 << 20]) });
    super::beside(&component)
}
