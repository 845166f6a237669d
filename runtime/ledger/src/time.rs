use std::fmt;

use jiff::Timestamp;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::FormatError;

/// A moment in whole milliseconds, from 1970 to 9999: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC with
/// three decimals, and so sorted by time where it is sorted as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// The moment, rounded down to a millisecond.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] before 1970.
    pub fn new(moment: Timestamp) -> Result<Time, FormatError> {
        let millisecond = moment.as_millisecond();
        let rounded = Timestamp::from_millisecond(millisecond).ok().filter(|_| millisecond >= 0);
        rounded.map(Time).ok_or_else(|| FormatError::malformed("time", "before 1970"))
    }

    /// Reads the one spelling.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Time> {
        // In this shape every digit counts; 60 as a second would be read as 59.
        let shape = b"0000-00-00T00:00:00.000Z";
        let fits = |(found, shape): (&u8, &u8)| if *shape == b'0' { found.is_ascii_digit() } else { found == shape };
        let shaped = text.len() == shape.len() && text.as_bytes().iter().zip(shape).all(fits);
        if !shaped || text.get(17..19).is_none_or(|seconds| seconds > "59") {
            return None;
        }
        Time::new(text.parse().ok()?).ok()
    }

    /// The moment.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in UTC with milliseconds")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                Time::from_text(text).ok_or_else(|| E::custom("not a time in UTC with milliseconds"))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-03-14T09:30:00.123Z", "9999-12-30T00:00:00.000Z"] {
            assert_eq!(Time::from_text(text).unwrap().to_string(), text);
        }
        for text in [
            "2026-03-14T09:30:00Z",
            "2026-03-14T09:30:00.1234Z",
            "2026-03-14T09:30:00.123+00:00",
            "2026-03-14t09:30:00.123z",
            "2026-03-14 09:30:00.123Z",
            "1969-12-31T23:59:59.999Z",
            "2026-03-14T09:30:60.000Z",
            "2026-03-14T24:00:00.000Z",
            "2026-02-29T09:30:00.000Z",
            "2026-03-14T09:30:00.123Z ",
            "+002026-03-14T09:30:00.1Z",
            "",
        ] {
            assert_eq!(Time::from_text(text), None, "{text}");
        }
        // What is read is what is written, or nothing is.
        for seconds in 0..100 {
            for text in [format!("2026-03-14T09:30:{seconds:02}.007Z"), format!("2016-12-31T23:{seconds:02}:59.999Z")] {
                assert_eq!(Time::from_text(&text).map(|time| time.to_string()), (seconds < 60).then_some(text));
            }
        }
        let finer: Timestamp = "2026-03-14T09:30:00.123999Z".parse().unwrap();
        assert_eq!(Time::new(finer).unwrap().to_string(), "2026-03-14T09:30:00.123Z");
    }
}
