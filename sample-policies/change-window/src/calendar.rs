//! What a calendar means: whether an environment is open at an instant, and when it opens next.
//!
//! Where a zone's clock is turned back or forward, the calendar errs on the side of closed: a window opens at the last
//! instant at which the clock shows its `from` and closes at the first at which it shows its `to`; a freeze starts at
//! the first and ends at the last. A window inside a repeated hour does not open on that day.

use std::rc::Rc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::document::{self, Document};
use crate::zone::Zone;

/// A calendar, checked.
#[derive(Debug)]
pub struct Calendar {
    windows: Vec<Window>,
    freezes: Vec<Freeze>,
}

#[derive(Debug)]
struct Window {
    name: String,
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    /// `to` is on the day after `from`.
    overnight: bool,
    zone: Rc<Zone>,
    environments: Option<Vec<String>>,
}

/// A span in which nothing changes.
#[derive(Debug)]
pub struct Freeze {
    /// For messages.
    pub name: String,
    /// The first instant after it.
    pub end: Timestamp,
    /// No role overrides it.
    pub hard: bool,
    start: Timestamp,
    zone: Rc<Zone>,
    environments: Option<Vec<String>>,
}

/// What someone may set aside. [`Overrides::default`]: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Freezes, unless they are hard.
    pub freezes: bool,
    /// Closed windows.
    pub windows: bool,
}

/// How an environment stands at an instant.
#[derive(Debug)]
pub enum Standing<'c> {
    /// Neither a window nor a freeze names it.
    NotCovered,
    /// In a window (its name), or not bound by windows, and not frozen.
    Open(Option<&'c str>),
    /// It has windows, and all of them are closed.
    Outside,
    /// In this freeze; of several the hard ones first, then the one that ends last.
    Frozen(&'c Freeze),
}

impl Calendar {
    /// # Errors
    /// What is wrong with the document and where. Nothing of a wrong calendar is used.
    pub fn read(document: Document) -> Result<Calendar, String> {
        let mut zones = vec![Rc::new(Zone::parse("UTC", "UTC0")?)];
        for (name, rule) in &document.zones {
            zones.push(Rc::new(Zone::parse(name, rule).map_err(|problem| format!("/zones: {problem}"))?));
        }
        let windows = document
            .windows
            .into_iter()
            .enumerate()
            .map(|(n, window)| Window::read(window, &zones).map_err(|problem| format!("/windows/{n}: {problem}")));
        let windows = windows.collect::<Result<Vec<_>, _>>()?;
        let freezes = document
            .freezes
            .into_iter()
            .enumerate()
            .map(|(n, freeze)| Freeze::read(freeze, &zones).map_err(|problem| format!("/freezes/{n}: {problem}")));
        let freezes = freezes.collect::<Result<Vec<_>, _>>()?;
        if windows.is_empty() && freezes.is_empty() {
            return Err("has neither windows nor freezes".into());
        }
        Ok(Calendar { windows, freezes })
    }

    /// How `environment` stands at `now` for someone who may override what `overrides` says.
    pub fn standing(&self, environment: &str, now: Timestamp, overrides: Overrides) -> Standing<'_> {
        let covered = self.windows(environment).next().is_some()
            || self.freezes.iter().any(|freeze| covers(freeze.environments.as_deref(), environment));
        if !covered {
            return Standing::NotCovered;
        }
        let freezes = self.freezes.iter().filter(|freeze| freeze.holds(environment, now));
        let binding = freezes.filter(|freeze| freeze.hard || !overrides.freezes);
        if let Some(freeze) = binding.max_by_key(|freeze| (freeze.hard, freeze.end)) {
            return Standing::Frozen(freeze);
        }
        let mut windows = self.windows(environment).peekable();
        if windows.peek().is_none() {
            return Standing::Open(None);
        }
        match windows.find(|window| window.holds(now)) {
            Some(window) => Standing::Open(Some(&window.name)),
            None if overrides.windows => Standing::Open(None),
            None => Standing::Outside,
        }
    }

    /// The first instant from `now` on at which `environment` is open; `None` if there is none within the years that
    /// dates can express.
    pub fn next_opening(&self, environment: &str, now: Timestamp, overrides: Overrides) -> Option<Timestamp> {
        let mut at = now;
        // Each freeze is left once, and between two freezes there is at most one step to a window.
        let steps = self.freezes.len().saturating_mul(2).saturating_add(2);
        for _ in 0..steps {
            match self.standing(environment, at, overrides) {
                Standing::NotCovered | Standing::Open(_) => return Some(at),
                Standing::Frozen(freeze) => at = freeze.end,
                Standing::Outside => {
                    at = self.windows(environment).filter_map(|window| window.next_start(at)).min()?;
                }
            }
        }
        None
    }

    /// An instant on the clock of the environment's first window or freeze, with the zone's name: for messages.
    pub fn local(&self, environment: &str, at: Timestamp) -> Option<String> {
        let windows = self.windows(environment).map(|window| &window.zone);
        let freezes = self.freezes.iter().filter(|freeze| covers(freeze.environments.as_deref(), environment));
        let zone = windows.chain(freezes.map(|freeze| &freeze.zone)).next()?;
        let wall = zone.wall(at);
        let (day, year, month, date) = (day_name(wall.date().weekday()), wall.year(), wall.month(), wall.day());
        Some(format!("{day} {year}-{month:02}-{date:02} {:02}:{:02} {}", wall.hour(), wall.minute(), zone.name()))
    }

    fn windows(&self, environment: &str) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| covers(window.environments.as_deref(), environment))
    }
}

