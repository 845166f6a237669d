//! Time zones as POSIX TZ strings (`CET-1CEST,M3.5.0,M10.5.0/3`, POSIX.1-2024 section 8.3 and RFC 9636 section 3.3.2),
//! so that the calendar carries its own rules and the module no time zone database.
//!
//! By hand, because date libraries, small as they are in use, fill half of a module. What a clock on the wall shows is a
//! [`Time`] too: the instant at which a clock in UTC shows the same.

use portcullis_policy::time::Time;

/// A time zone of the calendar, under the name by which windows and freezes refer to it.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    /// Seconds east of UTC.
    standard: i64,
    summer: Option<Summer>,
}

/// The part of the year with another offset; in some zones it is the winter.
#[derive(Clone, Debug)]
struct Summer {
    /// Seconds east of UTC.
    offset: i64,
    start: Rule,
    end: Rule,
}

/// When the offset changes, every year.
#[derive(Clone, Debug)]
struct Rule {
    day: Day,
    /// Seconds after midnight, on the clock before the change; beyond a day in some zones, and negative in others.
    time: i64,
}

#[derive(Clone, Debug)]
enum Day {
    /// 1 to 365; the 29th of February is not counted.
    Julian(i64),
    /// 0 to 365.
    OfYear(i64),
    /// The nth weekday (0 is Sunday) of a month; the fifth is the last.
    Weekday { month: i64, week: i64, weekday: i64 },
}

/// A change of the offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// Seconds since 1970.
    at: i64,
    /// Where one part of the year ends as the next begins, the beginning counts.
    begins: bool,
    before: i64,
    after: i64,
}

impl Zone {
    /// `None` if the rule is no POSIX TZ string, or has a second offset without saying when.
    pub fn parse(name: &str, rule: &str) -> Option<Zone> {
        let mut parser = Parser { rest: rule.as_bytes() };
        parser.abbreviation()?;
        let standard = -parser.clock(24)?;
        let mut zone = Zone { name: name.to_owned(), standard, summer: None };
        if !parser.rest.is_empty() {
            parser.abbreviation()?;
            let offset = if parser.rest.first() == Some(&b',') { standard + HOUR } else { -parser.clock(24)? };
            let start = parser.rule()?;
            let end = parser.rule()?;
            zone.summer = Some(Summer { offset, start, end });
        }
        parser.rest.is_empty().then_some(zone)
    }

    /// The name in the calendar.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a clock on the wall shows at an instant.
    pub fn wall(&self, at: Time) -> Option<Time> {
        let seconds = at.unix_ms().div_euclid(1000);
        Time::from_unix_ms(at.unix_ms() + self.offset(seconds) * 1000)
    }

    /// The first instant at which the clock shows this time. Where the clock jumps over it: the jump.
    pub fn first(&self, wall: Time) -> Option<Time> {
        self.shown(wall).0
    }

    /// The last instant at which the clock shows this time: not [`Zone::first`] where the clock is turned back.
    pub fn last(&self, wall: Time) -> Option<Time> {
        self.shown(wall).1
    }

    fn shown(&self, wall: Time) -> (Option<Time>, Option<Time>) {
        let wall = wall.unix_ms().div_euclid(1000);
        let offsets = [Some(self.standard), self.summer.as_ref().map(|summer| summer.offset)];
        let shown = offsets.into_iter().flatten().map(|offset| (wall - offset, offset));
        let instants = shown.filter(|(at, offset)| self.offset(*at) == *offset).map(|(at, _)| at);
        let (first, last) = (instants.clone().min(), instants.max());
        let jump = || {
            let jumped = |change: &Change| change.at + change.before <= wall && wall < change.at + change.after;
            self.changes(wall).into_iter().find(jumped).map(|change| change.at)
        };
        let time = |at: Option<i64>| Time::from_unix_ms(at.or_else(jump)? * 1000);
        (time(first), time(last))
    }

    /// The offset at an instant, in seconds.
    fn offset(&self, at: i64) -> i64 {
        let past = self.changes(at).into_iter().filter(|change| change.at <= at).max();
        past.map_or(self.standard, |change| change.after)
    }

    /// The changes of the year around an instant, of the one before and of the one after.
    fn changes(&self, around: i64) -> Vec<Change> {
        let Some(summer) = &self.summer else {
            return Vec::new();
        };
        let year = Time::from_unix_ms(around * 1000).map_or(1970, |time| time.date().0);
        let changes = (year - 1..=year + 1).flat_map(|year| {
            let start = summer.start.seconds(year) - self.standard;
            let end = summer.end.seconds(year) - summer.offset;
            [
                Change { at: start, begins: true, before: self.standard, after: summer.offset },
                Change { at: end, begins: false, before: summer.offset, after: self.standard },
            ]
        });
        changes.collect()
    }
}

impl Rule {
    /// Seconds from 1970 to the change, on the clock before it.
    fn seconds(&self, year: i64) -> i64 {
        let days = match self.day {
            Day::Julian(day) => {
                let leap = days_before(year, 3) - days_before(year, 2) == 29;
                days_before(year, 1) + day - 1 + i64::from(leap && day >= 60)
            }
            Day::OfYear(day) => days_before(year, 1) + day,
            Day::Weekday { month, week, weekday } => {
                let first = days_before(year, month);
                let next = if month == 12 { days_before(year + 1, 1) } else { days_before(year, month + 1) };
                // 1970 began on a Thursday.
                let nth = first + (weekday - (first + 4)).rem_euclid(7) + (week - 1) * 7;
                if nth < next { nth } else { nth - 7 }
            }
        };
        days * DAY + self.time
    }
}

