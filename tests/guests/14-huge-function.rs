// One function of 4,000,000 instructions.
// expect: load.compile-limit
use wasm_encoder::{CodeSection, Component, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    functions.function(0);
    let mut function = Function::new([(1, ValType::I32)]);
    for n in 0..1_000_000 {
        function.instructions().local_get(0).i32_const(n).i32_mul().local_set(0);
    }
    function.instructions().local_get(0).end();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
