// 1,000,000 types.
// expect: load.size
use wasm_encoder::{Component, Module, ModuleSection, TypeSection};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    for _ in 0..1_000_000 {
        types.ty().function([], []);
    }
    let mut module = Module::new();
    module.section(&types);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
