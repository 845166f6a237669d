//! What a reviewer is told beyond whether a module is admitted.

use portcullis_gate::LoadFault;
use portcullis_inspect::{InspectLimits, Review, StringKind, WorldVerdict, review};

use crate::fixtures::{BODY, encode, leb, minimal, policy, with_section};

fn reviewed(component: &[u8]) -> Review {
    review(component, &InspectLimits::default())
}

/// A `producers` section with one tool.
fn producers(tool: &str) -> Vec<u8> {
    let mut out = vec![1];
    for text in ["processed-by", tool, "1.0"] {
        leb(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
        if text == "processed-by" {
            out.push(1);
        }
    }
    out
}

#[test]
fn the_members_of_the_json_are_the_documented_ones() {
    let value = serde_json::to_value(reviewed(&minimal())).unwrap();
    let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
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
        "cannot",
        "limits",
        "parts",
        "modules",
        "metadata_claims",
        "dependency_claims",
        "strings",
        "cut",
        "complete",
    ];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_bytes_add_up_and_each_module_is_counted() {
    let fields = format!(
        r#"{BODY} (global i32 (i32.const 0)) (table 3 funcref) (elem (i32.const 0) func 0) (data (i32.const 8) "0123456789")
           (func $large (drop (i32.add (i32.const 1) (i32.const 2)))) (start $large)"#
    );
    let found = reviewed(&policy(&fields));
    assert!(found.complete && found.report.admissible && found.cut.is_empty());
    let parts = found.parts;
    let sum = parts.code + parts.data + parts.tables + parts.component + parts.custom + parts.rest;
    assert_eq!(sum, found.report.size_bytes);
    assert!(parts.code > 20 && parts.data > 10 && parts.rest < 100, "{parts:?}");
    let module = &found.modules[0];
    assert_eq!((module.index, module.depth, module.functions), (0, 1, 4));
    assert_eq!((module.memories, module.memory_pages, module.tables, module.table_elements), (1, 1, 1, 3));
    assert_eq!((module.globals, module.data_segments, module.data_bytes, module.element_segments), (1, 1, 10, 1));
    assert!(module.start_function && module.largest_function.as_deref().unwrap().contains('3'), "{module:?}");
    let sizes = &found.report.sizes;
    assert_eq!(found.modules.iter().map(|module| module.functions).sum::<u64>(), sizes.functions);
    assert_eq!(found.modules.len() as u64, sizes.core_modules);
    assert_eq!(found.modules.iter().map(|module| module.data_bytes).sum::<u64>(), sizes.data_bytes);
}

#[test]
fn needs_are_compared_with_what_a_set_gives() {
    let need = |found: &Review, key: &str| *found.limits.iter().find(|need| need.limit == key).unwrap();
    let small = reviewed(&minimal());
    assert!(small.limits.iter().all(|need| need.fits && need.needs <= need.default && need.default <= need.maximum));
    assert_eq!(need(&small, "memory-mib").needs, 65_536);
    let large = BODY.replacen("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1000)", 1);
    let large = reviewed(&policy(&format!("{large} (table 20000 funcref)")));
    let memory = need(&large, "memory-mib");
    assert_eq!((memory.fits, memory.needs, memory.in_units()), (false, 1000 * 65_536, 63));
    let table = need(&large, "table-elements");
    assert_eq!((table.fits, table.in_units()), (false, 20_000));
}

#[test]
fn what_it_cannot_do_depends_on_what_it_imports() {
    let says = |found: &Review, word: &str| found.cannot.iter().any(|words| words.contains(word));
    let nothing = reviewed(&minimal());
    for word in ["network", "log", "decided before", "reference documents", "more request fields"] {
        assert!(says(&nothing, word), "{word}: {:?}", nothing.cannot);
    }
    let logs = reviewed(&policy(&format!(r#"(import "$root" "log" (func (param i32 i32))) {BODY}"#)));
    assert!(!says(&logs, "write to the log") && says(&logs, "network"));
    let wasi = encode(
        "package portcullis:policy; world policy { import f: func(); export configure: func(settings: string); }",
        r#"(module (import "$root" "f" (func)) (memory (export "memory") 1)
             (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8) (func (export "configure") (param i32 i32)))"#,
    );
    let refused = reviewed(&wasi);
    assert!(!refused.report.admissible && refused.cannot.is_empty(), "nothing is promised of what is refused");
}

#[test]
fn claims_of_origin_are_listed_as_claims() {
    let mut component = minimal();
    for (name, value) in [
        ("source", "https://example.com/repo"),
        ("revision", "4f2a\u{1b}[2J"),
        ("licenses", "MIT"),
        ("registry-metadata", r#"{"authors":["ann"],"homepage":null}"#),
    ] {
        component = with_section(component, name, value.as_bytes());
    }
    let audit = miniz_oxide::deflate::compress_to_vec_zlib(
        br#"{"packages":[{"name":"serde","version":"1.0.0","source":"crates.io"}]}"#,
        6,
    );
    let found = reviewed(&with_section(component, ".dep-v0", &audit));
    let claims: Vec<_> = found.metadata_claims.iter().map(|one| (one.field.as_str(), one.value.as_str())).collect();
    for claim in [
        ("source", "https://example.com/repo"),
        ("revision", "4f2a\\u{1b}[2J"),
        ("licenses", "MIT"),
        ("authors", "[\"ann\"]"),
    ] {
        assert!(claims.contains(&claim), "{claim:?}: {claims:?}");
    }
    assert!(!claims.iter().any(|(field, _)| *field == "homepage"));
    let packages = found.dependency_claims.unwrap().packages;
    assert_eq!(
        (packages[0].name.as_str(), packages[0].source.as_str(), packages[0].build),
        ("serde", "crates.io", false)
    );
}

#[test]
fn texts_in_data_are_found_with_their_place() {
    let token = format!("ghp_{}", "a".repeat(36));
    let fields = format!(r#"{BODY} (data (i32.const 8) "xx\00http://169.254.169.254/latest\00{token}")"#);
    let component = with_section(policy(&fields), "note", b"see db.corp.internal");
    let found = reviewed(&component);
    let kinds: Vec<_> = found.strings.iter().map(|one| (one.kind, one.place.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (StringKind::Token, "data of core module 0"),
            (StringKind::Url, "data of core module 0"),
            (StringKind::Host, "custom section note"),
        ]
    );
    for one in &found.strings {
        let at = usize::try_from(one.at).unwrap();
        assert_eq!(component[at..at + 3], one.text.as_bytes()[..3], "{one:?}");
    }
    assert!(!serde_json::to_string(&found).unwrap().contains(&token), "a token is not repeated");
}

#[test]
fn a_refused_module_is_described_as_far_as_it_can_be_read() {
    let description = br#"{"name":"a.b","version":"1","inputs":["/now"],"codes":[{"code":"a.b.c"}]}"#;
    let world =
        "package portcullis:policy; world policy { import f: func(); export configure: func(settings: string); }";
    let module = r#"(module (import "$root" "f" (func)) (memory (export "memory") 1) (data (i32.const 0) "https://a.example.com/")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8) (func (export "configure") (param i32 i32)))"#;
    let other = with_section(encode(world, module), "portcullis-policy", description);
    let found = reviewed(&other);
    assert_eq!(found.report.code.map(|code| code.code()), Some(LoadFault::World.code()));
    assert_eq!(found.report.world.verdict, WorldVerdict::Differs);
    assert_eq!(found.report.description.as_ref().unwrap().name, "a.b");
    assert_eq!(found.report.reads, ["/now: the host's clock"]);
    assert!(found.complete && found.strings.iter().any(|one| one.text.contains("a.example.com")));

    // Refused by the pass that bounds, before its description: read all the same.
    let many = (0..2000).fold(minimal(), |component, n| with_section(component, &format!("s{n}"), b""));
    let found = reviewed(&with_section(many, "portcullis-policy", description));
    assert_eq!(found.report.code.map(|code| code.code()), Some(LoadFault::Size.code()));
    assert_eq!(found.report.description.as_ref().unwrap().name, "a.b");
    let cut = found.cut.iter().find(|cut| cut.list == "sizes.custom_sections").unwrap();
    assert!(cut.shown == 64 && cut.of > 1900, "{cut:?}");

    // A core module is no policy; what it is made of is told.
    let core = wat::parse_str("(module (memory 1) (func) (data (i32.const 0) \"10.1.2.3\"))").unwrap();
    let found = reviewed(&core);
    assert_eq!(found.report.code.map(|code| code.code()), Some(LoadFault::Format.code()));
    assert_eq!((found.modules.len(), found.modules[0].depth, found.modules[0].functions), (1, 0, 1));
    assert_eq!(found.strings[0].text, "10.1.2.3");

    // A file that breaks off: what stands before.
    let whole = policy(&format!("{BODY} (data (i32.const 8) \"http://10.9.8.7/\")"));
    let at = whole.windows(5).position(|window| window == b"http:").unwrap();
    let found = reviewed(&whole[..at]);
    assert!(!found.complete && !found.report.admissible && found.modules[0].functions == 3, "{found:?}");
    assert_eq!(reviewed(b"\x7fELF").modules, []);
}

/// Names as long as a file allows, and as many as it allows.
#[test]
fn hostile_names_are_cut_and_counted() {
    let name = "\u{202e}<script>\u{1b}[2J\0".repeat(5_000);
    // The parser's own limit is 100,000 bytes; beyond it, nothing more is read.
    let beyond = reviewed(&with_section(minimal(), &name.repeat(20), b""));
    assert!(!beyond.complete && beyond.report.code.is_some() && serde_json::to_string(&beyond).unwrap().len() < 10_000);
    let mut component = with_section(minimal(), &name, b"");
    component = with_section(component, "source", name.as_bytes());
    for n in 0..100 {
        component = with_section(component, "producers", &producers(&format!("tool-{n}{}", &name[..60])));
        component = with_section(component, "source", format!("{n}").as_bytes());
    }
    let found = reviewed(&component);
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.len() < 100_000, "{} bytes", json.len());
    assert!(!json.contains('\u{202e}') && !json.contains('\u{1b}') && !json.contains("\\u001b"), "escaped");
    let cut: Vec<_> = found.cut.iter().map(|cut| (cut.list.as_str(), cut.shown)).collect();
    assert!(cut.contains(&("toolchain_claims", 64)) && cut.contains(&("metadata_claims", 64)), "{cut:?}");
}

/// What a module uses is read from its code: whatever validation asks for is listed.
#[test]
fn proposals_are_those_without_which_it_is_not_valid() {
    use wasmparser::{Validator, WasmFeatures};
    let known = [
        (
            WasmFeatures::SATURATING_FLOAT_TO_INT,
            "saturating conversions",
            "(func (drop (i32.trunc_sat_f32_s (f32.const 1))))",
        ),
        (WasmFeatures::SIGN_EXTENSION, "sign extension", "(func (drop (i32.extend8_s (i32.const 1))))"),
        (WasmFeatures::MULTI_VALUE, "several results", "(func (result i32 i32) i32.const 1 i32.const 2)"),
        (WasmFeatures::MULTI_VALUE, "several results", "(func (i32.const 2) (block (param i32) drop))"),
        (WasmFeatures::BULK_MEMORY, "bulk memory", "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"),
        (WasmFeatures::BULK_MEMORY, "bulk memory", "(data \"x\") (func (data.drop 0))"),
        (WasmFeatures::REFERENCE_TYPES, "reference types", "(table 1 funcref) (func (drop (table.size 0)))"),
        (WasmFeatures::SIMD, "SIMD", "(func (drop (v128.const i32x4 0 0 0 0)))"),
        (WasmFeatures::EXTENDED_CONST, "extended constants", "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    ];
    for (own, words, fields) in known {
        let component = policy(&format!("{BODY} {fields}"));
        let found = reviewed(&component);
        assert!(found.report.admissible, "{fields}: {:?}", found.report.detail);
        assert!(found.report.proposals.iter().any(|listed| listed == words), "{fields}: {:?}", found.report.proposals);
        for (flag, words, _) in known {
            let without = portcullis_inspect::features().difference(flag);
            let needed = Validator::new_with_features(without).validate_all(&component).is_err();
            let listed = found.report.proposals.iter().any(|listed| listed == words);
            assert!(listed || !needed, "{fields}: {words} is needed and not listed");
            assert!(flag != own || needed, "{fields}: {words} is not needed, so this shows nothing");
        }
    }
}
