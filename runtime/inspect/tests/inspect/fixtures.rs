//! Components, made the way toolchains make them or written by hand.

use portcullis_gate::LoadFault;
use portcullis_inspect::{InspectLimits, Refusal, Report, inspect};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract.
pub const WIT: &str = include_str!("../../../../wit/policy.wit");

/// What every policy's core module exports.
pub const BODY: &str = r#"
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "configure") (param i32 i32) (result i32) i32.const 0)
    (func (export "evaluate") (param i32 i32) (result i32) i32.const 0)
"#;

/// A component of the contract's world around a core module with these fields.
pub fn policy(fields: &str) -> Vec<u8> {
    encode(WIT, &format!("(module {fields})"))
}

/// The smallest policy.
pub fn minimal() -> Vec<u8> {
    policy(BODY)
}

/// A component of the world `policy` of `wit` around a core module in the text format.
pub fn encode(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::new();
    let package = resolve.push_source("policy.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A component in the text format; it need not be valid.
pub fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap()
}

/// `component` with a custom section at its end.
pub fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut contents = Vec::new();
    leb(&mut contents, name.len());
    contents.extend_from_slice(name.as_bytes());
    contents.extend_from_slice(data);
    component.push(0);
    leb(&mut component, contents.len());
    component.extend_from_slice(&contents);
    component
}

/// An unsigned LEB128 number.
pub fn leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Admitted, with the default limits.
pub fn admit(component: &[u8]) -> Report {
    let report = inspect(component, &InspectLimits::default()).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(report.admissible && report.code.is_none() && report.detail.is_none());
    report
}

/// Refused, with the default limits, for this reason and in words that hold all of `words`.
pub fn refuse(component: &[u8], fault: LoadFault, words: &[&str]) -> Refusal {
    refuse_within(component, &InspectLimits::default(), fault, words)
}

/// Refused within `limits`.
pub fn refuse_within(component: &[u8], limits: &InspectLimits, fault: LoadFault, words: &[&str]) -> Refusal {
    let refusal = match inspect(component, limits) {
        Err(refusal) => refusal,
        Ok(report) => panic!("admitted: {report:#?}"),
    };
    assert_eq!(refusal.fault, fault, "{refusal}");
    for word in words {
        assert!(refusal.detail.contains(word), "{word:?} is not in: {}", refusal.detail);
    }
    assert!(!refusal.report.admissible);
    assert_eq!(refusal.report.code.map(|code| code.code()), Some(fault.code()));
    assert_eq!(refusal.report.detail.as_ref(), Some(&refusal.detail));
    assert!(!refusal.detail.chars().any(char::is_control), "{:?}", refusal.detail);
    refusal
}
