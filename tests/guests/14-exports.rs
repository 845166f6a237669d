// 100,000 exports of one function.
// expect: load.size
use wasm_encoder::{
    Component, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, Module, ModuleSection, ValType,
};

pub fn bytes() -> Vec<u8> {
    let mut globals = GlobalSection::new();
    globals.global(GlobalType { val_type: ValType::I32, mutable: false, shared: false }, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    for n in 0..100_000 {
        exports.export(&format!("x{n}"), ExportKind::Global, 0);
    }
    let mut module = Module::new();
    module.section(&globals).section(&exports);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    super::beside(&component)
}
