use std::fmt::Write as _;
use std::time::{Duration, Instant};

use portcullis_gate::{Limits, LoadFault};
use portcullis_inspect::InspectLimits;

use crate::admitted::hand_written;
use crate::fixtures::{BODY, admit, leb, minimal, policy, refuse, refuse_within, text};

fn within(inside: &str) -> Vec<u8> {
    text(&hand_written("", inside))
}

fn module(fields: &str) -> Vec<u8> {
    within(&format!("(core module $extra {fields}) (core instance (instantiate $extra))"))
}

/// `count` times `part`.
fn repeated(part: &str, count: usize) -> String {
    part.repeat(count)
}

#[test]
fn size_comes_first() {
    let limits = InspectLimits { module_bytes: 100, ..InspectLimits::default() };
    refuse_within(&[0xff; 101], &limits, LoadFault::Size, &["101 bytes, more than 100", "module-mib"]);
    refuse_within(&[0xff; 100], &limits, LoadFault::Format, &[]);
}

/// Row 5.
#[test]
fn memory_and_tables() {
    refuse(&module("(memory 65536)"), LoadFault::Resources, &["4294967296 bytes of initial memory", "memory-mib"]);
    refuse(&module("(memory i64 0xffffffffffff)"), LoadFault::Resources, &["initial memory"]);
    refuse(
        &module("(table 10000000 funcref)"),
        LoadFault::Resources,
        &["10000000 initial table elements", "table-elements"],
    );
    // Declared, never instantiated: the engine would size its pool by it all the same.
    refuse(&within("(core module (memory 65536))"), LoadFault::Resources, &["initial memory"]);
    refuse(&within("(core module (table 4000000000 funcref))"), LoadFault::Resources, &["table elements"]);
    // Each within the limit, the sum not: 64 KiB of the policy itself and eight times 40 MiB.
    let eight = format!("(core module $e (memory 640)) {}", repeated("(core instance (instantiate $e))", 8));
    refuse(&within(&eight), LoadFault::Resources, &["bytes of initial memory"]);
    // What may grow later is the engine's to stop.
    let report = admit(&module("(memory 1 65536)"));
    assert_eq!(report.sizes.max_memory_bytes, 2 << 32);
}

#[test]
fn limits_of_the_policy_are_inclusive() {
    let limits = |memory_bytes, table_elements, instances| {
        InspectLimits::from(&Limits { memory_bytes, table_elements, instances, ..Limits::default() })
    };
    let component = policy(&format!("{BODY} (table 7 funcref)"));
    portcullis_inspect::inspect(&component, &limits(65536, 7, 1)).unwrap();
    refuse_within(&component, &limits(65535, 7, 1), LoadFault::Resources, &["memory"]);
    refuse_within(&component, &limits(65536, 6, 1), LoadFault::Resources, &["table"]);
    refuse_within(&component, &limits(65536, 7, 0), LoadFault::Resources, &["instances"]);
    let tables = policy(&format!("{BODY} (table 0 funcref) (table 0 funcref)"));
    refuse_within(&tables, &limits(65536, 7, 1), LoadFault::Resources, &["2 tables"]);
}

/// Row 6.
#[test]
fn instances_and_nesting() {
    let many = format!("(core module $e) {}", repeated("(core instance (instantiate $e))", 100));
    refuse(&within(&many), LoadFault::Resources, &["65 core instances", "raise `instances`"]);
    let nested = format!("{}{}", repeated("(component ", 20), repeated(")", 20));
    refuse(&within(&nested), LoadFault::Resources, &["components within each other"]);
    refuse(&within(&repeated("(component)", 100)), LoadFault::Resources, &["components", "link the parts"]);
    let instances = format!("(component $c) {}", repeated("(instance (instantiate $c))", 100));
    refuse(&within(&instances), LoadFault::Resources, &["65 component instances"]);
}

/// Doubled at every level: a few hundred bytes that the engine would have to instantiate a million times.
#[test]
fn instances_that_multiply() {
    let mut doubling = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=20 {
        let below = level - 1;
        let twice = repeated("(instance (instantiate $b))", 2);
        write!(doubling, "(component $c{level} (alias outer 1 $c{below} (component $b)) {twice})").unwrap();
    }
    doubling.push_str("(instance (instantiate $c20))");
    let refusal = refuse(&within(&doubling), LoadFault::Resources, &["instances"]);
    assert!(refusal.report.sizes.core_instances <= 128, "{:?}", refusal.report.sizes);

    // Through arguments, where the same instruction creates something else each time.
    let handed = r#"(component $c (import "m" (core module $m)) (core instance (instantiate $m)))
        (core module $e) (instance (instantiate $c (with "m" (core module $e))))"#;
    refuse(&within(handed), LoadFault::Resources, &["handed as an argument"]);
    let from_an_instance = r#"(component $c (core module $m) (export "m" (core module $m))) (instance $j (instantiate $c))
        (alias export $j "m" (core module $n)) (core instance (instantiate $n))"#;
    refuse(&within(from_an_instance), LoadFault::Resources, &["handed as an argument"]);
}

