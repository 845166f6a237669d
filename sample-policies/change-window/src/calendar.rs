//! What a calendar means: whether an environment is open at an instant, and when it opens next.
//!
//! Where a zone's clock is turned back or forward, the calendar errs on the side of closed: a window opens at the last
//! instant at which the clock shows its `from` and closes at the first at which it shows its `to`; a freeze starts at
//! the first and ends at the last. A window inside a repeated hour does not open on that day.

use std::rc::Rc;

use portcullis_policy::time::{Time, Weekday};

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
    /// Minutes after midnight.
    from: i64,
    /// Minutes after the same midnight: more than a day where it closes on the next.
    to: i64,
    zone: Rc<Zone>,
    environments: Option<Vec<String>>,
}

/// A span in which nothing changes.
#[derive(Debug)]
pub struct Freeze {
    /// For messages.
    pub name: String,
    /// The first instant after it.
    pub end: Time,
    /// No role overrides it.
    pub hard: bool,
    start: Time,
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
        let mut zones = Vec::new();
        // The calendar's own zones come after UTC and count first.
        for (name, rule) in
            [("UTC", "UTC0")].into_iter().chain(document.zones.iter().map(|(name, rule)| (&**name, &**rule)))
        {
            let zone = Zone::parse(name, rule);
            let zone =
                zone.ok_or_else(|| format!("/zones: {name} is no POSIX TZ string like CET-1CEST,M3.5.0,M10.5.0/3"))?;
            zones.push(Rc::new(zone));
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
    pub fn standing(&self, environment: &str, now: Time, overrides: Overrides) -> Standing<'_> {
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
    pub fn next_opening(&self, environment: &str, now: Time, overrides: Overrides) -> Option<Time> {
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
    pub fn local(&self, environment: &str, at: Time) -> Option<String> {
        let windows = self.windows(environment).map(|window| &window.zone);
        let freezes = self.freezes.iter().filter(|freeze| covers(freeze.environments.as_deref(), environment));
        let zone = windows.chain(freezes.map(|freeze| &freeze.zone)).next()?;
        let wall = zone.wall(at)?;
        let (year, month, day) = wall.date();
        let (hour, minute) = (wall.minute_of_day() / 60, wall.minute_of_day() % 60);
        let (weekday, zone) = (wall.weekday().as_str(), zone.name());
        Some(format!("{weekday} {year}-{month:02}-{day:02} {hour:02}:{minute:02} {zone}"))
    }

    fn windows(&self, environment: &str) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| covers(window.environments.as_deref(), environment))
    }
}

impl Window {
    fn read(document: document::Window, zones: &[Rc<Zone>]) -> Result<Window, String> {
        let days = document.days.iter().map(|name| day(name)).collect::<Result<Vec<_>, _>>()?;
        let from = minutes(&document.from)?;
        let to = if document.to == "24:00" { DAY_MINUTES } else { minutes(&document.to)? };
        if from == to {
            return Err(format!("opens and closes at {}; a whole day is 00:00 to 24:00", document.from));
        }
        check_environments(document.environments.as_deref())?;
        let name = document.name.unwrap_or_else(|| format!("{} to {}", document.from, document.to));
        let zone = find(zones, &document.zone)?;
        let to = if to < from { to + DAY_MINUTES } else { to };
        Ok(Window { name, days, from, to, zone, environments: document.environments })
    }

    fn holds(&self, now: Time) -> bool {
        let Some(today) = self.midnight(now) else { return false };
        let opened = [today.plus_minutes(-DAY_MINUTES), Some(today)];
        opened.into_iter().flatten().filter_map(|day| self.opening(day)).any(|(start, end)| start <= now && now < end)
    }

    /// The next start after `at`. Two weeks are enough for one that a turned clock swallows on its only day.
    fn next_start(&self, at: Time) -> Option<Time> {
        let mut day = self.midnight(at)?;
        for _ in 0..=14 {
            if let Some((start, _)) = self.opening(day).filter(|(start, _)| *start > at) {
                return Some(start);
            }
            day = day.plus_minutes(DAY_MINUTES)?;
        }
        None
    }

    /// The span that opens on the day that starts at a midnight of the wall: the first instant, and the first after it.
    fn opening(&self, midnight: Time) -> Option<(Time, Time)> {
        if !self.days.contains(&midnight.weekday()) {
            return None;
        }
        let start = self.zone.last(midnight.plus_minutes(self.from)?)?;
        let end = self.zone.first(midnight.plus_minutes(self.to)?)?;
        (start < end).then_some((start, end))
    }

    /// The last midnight that the wall has shown at an instant.
    fn midnight(&self, at: Time) -> Option<Time> {
        let day = DAY_MINUTES * 60_000;
        Time::from_unix_ms(self.zone.wall(at)?.unix_ms().div_euclid(day) * day)
    }
}

impl Freeze {
    fn read(document: document::Freeze, zones: &[Rc<Zone>]) -> Result<Freeze, String> {
        let zone = find(zones, &document.zone)?;
        let (from, to) = (wall(&document.from)?, wall(&document.to)?);
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

    fn holds(&self, environment: &str, at: Time) -> bool {
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
    let zone = zones.iter().rev().find(|zone| zone.name() == name);
    zone.cloned().ok_or_else(|| format!("zone {name} is not among the calendar's `zones`"))
}

fn day(name: &str) -> Result<Weekday, String> {
    let day = DAYS.iter().find(|day| day.as_str().get(..3) == Some(name));
    day.copied().ok_or_else(|| format!("{name} is no day; days are mon, tue, wed, thu, fri, sat, sun"))
}

/// Minutes after midnight from `HH:MM`, up to `23:59`.
fn minutes(text: &str) -> Result<i64, String> {
    let time = Time::parse(&format!("1970-01-01T{text}:00Z")).filter(|_| text.len() == 5);
    time.map(Time::minute_of_day).ok_or_else(|| format!("{text} is no time of the day like 09:30"))
}

/// What the wall shows, from `YYYY-MM-DDTHH:MM`.
fn wall(text: &str) -> Result<Time, String> {
    let time = Time::parse(&format!("{text}:00Z")).filter(|_| text.len() == 16);
    time.ok_or_else(|| format!("{text} is no date and time like 2026-12-19T00:00"))
}

const DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

const DAY_MINUTES: i64 = 24 * 60;
