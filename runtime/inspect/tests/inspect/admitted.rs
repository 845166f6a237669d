use portcullis_inspect::{DeclaredInputs, Extern, WorldVerdict};

use crate::fixtures::{BODY, admit, encode, minimal, policy, text, with_section};

const IMPORTS: &str = r#"
    (import "$root" "log" (func (param i32 i32)))
    (import "$root" "data" (func (param i32 i32 i32 i32 i32)))
    (import "$root" "history" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "$root" "request" (func (param i32 i32 i32)))
    (@custom "portcullis-policy" "{\"name\":\"a\",\"version\":\"1\",\"inputs\":[],\"history\":{\"summary\":\"Counts.\"}}")
"#;

#[test]
fn the_smallest_policy() {
    let report = admit(&minimal());
    assert_eq!(report.world.verdict, WorldVerdict::Matches);
    assert_eq!((report.world.package.as_str(), report.world.version.as_str()), ("portcullis:policy", "0.1.0"));
    assert_eq!(report.calls, []);
    let exports: Vec<_> = report.exports.iter().map(|export| export.name.as_str()).collect();
    assert_eq!(exports, ["configure", "evaluate"]);
    assert_eq!(report.declared_inputs, DeclaredInputs::Unknown);
    assert!(report.reads[0].contains("no description"), "{:?}", report.reads);
    assert_eq!(report.sizes.core_modules, 1);
    assert_eq!(report.sizes.functions, 3);
    assert_eq!(report.sizes.core_instances, 1);
    assert_eq!((report.sizes.memories, report.sizes.initial_memory_bytes), (1, 64 * 1024));
    assert_eq!(report.sizes.max_memory_bytes, 1 << 32);
    assert_eq!(report.sizes.nesting_depth, 1);
    assert!(!report.start_function);
    let claim = report.toolchain_claims.iter().find(|claim| claim.name == "wit-component").unwrap();
    assert_eq!(claim.field, "processed-by");
}

#[test]
fn what_it_can_read_and_call_in_words() {
    let report = admit(&policy(&format!("{IMPORTS}{BODY}")));
    let mut calls = report.calls.clone();
    calls.sort_by(|a, b| a.name.cmp(&b.name));
    let data = "reads the reference documents that the policy set pins for it";
    let expected = [
        ("data", data),
        ("history", "reads the ledger's history: how often and when something was decided"),
        ("log", "writes lines to the log of the evaluation"),
        ("request", "reads any field of the request, chosen while it runs"),
    ];
    assert_eq!(calls, expected.map(|(name, words)| Extern { name: name.into(), words: words.into() }));
    assert_eq!(report.reads, ["the whole request"]);
    assert_eq!(report.history.unwrap().summary, "Counts.");
}

/// Whoever only says that it reads the history cannot, and the report does not say that it can.
#[test]
fn a_history_that_is_announced_and_not_imported() {
    let description = br#"{"name":"a","version":"1","inputs":[],"history":{"summary":"Counts."}}"#;
    let report = admit(&with_section(minimal(), "portcullis-policy", description));
    assert_eq!((report.history, report.calls), (None, Vec::new()));
}

#[test]
fn its_description() {
    let description =
        br#"{"name":"sample.gate","version":"0.1.0","summary":"Says no.","settings_schema":{"type":"object"},
        "codes":[{"code":"sample.gate.no","summary":"No."}],"inputs":["/context/environment","/now"],
        "data":[{"name":"calendar","summary":"Days."}],"sdk":"portcullis-policy 0.1.0"}"#;
    let report = admit(&with_section(minimal(), "portcullis-policy", description));
    assert_eq!(report.reads, ["/context/environment: the circumstances", "/now: the host's clock"]);
    assert_eq!(report.description.unwrap().name, "sample.gate");
    assert_eq!(report.data_documents[0].name, "calendar");
    let section = report.sizes.custom_sections.iter().find(|section| section.name == "portcullis-policy").unwrap();
    assert_eq!((section.count, section.bytes), (1, description.len() as u64));

    // Where a toolchain left it in the core module.
    let inside =
        format!(r#"{BODY} (@custom "portcullis-policy" "{{\"name\":\"a\",\"version\":\"1\",\"inputs\":[]}}")"#);
    let report = admit(&policy(&inside));
    assert_eq!(report.reads, ["nothing of the request"]);
    let everything = br#"{"name":"a","version":"1","inputs":[""]}"#;
    assert_eq!(admit(&with_section(minimal(), "portcullis-policy", everything)).reads, ["the whole request"]);
}

