//! The ledger as the source of what policies ask of the past.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_engine::History;
use portcullis_gate::{Decision, HistoryAnswer, HistoryQuery, HistoryUnavailable};
use portcullis_ledger::Ledger;
use portcullis_ledger::store::{HistoryAnswer as Answer, HistoryQuery as Question};

/// Answers from what is committed.
pub(crate) struct LedgerHistory {
    ledger: Arc<Ledger>,
}

impl LedgerHistory {
    pub(crate) fn new(ledger: Arc<Ledger>) -> LedgerHistory {
        LedgerHistory { ledger }
    }
}

impl History for LedgerHistory {
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> {
        let read = self.ledger.reader().and_then(|reader| reader.history(&question(query)));
        read.map(answer).map_err(|error| HistoryUnavailable { reason: error.to_string() })
    }
}

/// What a decision rests on: the ledger asks it again when it appends, so that no two decisions rest on the same past when
/// one of them is part of the other's. Of two requests that are decided at once the later one may be recorded first; so the
/// windows have no end here, and whoever counted without it counts anew.
pub(crate) fn asked(decision: &Decision) -> Vec<(Question, Answer)> {
    let calls = decision.policies().flat_map(|policy| policy.history.into_owned());
    let answered = calls.filter_map(|call| {
        let question = Question { until: Timestamp::MAX, ..question(&call.query) };
        Some((question, ledgers(&call.answer.ok()?)))
    });
    answered.collect()
}

/// A policy's question in the ledger's terms: a window without its first instant and with its last, as one with its first
/// and without its last. Both count whole milliseconds.
pub(crate) fn question(query: &HistoryQuery) -> Question {
    let next = |time: Timestamp| time.checked_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX);
    Question {
        action: query.action.clone(),
        resource_type: query.resource_type.clone(),
        resource_id: query.resource_id.clone(),
        outcomes: query.outcomes.clone(),
        since: next(query.since()),
        until: next(query.until),
    }
}

pub(crate) fn answer(answer: Answer) -> HistoryAnswer {
    HistoryAnswer { count: answer.count, oldest: answer.oldest, latest: answer.latest }
}

fn ledgers(answer: &HistoryAnswer) -> Answer {
    Answer { count: answer.count, oldest: answer.oldest, latest: answer.latest }
}
