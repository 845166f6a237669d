// Throws an exception in the way of the first proposal.
// expect: load.feature
use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module, ModuleSection, TypeSection,
};

pub fn bytes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut function = Function::new([]);
    for instruction in [Instruction::Try(BlockType::Empty), Instruction::CatchAll, Instruction::End, Instruction::End] {
        function.instruction(&instruction);
    }
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
