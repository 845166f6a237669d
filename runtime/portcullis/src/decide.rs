use std::sync::Arc;

use portcullis_engine::{Evaluation, History, Policy, Turn};
use portcullis_gate::{Call, Decision, Faulted, Mask, PolicyRun, Request, Said, Selection, decide, select};
use uuid::Uuid;

use crate::{HistorySource, PolicySet};

/// What the caller may say about a decision. Nothing of it but the masks can change an outcome.
#[derive(Clone, Debug, Default)]
pub struct DecideOptions {
    /// The caller's id for the change that is being decided; recorded.
    pub correlation_id: Option<String>,
    /// The decision that this one takes the place of; recorded.
    pub supersedes: Option<Uuid>,
    /// Under the same key, the same request gets the same decision, and another request is refused. For a
    /// [`Gate`](crate::Gate) with a ledger; others do not look at it.
    pub idempotency_key: Option<String>,
    /// What a door masks of its payload, beside what the set's masks name. For a [`Gate`](crate::Gate), which masks before
    /// anything else; others do not look at it.
    pub masks: Vec<Mask>,
}

impl PolicySet {
    /// Decides a request: selects the policies that it concerns, evaluates each in a sandbox of its own, combines
    /// what they said, answers. What they ask of past decisions is answered from `history`.
    ///
    /// It blocks until the engine has room for one more evaluation, and while policies run. A guest may use 512 KiB of the
    /// calling thread's stack.
    ///
    /// There is no error: whatever goes wrong inside is a fault in the decision, and a fault never lets a request
    /// go on.
    #[must_use]
    pub fn decide(&self, request: &Request, options: &DecideOptions, history: &HistorySource) -> Decision {
        let selection = select(self.pinned(), request);
        let runs = self.evaluate(&self.engine().turn(), &selection, history);
        let call =
            Call { id: Uuid::now_v7(), correlation_id: options.correlation_id.clone(), supersedes: options.supersedes };
        decide(selection, call, runs)
    }

    fn evaluate(&self, turn: &Turn<'_>, selection: &Selection, history: &HistorySource) -> Vec<Option<PolicyRun>> {
        let names = self.pinned().definition.policies().iter().map(|spec| spec.name.as_str());
        self.policies()
            .iter()
            .zip(names)
            .enumerate()
            .map(|(place, (policy, name))| {
                selection.runs(place).then(|| run(turn, policy, selection.request(), history.of(name)))
            })
            .collect()
    }
}

fn run(
    turn: &Turn<'_>,
    policy: &Result<Policy, Faulted>,
    request: &Request,
    history: Option<Arc<dyn History>>,
) -> PolicyRun {
    match policy {
        Ok(policy) => {
            let Evaluation { said, fuel, duration, history, .. } = policy.evaluate_during(turn, request, history);
            PolicyRun { said, fuel, duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), history }
        }
        Err(faulted) => PolicyRun { said: Said::Fault(faulted.clone()), fuel: 0, duration_us: 0, history: Vec::new() },
    }
}