#[test]
fn start_functions_proposals_and_sizes() {
    let report = admit(&policy(&format!(
        r#"{BODY} (func $start (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))) (start $start)
           (func (param v128) (result i32 i32)
             (i32.extend8_s (i32.trunc_sat_f32_s (f32.const 1))) (i32x4.extract_lane 0 (local.get 0)))
           (table 3 10 funcref) (data (i32.const 8) "abc") (data "de")"#
    )));
    assert!(report.start_function);
    let proposals = ["saturating conversions", "sign extension", "several results", "bulk memory", "SIMD"];
    assert_eq!(report.proposals, proposals);
    assert_eq!((report.sizes.data_segments, report.sizes.data_bytes), (2, 5));
    assert_eq!((report.sizes.tables, report.sizes.table_elements), (1, 3));
    assert!(report.sizes.largest_function_bytes > 10);
}

#[test]
fn one_written_by_hand() {
    let report = admit(&text(&hand_written("", "")));
    assert_eq!(report.calls.len(), 1);
    assert_eq!(report.calls[0].name, "log");
}

#[test]
fn components_within_components_are_counted_as_often_as_they_are_instantiated() {
    let inside = r#"
        (component $inner (core module $m (memory 2) (table 5 funcref)) (core instance (instantiate $m)))
        (component $twice
            (alias outer 1 $inner (component $c))
            (instance (instantiate $c)) (instance (instantiate $c))
            (export $again "again" (component $c)) (instance (instantiate $again)))
        (instance (instantiate $inner)) (instance (instantiate $twice))"#;
    let report = admit(&text(&hand_written("", inside)));
    assert_eq!(report.sizes.components, 3);
    assert_eq!(report.sizes.nesting_depth, 2);
    // The policy's own, one of `$inner`, three through `$twice`; and the instance of the host's functions.
    assert_eq!(report.sizes.core_instances, 1 + 1 + 3);
    assert_eq!(report.sizes.initial_memory_bytes, (1 + 2 * 4) * 64 * 1024);
    assert_eq!(report.sizes.table_elements, 5 * 4);
}

