//! Measuring many cases in one run, interleaved: each round gives every case a short turn, in an order that rotates, so
//! that whatever the machine does meanwhile falls on all of them alike. Every call is timed by itself.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;

/// One thing to measure.
pub struct Case<'a> {
    /// Unique; what `bench.json` calls it.
    pub name: String,
    /// Cases of one group are shown together.
    pub group: String,
    work: Box<dyn FnMut() + 'a>,
    after: Box<dyn FnMut() + 'a>,
    samples_ns: Vec<u64>,
}

/// What came out for one case.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The case.
    pub name: String,
    /// Median of one call, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile of one call, in nanoseconds.
    pub p99_ns: u64,
    /// The case's group.
    pub group: String,
}

impl<'a> Case<'a> {
    /// A case; `work` is one call, its result kept from being optimised away by the caller.
    pub fn new(group: &str, name: &str, work: impl FnMut() + 'a) -> Case<'a> {
        Case {
            name: name.into(),
            group: group.into(),
            work: Box::new(work),
            after: Box::new(|| ()),
            samples_ns: Vec::new(),
        }
    }

    /// What is done after each turn, unmeasured: ends what would disturb the next case.
    #[must_use]
    pub fn after_turn(self, after: impl FnMut() + 'a) -> Case<'a> {
        Case { after: Box::new(after), ..self }
    }

    fn turn(&mut self, length: Duration) {
        let end = Instant::now() + length;
        // The first calls of a turn find cold caches, which the turn before left behind; they are not this case's.
        for _ in 0..3 {
            (self.work)();
        }
        loop {
            let started = Instant::now();
            (self.work)();
            let finished = Instant::now();
            self.samples_ns.push(u64::try_from((finished - started).as_nanos()).unwrap_or(u64::MAX));
            if finished >= end {
                break;
            }
        }
        (self.after)();
    }

    fn figure(mut self) -> Figure {
        self.samples_ns.sort_unstable();
        let at = |percent: usize| {
            let index = self.samples_ns.len().saturating_sub(1) * percent / 100;
            self.samples_ns.get(index).copied().unwrap_or(0)
        };
        Figure { p50_ns: at(50), p99_ns: at(99), name: self.name, group: self.group }
    }
}

/// Measures all cases, `rounds` turns of `turn` each. `progress` is told after each round.
pub fn measure(
    mut cases: Vec<Case<'_>>,
    rounds: usize,
    turn: Duration,
    mut progress: impl FnMut(usize),
) -> Vec<Figure> {
    let count = cases.len();
    for case in &mut cases {
        case.turn(turn);
        case.samples_ns.clear();
    }
    for round in 0..rounds {
        for step in 0..count {
            // 7 and most counts share no factor, so the neighbours change from round to round.
            let place = (step * 7 + round) % count;
            if let Some(case) = cases.get_mut(place) {
                case.turn(turn);
            }
        }
        progress(round + 1);
    }
    cases.into_iter().map(Case::figure).collect()
}

/// The figures as a Markdown table, each with its ratio to the `base` of its group's row, where there is one.
#[must_use]
pub fn table(figures: &[Figure], base: impl Fn(&Figure) -> Option<String>) -> String {
    let median = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.p50_ns);
    let mut out = String::from("| group | case | p50 µs | p99 µs | ratio |\n|---|---|--:|--:|--:|\n");
    for figure in figures {
        let ratio = base(figure).and_then(|name| {
            let base = median(&name)?;
            Some(format!("{:.2}x {name}", figure.p50_ns as f64 / base.max(1) as f64))
        });
        _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            figure.group,
            figure.name,
            micros(figure.p50_ns),
            micros(figure.p99_ns),
            ratio.unwrap_or_default()
        );
    }
    out
}

fn micros(ns: u64) -> String {
    let micros = ns as f64 / 1000.0;
    if micros < 100.0 { format!("{micros:.2}") } else { format!("{micros:.0}") }
}
