//! Modules that inspection admits, each just below one of its limits, and that are work for a compiler.

use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, InstructionSink, Module, ModuleSection, TypeSection,
    ValType,
};

/// A bomb's name, and what makes it.
pub type Bomb = (&'static str, fn() -> Vec<u8>);

/// Every bomb.
pub const ALL: [Bomb; 8] = [
    ("arithmetic", arithmetic),
    ("branch-tables", branch_tables),
    ("joins", joins),
    ("nested-blocks", nested_blocks),
    ("nested-loops", nested_loops),
    ("functions", functions),
    ("block-parameters", block_parameters),
    ("live-values", live_values),
];

/// The bomb of that name.
#[must_use]
pub fn find(name: &str) -> Option<Vec<u8>> {
    ALL.iter().find(|(found, _)| *found == name).map(|(_, bytes)| bytes())
}

/// 30 functions of nearly 1 MiB, all straight-line arithmetic.
fn arithmetic() -> Vec<u8> {
    module(30, &[(2, ValType::I64)], |code| {
        for n in 0..80_000 {
            code.local_get(0)
                .local_get(1)
                .i64_mul()
                .i64_const(n)
                .i64_xor()
                .local_set(n.rem_euclid(2).unsigned_abs() as u32);
        }
    })
}

/// 100 functions with 20,000 targets each.
fn branch_tables() -> Vec<u8> {
    module(100, &[(1, ValType::I32)], |code| {
        for _ in 0..20 {
            for _ in 0..50 {
                code.block(BlockType::Empty);
            }
            code.local_get(0).br_table((0..999).map(|n| n % 50), 0);
            for _ in 0..50 {
                code.end().local_get(0).i32_const(3).i32_mul().local_set(0);
            }
        }
    })
}

/// 5 functions of 5,000 blocks each, where paths meet with 19,999 locals.
fn joins() -> Vec<u8> {
    module(5, &[(19_999, ValType::I32)], |code| {
        for n in 0..4_900 {
            let one = n * 4 % 19_999;
            let other = (n * 7 + 1) % 19_999;
            code.local_get(one).if_(BlockType::Empty).local_get(other).local_set(one).else_();
            code.local_get(one).local_set(other).end();
        }
    })
}

/// 20 functions with blocks 19,000 deep, each left from its middle.
fn nested_blocks() -> Vec<u8> {
    module(20, &[(1, ValType::I32)], |code| {
        for _ in 0..19_000 {
            code.block(BlockType::Empty);
        }
        for depth in 0..19_000u32 {
            code.local_get(0).br_if(depth % 97 % (19_000 - depth)).end();
        }
    })
}

/// 50 functions with loops 250 deep, 40 times over.
fn nested_loops() -> Vec<u8> {
    module(50, &[(300, ValType::I64)], |code| {
        for _ in 0..40 {
            for depth in 0..250 {
                code.loop_(BlockType::Empty).local_get(depth).i64_const(1).i64_add().local_set(depth + 1);
            }
            for depth in 0..250 {
                code.local_get(depth).i64_eqz().br_if(0).end();
            }
        }
    })
}

/// 149,000 functions.
fn functions() -> Vec<u8> {
    module(149_000, &[], |code| {
        code.i32_const(1).drop();
    })
}

/// 40 functions in which blocks pass 1,000 values to each other.
fn block_parameters() -> Vec<u8> {
    module_with(40, &[(1, ValType::I32)], 1_000, |code| {
        for n in 0..1_000 {
            code.i32_const(n);
        }
        for _ in 0..1_200 {
            code.block(BlockType::FunctionType(1)).local_get(0).br_if(0).end();
        }
        for _ in 0..1_000 {
            code.drop();
        }
    })
}

/// 24 functions in which 19,000 values stay alive.
fn live_values() -> Vec<u8> {
    module(24, &[(19_000, ValType::I64)], |code| {
        for n in 0..19_000 {
            code.local_get(n).i64_const(i64::from(n)).i64_mul().local_get((n + 1) % 19_000).i64_add().local_set(n);
        }
        code.block(BlockType::Empty).local_get(0).i64_eqz().br_if(0);
        for n in 0..19_000 {
            code.local_get((n * 7) % 19_000).local_get(n).i64_rotl().local_set((n * 3) % 19_000);
        }
        code.end();
    })
}

fn module(count: u32, locals: &[(u32, ValType)], body: impl Fn(&mut InstructionSink<'_>)) -> Vec<u8> {
    module_with(count, locals, 0, body)
}

/// The honest guest with a component inside it that has `count` functions of that body; type 1 takes and gives `values`
/// integers.
fn module_with(
    count: u32,
    locals: &[(u32, ValType)],
    values: usize,
    body: impl Fn(&mut InstructionSink<'_>),
) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let values = vec![ValType::I32; values];
    types.ty().function(values.iter().copied(), values.iter().copied());
    let mut function = Function::new(locals.iter().copied());
    body(&mut function.instructions());
    function.instructions().end();
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..count {
        functions.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    crate::guest::beside(&component)
}
