// Components within components, 5,000 deep.
// expect: load.resources
use wasm_encoder::{Component, NestedComponentSection};

pub fn bytes() -> Vec<u8> {
    let mut inner = Component::new();
    for _ in 0..5_000 {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&inner));
        inner = outer;
    }
    super::beside(&inner)
}
