//! JSON with one spelling: [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785). Members are sorted by their UTF-16 code
//! units, there are no spaces, strings and numbers are as ECMAScript writes them.
//!
//! What is read must be what would be written, byte for byte: that leaves no room for duplicate, unknown or missing
//! members, other escapes, other orders, spaces or what follows.

use std::cmp::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use crate::error::FormatError;

/// Largest integer, either side of 0, that every reader of JSON keeps exactly.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Which numbers may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Integers of at most 53 bits.
    Integers,
    /// All. Unlike in RFC 8785, an integer of 64 bits is written exactly: what a policy asks for is not rounded.
    All,
}

/// Writes a value. `what` is for the error.
pub(crate) fn encode<T: Serialize>(
    what: &'static str,
    value: &T,
    numbers: Numbers,
    limit: usize,
) -> Result<Vec<u8>, FormatError> {
    let value = serde_json::to_value(value).map_err(|error| FormatError::malformed(what, error.to_string()))?;
    encode_value(what, &value, numbers, limit)
}

/// Writes a value that is JSON already.
pub(crate) fn encode_value(
    what: &'static str,
    value: &Value,
    numbers: Numbers,
    limit: usize,
) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    write(what, value, numbers, &mut out)?;
    FormatError::check_size(what, out.len(), limit)?;
    Ok(out)
}

/// Reads a value that is spelled as [`encode`] spells it.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    numbers: Numbers,
    limit: usize,
) -> Result<T, FormatError> {
    let value: T = parse(what, bytes, limit)?;
    check(what, bytes, &encode(what, &value, numbers, usize::MAX)?)?;
    Ok(value)
}

/// Reads a value of any spelling: whoever calls this writes it again and calls [`check`].
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T, FormatError> {
    FormatError::check_size(what, bytes.len(), limit)?;
    serde_json::from_slice(bytes).map_err(|error| FormatError::malformed(what, error.to_string()))
}

/// Checks that what was read is what would be written.
pub(crate) fn check(what: &'static str, found: &[u8], canonical: &[u8]) -> Result<(), FormatError> {
    if found == canonical {
        return Ok(());
    }
    let at = found.iter().zip(canonical).position(|(found, expected)| found != expected);
    Err(FormatError::NotCanonical { what, at: at.unwrap_or(found.len().min(canonical.len())) })
}

fn write(what: &'static str, value: &Value, numbers: Numbers, out: &mut Vec<u8>) -> Result<(), FormatError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::String(text) => write_text(what, text, out)?,
        Value::Number(number) => write_number(what, number, numbers, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(what, item, numbers, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| order(a, b));
            out.push(b'{');
            for (n, (key, member)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_text(what, key, out)?;
                out.push(b':');
                write(what, member, numbers, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// By UTF-16 code units; among ASCII texts that is the order of the bytes.
fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// serde_json escapes what RFC 8785 does, and as it does.
fn write_text(what: &'static str, text: &str, out: &mut Vec<u8>) -> Result<(), FormatError> {
    serde_json::to_writer(out, text).map_err(|error| FormatError::malformed(what, error.to_string()))
}

fn write_number(what: &'static str, number: &Number, numbers: Numbers, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let integer = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match (numbers, integer, number.as_f64()) {
        (Numbers::Integers, Some(size), _) if size <= MAX_INTEGER => {
            out.extend_from_slice(number.to_string().as_bytes());
        }
        (Numbers::Integers, _, _) => {
            return Err(FormatError::malformed(what, "a number that is no integer of 53 bits"));
        }
        (Numbers::All, Some(_), _) => out.extend_from_slice(number.to_string().as_bytes()),
        (Numbers::All, None, Some(float)) if float.is_finite() => {
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(float).as_bytes());
        }
        (Numbers::All, None, _) => return Err(FormatError::malformed(what, "a number that is no number")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
    }
}