/// Types within types are read by recursion, which a file of a few kilobytes could send through the stack.
#[test]
fn types_within_types() {
    let nested = |kind: u8, depth: usize| {
        let mut contents = vec![1];
        for _ in 0..depth {
            contents.extend_from_slice(&[kind, 1, 1]);
        }
        contents.extend_from_slice(&[0x42, 0]);
        let mut component = b"\0asm\x0d\0\x01\0\x07".to_vec();
        leb(&mut component, contents.len());
        component.extend_from_slice(&contents);
        component
    };
    for kind in [0x41, 0x42] {
        refuse(&nested(kind, 1_000_000), LoadFault::Size, &["bytes of component types"]);
        refuse(&nested(kind, 5_000), LoadFault::Resources, &["types within each other"]);
        // As deep as is read at all, by a thread with little stack.
        let component = nested(kind, 199);
        let limits = InspectLimits::default();
        let inspect = move || portcullis_inspect::inspect(&component, &limits).unwrap_err().fault;
        let fault = std::thread::Builder::new().stack_size(1 << 20).spawn(inspect).unwrap().join().unwrap();
        assert_ne!(fault, LoadFault::Resources);
    }
}

/// Types that refer to each other twice are exponentially larger than the file.
#[test]
fn types_that_multiply() {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..=17 {
        write!(types, "(type $t{level} (tuple $t{0} $t{0}))", level - 1).unwrap();
    }
    types.push_str(
        r#"(component (type $f (func (param "p" u8)))) (core module $e (func (export "f") (param i32)))
        (core instance $e (instantiate $e))
        (func (param "x" $t17) (canon lift (core func $e "f") (memory (core memory $i "memory"))
            (realloc (core func $i "cabi_realloc"))))"#,
    );
    refuse(&within(&types), LoadFault::CompileLimit, &["types in signatures"]);
}

/// Row 14.
#[test]
fn data_segments() {
    let refusal = refuse(
        &module(&format!("(memory 1) {}", repeated("(data \"\")", 40_000))),
        LoadFault::Size,
        &["40000 data segments"],
    );
    assert_eq!(refusal.report.sizes.data_segments, 40_000);
    admit(&module(&format!("(memory 1) {}", repeated("(data \"\")", 10_000))));
    refuse(&module(&repeated("(elem func)", 40_000)), LoadFault::Size, &["element segments"]);
}

/// Row 14.
#[test]
fn functions_that_a_compiler_would_choke_on() {
    for (body, words) in [
        (repeated("nop ", 1_100_000), "1100002 bytes in function 0"),
        (format!("(local {})", repeated("i64 ", 20_001)), "20001 locals"),
        (format!("(br_table {} (i32.const 0))", repeated("0 ", 20_001)), "branch targets"),
        (format!("{}{}", repeated("block ", 20_001), repeated("end ", 20_001)), "blocks within each other"),
        (format!("{}{}", repeated("loop ", 600), repeated("end ", 600)), "loops within each other"),
    ] {
        let fields = format!("(func {body})");
        refuse(&module(&fields), LoadFault::CompileLimit, &[words, "split the function"]);
    }
    // Small bodies whose branches and calls pass a thousand values each.
    let many = repeated("i64 ", 1000);
    let results = format!("(result {many})");
    let branches = repeated("(br_if 0 (i32.const 0))", 5_000);
    let passing = format!("(func (block {results} unreachable {branches} unreachable) {})", repeated("drop ", 1000));
    refuse(&module(&passing), LoadFault::CompileLimit, &["values that branches, calls and loops pass"]);
    let calls = format!(
        "(func $f {results} unreachable) (func $g (param {many})) (func {})",
        repeated("call $f call $g ", 3_000)
    );
    refuse(&module(&calls), LoadFault::CompileLimit, &["values that branches, calls and loops pass"]);
    let table = format!(
        "(func (block {results} unreachable (br_table {} (i32.const 0)) unreachable) {})",
        repeated("0 ", 10_000),
        repeated("drop ", 1000)
    );
    refuse(&module(&table), LoadFault::CompileLimit, &["values that branches, calls and loops pass"]);
    // Locals carried around nested loops; and looked at wherever paths meet.
    let nested = format!(
        "(func (local {}) {} {} {})",
        repeated("i64 ", 300),
        repeated("loop ", 200),
        repeated("(local.set 9 (local.get 7))", 20_000),
        repeated("end ", 200)
    );
    refuse(&module(&nested), LoadFault::CompileLimit, &["values that branches, calls and loops pass"]);
    let joins =
        format!("(func (local {}) {})", repeated("i64 ", 10_000), repeated("(block (br_if 0 (i32.const 0)))", 10_001));
    refuse(&module(&joins), LoadFault::CompileLimit, &["blocks times locals in function 0"]);
    let joins =
        format!("(func (local {}) {})", repeated("i64 ", 5_000), repeated("(block (br_if 0 (i32.const 0)))", 10_001));
    refuse(&module(&repeated(&joins, 10)), LoadFault::CompileLimit, &["blocks times locals, summed"]);
    // Many small ones.
    let locals = format!("(func (local {}))", repeated("i32 ", 10_000));
    refuse(&module(&repeated(&locals, 401)), LoadFault::CompileLimit, &["locals in all functions"]);
    let tables = format!("(func (br_table {} (i32.const 0)))", repeated("0 ", 19_000));
    refuse(&module(&repeated(&tables, 106)), LoadFault::CompileLimit, &["branch targets in all functions"]);
}

