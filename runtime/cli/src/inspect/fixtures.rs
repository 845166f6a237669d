//! Modules for the tests of reports: some that say much of themselves, some that say what they should not.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::{CodeCount, Percentiles, Usage};
use portcullis_inspect::{InspectLimits, review};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::Inspected;
use super::origin::{Claimed, Origin};

const WIT: &str = include_str!("../../../../wit/policy.wit");

const BODY: &str = r#"
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "configure") (param i32 i32) (result i32) i32.const 0)
    (func (export "evaluate") (param i32 i32) (result i32) i32.const 0)"#;

/// A component of the contract's world around a core module with these fields beside what it must have.
pub fn policy(fields: &str) -> Vec<u8> {
    let mut resolve = Resolve::new();
    let package = resolve.push_source("policy.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let mut module = wat::parse_str(format!("(module {fields} {BODY})")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// `component` with a custom section at its end.
pub fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    use wasm_encoder::ComponentSection as _;
    wasm_encoder::CustomSection { name: name.into(), data: data.into() }.append_to_component(&mut component);
    component
}

/// A policy that has something to show under every heading.
pub fn rich() -> Vec<u8> {
    let fields = r#"(import "$root" "log" (func (param i32 i32)))
        (func $warm (drop (i32.extend8_s (i32.const 1)))) (start $warm)
        (table 20000 funcref)
        (data (i32.const 8) "https://rates.example.com/v1\00AKIAIOSFODNN7EXAMPLE\00169.254.169.254")"#;
    let description = br#"{"name":"acme.gate","version":"1.2.0","summary":"Says no.","sdk":"by hand",
        "settings_schema":{"type":"object","properties":{"roles":{"type":"array","description":"Who may."}},"required":["roles"]},
        "codes":[{"code":"acme.gate.no","summary":"No."},{"code":"acme.gate.*","summary":"As the settings say."}],
        "inputs":["/now","/subject/id","/context/environment"],"data":[{"name":"calendar","summary":"Days."}]}"#;
    let component = with_section(policy(fields), "portcullis-policy", description);
    let packages = br#"{"packages":[{"name":"serde","version":"1.0.228","source":"crates.io"},{"name":"cc","version":"1.2.0","source":"crates.io","kind":"build"}]}"#;
    let component = with_section(component, ".dep-v0", &miniz_oxide::deflate::compress_to_vec_zlib(packages, 6));
    let component = with_section(component, "revision", b"4f2a91c");
    with_section(component, "source", b"https://example.com/acme/gate")
}

/// A policy whose every text is an attack on whoever shows it.
pub fn hostile() -> Vec<u8> {
    let attack = attack();
    let description = serde_json::json!({
        "name": "acme.gate", "version": "1<b>", "summary": attack, "sdk": attack,
        "settings_schema": {"properties": {attack.as_str(): {"type": attack, "description": attack}}},
        "codes": [{"code": "acme.gate.no", "summary": attack}],
        "inputs": ["/context/<script>alert(1)</script>\"'&"], "data": [{"name": "calendar", "summary": attack}],
    });
    let mut component = policy("(func (drop (i32.const 1)))");
    component = with_section(component, "portcullis-policy", description.to_string().as_bytes());
    for name in [&attack, &attack.repeat(600), "authors"] {
        component = with_section(component, name, format!("http://x/{}", "<script>alert(1)</script>").as_bytes());
    }
    with_section(component, "registry-metadata", serde_json::json!({ attack.as_str(): attack }).to_string().as_bytes())
}

/// Markup, ways out of an attribute, what moves a cursor, turns text around, or ends a string.
pub fn attack() -> String {
    "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{2066}\0\u{feff}x"
        .into()
}

/// A report on `component`.
pub fn inspected(component: &[u8], usage: Option<Usage>) -> Inspected {
    let reviewed = Claimed {
        file: "acme-gate.wasm.0123456789abcdef.sigstore.json".into(),
        kind: Some("review"),
        key: "8f3a".repeat(16),
        reviewer: Some("alice <script>".into()),
        time: Some("2026-03-14T09:30:00Z".into()),
        problem: None,
    };
    let origin = Origin { file: "acme-gate.wasm".into(), evidence: vec![reviewed], evidence_problem: None };
    Inspected { review: review(component, &InspectLimits::default()), origin, usage }
}

/// What a module did in some decisions.
pub fn usage() -> Usage {
    Usage {
        decisions: 40,
        erased: 2,
        first: "2026-01-02T03:04:05Z".parse().ok(),
        last: "2026-03-04T05:06:07Z".parse().ok(),
        sets: 1,
        said: BTreeMap::from([("allow", 30), ("deny", 9), ("fault", 1)]),
        codes: vec![CodeCount { code: "acme.gate.no".into(), count: 9 }],
        codes_total: 2,
        fuel: Some(Percentiles { count: 40, p50: 1200, p90: 1900, p99: 2400, max: 2500 }),
    }
}

/// Adds each member of a JSON value, with its path and type.
pub fn shape(path: &str, value: &serde_json::Value, out: &mut BTreeSet<String>) {
    use serde_json::Value;
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            items.iter().for_each(|item| shape(&format!("{path}[]"), item, out));
            "list"
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| shape(&format!("{path}.{name}"), member, out));
            "object"
        }
    };
    out.insert(format!("{path} {kind}"));
}
