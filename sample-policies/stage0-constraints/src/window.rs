use portcullis_policy::time::Time;

/// A weekly window: some days, from a minute of the day to another, at a fixed offset from UTC.
///
/// Text form: `DAYS HH:MM-HH:MM ZONE`. Days: `Mon`, `Mon-Fri`, `Fri-Mon`, `Mon,Wed,Fri-Sat`, or `daily`. Zone: `UTC`,
/// `Z` or `+02:00`. The end is not part of the window; `24:00` ends a day; an end at or before the start means the next
/// day, and the window belongs to the day on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes after the local midnight.
    from: i64,
    /// Minutes after the same midnight; up to two days.
    to: i64,
    /// Minutes east of UTC.
    offset: i64,
}

const DAY: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// No place on Earth is further from UTC.
const MAX_OFFSET: i64 = 14 * 60;

impl Window {
    /// Reads the text form; `None` where it is anything else.
    pub fn parse(text: &str) -> Option<Window> {
        let mut words = text.split_ascii_whitespace();
        let (days, hours, zone) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        let (from, to) = hours.split_once('-')?;
        let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
        if from == DAY {
            return None;
        }
        let to = if to > from { to } else { to + DAY };
        Some(Window { days: days_of(days)?, from, to, offset: offset_of(zone)? })
    }

    /// `Ok` inside the window, else when it opens next.
    pub fn check(&self, now: Time) -> Result<(), Time> {
        let Some(local) = now.plus_minutes(self.offset) else { return Err(now) };
        let (today, minute) = (local.weekday() as i64, local.minute_of_day());
        // What opened yesterday may still be open; a day that comes once a week is at most seven away.
        for ahead in -1..=7 {
            if self.days >> (today + ahead).rem_euclid(7) & 1 == 0 {
                continue;
            }
            let (opens, closes) = (self.from + ahead * DAY, self.to + ahead * DAY);
            if (opens..closes).contains(&minute) {
                return Ok(());
            }
            if opens > minute {
                let whole_minute = Time::from_unix_ms(now.unix_ms() - now.unix_ms().rem_euclid(60_000));
                return Err(whole_minute.and_then(|time| time.plus_minutes(opens - minute)).unwrap_or(now));
            }
        }
        Err(now)
    }
}

fn days_of(text: &str) -> Option<u8> {
    if text.eq_ignore_ascii_case("daily") {
        return Some(0b111_1111);
    }
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day_of(first)?, day_of(last)?);
        days |= 1 << day;
        while day != last {
            day = (day + 1) % 7;
            days |= 1 << day;
        }
    }
    Some(days)
}

fn day_of(text: &str) -> Option<usize> {
    DAYS.iter().position(|day| text.eq_ignore_ascii_case(day))
}

fn minute_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

fn offset_of(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    minute_of_day(rest).filter(|minutes| *minutes <= MAX_OFFSET).map(|minutes| sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(window: &str, now: &str) -> Option<String> {
        Window::parse(window).unwrap().check(Time::parse(now).unwrap()).err().map(|next| next.to_string())
    }

    #[test]
    fn says_when_it_opens_next() {
        let window = "Mon-Fri 09:00-17:00 UTC";
        assert_eq!(check(window, "2026-03-13T09:00:00Z"), None);
        assert_eq!(check(window, "2026-03-13T16:59:59.999Z"), None);
        assert_eq!(check(window, "2026-03-13T17:00:00Z").as_deref(), Some("2026-03-16T09:00:00.000Z"));
        assert_eq!(check(window, "2026-03-13T08:59:59Z").as_deref(), Some("2026-03-13T09:00:00.000Z"));
        assert_eq!(check("Sat 00:00-24:00 UTC", "2026-03-15T00:00:00Z").as_deref(), Some("2026-03-21T00:00:00.000Z"));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_starts_on() {
        let window = "Fri 22:00-02:00 utc";
        assert_eq!(check(window, "2026-03-14T01:59:00Z"), None);
        assert_eq!(check(window, "2026-03-13T01:00:00Z").as_deref(), Some("2026-03-13T22:00:00.000Z"));
    }

    #[test]
    fn offsets_move_the_window() {
        let window = "Mon,Wed-Fri 09:00-17:00 +05:30";
        assert_eq!(check(window, "2026-03-13T03:30:00Z"), None);
        assert_eq!(check(window, "2026-03-13T11:30:00Z").as_deref(), Some("2026-03-16T03:30:00.000Z"));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "Mon-Fri",
            "Mon-Fri 09:00-17:00",
            "09:00-17:00 UTC",
            "Mon-Fri 9:00-17:00 UTC",
            "Mon-Fri 09:00-25:00 UTC",
            "Mon-Fri 24:00-02:00 UTC",
            "Mon-Fri 09:60-17:00 UTC",
            "Mon-Fri 09:00-17:00 CET",
            "Mon-Fri 09:00-17:00 +15:00",
            "Mon-Fry 09:00-17:00 UTC",
            "Mon-Fri 09:00-17:00 UTC UTC",
            "Mon--Fri 09:00-17:00 UTC",
            "Mon, 09:00-17:00 UTC",
        ] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }
}
