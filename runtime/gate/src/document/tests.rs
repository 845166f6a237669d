use super::*;

fn kind(text: &str) -> DocumentErrorKind {
    match Document::parse(text.as_bytes()) {
        Ok(_) => panic!("accepted {text}"),
        Err(error) => error.kind,
    }
}

fn get<'a>(document: &'a Document, at: &str) -> Value<'a> {
    document.get(&Pointer::new(at).expect("a pointer"))
}

#[test]
fn reads_every_kind_of_value() {
    let text = r#" {"a":null,"b":true,"c":-3,"d":1.5,"e":"x\n\"","f":[1,[2],{"g":"h"}],"~/":{"":7}} "#;
    let document = Document::parse(text.as_bytes()).expect("valid");
    assert_eq!(get(&document, "/a"), Value::Null);
    assert_eq!(get(&document, "/b"), Value::Boolean(true));
    assert_eq!(get(&document, "/c"), Value::Integer(-3));
    assert_eq!(get(&document, "/d"), Value::Number(1.5));
    assert_eq!(get(&document, "/e"), Value::Text("x\n\""));
    assert_eq!(get(&document, "/f"), Value::Json(r#"[1,[2],{"g":"h"}]"#.into()));
    assert_eq!(get(&document, "/f/1/0"), Value::Integer(2));
    assert_eq!(get(&document, "/f/2/g"), Value::Text("h"));
    assert_eq!(get(&document, "/~0~1/"), Value::Integer(7));
    for missing in ["/z", "/f/3", "/f/01", "/f/-", "/a/b", "/e/0", "/f/18446744073709551616"] {
        assert_eq!(get(&document, missing), Value::Missing, "{missing}");
    }
    let compact = r#"{"a":null,"b":true,"c":-3,"d":1.5,"e":"x\n\"","f":[1,[2],{"g":"h"}],"~/":{"":7}}"#;
    assert_eq!(get(&document, ""), Value::Json(compact.into()));
}

#[test]
fn refuses_what_has_two_readings() {
    use DocumentErrorKind::{Depth, DuplicateKey, Number, Syntax};
    assert_eq!(kind(r#"{"a":1,"a":1}"#), DuplicateKey);
    assert_eq!(kind(r#"{"x":{"a":1,"\u0061":2}}"#), DuplicateKey);
    let many: String = (0..50).map(|n| format!("\"k{n}\":0,")).collect();
    assert_eq!(kind(&format!("{{{many}\"k7\":1}}")), DuplicateKey);
    assert!(Document::parse(format!("{{{many}\"k\":1}}").as_bytes()).is_ok());
    for number in ["9223372036854775808", "-9223372036854775809", "1e400", "1e30", "123456789012345678901234567890"] {
        assert_eq!(kind(number), Number, "{number}");
    }
    for text in ["", " ", "{", "{}x", "[1,]", "{\"a\"}", "NaN", "\"\\ud800\"", "\"\u{1}\"", "01", "{}{}", "'a'"] {
        assert_eq!(kind(text), Syntax, "{text}");
    }
    assert_eq!(Document::parse(b"\"\xff\"").err().map(|e| e.kind), Some(Syntax));
    assert!(Document::parse(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()).is_ok());
    assert_eq!(kind(&format!("{}{}", "[".repeat(65), "]".repeat(65))), Depth);
    assert_eq!(kind(&"[".repeat(10_000)), Depth);
    assert_eq!(kind(&"{\"a\":".repeat(10_000)), Depth);
}

#[test]
fn bounds_are_checked_before_parsing() {
    let huge = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    assert_eq!(Document::parse(&huge).err().map(|e| e.kind), Some(DocumentErrorKind::Size));
    let values = format!("[{}0]", "0,".repeat(MAX_VALUES));
    assert_eq!(kind(&values), DocumentErrorKind::Size);
}

proptest::proptest! {
    /// Whatever we accept, serde_json accepts and reads the same; what we write back is the same document.
    #[test]
    fn agrees_with_serde_json(value in json()) {
        let text = serde_json::to_string_pretty(&value).expect("serializes");
        let document = Document::parse(text.as_bytes()).expect("accepted");
        let mut out = String::new();
        document.write(0, &mut out);
        let again: serde_json::Value = serde_json::from_str(&out).expect("valid");
        proptest::prop_assert_eq!(again, value);
    }
}

fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e15f64..1e15).prop_map(|n| serde_json::json!(n)),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 200, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
