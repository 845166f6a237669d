//! At most so many deployments within so many minutes, counted in the ledger's history.
//!
//! What is counted are past decisions, not what became of them: a deployment that was allowed and never carried out counts
//! too. Where the history cannot be read, the policy faults; nothing is taken for zero.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod settings;

use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

use settings::{Limit, Reached, Scope, Settings};

#[derive(Inputs)]
struct Inputs {
    #[input("/action/name")]
    action: String,
    #[input("/resource/type")]
    resource_type: String,
    #[input("/resource/id")]
    resource_id: String,
}

#[policy(
    name = "sample.deploy-rate",
    summary = "At most so many deployments within so many minutes.",
    codes(
        WITHIN_LIMITS = "sample.deploy-rate.within-limits": "Every limit for this action and resource leaves room for one more.",
        LIMIT_REACHED = "sample.deploy-rate.limit-reached": "A limit for this action and resource is used up.",
    ),
    history = "Counts past decisions about the same action and resource, as the settings' limits say."
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Answer {
    let limits = settings.limits.iter().filter(|limit| limit.concerns(&input.action, &input.resource_type));
    let standings: Vec<Standing<'_>> = limits.map(|limit| Standing::of(limit, input)).collect();
    if standings.is_empty() {
        return abstain();
    }
    let left = standings.iter().map(Standing::left).min().unwrap_or_default();
    let message = format!("the limits leave room for {left} more, this one included");
    let findings = standings.iter().filter(|standing| standing.left() == 0).map(|standing| standing.finding(input));
    Answer::findings(findings.collect()).or(allow(WITHIN_LIMITS, message))
}

/// A limit, and how much of it is used.
struct Standing<'s> {
    limit: &'s Limit,
    past: Past,
}

impl<'s> Standing<'s> {
    fn of(limit: &'s Limit, input: &Inputs) -> Standing<'s> {
        let mut query = Query::within_minutes(limit.per_minutes);
        if let Some(action) = &limit.action {
            query = query.action(action);
        }
        query = match limit.count {
            Scope::Resource => query.resource(&input.resource_type, &input.resource_id),
            Scope::Type => query.resource_type(&input.resource_type),
            Scope::Everything => query,
        };
        let query = limit.outcomes.iter().fold(query, |query, outcome| query.outcome(*outcome));
        Standing { limit, past: history(&query) }
    }

    /// How many more the limit allows now.
    fn left(&self) -> u64 {
        u64::from(self.limit.at_most).saturating_sub(self.past.count)
    }

    fn finding(&self, input: &Inputs) -> Finding {
        let Limit { at_most, per_minutes, .. } = self.limit;
        let what = match self.limit.count {
            Scope::Resource => format!("{} {}", quote(&input.resource_type), quote(&input.resource_id)),
            Scope::Type => format!("every {}", quote(&input.resource_type)),
            Scope::Everything => "everything".to_owned(),
        };
        let action = self.limit.action.as_deref().map_or_else(|| "any action".to_owned(), quote);
        let message = format!(
            "at most {at_most} within {per_minutes} minutes for {action} of {what}; there were {}",
            self.past.count
        );
        match &self.limit.reached {
            Reached::Defer => {
                let finding = defer(LIMIT_REACHED, message);
                match self.frees_at() {
                    Some(time) => finding.wait_until(time.to_string()),
                    None => finding,
                }
            }
            Reached::Deny => deny(LIMIT_REACHED, message),
            Reached::Escalate => escalate(LIMIT_REACHED, message).approve(&self.limit.roles, self.limit.approvals),
        }
        .at(if self.limit.count == Scope::Resource { "/resource/id" } else { "/resource/type" })
    }

    /// When the oldest of those that count falls out of the window.
    fn frees_at(&self) -> Option<Time> {
        self.past.oldest?.plus_minutes(i64::from(self.limit.per_minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
