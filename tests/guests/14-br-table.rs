// One jump table of 120,000 targets, and 20 more of the same.
// expect: load.compile-limit
use wasm_encoder::{CodeSection, Component, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    functions.function(0);
    let mut function = Function::new([]);
    for _ in 0..20 {
        function.instructions().block(wasm_encoder::BlockType::Empty).i32_const(0);
        function.instructions().br_table(std::iter::repeat_n(0, 120_000), 0).end();
    }
    function.instructions().i32_const(0).end();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
