//! Where a policy's questions about past decisions are answered: by the ledger, or by a recorded decision.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_gate::{HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, PastDecision};

/// The ledger's history, as policies read it through the import `history`.
///
/// Called on the evaluating thread while the guest waits: an implementation bounds its own time. What it takes counts
/// against the policy's time limit as soon as the guest goes on.
pub trait History: Send + Sync {
    /// Answers a question, whose bounds have been checked. What every ledger has to answer is
    /// [`HistoryQuery::answer_from`]; the decision that is being made is not counted.
    ///
    /// # Errors
    /// It cannot be read: the policy faults. Never an answer of zero instead.
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable>;
}

/// A ledger that holds just these decisions: for tests of policies.
impl History for Vec<PastDecision> {
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> {
        Ok(query.answer_from(self))
    }
}

/// The answers that one policy got in a recorded decision, for replaying it: in order, each for the question that it was
/// given to. A policy that asks anything else, or more, faults.
#[derive(Debug)]
pub struct RecordedHistory {
    calls: Vec<HistoryCall>,
    next: AtomicUsize,
}

impl RecordedHistory {
    /// What [`Evaluation::history`](crate::Evaluation::history) held. For one evaluation.
    #[must_use]
    pub fn new(calls: Vec<HistoryCall>) -> RecordedHistory {
        RecordedHistory { calls, next: AtomicUsize::new(0) }
    }
}

impl History for RecordedHistory {
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> {
        let reason = match self.calls.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            Some(call) if call.query == *query => return call.answer.clone(),
            Some(_) => "the policy asks otherwise than in the recorded decision",
            None => "the policy asks more than in the recorded decision",
        };
        Err(HistoryUnavailable { reason: reason.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(within_minutes: u32) -> HistoryQuery {
        HistoryQuery {
            action: None,
            resource_type: None,
            resource_id: None,
            outcomes: Vec::new(),
            within_minutes,
            until: "2026-03-14T09:30:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_recorded_history_answers_in_order_and_nothing_else() {
        let unavailable = HistoryUnavailable { reason: "it is being repaired".into() };
        let recorded = || {
            RecordedHistory::new(vec![
                HistoryCall { query: query(1), answer: Ok(HistoryAnswer::default()) },
                HistoryCall { query: query(2), answer: Err(unavailable.clone()) },
            ])
        };
        let history = recorded();
        assert_eq!(history.answer(&query(1)), Ok(HistoryAnswer::default()));
        assert_eq!(history.answer(&query(2)), Err(unavailable.clone()));
        assert!(history.answer(&query(2)).unwrap_err().reason.contains("more than"));

        let history = recorded();
        assert!(history.answer(&query(2)).unwrap_err().reason.contains("otherwise"));
        let later = HistoryQuery { until: "2026-03-14T09:30:00.001Z".parse().unwrap(), ..query(1) };
        assert!(recorded().answer(&later).unwrap_err().reason.contains("otherwise"));
    }
}
