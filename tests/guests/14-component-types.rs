// 600,000 types at the level of the component.
// expect: load.size
use wasm_encoder::{Component, ComponentTypeSection, ComponentValType, PrimitiveValType};

pub fn bytes() -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    for _ in 0..600_000 {
        types.defined_type().list(ComponentValType::Primitive(PrimitiveValType::U8));
    }
    let mut component = Component::new();
    component.section(&types);
    super::beside(&component)
}