impl Window {
    fn read(document: document::Window, zones: &[Rc<Zone>]) -> Result<Window, String> {
        let days = document.days.iter().map(|name| day(name)).collect::<Result<Vec<_>, _>>()?;
        let from = time(&document.from)?;
        let midnight = document.to == "24:00";
        let to = if midnight { Time::midnight() } else { time(&document.to)? };
        if from == to && !midnight {
            return Err(format!("opens and closes at {}; a whole day is 00:00 to 24:00", document.from));
        }
        check_environments(document.environments.as_deref())?;
        let name = document.name.unwrap_or_else(|| format!("{} to {}", document.from, document.to));
        let zone = find(zones, &document.zone)?;
        Ok(Window { name, days, from, to, overnight: to <= from, zone, environments: document.environments })
    }

    fn holds(&self, now: Timestamp) -> bool {
        let today = self.zone.wall(now).date();
        let opened = [today.yesterday().ok(), Some(today)];
        opened.into_iter().flatten().filter_map(|date| self.opening(date)).any(|(start, end)| start <= now && now < end)
    }

    /// The next start after `at`. Two weeks are enough for one that a turned clock swallows on its only day.
    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let mut date = self.zone.wall(at).date();
        for _ in 0..=14 {
            if let Some((start, _)) = self.opening(date).filter(|(start, _)| *start > at) {
                return Some(start);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The span that opens on a date: the first instant, and the first after it.
    fn opening(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&date.weekday()) {
            return None;
        }
        let last = if self.overnight { date.tomorrow().ok()? } else { date };
        let start = self.zone.last(date.to_datetime(self.from))?;
        let end = self.zone.first(last.to_datetime(self.to))?;
        (start < end).then_some((start, end))
    }
}

impl Freeze {
    fn read(document: document::Freeze, zones: &[Rc<Zone>]) -> Result<Freeze, String> {
        let zone = find(zones, &document.zone)?;
        let (from, to) = (date_time(&document.from)?, date_time(&document.to)?);
        check_environments(document.environments.as_deref())?;
        let (Some(start), Some(end)) = (zone.first(from), zone.last(to)) else {
            return Err("is outside the years that dates can express".into());
        };
        if start >= end {
            return Err(format!("ends at {}, which is not after its start", document.to));
        }
        let document::Freeze { name, hard, environments, .. } = document;
        Ok(Freeze { name, end, hard, start, zone, environments })
    }

    fn holds(&self, environment: &str, at: Timestamp) -> bool {
        covers(self.environments.as_deref(), environment) && self.start <= at && at < self.end
    }
}

fn covers(environments: Option<&[String]>, environment: &str) -> bool {
    environments.is_none_or(|names| names.iter().any(|name| name == environment))
}

fn check_environments(environments: Option<&[String]>) -> Result<(), String> {
    match environments {
        Some([]) => Err("names no environment; leave `environments` out to cover all of them".into()),
        _ => Ok(()),
    }
}

fn find(zones: &[Rc<Zone>], name: &str) -> Result<Rc<Zone>, String> {
    // The calendar's own zones come after UTC and count first.
    let zone = zones.iter().rev().find(|zone| zone.name() == name);
    zone.cloned().ok_or_else(|| format!("zone {name} is not among the calendar's `zones`"))
}

fn day(name: &str) -> Result<Weekday, String> {
    let day = DAYS.iter().find(|(short, _)| *short == name);
    day.map(|(_, day)| *day).ok_or_else(|| format!("{name} is no day; days are mon, tue, wed, thu, fri, sat, sun"))
}

fn day_name(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, known)| *known == day).map_or("", |(short, _)| short)
}

/// `HH:MM`, up to `23:59`.
fn time(text: &str) -> Result<Time, String> {
    let (hour, minute) = text
        .split_once(':')
        .and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)))
        .ok_or_else(|| format!("{text} is no time like 09:30"))?;
    Time::new(hour, minute, 0, 0).map_err(|_| format!("{text} is no time of the day"))
}

/// `YYYY-MM-DDTHH:MM`.
fn date_time(text: &str) -> Result<DateTime, String> {
    let shape = || format!("{text} is no date and time like 2026-12-19T00:00");
    let (date, clock) = text.split_once('T').ok_or_else(shape)?;
    let mut parts = date.splitn(3, '-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(shape());
    };
    let century = year.get(..2).and_then(digits).ok_or_else(shape)?;
    let rest = year.get(2..).and_then(digits).ok_or_else(shape)?;
    let year = i16::from(century) * 100 + i16::from(rest);
    let (month, day) = (digits(month).ok_or_else(shape)?, digits(day).ok_or_else(shape)?);
    let date = Date::new(year, month, day).map_err(|_| format!("{text} is no date of the calendar"))?;
    Ok(date.to_datetime(time(clock)?))
}

/// Two digits.
fn digits(text: &str) -> Option<i8> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