#[test]
fn counts_that_the_file_does_not_hold() {
    // A section that says that it has four billion entries.
    for section in [2u8, 3, 4, 5, 6, 7, 9, 11] {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.push(section);
        module.push(6);
        module.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.push(1);
        leb(&mut component, module.len());
        component.extend_from_slice(&module);
        let start = Instant::now();
        let refusal = portcullis_inspect::inspect(&component, &InspectLimits::default()).unwrap_err();
        let expected = [LoadFault::Size, LoadFault::Resources, LoadFault::Format];
        assert!(expected.contains(&refusal.fault), "section {section}: {refusal}");
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn everything_else_that_is_counted() {
    let tight = |change: fn(&mut InspectLimits)| {
        let mut limits = InspectLimits::default();
        change(&mut limits);
        limits
    };
    let component = policy(&format!(
        r#"(import "$root" "log" (func (param i32 i32))) {BODY} (global i32 (i32.const 0)) (elem func) (data "a")
           (table 1 funcref) (func (local i32 i64) (block (loop (br_table 0 1 (i32.const 0)))))"#
    ));
    for (limits, fault, word) in [
        (tight(|l| l.core_modules = 0), LoadFault::Size, "core modules"),
        (tight(|l| l.components = 0), LoadFault::Resources, "components"),
        (tight(|l| l.nesting_depth = 0), LoadFault::Resources, "within each other"),
        (tight(|l| l.canonical_functions = 2), LoadFault::CompileLimit, "border"),
        (tight(|l| l.component_bytes = 20), LoadFault::Size, "component sections"),
        (tight(|l| l.component_type_bytes = 20), LoadFault::Size, "component types"),
        (tight(|l| l.signature_types = 20), LoadFault::CompileLimit, "signatures"),
        (tight(|l| l.core_type_bytes = 4), LoadFault::Size, "bytes of types"),
        (tight(|l| l.imports = 0), LoadFault::Size, "core imports"),
        (tight(|l| l.exports = 3), LoadFault::Size, "core exports"),
        (tight(|l| l.globals = 0), LoadFault::Size, "globals"),
        (tight(|l| l.functions = 3), LoadFault::Size, "functions"),
        (tight(|l| l.data_segments = 0), LoadFault::Size, "data segments"),
        (tight(|l| l.element_segments = 0), LoadFault::Size, "element segments"),
        (tight(|l| l.constant_operators = 1), LoadFault::CompileLimit, "constant expression"),
        (tight(|l| l.custom_sections = 0), LoadFault::Size, "custom sections"),
        (tight(|l| l.function_bytes = 10), LoadFault::CompileLimit, "bytes in function 4"),
        (tight(|l| l.function_locals = 1), LoadFault::CompileLimit, "locals in function 4"),
        (tight(|l| l.locals = 1), LoadFault::CompileLimit, "locals in all"),
        (tight(|l| l.function_branch_targets = 1), LoadFault::CompileLimit, "branch targets in function 4"),
        (tight(|l| l.branch_targets = 1), LoadFault::CompileLimit, "branch targets in all"),
        (tight(|l| l.function_values = 5), LoadFault::CompileLimit, "values"),
        (tight(|l| l.values = 12), LoadFault::CompileLimit, "instructions and values in all"),
        (tight(|l| l.function_joins = 1), LoadFault::CompileLimit, "blocks times locals in function"),
        (tight(|l| l.joins = 1), LoadFault::CompileLimit, "blocks times locals"),
        (tight(|l| l.block_depth = 2), LoadFault::CompileLimit, "blocks"),
        (tight(|l| l.loop_depth = 0), LoadFault::CompileLimit, "loops"),
    ] {
        refuse_within(&component, &limits, fault, &[word]);
    }
    admit(&component);
    admit(&minimal());
}
