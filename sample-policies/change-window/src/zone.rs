//! Time zones as POSIX TZ strings (`CET-1CEST,M3.5.0,M10.5.0/3`), so that the calendar carries its own rules and the
//! module no time zone database.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A time zone of the calendar, under the name by which windows and freezes refer to it.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rule: TimeZone,
}

impl Zone {
    /// # Errors
    /// What is wrong with a rule that is not a POSIX TZ string.
    pub fn parse(name: &str, rule: &str) -> Result<Zone, String> {
        // What the parser says in detail would triple the size of the module.
        match TimeZone::posix(rule) {
            Ok(rule) => Ok(Zone { name: name.to_owned(), rule }),
            Err(_) => Err(format!("zone {name}: {rule} is not a POSIX TZ string like CET-1CEST,M3.5.0,M10.5.0/3")),
        }
    }

    /// The name in the calendar.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a clock on the wall shows at an instant.
    pub fn wall(&self, at: Timestamp) -> DateTime {
        self.rule.to_datetime(at)
    }

    /// The first instant at which the clock shows this time. Where the clock jumps over it: the jump.
    pub fn first(&self, wall: DateTime) -> Option<Timestamp> {
        let reading = self.rule.to_ambiguous_timestamp(wall);
        match reading.offset() {
            AmbiguousOffset::Gap { .. } => self.jump(wall),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => reading.earlier().ok(),
        }
    }

    /// The last instant at which the clock shows this time: not [`Zone::first`] where the clock is turned back.
    pub fn last(&self, wall: DateTime) -> Option<Timestamp> {
        let reading = self.rule.to_ambiguous_timestamp(wall);
        match reading.offset() {
            AmbiguousOffset::Gap { .. } => self.jump(wall),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => reading.later().ok(),
        }
    }

    /// The instant at which the clock jumps over `wall`.
    fn jump(&self, wall: DateTime) -> Option<Timestamp> {
        let before = self.rule.to_ambiguous_timestamp(wall).earlier().ok()?;
        self.rule.following(before).next().map(|transition| transition.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    #[test]
    fn agrees_with_the_time_zone_database() {
        // From Python's zoneinfo: zone, instant, what the wall shows.
        let known = [
            (BERLIN, "2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
            (BERLIN, "2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
            (BERLIN, "2026-10-25T00:59:59Z", "2026-10-25T02:59:59"),
            (BERLIN, "2026-10-25T01:00:00Z", "2026-10-25T02:00:00"),
            (BERLIN, "2027-01-04T05:00:00Z", "2027-01-04T06:00:00"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", "2026-03-08T01:59:59"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", "2026-03-08T03:00:00"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", "2026-11-01T01:00:00"),
            ("<+0545>-5:45", "2026-06-01T00:00:00Z", "2026-06-01T05:45:00"),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04T15:00:00Z", "2026-04-05T01:30:00"),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-10-03T15:30:00Z", "2026-10-04T02:30:00"),
            ("JST-9", "2026-12-31T15:00:00Z", "2027-01-01T00:00:00"),
        ];
        for (rule, at, wall) in known {
            let zone = Zone::parse("zone", rule).unwrap();
            assert_eq!(zone.wall(at.parse().unwrap()).to_string(), wall, "{rule} at {at}");
        }
    }

    #[test]
    fn a_time_that_the_clock_jumps_over_is_the_jump() {
        let zone = Zone::parse("Europe/Berlin", BERLIN).unwrap();
        for wall in ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59:59"] {
            let wall: DateTime = wall.parse().unwrap();
            assert_eq!(zone.first(wall).unwrap().to_string(), "2026-03-29T01:00:00Z", "{wall}");
            assert_eq!(zone.last(wall).unwrap().to_string(), "2026-03-29T01:00:00Z", "{wall}");
        }
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_has_two_instants() {
        let zone = Zone::parse("Europe/Berlin", BERLIN).unwrap();
        let wall: DateTime = "2026-10-25T02:30".parse().unwrap();
        assert_eq!(zone.first(wall).unwrap().to_string(), "2026-10-25T00:30:00Z");
        assert_eq!(zone.last(wall).unwrap().to_string(), "2026-10-25T01:30:00Z");
    }

    #[test]
    fn refuses_what_is_no_posix_tz_string() {
        for rule in ["", "Europe/Berlin", "CET", "CET-1CEST", "CET-1CEST,M13.5.0,M10.5.0/3", "CET-99"] {
            assert!(Zone::parse("zone", rule).is_err(), "{rule}");
        }
    }
}
