use portcullis_gate::LoadFault;
use portcullis_inspect::WorldVerdict;

use crate::admitted::{TYPES, hand_written};
use crate::fixtures::{BODY, WIT, encode, minimal, refuse, text, with_section};

/// Row 15.
#[test]
fn imports_beyond_the_world() {
    for (name, words) in [
        ("wasi:sockets/tcp@0.2.0", "network sockets"),
        ("wasi:clocks/monotonic-clock@0.2.6", "the clock"),
        ("wasi:random/random@0.2.0", "random numbers"),
        ("wasi:filesystem/types@0.2.0", "files"),
        ("wasi:cli/environment@0.2.0", "environment variables"),
        ("wasi:http/outgoing-handler@0.2.0", "HTTP requests"),
        ("wasi:cli/exit@0.3.0", "ending the process"),
        ("acme:billing/charge@1.0.0", "something that this host does not know"),
    ] {
        let import = format!(r#"(import "{name}" (instance (export "f" (func))))"#);
        let refusal = refuse(
            &text(&hand_written(&import, "")),
            LoadFault::World,
            &[name, words, "`data`, `history`, `log`, `request`"],
        );
        assert_eq!(refusal.report.world.verdict, WorldVerdict::Differs);
        assert!(refusal.report.calls.iter().any(|call| call.name == name && call.words.contains(words)));
        assert!(name.starts_with("acme") || refusal.detail.contains("without WASI"), "{refusal}");
    }
    refuse(&text(&hand_written(r#"(import "now" (func (result u64)))"#, "")), LoadFault::World, &["`now`"]);
    refuse(&text(&hand_written(r#"(import "r" (type (sub resource)))"#, "")), LoadFault::World, &["`r`", "handle"]);
    refuse(&text(&hand_written(r#"(import "m" (core module))"#, "")), LoadFault::World, &["core module that the host"]);
    refuse(&text(&hand_written(r#"(import "c" (component))"#, "")), LoadFault::World, &["component that the host"]);
}

#[test]
fn several_differences_are_listed_and_the_first_is_told() {
    let imports = r#"(import "a" (func)) (import "b" (func)) (import "c" (func))"#;
    let refusal = refuse(&text(&hand_written(imports, "")), LoadFault::World, &["`a`", "and 2 more"]);
    assert_eq!(refusal.report.world.differences.len(), 3);
}

/// Row 16.
#[test]
fn look_alikes_with_other_types() {
    for (from, to, words) in [
        ("boolean(bool)", "boolean(u8)", ["type `value`, in `value`", "case `boolean`: expected bool, found u8"]),
        ("integer(s64)", "integer(u64)", ["case `integer`", "expected s64, found u64"]),
        ("        null,\n", "", ["in `value`", "expected the case `null`, found `boolean`"]),
        (
            "        missing,\n        null,",
            "        null,\n        missing,",
            ["in `value`", "expected the case `missing`"],
        ),
        ("        deny,", "        allow-it,", ["in `outcome`", "expected the case `deny`, found `allow-it`"]),
        (
            "        /// Nothing stands in the way, as far as this policy is concerned.\n        allow,\n",
            "",
            ["`allow`", "found no more"],
        ),
        ("code: string,", "code: string,\n        extra: u8,", ["`finding`", "found `extra`"]),
        ("count: u32", "count: u16", ["field `count`", "expected u32, found u16"]),
        ("within-minutes: option<u32>", "within-minutes: u32", ["`within-minutes`", "expected option<u32>, found u32"]),
        ("findings(list<finding>)", "findings", ["case `findings`", "found nothing"]),
        ("inputs: list<value>", "inputs: list<string>", ["parameter `inputs`", "expected value, found string"]),
        ("inputs: list<value>", "values: list<value>", ["expected a parameter `inputs`, found `values`", "evaluate"]),
        ("result<answer, string>;", "answer;", ["result: expected result<answer, string>", "found record"]),
        ("result<answer, string>;", "result<answer>;", ["`err`: expected string, found nothing", "evaluate"]),
        (
            "settings: string) -> result<list<string>, list<problem>>",
            "settings: string)",
            ["`configure`", "found none"],
        ),
        ("settings: string", "settings: string, more: u8", ["`configure`", "expected 1 parameters, found 2"]),
    ] {
        assert!(WIT.contains(from), "{from:?} is not in the contract");
        let wit = WIT.replacen(from, to, 1);
        let core = if to.contains("more: u8") {
            BODY.replace(r#""configure") (param i32 i32)"#, r#""configure") (param i32 i32 i32)"#)
        } else if to == "settings: string)" {
            BODY.replace(
                r#""configure") (param i32 i32) (result i32) i32.const 0)"#,
                r#""configure") (param i32 i32))"#,
            )
        } else {
            BODY.to_owned()
        };
        refuse(&encode(&wit, &format!("(module {core})")), LoadFault::World, &words);
    }
}

#[test]
fn look_alikes_of_the_imports() {
    let log = r#"(import "$root" "log" (func (param i32)))"#;
    let wit = WIT.replace("import log: func(message: string);", "import log: func(message: u32);");
    refuse(
        &encode(&wit, &format!("(module {log}{BODY})")),
        LoadFault::World,
        &["import `log`", "expected string, found u32"],
    );
    let log = r#"(import "$root" "log" (func (param i32 i32) (result i32)))"#;
    let wit = WIT.replace("import log: func(message: string);", "import log: func(message: string) -> bool;");
    refuse(
        &encode(&wit, &format!("(module {log}{BODY})")),
        LoadFault::World,
        &["import `log`", "expected no result, found bool"],
    );
    let history = r#"(import "$root" "history" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    for (from, to, words) in [
        ("        oldest: option<string>,", "        oldest: string,", "expected option<string>, found string"),
        ("        outcomes: list<outcome>,", "        outcomes: list<u8>,", "expected outcome, found u8"),
        ("        count: u64,", "        count: s64,", "expected u64, found s64"),
        ("history: func(query: history-query)", "history: func(question: history-query)", "`question`"),
    ] {
        assert!(WIT.contains(from), "{from:?} is not in the contract");
        let wit = WIT.replacen(from, to, 1);
        refuse(&encode(&wit, &format!("(module {history}{BODY})")), LoadFault::World, &["history", words]);
    }
    let hand = hand_written("", "")
        .replace(r#"(import "log" (func $log (param "message" string)))"#, r#"(import "log" (instance))"#);
    refuse(&text(&hand), LoadFault::World, &["import `log` is an interface, not a function"]);
    let hand = hand_written(r#"(import "value" (type (sub resource)))"#, "");
    refuse(&text(&hand), LoadFault::World, &["import `value`", "resource"]);
    let hand = hand_written(r#"(type $l (list u8)) (import "answer" (type (eq $l)))"#, "");
    refuse(&text(&hand), LoadFault::World, &["import `answer`", "found list<u8>"]);
    let hand = hand_written("", "").replace(r#"(export "problem""#, r#"(export "f" (func)) (export "problem""#);
    refuse(&text(&hand), LoadFault::World, &["`f` of `portcullis:policy/types@0.1.0`"]);
    let hand = hand_written("", "").replace(r#"(case "boolean" bool)"#, r#"(case "boolean" char)"#);
    refuse(&text(&hand), LoadFault::World, &["type `value`", "expected bool, found char"]);
}

#[test]
fn another_version_of_the_contract() {
    for version in ["0.1.1", "0.2.0", "1.0.0"] {
        let wit = WIT.replace("policy@0.1.0", &format!("policy@{version}"));
        let found = format!("`portcullis:policy/types@{version}`");
        refuse(
            &encode(&wit, &format!("(module {BODY})")),
            LoadFault::World,
            &[&found, "this host has `portcullis:policy/types@0.1.0`"],
        );
    }
    let hand = hand_written("", "").replace("types@0.1.0", "typos@0.1.0");
    refuse(&text(&hand), LoadFault::World, &["another version", "`portcullis:policy/typos@0.1.0`"]);
}

#[test]
fn exports_missing_and_beyond_the_world() {
    let without = hand_written("", "").replace(r#"(export "evaluate" (func $evaluate))"#, "");
    refuse(&text(&without), LoadFault::World, &["does not export `evaluate`"]);
    refuse(&text("(component)"), LoadFault::World, &["does not export `configure`", "and 1 more"]);
    let more = hand_written("", r#"(export "more" (instance $types))"#);
    refuse(&text(&more), LoadFault::World, &["exports `more`", "nothing beyond"]);
    let swapped = hand_written("", "")
        .replace(r#"(export "evaluate" (func $evaluate))"#, r#"(export "evaluate" (instance $types))"#);
    refuse(&text(&swapped), LoadFault::World, &["export `evaluate` is an interface, not a function"]);
    let escaped = hand_written(r#"(import "https-only" (func))"#, "");
    refuse(&text(&escaped), LoadFault::World, &["https-only"]);
}

/// Whoever can read the ledger's history says so, and what for.
#[test]
fn a_history_that_is_not_announced() {
    let policy = encode(
        WIT,
        &format!(
            r#"(module (import "$root" "history" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))) {BODY})"#
        ),
    );
    refuse(&policy, LoadFault::History, &["imports `history`", "announce it"]);
    let silent = br#"{"name":"a","version":"1","inputs":[]}"#;
    let refusal =
        refuse(&with_section(policy.clone(), "portcullis-policy", silent), LoadFault::History, &["imports `history`"]);
    assert!(refusal.report.calls.iter().any(|call| call.name == "history"));
    assert_eq!(refusal.report.world.verdict, WorldVerdict::Matches);
    let announced = br#"{"name":"a","version":"1","inputs":[],"history":{"summary":"Counts."}}"#;
    crate::fixtures::admit(&with_section(policy, "portcullis-policy", announced));
}

/// Row 17.
#[test]
fn not_a_component() {
    refuse(b"", LoadFault::Format, &["empty"]);
    refuse(b"(component)", LoadFault::Format, &["text format"]);
    refuse(&wat::parse_str(format!("(module {BODY})")).unwrap(), LoadFault::Format, &["core module", "policy build"]);
    refuse(
        &std::fs::read("/proc/self/exe").unwrap_or_else(|_| b"\x7fELF".to_vec())[..4096],
        LoadFault::Format,
        &["ELF"],
    );
    let component = minimal();
    for length in [1, 7, 8, 9, 20, component.len() / 2, component.len() - 1] {
        refuse(&component[..length], if length == 8 { LoadFault::World } else { LoadFault::Format }, &[]);
    }
    for length in [20, component.len() / 2, component.len() - 1] {
        refuse(&component[..length], LoadFault::Format, &["ends in the middle", "whole file"]);
    }
    let mut trailing = component.clone();
    trailing.extend_from_slice(b"garbage");
    refuse(&trailing, LoadFault::Format, &["ends in the middle"]);
    let unknown = [&component[..], &[99, 0]].concat();
    refuse(&unknown, LoadFault::Format, &["at byte"]);
}

#[test]
fn valid_in_form_and_invalid_in_content() {
    // An instruction that lacks its operands.
    let invalid = "(component (core module (func i32.add drop)))";
    refuse(&text(invalid), LoadFault::Format, &["not a valid component", "at byte"]);
    refuse(&text("(component (core instance (instantiate 7)))"), LoadFault::Format, &["module 7"]);
    refuse(&text("(component (instance (instantiate 7)))"), LoadFault::Format, &["component 7"]);
    refuse(&with_section(minimal(), "portcullis-policy", b"{"), LoadFault::Format, &["description", "malformed"]);
}

/// Row 18.
#[test]
fn proposals_that_are_off() {
    let module = |fields: &str| text(&hand_written("", &format!("(core module {fields})")));
    for (fields, words) in [
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(func (atomic.fence))", "threads"),
        ("(memory i64 1)", "memory64"),
        ("(table i64 1 funcref)", "memory64"),
        ("(type (struct (field i32)))", "GC"),
        ("(type (array i8))", "GC"),
        ("(func (drop (ref.i31 (i32.const 0))))", "GC"),
        ("(table 1 externref)", "host objects"),
        ("(tag)", "exceptions"),
        ("(tag $t) (func (throw $t))", "exceptions"),
        ("(func (try_table (nop)))", "exceptions"),
        ("(func try end)", "exceptions"),
        ("(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))", "relaxed SIMD"),
        ("(func $f (return_call $f))", "tail calls"),
        ("(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))", "typed function references"),
        ("(type $f (func)) (type $c (cont $f)) (func (drop (cont.new $c (ref.null $f))))", "stack switching"),
        ("(memory 1) (memory 1)", "several memories"),
        ("(memory 1 1 (pagesize 1))", "custom page sizes"),
        ("(func (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) drop drop)", "wide arithmetic"),
        ("(global (shared i32) (i32.const 0))", "shared-everything"),
    ] {
        refuse(&module(fields), LoadFault::Feature, &[words, "switched off"]);
    }
    let component = |fields: &str| text(&hand_written("", fields));
    for (fields, words) in [
        ("(type (future u8))", "component async"),
        ("(type (stream u8))", "component async"),
        ("(core func (canon task.cancel))", "component async"),
        ("(core func (canon backpressure.inc))", "component async"),
        ("(core func (canon waitable-set.new))", "component async"),
        ("(type (func async))", "component async"),
        (r#"(core func (canon thread.index))"#, "component threads"),
        ("(type error-context)", "error contexts"),
        ("(type (list u8 4))", "fixed-length lists"),
        ("(type (map string u8))", "component maps"),
    ] {
        refuse(&component(fields), LoadFault::Feature, &[words, "switched off"]);
    }
}

#[test]
fn an_invalid_component_is_not_excused_by_a_proposal() {
    let both = hand_written("", "(core module (memory i64 1) (func i32.add drop))");
    refuse(&text(&both), LoadFault::Format, &["not a valid component"]);
}

#[test]
fn types_that_stand_alone_are_no_policy() {
    refuse(&text(&format!("(component {TYPES})")), LoadFault::World, &["does not export"]);
}