struct Parser<'t> {
    rest: &'t [u8],
}

impl Parser<'_> {
    /// Three letters or more, or anything between angle brackets.
    fn abbreviation(&mut self) -> Option<()> {
        let quoted = self.skip(b'<');
        let allowed = |byte: &u8| byte.is_ascii_alphabetic() || (quoted && matches!(byte, b'0'..=b'9' | b'+' | b'-'));
        let len = self.rest.iter().take_while(|byte| allowed(byte)).count();
        self.rest = self.rest.get(len..)?;
        (len >= 3 && (!quoted || self.skip(b'>'))).then_some(())
    }

    /// `,M3.5.0/2`, `,J60` or `,59/1:30`; without a time at two o'clock.
    fn rule(&mut self) -> Option<Rule> {
        if !self.skip(b',') {
            return None;
        }
        let day = if self.skip(b'M') {
            let month = self.number(1, 12)?;
            let week = self.skip(b'.').then(|| self.number(1, 5))??;
            let weekday = self.skip(b'.').then(|| self.number(0, 6))??;
            Day::Weekday { month, week, weekday }
        } else if self.skip(b'J') {
            Day::Julian(self.number(1, 365)?)
        } else {
            Day::OfYear(self.number(0, 365)?)
        };
        let time = if self.skip(b'/') { self.clock(167)? } else { 2 * HOUR };
        Some(Rule { day, time })
    }

    /// `[+-]hh[:mm[:ss]]`, in seconds.
    fn clock(&mut self, max_hours: i64) -> Option<i64> {
        let negative = self.skip(b'-');
        if !negative {
            self.skip(b'+');
        }
        let mut seconds = self.number(0, max_hours)? * HOUR;
        if self.skip(b':') {
            seconds += self.number(0, 59)? * 60;
            if self.skip(b':') {
                seconds += self.number(0, 59)?;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    fn number(&mut self, min: i64, max: i64) -> Option<i64> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        // Three digits at most, so that nothing overflows.
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        ((1..=3).contains(&len) && (min..=max).contains(&value)).then_some(value)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let skipped = self.rest.strip_prefix(&[byte]);
        self.rest = skipped.unwrap_or(self.rest);
        skipped.is_some()
    }
}

/// Days from 1970 to the first of a month, in the Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    /// Each line: a rule, an instant, what the wall shows, which of the two readings it is. From Python's zoneinfo.
    #[test]
    fn agrees_with_the_time_zone_database() {
        let mut lines = 0;
        for line in include_str!("../vectors/zones.txt").lines().filter(|line| !line.starts_with('#')) {
            let [rule, at, wall, reading] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let zone = Zone::parse("zone", rule).unwrap();
            let (at, wall) = (time(at), time(wall));
            assert_eq!(zone.wall(at), Some(wall), "{line}");
            let (first, last) = (zone.first(wall).unwrap(), zone.last(wall).unwrap());
            match reading {
                "only" => assert!(first == at && last == at, "{line}"),
                "first" => assert!(first == at && last > at, "{line}"),
                _ => assert!(first < at && last == at, "{line}"),
            }
            lines += 1;
        }
        assert!(lines > 200);
    }

    #[test]
    fn a_time_that_the_clock_jumps_over_is_the_jump() {
        let zone = Zone::parse("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for wall in ["2026-03-29T02:00:00Z", "2026-03-29T02:30:00Z", "2026-03-29T02:59:59Z"] {
            assert_eq!(zone.first(time(wall)), Some(time("2026-03-29T01:00:00Z")), "{wall}");
            assert_eq!(zone.last(time(wall)), Some(time("2026-03-29T01:00:00Z")), "{wall}");
        }
    }

    #[test]
    fn days_may_be_counted_from_the_start_of_the_year() {
        // The 1st of March is day 60 of 365 in every year, and day 60 from zero only in leap years.
        for (rule, at, wall) in [
            ("AAA0BBB,J60/0,J300/0", "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"),
            ("AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z", "2028-03-01T01:00:00Z"),
            ("AAA0BBB,J60/0,J300/0", "2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z"),
            ("AAA0BBB,60/0,300/0", "2028-03-01T00:00:00Z", "2028-03-01T01:00:00Z"),
            ("AAA0BBB,60/0,300/0", "2026-03-01T23:59:59Z", "2026-03-01T23:59:59Z"),
            // All year: it ends as it begins.
            ("AAA3BBB,0/0,J365/25", "2026-01-01T03:00:00Z", "2026-01-01T01:00:00Z"),
            ("AAA3BBB,0/0,J365/25", "2026-12-31T23:30:00Z", "2026-12-31T21:30:00Z"),
        ] {
            assert_eq!(Zone::parse("zone", rule).unwrap().wall(time(at)), Some(time(wall)), "{rule} {at}");
        }
    }

    #[test]
    fn refuses_what_is_no_posix_tz_string() {
        for rule in [
            "",
            "Europe/Berlin",
            "CET",
            "CE-1",
            "<CET-1",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0/3",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,J0,J300",
            "CET-1CEST,366,1",
            "CET-25",
            "CET-1CEST,M3.5.0/168,M10.5.0",
            "CET-1:60",
            "CET-1CEST,M3.5.0,M10.5.0/3 ",
            "CET-0001",
            "é-1",
        ] {
            assert!(Zone::parse("zone", rule).is_none(), "{rule}");
        }
    }
}
