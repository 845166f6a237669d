//! What another policy set would have said of the decisions in a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_engine::History;
use portcullis_gate::{
    DecisionView, HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, Outcome, Request, Sha256,
};
use portcullis_ledger::Reader;
use serde::Serialize;
use uuid::Uuid;

use crate::masks::{key_of_this_run, mask_again};
use crate::past::{answer, question};
use crate::replay::{ReplayError, Stored, without_host_failures};
use crate::{Change, DecideOptions, HistorySource, PolicySet, RequirementsChange};

/// One recorded decision beside that of the candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The decision's id.
    pub id: Uuid,
    /// The recorded outcome.
    pub from: Outcome,
    /// The candidate's outcome; `None` where there is none.
    pub to: Option<Outcome>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Undecided>,
    /// How what is asked for changes before the request may go on; `None` where there is no outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirements: Option<RequirementsChange>,
    /// The candidate's strictest finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Policies of the candidate that gave no answer: their faults count as their levels, so the outcome may say deny
    /// where the policy, once it works, would not.
    pub faulted: usize,
}

/// Why a candidate does not decide a recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undecided {
    /// The request was erased.
    Erased,
    /// The candidate masks what makes it a request: such a one would get no decision, and nothing would proceed.
    Masked,
    /// The recorded outcome is stricter than the candidate's because the host failed then (a full disk, a clock): no policy
    /// said so, and what it would have said is not known.
    HostFailed,
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
    /// How many of them ask for less than was asked for, before the request may go on.
    pub relaxed: u64,
    /// How many of them ask for more.
    pub stricter: u64,
    /// The first of those that change anything, with the candidate's strictest finding.
    pub examples: Vec<Compared>,
}

/// A table of transitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// Decisions that were made again.
    pub decided: u64,
    /// Decisions whose request was erased.
    pub erased: u64,
    /// Requests that the candidate would not decide, because its masks take away what makes them requests.
    pub masked: u64,
    /// Decisions that are stricter than the candidate's only because the host failed when they were made.
    pub host_failed: u64,
    /// Decisions in which a policy of the candidate gave no answer: they say nothing of it.
    pub faulted: u64,
    /// From the strictest recorded outcome to the most lenient.
    pub transitions: Vec<Transition>,
}

/// Examples that are kept of each transition.
const MAX_EXAMPLES: usize = 5;

/// Lets a candidate decide recorded requests. Shared by any number of threads.
pub struct Backtester<'c> {
    reader: Arc<Reader>,
    candidate: &'c PolicySet,
    masking: Sha256,
}

impl<'c> Backtester<'c> {
    /// A backtest of a candidate against the decisions of one ledger.
    #[must_use]
    pub fn new(reader: Arc<Reader>, candidate: &'c PolicySet) -> Backtester<'c> {
        Backtester { reader, candidate, masking: key_of_this_run() }
    }

    /// Lets the candidate decide a recorded request, at its time, with its past, masked as the candidate masks.
    ///
    /// A policy that asks what was asked then is told what was told then; any other question is answered from the ledger as
    /// of that time (decisions of the same millisecond are not counted). What the recorded set masked stays masked, for a
    /// candidate that would not mask it too.
    ///
    /// # Errors
    /// [`ReplayError`]: there is no such decision, or the ledger is damaged.
    pub fn compare(&self, id: Uuid) -> Result<Compared, ReplayError> {
        let stored = Stored::read(&self.reader, id)?;
        let from = stored.body()?.outcome;
        let undecided =
            |why| Compared { id, from, to: None, undecided: Some(why), requirements: None, code: None, faulted: 0 };
        let (Some(request), Some(decision)) = (&stored.request, &stored.decision) else {
            return Ok(undecided(Undecided::Erased));
        };
        let damaged = |problem: String| ReplayError::Damaged { index: stored.index, problem };
        let recorded = DecisionView::parse(decision).map_err(|error| damaged(error.to_string()))?;
        let now = recorded.now.parse::<Timestamp>().map_err(|error| damaged(error.to_string()))?;
        let request = Request::parse(request, now).map_err(|error| damaged(error.to_string()))?;
        let Ok(request) = mask_again(request, self.candidate.pinned().definition.masks(), &self.masking) else {
            return Ok(undecided(Undecided::Masked));
        };
        let told = recorded.policies.iter().flat_map(|policy| policy.history.iter().cloned()).collect();
        let past: Arc<dyn History> = Arc::new(AsOf { reader: Arc::clone(&self.reader), told });
        let again = self.candidate.decide(&request, &DecideOptions::default(), &HistorySource::Ledger(past));
        if again.outcome() < from && without_host_failures(&recorded).is_some_and(|others| again.outcome() >= others) {
            return Ok(undecided(Undecided::HostFailed));
        }
        let change = Change::between(&recorded, &again.view());
        Ok(Compared {
            id,
            from,
            to: Some(again.outcome()),
            undecided: None,
            requirements: Some(change.requirements),
            code: again.findings().next().map(|finding| finding.code.into_owned()),
            faulted: again.evaluated().faulted,
        })
    }
}

impl Backtest {
    /// Sums up comparisons, in their order.
    #[must_use]
    pub fn of(compared: impl IntoIterator<Item = Compared>) -> Backtest {
        let mut backtest = Backtest::default();
        let mut transitions: BTreeMap<(Outcome, Outcome), Transition> = BTreeMap::new();
        for one in compared {
            let Some(to) = one.to else {
                let count = match one.undecided {
                    Some(Undecided::Masked) => &mut backtest.masked,
                    Some(Undecided::HostFailed) => &mut backtest.host_failed,
                    Some(Undecided::Erased) | None => &mut backtest.erased,
                };
                *count = count.saturating_add(1);
                continue;
            };
            backtest.decided = backtest.decided.saturating_add(1);
            backtest.faulted = backtest.faulted.saturating_add(u64::from(one.faulted > 0));
            let transition = transitions.entry((one.from, to)).or_insert_with(|| Transition {
                from: one.from,
                to,
                count: 0,
                relaxed: 0,
                stricter: 0,
                examples: Vec::new(),
            });
            transition.count = transition.count.saturating_add(1);
            let (relaxed, stricter) = match one.requirements {
                Some(RequirementsChange::Relaxed) => (1, 0),
                Some(RequirementsChange::Stricter) => (0, 1),
                Some(RequirementsChange::Same) | None => (0, 0),
            };
            transition.relaxed = transition.relaxed.saturating_add(relaxed);
            transition.stricter = transition.stricter.saturating_add(stricter);
            let changes = one.from != to || relaxed > 0 || stricter > 0;
            if changes && transition.examples.len() < MAX_EXAMPLES {
                transition.examples.push(one);
            }
        }
        backtest.transitions = transitions.into_values().rev().collect();
        backtest
    }

    /// Whether it says nothing of the candidate, or not all: no decision was made again, or one in which a policy of the
    /// candidate failed.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.decided == 0 || self.faulted > 0
    }

    /// Transitions in which decisions become more lenient.
    pub fn more_lenient(&self) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(|transition| transition.more_lenient() > 0)
    }
}

impl Transition {
    /// How many of its decisions become more lenient: all, where the outcome does; under the same outcome those that ask for
    /// less.
    #[must_use]
    pub fn more_lenient(&self) -> u64 {
        match self.to.cmp(&self.from) {
            std::cmp::Ordering::Less => self.count,
            std::cmp::Ordering::Equal => self.relaxed,
            std::cmp::Ordering::Greater => 0,
        }
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
