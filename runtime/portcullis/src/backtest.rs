//! What another policy set would have said of the decisions in a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_engine::History;
use portcullis_gate::{DecisionView, HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, Outcome, Request};
use portcullis_ledger::Reader;
use serde::Serialize;
use uuid::Uuid;

use crate::past::{answer, question};
use crate::replay::{ReplayError, Stored};
use crate::{DecideOptions, HistorySource, PolicySet};

/// One recorded decision beside that of the candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The decision's id.
    pub id: Uuid,
    /// The recorded outcome.
    pub from: Outcome,
    /// The candidate's outcome; `None` where the request was erased.
    pub to: Option<Outcome>,
    /// The candidate's strictest finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Policies of the candidate that gave no answer: their faults count as their levels, so the outcome may say deny
    /// where the policy, once it works, would not.
    pub faulted: usize,
}

/// How many decisions go from one outcome to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// The recorded outcome.
    pub from: Outcome,
    /// The candidate's.
    pub to: Outcome,
    /// How many.
    pub count: u64,
    /// The first of them, with the candidate's strictest finding.
    pub examples: Vec<Compared>,
}

/// A table of transitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// Decisions that were made again.
    pub decided: u64,
    /// Decisions whose request was erased.
    pub erased: u64,
    /// Decisions in which a policy of the candidate gave no answer: they say nothing of it.
    pub faulted: u64,
    /// From the strictest recorded outcome to the most lenient.
    pub transitions: Vec<Transition>,
}

/// Examples that are kept of each transition.
const MAX_EXAMPLES: usize = 5;

/// Lets a candidate decide a recorded request, at its time, with its past.
///
/// A policy that asks what was asked then is told what was told then; any other question is answered from the ledger as of
/// that time (decisions of the same millisecond are not counted).
///
/// # Errors
/// [`ReplayError`]: there is no such decision, or the ledger is damaged.
pub fn compare(reader: &Arc<Reader>, id: Uuid, candidate: &PolicySet) -> Result<Compared, ReplayError> {
    let stored = Stored::read(reader, id)?;
    let from = stored.body()?.outcome;
    let (Some(request), Some(decision)) = (&stored.request, &stored.decision) else {
        return Ok(Compared { id, from, to: None, code: None, faulted: 0 });
    };
    let damaged = |problem: String| ReplayError::Damaged { index: stored.index, problem };
    let recorded = DecisionView::parse(decision).map_err(|error| damaged(error.to_string()))?;
    let now = recorded.now.parse::<Timestamp>().map_err(|error| damaged(error.to_string()))?;
    let request = Request::parse(request, now).map_err(|error| damaged(error.to_string()))?;
    let told = recorded.policies.iter().flat_map(|policy| policy.history.iter().cloned()).collect();
    let past: Arc<dyn History> = Arc::new(AsOf { reader: Arc::clone(reader), told });
    let options = DecideOptions { history: HistorySource::Ledger(past), ..DecideOptions::default() };
    let again = candidate.decide(&request, &options);
    let code = again.findings().next().map(|finding| finding.code.into_owned());
    Ok(Compared { id, from, to: Some(again.outcome()), code, faulted: again.evaluated().faulted })
}

impl Backtest {
    /// Sums up comparisons, in their order.
    #[must_use]
    pub fn of(compared: impl IntoIterator<Item = Compared>) -> Backtest {
        let mut backtest = Backtest::default();
        let mut transitions: BTreeMap<(Outcome, Outcome), Transition> = BTreeMap::new();
        for one in compared {
            let Some(to) = one.to else {
                backtest.erased = backtest.erased.saturating_add(1);
                continue;
            };
            backtest.decided = backtest.decided.saturating_add(1);
            backtest.faulted = backtest.faulted.saturating_add(u64::from(one.faulted > 0));
            let transition = transitions.entry((one.from, to)).or_insert_with(|| Transition {
                from: one.from,
                to,
                count: 0,
                examples: Vec::new(),
            });
            transition.count = transition.count.saturating_add(1);
            if one.from != to && transition.examples.len() < MAX_EXAMPLES {
                transition.examples.push(one);
            }
        }
        backtest.transitions = transitions.into_values().rev().collect();
        backtest
    }

    /// Transitions to a more lenient outcome.
    pub fn more_lenient(&self) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(|transition| transition.to < transition.from)
    }
}

/// The ledger as it was at a decision.
struct AsOf {
    reader: Arc<Reader>,
    told: Vec<HistoryCall>,
}

impl History for AsOf {
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> {
        if let Some(call) = self.told.iter().find(|call| call.query == *query) {
            return call.answer.clone();
        }
        let mut question = question(query);
        question.until = question.until.checked_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN);
        let read = self.reader.history(&question);
        read.map(answer).map_err(|error| HistoryUnavailable { reason: error.to_string() })
    }
}
