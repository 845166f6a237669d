// 500 functions of 50,000 locals each: four bytes apiece, 200 KB of frame.
// expect: load.compile-limit
use wasm_encoder::{CodeSection, Component, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..500 {
        functions.function(0);
        let mut function = Function::new([(50_000, ValType::I64)]);
        function.instructions().i32_const(0).end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
