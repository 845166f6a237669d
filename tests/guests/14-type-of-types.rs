// Types that each hold the one before it twice, 60 deep: 2^60 when written out. No validator accepts so large a type.
// expect: load.format
use wasm_encoder::{Component, ComponentTypeSection, ComponentValType};

pub fn bytes() -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.defined_type().primitive(wasm_encoder::PrimitiveValType::U8);
    for n in 0..60 {
        types.defined_type().tuple([ComponentValType::Type(n), ComponentValType::Type(n)]);
    }
    let mut component = Component::new();
    component.section(&types);
    super::beside(&component)
}
