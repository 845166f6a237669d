// 400,000 values on the operand stack of one function.
// expect: load.compile-limit
use wasm_encoder::{CodeSection, Component, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    functions.function(0);
    let mut function = Function::new([]);
    for n in 0..400_000 {
        function.instructions().i32_const(n);
    }
    for _ in 1..400_000 {
        function.instructions().i32_add();
    }
    function.instructions().end();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
