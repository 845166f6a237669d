//! What a module did in the decisions that a ledger holds.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use portcullis_gate::{DecisionView, PolicySaid, Sha256};
use portcullis_ledger::Reader;
use serde::Serialize;
use uuid::Uuid;

use crate::ReplayError;
use crate::replay::Stored;

/// What a module did in one decision. A set may run one module as several policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// When.
    pub time: Option<Timestamp>,
    /// The set that decided.
    pub set: Option<Sha256>,
    /// Whether the request and the decision were erased: then nothing more is known.
    pub erased: bool,
    /// For each time that it was asked: its answer's name (an outcome, `abstain`, `fault`), the codes, the fuel.
    pub answers: Vec<(&'static str, Vec<String>, u64)>,
}

/// What a module did in all decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Decisions in which it was asked.
    pub decisions: u64,
    /// More of them that were erased.
    pub erased: u64,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// Different policy sets that ran it.
    pub sets: u64,
    /// How often it said what: outcomes as it said them, `abstain`, `fault`.
    pub said: BTreeMap<&'static str, u64>,
    /// How often each code was among its findings or faults; the 50 most frequent.
    pub codes: Vec<CodeCount>,
    /// How many codes there are.
    pub codes_total: u64,
    /// Fuel of its answers, faults included; `None` where there are none.
    pub fuel: Option<Percentiles>,
}

/// How often a code was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The code.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// Percentiles by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many figures.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Nine of ten are at most this.
    pub p90: u64,
    /// 99 of 100 are at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Percentiles {
    /// Of these figures; `None` where there are none.
    #[must_use]
    pub fn of(mut figures: Vec<u64>) -> Option<Percentiles> {
        figures.sort_unstable();
        let at = |percent: usize| {
            let rank = figures.len().saturating_mul(percent).div_ceil(100).max(1);
            figures.get(rank.saturating_sub(1)).copied()
        };
        let count = u64::try_from(figures.len()).unwrap_or(u64::MAX);
        Some(Percentiles { count, p50: at(50)?, p90: at(90)?, p99: at(99)?, max: *figures.last()? })
    }
}

impl Used {
    /// Reads what the module did in a decision; `None` where it was not asked.
    ///
    /// # Errors
    /// [`ReplayError`]: there is no such decision, or the ledger is damaged.
    pub fn read(reader: &Reader, id: Uuid, module: Sha256) -> Result<Option<Used>, ReplayError> {
        let stored = Stored::read(reader, id)?;
        let body = stored.body()?;
        let listed = body.policies.iter().any(|policy| policy.module_sha256 == Some(module));
        if !listed && body.left_out.policies == 0 {
            return Ok(None);
        }
        let used = Used {
            time: Some(body.now.timestamp()),
            set: Some(body.policy_set.sha256),
            erased: stored.decision.is_none(),
            answers: Vec::new(),
        };
        let Some(decision) = &stored.decision else { return Ok(listed.then_some(used)) };
        let damaged = |problem: String| ReplayError::Damaged { index: stored.index, problem };
        let view = DecisionView::parse(decision).map_err(|error| damaged(error.to_string()))?;
        let asked = view
            .policies
            .iter()
            .filter(|policy| policy.module_sha256 == Some(module) && policy.said != PolicySaid::Skipped);
        let answers: Vec<_> = asked
            .map(|policy| {
                let codes = policy.findings.iter().map(|finding| finding.code.to_string()).collect();
                (policy.said.as_str(), codes, policy.fuel)
            })
            .collect();
        Ok((!answers.is_empty()).then_some(Used { answers, ..used }))
    }
}

impl Usage {
    /// Sums up.
    #[must_use]
    pub fn of(all: impl IntoIterator<Item = Used>) -> Usage {
        let mut usage = Usage::default();
        let (mut fuel, mut sets, mut codes) = (Vec::new(), HashSet::new(), BTreeMap::<String, u64>::new());
        for used in all {
            let count = if used.erased { &mut usage.erased } else { &mut usage.decisions };
            *count = count.saturating_add(1);
            sets.extend(used.set);
            usage.first = usage.first.into_iter().chain(used.time).min();
            usage.last = usage.last.into_iter().chain(used.time).max();
            for (said, given, burnt) in used.answers {
                let count = usage.said.entry(said).or_default();
                *count = count.saturating_add(1);
                fuel.push(burnt);
                for code in given {
                    let count = codes.entry(code).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        usage.sets = u64::try_from(sets.len()).unwrap_or(u64::MAX);
        usage.codes_total = u64::try_from(codes.len()).unwrap_or(u64::MAX);
        let mut codes: Vec<_> = codes.into_iter().map(|(code, count)| CodeCount { code, count }).collect();
        codes.sort_by_key(|one| std::cmp::Reverse(one.count));
        codes.truncate(MAX_CODES);
        usage.codes = codes;
        usage.fuel = Percentiles::of(fuel);
        usage
    }
}

const MAX_CODES: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_there() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        assert_eq!(Percentiles::of(vec![7]), Some(Percentiles { count: 1, p50: 7, p90: 7, p99: 7, max: 7 }));
        let hundred = Percentiles::of((1..=100).rev().collect());
        assert_eq!(hundred, Some(Percentiles { count: 100, p50: 50, p90: 90, p99: 99, max: 100 }));
        let three = Percentiles::of(vec![3, 1, 2]);
        assert_eq!(three, Some(Percentiles { count: 3, p50: 2, p90: 3, p99: 3, max: 3 }));
    }
}
