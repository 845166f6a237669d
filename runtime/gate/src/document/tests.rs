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

#[test]
fn text_is_written_only_as_far_as_allowed() {
    let values = format!("[{}0]", "12345678,".repeat(100_000));
    let one = format!("[\"{}\"]", "x".repeat(1_000_000));
    for text in [values, one] {
        let document = Document::parse(text.as_bytes()).expect("valid");
        let root = Pointer::new("").expect("a pointer");
        let mut asked = Vec::new();
        let all = document.get_within(&root, &mut |bytes| {
            asked.push(bytes);
            true
        });
        assert_eq!(all, Some(document.get(&root)));
        assert_eq!(asked.last(), Some(&text.len()));
        let mut most = 0;
        let refused = document.get_within(&root, &mut |bytes| {
            most = bytes;
            bytes < 100_000
        });
        assert_eq!(refused, None);
        assert!(most == 1_000_001 || most < 100_000 + 2 * RENDER_STEP_BYTES, "{most}");
    }
}

#[test]
fn an_integer_is_what_was_written_or_refused() {
    for changed in [
        "9007199254740993.0",
        "-9007199254740993.0",
        "9007199254740993e0",
        "9.007199254740993e15",
        "90071992547409930e-1",
        "900719925474099300000E-5",
        "9223372036854775807.0",
        "1234567890123456789.000e0",
        "49744897777625328.000",
        "6666666666666666661.0000000166666666",
        "1e-400",
        "-1e-400",
        "0.00e-1",
        "1e-99999999999999999999999",
        "4e-324000",
    ] {
        let zero = changed.starts_with("0.0");
        let found = Document::parse(format!(r#"{{"a":"0.5\"","b":[1.5,{changed}]}}"#).as_bytes()).err();
        assert_eq!(found.map(|error| error.kind), (!zero).then_some(DocumentErrorKind::Number), "{changed}");
    }
    for (text, value) in [
        ("9007199254740992.0", 9_007_199_254_740_992.0),
        ("9007199254740994.0", 9_007_199_254_740_994.0),
        ("9007199254740991.5", 9_007_199_254_740_992.0),
        ("1e18", 1e18),
        ("1000000000000000000000e-3", 1e18),
        ("0.1000000000000000055", 0.1),
        ("5e-324", 5e-324),
        ("0e-99999999999999999999999", 0.0),
        ("0.0", 0.0),
        ("-0", -0.0),
    ] {
        let document = Document::parse(text.as_bytes()).expect(text);
        assert_eq!(get(&document, ""), Value::Number(value), "{text}");
    }
    // The place is that of the number, and text that looks like one is none.
    let text = "{\n \"1e-400\": \"9007199254740993.0 \\\" 1e-400\",\n \"b\": 9007199254740993.0}";
    let error = Document::parse(text.as_bytes()).expect_err("refused");
    assert!(error.message.ends_with("(line 3 column 7)"), "{error}");
}

proptest::proptest! {
    /// Whatever integer is written with a fraction or an exponent is read as that integer, or refused where no double is it
    /// or its double is written as another.
    #[test]
    fn integers_survive_every_notation(n: i64, shift in 0u32..18, zeros in 0usize..4, near in -3i64..4, power in 53u32..63) {
        for n in [n, n >> 11, (1i64 << power).saturating_add(near)] {
            let (sign, digits) = (if n < 0 { "-" } else { "" }, n.unsigned_abs().to_string());
            let point = digits.len().saturating_sub(shift as usize);
            let (whole, fraction) = digits.split_at(point);
            let whole = if whole.is_empty() { "0" } else { whole };
            let padding = "0".repeat(zeros);
            let moved = digits.len() - point;
            let exact = n as f64 as i128 == i128::from(n) && (n as f64).to_string() == n.to_string();
            for text in [
                format!("{sign}{digits}.0{padding}"),
                format!("{sign}{digits}{padding}e-{zeros}"),
                format!("{sign}{whole}.{fraction}{padding}0E+{moved}"),
            ] {
                match Document::parse(text.as_bytes()) {
                    Ok(document) => {
                        let found = get(&document, "");
                        let same = matches!(found, Value::Number(value) if exact && value as i128 == i128::from(n));
                        proptest::prop_assert!(same || n == 0 || found == Value::Integer(n), "{text}: {found:?}");
                    }
                    Err(error) => {
                        proptest::prop_assert!(!exact || n == i64::MIN, "{text}: {error}");
                        proptest::prop_assert_eq!(error.kind, DocumentErrorKind::Number);
                    }
                }
            }
        }
    }

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
