use portcullis_engine::{Evaluation, Policy};
use portcullis_gate::{Call, Decision, Faulted, PolicyRun, Request, Said, Selection, decide, select};
use uuid::Uuid;

use crate::PolicySet;

/// What the caller may say about a decision. None of it can change an outcome.
#[derive(Clone, Debug, Default)]
pub struct DecideOptions {
    /// The caller's id for the change that is being decided; recorded.
    pub correlation_id: Option<String>,
    /// The decision that this one takes the place of; recorded.
    pub supersedes: Option<Uuid>,
}

impl PolicySet {
    /// Decides a request: selects the policies that it concerns, evaluates each in a sandbox of its own, combines
    /// what they said, answers.
    ///
    /// There is no error: whatever goes wrong inside is a fault in the decision, and a fault never lets a request
    /// go on.
    #[must_use]
    pub fn decide(&self, request: &Request, options: &DecideOptions) -> Decision {
        let selection = select(self.pinned(), request);
        let runs = self.evaluate(&selection);
        let call =
            Call { id: Uuid::now_v7(), correlation_id: options.correlation_id.clone(), supersedes: options.supersedes };
        decide(selection, call, runs)
    }

    fn evaluate(&self, selection: &Selection) -> Vec<Option<PolicyRun>> {
        self.policies()
            .iter()
            .enumerate()
            .map(|(place, policy)| selection.runs(place).then(|| run(policy, selection.request())))
            .collect()
    }
}

fn run(policy: &Result<Policy, Faulted>, request: &Request) -> PolicyRun {
    match policy {
        Ok(policy) => {
            let Evaluation { said, fuel, duration, .. } = policy.evaluate(request);
            PolicyRun { said, fuel, duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) }
        }
        Err(faulted) => PolicyRun { said: Said::Fault(faulted.clone()), fuel: 0, duration_us: 0 },
    }
}