#[test]
fn the_report_has_a_stable_order() {
    let report =
        admit(&with_section(minimal(), "portcullis-policy", br#"{"name":"a","version":"1","inputs":"from-settings"}"#));
    let json = serde_json::to_string(&report).unwrap();
    let members = [
        "module_sha256",
        "size_bytes",
        "admissible",
        "reads",
        "calls",
        "exports",
        "world",
        "declared_inputs",
        "settings_schema",
        "codes",
        "data_documents",
        "history",
        "description",
        "sizes",
        "start_function",
        "toolchain_claims",
        "proposals",
    ];
    let mut at = 0;
    for member in members {
        let found = json.find(&format!("\"{member}\":")).unwrap_or_else(|| panic!("{member} is missing"));
        assert!(found >= at, "{member} is out of order");
        at = found;
    }
    assert!(json.contains(r#""declared_inputs":"from-settings""#));
    assert!(json.contains(r#""verdict":"matches""#));
}

#[test]
fn text_of_the_module_is_escaped_everywhere() {
    let mut component = minimal();
    let mut producers = vec![1, 8];
    producers.extend_from_slice(b"language");
    producers.extend_from_slice(&[1, 6]);
    producers.extend_from_slice(b"\x1b[2Jab");
    producers.extend_from_slice(&[3]);
    producers.extend_from_slice("\u{202e}".as_bytes());
    component = with_section(component, "producers", &producers);
    component = with_section(component, "x\u{1b}y\u{200b}", b"");
    let description = r#"{"name":"a","version":"1","inputs":[],"summary":"\u202edlrow","sdk":"\u0007",
        "settings_schema":{"title":"\u001b[31m","\u2066":1},"data":[{"name":"d","summary":"\u0085"}],
        "codes":[{"code":"a.b.c","summary":"\u200f"}]}"#;
    component = with_section(component, "portcullis-policy", description.as_bytes());
    let report = admit(&component);
    assert!(report.toolchain_claims.iter().any(|claim| claim.name == "\\u{1b}[2Jab" && claim.version == "\\u{202e}"));
    // Serialized without JSON's own escapes, nothing harmful is left.
    let value = serde_json::to_value(&report).unwrap();
    let mut strings = Vec::new();
    collect(&value, &mut strings);
    assert!(strings.iter().any(|string| string.contains("\\u{202e}dlrow")));
    for string in strings {
        let harmless = |c: char| {
            !c.is_control() && !('\u{200b}'..='\u{200f}').contains(&c) && !('\u{202a}'..='\u{2069}').contains(&c)
        };
        assert!(string.chars().all(harmless), "{string:?}");
    }
}

#[test]
fn names_of_the_worlds_types_may_be_imported() {
    let wit = crate::fixtures::WIT;
    // The encoder's own way of importing `value`, `answer` and `problem`; and the types interface alone.
    let report = admit(&encode(wit, &format!("(module {IMPORTS}{BODY})")));
    assert!(report.calls.iter().all(|call| !call.name.contains("types")));
}

/// A policy in the text format with `extra` imports and `inside`.
pub fn hand_written(imports: &str, inside: &str) -> String {
    format!(
        r#"(component
        {TYPES}
        (import "log" (func $log (param "message" string)))
        {imports}
        (core module $m {BODY})
        (core instance $i (instantiate $m))
        {inside}
        (func $configure (param "settings" string) (result (result (list string) (error (list $p))))
            (canon lift (core func $i "configure") (memory (core memory $i "memory"))
                (realloc (core func $i "cabi_realloc"))))
        (func $evaluate (param "inputs" (list $v)) (result (result $a (error string)))
            (canon lift (core func $i "evaluate") (memory (core memory $i "memory"))
                (realloc (core func $i "cabi_realloc"))))
        (export "configure" (func $configure))
        (export "evaluate" (func $evaluate))
    )"#
    )
}

/// The contract's types, imported.
pub const TYPES: &str = r#"
    (import "portcullis:policy/types@0.1.0" (instance $types
        (type $outcome' (enum "deny" "escalate" "acknowledge" "defer" "warn" "allow"))
        (export "outcome" (type $outcome (eq $outcome')))
        (type $value' (variant (case "missing") (case "null") (case "boolean" bool) (case "integer" s64)
            (case "number" f64) (case "text" string) (case "json" string)))
        (export "value" (type $value (eq $value')))
        (type $approval' (record (field "roles" (list string)) (field "count" u32) (field "within-minutes" (option u32))))
        (export "approval" (type $approval (eq $approval')))
        (type $requirement' (variant (case "acknowledge" string) (case "approve" $approval) (case "provide" string)
            (case "wait-until" string)))
        (export "requirement" (type $requirement (eq $requirement')))
        (type $finding' (record (field "outcome" $outcome) (field "code" string) (field "message" string)
            (field "at" (option string)) (field "requirement" (option $requirement))))
        (export "finding" (type $finding (eq $finding')))
        (type $verdict' (variant (case "abstain") (case "findings" (list $finding))))
        (export "verdict" (type $verdict (eq $verdict')))
        (type $obligation' (record (field "kind" string) (field "params" string)))
        (export "obligation" (type $obligation (eq $obligation')))
        (type $answer' (record (field "verdict" $verdict) (field "obligations" (list $obligation))))
        (export "answer" (type $answer (eq $answer')))
        (type $problem' (record (field "at" string) (field "message" string)))
        (export "problem" (type $problem (eq $problem')))))
    (alias export $types "value" (type $v))
    (alias export $types "answer" (type $a))
    (alias export $types "problem" (type $p))
"#;

pub fn collect(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(string) => out.push(string.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        serde_json::Value::Object(members) => members.iter().for_each(|(key, item)| {
            out.push(key.clone());
            collect(item, out);
        }),
        _ => {}
    }
}
