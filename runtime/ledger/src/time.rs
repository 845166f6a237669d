use std::fmt;

use jiff::Timestamp;
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
        let time = Time::new(text.parse().ok()?).ok()?;
        (time.to_string() == text).then_some(time)
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
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Time::from_text(&text).ok_or_else(|| serde::de::Error::custom("not a time in UTC with milliseconds"))
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
            "",
        ] {
            assert_eq!(Time::from_text(text), None, "{text}");
        }
        let finer: Timestamp = "2026-03-14T09:30:00.123999Z".parse().unwrap();
        assert_eq!(Time::new(finer).unwrap().to_string(), "2026-03-14T09:30:00.123Z");
    }
}
