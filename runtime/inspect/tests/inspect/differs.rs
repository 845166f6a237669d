//! Two modules side by side: nothing differs between a module and itself, and each kind of difference is seen.

use portcullis_inspect::{Area, Difference, Differences, InspectLimits, differences, review};

use crate::fixtures::{BODY, minimal, policy, with_section};

fn compare(before: &[u8], after: &[u8]) -> Differences {
    let limits = InspectLimits::default();
    differences(&review(before, &limits), &review(after, &limits))
}

fn described(component: Vec<u8>, members: &str) -> Vec<u8> {
    let description = format!(r#"{{"name":"a.b","version":"1"{members}}}"#);
    with_section(component, "portcullis-policy", description.as_bytes())
}

/// The one difference about that area.
fn only(found: &Differences, area: Area) -> Difference {
    let of_area: Vec<_> = found.changes.iter().filter(|change| change.area == area).collect();
    assert_eq!(of_area.len(), 1, "{area:?}: {:#?}", found.changes);
    of_area[0].clone()
}

#[test]
fn a_module_does_not_differ_from_itself() {
    for component in [minimal(), described(minimal(), r#","inputs":["/now"]"#), b"no module".to_vec()] {
        let found = compare(&component, &component);
        assert!(found.identical && found.changes.is_empty() && found.cut.is_empty(), "{found:#?}");
    }
}

#[test]
fn more_that_it_can_do_is_marked() {
    let plain = minimal();
    let found = compare(&plain, &policy(&format!(r#"(import "$root" "log" (func (param i32 i32))) {BODY}"#)));
    let import = only(&found, Area::Imports);
    assert_eq!((import.what.as_str(), import.before, import.attention), ("log", None, Some("it can call more")));

    let inputs = |inputs: &str| described(minimal(), &format!(r#","inputs":{inputs}"#));
    let found = compare(&inputs(r#"["/now"]"#), &inputs(r#"["/now","/subject/id"]"#));
    let input = only(&found, Area::Inputs);
    assert_eq!((input.what.as_str(), input.attention), ("/subject/id", Some("it reads more")));
    let found = compare(&inputs(r#"["/now","/subject/id"]"#), &inputs(r#"["/now"]"#));
    assert_eq!(only(&found, Area::Inputs).attention, None, "it reads less");
    let found = compare(&inputs(r#"["/now"]"#), &inputs(r#""from-settings""#));
    let which = found.changes.iter().find(|change| change.what == "which fields").unwrap();
    assert_eq!(which.attention, Some("its description no longer bounds what it reads"));

    let start = policy(&format!("{BODY} (func $s) (start $s)"));
    assert_eq!(only(&compare(&plain, &start), Area::Start).attention, Some("code of it runs before `configure`"));
    let url = policy(&format!("{BODY} (data (i32.const 8) \"https://a.example.com/\")"));
    assert_eq!(only(&compare(&plain, &url), Area::Strings).attention, Some("new in its data"));
    let large = BODY.replacen("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1000)", 1);
    let memory = only(&compare(&plain, &policy(&large)), Area::Limits);
    assert!(memory.what == "memory-mib" && memory.attention.is_some(), "{memory:?}");
    let refused = only(&compare(&plain, b"no module"), Area::Admission);
    assert_eq!(
        (refused.after.as_deref(), refused.attention),
        (Some("refused: load.format"), Some("it would not be loaded"))
    );
}

#[test]
fn what_it_says_of_itself_is_compared() {
    let members = |more: &str| described(minimal(), &format!(r#","inputs":[]{more}"#));
    let plain = members("");
    let codes = r#","codes":[{"code":"a.b.c","summary":"C."}]"#;
    assert_eq!(only(&compare(&plain, &members(codes)), Area::Codes).attention, None);
    assert!(only(&compare(&members(codes), &plain), Area::Codes).attention.unwrap().contains("waivers"));
    let data = r#","data":[{"name":"calendar"}]"#;
    assert!(only(&compare(&plain, &members(data)), Area::Data).attention.unwrap().contains("no longer load"));
    let found =
        compare(&plain, &with_section(minimal(), "portcullis-policy", br#"{"name":"a.b","version":"2","inputs":[]}"#));
    let version = only(&found, Area::Description);
    assert_eq!((version.before.as_deref(), version.after.as_deref()), (Some("1"), Some("2")));
    let history = policy(&format!(
        r#"(import "$root" "history" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))) {BODY}"#
    ));
    let announced = described(history, r#","inputs":[],"history":{"summary":"Counts."}"#);
    assert!(only(&compare(&plain, &announced), Area::History).attention.unwrap().contains("decided before"));
    assert_eq!(only(&compare(&minimal(), &with_section(minimal(), "x", b"")), Area::CustomSections).what, "x");
    let sourced = with_section(minimal(), "revision", b"abc");
    assert_eq!(only(&compare(&minimal(), &sourced), Area::Metadata).after.as_deref(), Some("abc"));
    let simd = policy(&format!("{BODY} (func (drop (v128.const i32x4 0 0 0 0)))"));
    assert_eq!(only(&compare(&minimal(), &simd), Area::Proposals).what, "SIMD");
}

#[test]
fn schemas_are_compared_member_by_member() {
    let schema = |schema: &str| described(minimal(), &format!(r#","inputs":[],"settings_schema":{schema}"#));
    let before =
        schema(r#"{"type":"object","properties":{"a":{"type":"string","maxLength":5},"b":{}},"required":["a"]}"#);
    let after =
        schema(r#"{"type":"object","properties":{"a":{"type":"string","maxLength":9},"c":{}},"required":["c","a"]}"#);
    let found = compare(&before, &after);
    let listed: Vec<_> = found
        .changes
        .iter()
        .filter(|change| change.area == Area::Settings)
        .map(|change| (change.what.as_str(), change.before.as_deref(), change.after.as_deref(), change.attention))
        .collect();
    assert_eq!(
        listed,
        [
            ("/properties/a/maxLength", Some("5"), Some("9"), None),
            ("/properties/b", Some("{}"), None, Some("settings that have it may be refused")),
            ("/properties/c", None, Some("{}"), None),
            ("/required", None, Some("\"c\""), Some("settings that lack it are refused")),
        ]
    );
}

#[test]
fn many_differences_are_counted_and_few_are_listed() {
    let codes = |prefix: &str| {
        let codes: Vec<String> = (0..300).map(|n| format!(r#"{{"code":"a.b.{prefix}{n}"}}"#)).collect();
        described(minimal(), &format!(r#","inputs":[],"codes":[{}]"#, codes.join(",")))
    };
    let found = compare(&codes("x"), &codes("y"));
    assert_eq!(found.changes.iter().filter(|change| change.area == Area::Codes).count(), 200);
    assert_eq!((found.cut[0].list.as_str(), found.cut[0].shown, found.cut[0].of), ("codes", 200, 600));
}

/// What a policy decides is in its code and its data: neither may change without a word.
#[test]
fn other_code_and_other_data_are_seen() {
    let with = |more: &str| policy(&format!("{BODY} {more}"));
    let function = |value: u32| format!("(func (result i32) (i32.const {value}))");
    let two = |one: u32, other: u32| with(&format!("{} {}", function(one), function(other)));
    let data = |text: &str| with(&format!("(data (i32.const 8) \"{text}\")"));
    let said = |before: &[u8], after: &[u8]| {
        let found = compare(before, after);
        let code = found.changes.iter().filter(|change| change.area == Area::Code);
        let code: Vec<String> = code
            .map(|change| {
                assert_eq!(change.attention, Some("what it decides may differ"));
                change.what.clone()
            })
            .collect();
        assert_eq!(found.same_code, code.is_empty());
        code.join("; ")
    };
    let all = review(&two(1, 2), &InspectLimits::default()).report.sizes.functions;
    assert_eq!(said(&two(1, 2), &two(1, 3)), format!("1 of {all} functions differs"));
    assert_eq!(said(&two(1, 2), &two(3, 4)), format!("2 of {all} functions differ"));
    assert_eq!(said(&two(1, 2), &two(2, 1)), format!("the {all} functions are the same, in another order"));
    assert_eq!(said(&data("deny"), &data("warn")), "the contents of its memory at the start differ");
    let global = |value: u32| with(&format!("(global i32 (i32.const {value}))"));
    let rest = "types, imports, globals, tables or what ties its parts together differ";
    assert_eq!(said(&global(1), &global(2)), rest);
    assert!(said(&with(&function(1)), &two(1, 2)).starts_with(&format!("1 of {all} functions differs")));
    assert!(said(&two(1, 2), &with(&function(1))).starts_with("1 function fewer, the others are the same"));
    // What it says of itself is no code, and what cannot be read may be anything.
    assert_eq!(said(&minimal(), &with_section(minimal(), "x", b"abc")), "");
    let cut = |component: Vec<u8>| component[..component.len() - 1].to_vec();
    assert_eq!(said(&cut(two(1, 2)), &cut(two(1, 2))), "");
    assert_ne!(said(&minimal(), &[minimal(), b"?".to_vec()].concat()), "");
}
