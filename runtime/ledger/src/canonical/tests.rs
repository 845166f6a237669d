use serde_json::Value;

use super::*;

fn canonical(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    String::from_utf8(encode("test", &value, Numbers::All, 10_000).unwrap()).unwrap()
}

fn read(text: &str, numbers: Numbers) -> Result<Value, FormatError> {
    decode("test", text.as_bytes(), numbers, 10_000)
}

/// RFC 8785, sections 3.2.2 and 3.2.3.
#[test]
fn writes_the_published_examples() {
    let numbers = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
        "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
    assert_eq!(
        canonical(numbers),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
    let order = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
        "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
        "\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    assert_eq!(
        canonical(order),
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
         \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\
         \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
}

/// `testdata` of cyberphone/json-canonicalization: structures, french, weird.
#[test]
fn writes_the_test_data() {
    assert_eq!(
        canonical(
            r#"{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0},"10": { },"": "empty","a": { },"111": [ {"e": "yes","E": "no" } ],"A": { }}"#
        ),
        r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}"#
    );
    assert_eq!(
        canonical(r#"{"peach": "x","péché": "y","pêche": "z","sin": "w"}"#),
        r#"{"peach":"x","péché":"y","pêche":"z","sin":"w"}"#
    );
    assert_eq!(
        canonical(r#"{"\u20ac":1,"</script>":"Browser Challenge","\u0007\b\t\f\u001f":"\u007f"}"#),
        "{\"\\u0007\\b\\t\\f\\u001f\":\"\u{7f}\",\"</script>\":\"Browser Challenge\",\"€\":1}"
    );
}

/// RFC 8785, appendix B.
#[test]
fn writes_numbers_as_ecmascript_does() {
    for (bits, text) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
    ] {
        let value = Value::from(f64::from_bits(bits));
        assert_eq!(encode("test", &value, Numbers::All, 100).unwrap(), text.as_bytes(), "{bits:x}");
        assert!(read(text, Numbers::All).is_ok(), "{text}");
    }
}

#[test]
fn one_spelling_is_read() {
    assert!(read(r#"{"a":[1,-1,"\n\u001f"],"b":null}"#, Numbers::Integers).is_ok());
    for text in [
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{ "a":1}"#,
        r#"{"a":1} "#,
        "\u{feff}{}",
        r#""\u0041""#,
        r#""\/""#,
        r#""\u000a""#,
        r#""\u001F""#,
        r#""\u00e9""#,
        "1.0",
        "-0",
        "1e2",
        "01",
        "+1",
        "\"\u{0}\"",
        "{}{}",
        "",
        r#""\ud800""#,
        "NaN",
    ] {
        assert!(read(text, Numbers::All).is_err(), "{text}");
    }
    assert!(decode::<Value>("test", b"\"\xff\"", Numbers::All, 100).is_err());
    assert!(matches!(decode::<Value>("test", b"[1,2]", Numbers::All, 4), Err(FormatError::TooLarge { .. })));
    let at = |text| match read(text, Numbers::All) {
        Err(FormatError::NotCanonical { at, .. }) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!((at("[1, 2]"), at("[1,2]\n")), (3, 5));
}

#[test]
fn events_have_integers_of_53_bits() {
    for text in ["9007199254740991", "-9007199254740991", "0"] {
        assert!(read(text, Numbers::Integers).is_ok(), "{text}");
    }
    for text in ["9007199254740992", "-9007199254740992", "18446744073709551615", "0.5", "1e+23"] {
        assert!(read(text, Numbers::Integers).is_err(), "{text}");
        assert!(read(text, Numbers::All).is_ok(), "{text}");
    }
}

/// The value that serde makes of something, written with nothing but that value, RFC 8785 and sorting: what
/// [`Writer`] must agree with.
fn reference(value: &Value, numbers: Numbers) -> Option<String> {
    let number = |number: &serde_json::Number| {
        let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
        match (numbers, size) {
            (Numbers::Integers, size) => size.filter(|size| *size <= MAX_INTEGER).map(|_| number.to_string()),
            (Numbers::All, Some(_)) => Some(number.to_string()),
            (Numbers::All, None) => Some(ryu_js::Buffer::new().format_finite(number.as_f64()?).to_owned()),
        }
    };
    Some(match value {
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
        Value::Number(found) => number(found)?,
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| reference(item, numbers)).collect();
            format!("[{}]", items?.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
            let member = |(key, value): (&String, &Value)| {
                Some(format!("{}:{}", Value::from(key.as_str()), reference(value, numbers)?))
            };
            let members: Option<Vec<_>> = members.into_iter().map(member).collect();
            format!("{{{}}}", members?.join(","))
        }
    })
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let text = prop_oneof!["[a-c]{0,2}", ".{0,3}", "[\\\\\"/\n\u{1f}\u{7f}\u{e9}\u{fb33}\u{1f600}]{0,3}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-20i64..20).prop_map(Value::from),
        proptest::num::f64::ANY.prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn a_member_that_is_there_twice_is_not_written() {
    struct Twice(&'static [&'static str]);
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|key| (key, 1)))
        }
    }
    for keys in [&["a", "a"][..], &["a", "b", "a"], &["b", "a", "b"], &["\u{e9}", "a", "\u{e9}"]] {
        let error = encode("test", &Twice(keys), Numbers::All, 100).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }
    assert_eq!(encode("test", &Twice(&["b", "c", "a"]), Numbers::All, 100).unwrap(), br#"{"a":1,"b":1,"c":1}"#);
}

/// Of every kind that serde knows, the same is written as `serde_json` makes of it.
#[test]
fn every_kind_of_value_is_written() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct New(&'static str);
    #[derive(Serialize)]
    struct Pair(u8, Option<i8>);
    #[derive(Serialize)]
    enum Variant {
        Name,
        One(u16),
        Two(i16, u32),
        Members { z: i32, a: char },
    }
    #[derive(Serialize)]
    struct All {
        unit: (Unit, ()),
        new: New,
        pairs: [Pair; 2],
        variants: Vec<Variant>,
        nothing: (Vec<u8>, std::collections::BTreeMap<char, bool>),
        floats: (f32, f64),
        large: (u64, i64, u64),
    }
    let all = All {
        unit: (Unit, ()),
        new: New("\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}é😀"),
        pairs: [Pair(255, Some(-128)), Pair(0, None)],
        variants: vec![
            Variant::Name,
            Variant::One(65_535),
            Variant::Two(-32_768, u32::MAX),
            Variant::Members { z: i32::MIN, a: '"' },
        ],
        nothing: (Vec::new(), [('b', false), ('a', true)].into()),
        floats: (0.5, -1e300),
        large: (u64::MAX, i64::MIN, MAX_INTEGER + 1),
    };
    let expected = reference(&serde_json::to_value(&all).unwrap(), Numbers::All).unwrap();
    assert_eq!(String::from_utf8(encode("test", &all, Numbers::All, 1000).unwrap()).unwrap(), expected);
    for byte in 0..=u8::MAX {
        let text = char::from(byte).to_string();
        let expected = reference(&Value::from(text.as_str()), Numbers::All).unwrap();
        assert_eq!(encode("test", &text, Numbers::All, 10).unwrap(), expected.as_bytes(), "{byte}");
    }
}

#[test]
fn what_is_not_json_is_not_written() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(encode("test", &number, Numbers::All, 100).is_err());
    }
    assert!(encode("test", &std::collections::BTreeMap::from([(1, 2)]), Numbers::All, 100).is_err());
    assert!(encode("test", &1u128, Numbers::All, 100).is_err());
    assert!(encode("test", &i128::MIN, Numbers::All, 100).is_err());
    assert_eq!(encode("test", &1.5f32, Numbers::All, 100).unwrap(), b"1.5");
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(
        keys in proptest::collection::vec(".{0,4}", 0..8),
        integer in proptest::prelude::any::<i64>(),
        float in proptest::num::f64::ANY,
    ) {
        let value = keys.iter().fold(serde_json::json!([integer, float]), |inner, key| {
            serde_json::json!({ key: inner, "": [key] })
        });
        let bytes = encode("test", &value, Numbers::All, usize::MAX).unwrap();
        let again: Value = decode("test", &bytes, Numbers::All, usize::MAX).unwrap();
        proptest::prop_assert_eq!(encode("test", &again, Numbers::All, usize::MAX).unwrap(), bytes);
    }

    #[test]
    fn is_written_as_by_the_reference(value in any_json()) {
        for numbers in [Numbers::All, Numbers::Integers] {
            let found = encode("test", &value, numbers, usize::MAX).ok();
            let expected = reference(&value, numbers).map(String::into_bytes);
            proptest::prop_assert_eq!(found, expected);
        }
    }

    /// Whatever the bytes are, they are read only where they are what the reference writes.
    #[test]
    fn what_is_read_is_what_is_written(value in any_json(), at in 0usize..200, byte: u8) {
        let mut bytes = encode("test", &value, Numbers::All, usize::MAX).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let read = decode::<Value>("test", &bytes, Numbers::All, usize::MAX).is_ok();
        let expected = serde_json::from_slice(&bytes).ok().and_then(|value| reference(&value, Numbers::All));
        proptest::prop_assert_eq!(read, expected.is_some_and(|text| text.into_bytes() == bytes));
    }
}
