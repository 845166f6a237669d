// 1,000,000 functions that do nothing.
// expect: load.size
use wasm_encoder::{CodeSection, Component, Function, FunctionSection, Module, ModuleSection, TypeSection};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut nothing = Function::new([]);
    nothing.instructions().end();
    for _ in 0..1_000_000 {
        functions.function(0);
        code.function(&nothing);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
