//! Times as requests carry them: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), kept in UTC to the millisecond.
//!
//! For time zones and calendars use a library (`jiff` without its default features works in a policy).

use crate::Value;
use crate::json::{FromJson, Reader};

/// An instant between the years 0000 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    unix_ms: i64,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// The first day of the week (ISO 8601).
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The last.
    Sunday,
}

impl Time {
    /// Parses an RFC 3339 time with its offset; digits beyond milliseconds are dropped. Leap seconds are refused.
    ///
    /// # Errors
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Time> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4)?;
        let month = byte(&mut rest, b"-").and_then(|_| digits(&mut rest, 2))?;
        let day = byte(&mut rest, b"-").and_then(|_| digits(&mut rest, 2))?;
        let hour = byte(&mut rest, b"Tt ").and_then(|_| digits(&mut rest, 2))?;
        let minute = byte(&mut rest, b":").and_then(|_| digits(&mut rest, 2))?;
        let second = byte(&mut rest, b":").and_then(|_| digits(&mut rest, 2))?;
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !valid {
            return None;
        }
        let mut ms = 0;
        if byte(&mut rest, b".").is_some() {
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            for n in 0..len {
                let digit = digits(&mut rest, 1)?;
                if n < 3 {
                    ms += digit * [100, 10, 1].get(n)?;
                }
            }
            if len == 0 {
                return None;
            }
        }
        let offset_minutes = match byte(&mut rest, b"Zz+-")? {
            sign @ (b'+' | b'-') => {
                let hours = digits(&mut rest, 2)?;
                let minutes = byte(&mut rest, b":").and_then(|_| digits(&mut rest, 2))?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if sign == b'-' { -1 } else { 1 }
            }
            _ => 0,
        };
        if !rest.is_empty() {
            return None;
        }
        let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
        Some(Time { unix_ms: (minutes * 60 + second) * 1000 + ms })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The instant that many milliseconds after 1970-01-01T00:00:00Z; `None` outside the years 0000 to 9999.
    #[must_use]
    pub fn from_unix_ms(unix_ms: i64) -> Option<Time> {
        (FIRST_MS..=LAST_MS).contains(&unix_ms).then_some(Time { unix_ms })
    }

    /// This instant and some minutes, negative ones before it; `None` outside the years 0000 to 9999.
    #[must_use]
    pub fn plus_minutes(self, minutes: i64) -> Option<Time> {
        Time::from_unix_ms(self.unix_ms.checked_add(minutes.checked_mul(60_000)?)?)
    }

    /// Whole minutes from `earlier` to this instant; negative if it is the later one.
    #[must_use]
    pub fn minutes_since(self, earlier: Time) -> i64 {
        (self.unix_ms - earlier.unix_ms).div_euclid(60_000)
    }

    /// Year, month (from 1) and day (from 1), in UTC.
    #[must_use]
    pub fn date(self) -> (i64, i64, i64) {
        civil_from_days(self.unix_ms.div_euclid(DAY_MS))
    }

    /// The day of the week, in UTC.
    #[must_use]
    pub fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        match (self.unix_ms.div_euclid(DAY_MS) + 3).rem_euclid(7) {
            0 => Weekday::Monday,
            1 => Weekday::Tuesday,
            2 => Weekday::Wednesday,
            3 => Weekday::Thursday,
            4 => Weekday::Friday,
            5 => Weekday::Saturday,
            _ => Weekday::Sunday,
        }
    }

    /// Minutes since midnight, 0 to 1,439, in UTC.
    #[must_use]
    pub fn minute_of_day(self) -> i64 {
        self.unix_ms.rem_euclid(DAY_MS) / 60_000
    }
}

impl Weekday {
    /// `monday`, `tuesday` ...
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
            Weekday::Sunday => "sunday",
        }
    }
}

/// RFC 3339 in UTC with milliseconds, as `/now`.
impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.date();
        let minute = self.minute_of_day();
        let ms = self.unix_ms.rem_euclid(60_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            minute / 60,
            minute % 60,
            ms / 1000,
            ms % 1000
        )
    }
}

impl FromJson for Time {
    const NAME: &'static str = "a time (RFC 3339)";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match Time::parse(&reader.text()?) {
            Some(time) => Some(time),
            None => reader.problem(NO_TIME),
        }
    }

    fn from_value(value: Value) -> Result<Self, String> {
        Time::parse(&String::from_value(value)?).ok_or_else(|| NO_TIME.into())
    }
}

const NO_TIME: &str = "is no RFC 3339 time, such as 2026-03-14T09:30:00Z";
const DAY_MS: i64 = 86_400_000;
const FIRST_MS: i64 = -62_167_219_200_000;
const LAST_MS: i64 = 253_402_300_799_999;

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn byte(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    allowed.contains(first).then(|| {
        *rest = after;
        *first
    })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar:
/// [Hinnant's algorithm](https://howardhinnant.github.io/date_algorithms.html#days_from_civil).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`], from the same page.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_known_times() {
        for (text, unix_ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-14T09:30:00.000Z", 1_773_480_600_000),
            ("2026-03-14T10:30:00.1239+01:00", 1_773_480_600_123),
            ("2026-03-14T00:00:00-09:30", 1_773_480_600_000),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("0000-01-01T00:00:00Z", FIRST_MS),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
        ] {
            assert_eq!(Time::parse(text).map(Time::unix_ms), Some(unix_ms), "{text}");
        }
        let time = Time::parse("2026-03-14T10:30:00.1239+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-03-14T09:30:00.123Z");
        assert_eq!(time.weekday(), Weekday::Saturday);
        assert_eq!(time.minute_of_day(), 570);
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-03-14",
            "2026-03-14T09:30:00",
            "2026-02-29T09:30:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-14T24:00:00Z",
            "2026-03-14T09:30:60Z",
            "2026-03-14T09:30:00.Z",
            "2026-03-14T09:30:00Zx",
            "2026-03-14T09:30:00+24:00",
            "+026-03-14T09:30:00Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_survive_the_way_there_and_back() {
        // 17 shares no factor with the lengths of years and eras, so every position in them comes up.
        for day in ((FIRST_MS / DAY_MS)..=(LAST_MS / DAY_MS)).step_by(17) {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
            assert!((1..=days_in_month(year, month)).contains(&date), "{year}-{month}-{date}");
        }
    }
}
