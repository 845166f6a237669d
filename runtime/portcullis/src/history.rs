use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::{History, RecordedHistory};
use portcullis_gate::{DecisionView, HistoryCall};

/// Where policies get the ledger's history from. Without any, a policy that asks for it faults.
#[derive(Clone, Default)]
pub enum HistorySource {
    /// There is none.
    #[default]
    None,
    /// A ledger.
    Ledger(Arc<dyn History>),
    /// What each policy was answered in a recorded decision, by the policy's name: for replaying it.
    Recorded(BTreeMap<String, Vec<HistoryCall>>),
}

impl HistorySource {
    /// What the policies of a decision were answered.
    #[must_use]
    pub fn recorded(decision: &DecisionView<'_>) -> HistorySource {
        let calls = decision.policies.iter().map(|policy| (policy.name.to_string(), policy.history.to_vec()));
        HistorySource::Recorded(calls.collect())
    }

    /// What one evaluation of that policy is given. A policy that the recorded decision does not name was told nothing.
    pub(crate) fn of(&self, policy: &str) -> Option<Arc<dyn History>> {
        match self {
            HistorySource::None => None,
            HistorySource::Ledger(history) => Some(Arc::clone(history)),
            HistorySource::Recorded(calls) => calls.get(policy).map(|calls| {
                let history: Arc<dyn History> = Arc::new(RecordedHistory::new(calls.clone()));
                history
            }),
        }
    }
}

impl From<Arc<dyn History>> for HistorySource {
    fn from(history: Arc<dyn History>) -> HistorySource {
        HistorySource::Ledger(history)
    }
}

impl std::fmt::Debug for HistorySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HistorySource::None => f.write_str("None"),
            HistorySource::Ledger(_) => f.write_str("Ledger"),
            HistorySource::Recorded(calls) => f.debug_tuple("Recorded").field(calls).finish(),
        }
    }
}
