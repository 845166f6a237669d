//! What a change may cost: more than the cap is denied, more than a threshold is approved by people.
//!
//! The cost is the sum of the fields that the settings name. All of them have to be there: a cost that is not known is not
//! a cost of nothing. The caller says the figures, so let them come from a tool and not from the requester.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod settings;

use portcullis_policy::prelude::*;

use settings::{Missing, Settings};

#[policy(
    name = "sample.cost-cap",
    summary = "What a change may cost, and who approves more.",
    codes(
        WITHIN_BUDGET = "sample.cost-cap.within-budget": "The change costs no more than the cap and every threshold.",
        ABOVE_CAP = "sample.cost-cap.above-cap": "The change costs more than the cap.",
        ABOVE_THRESHOLD = "sample.cost-cap.above-threshold": "The change costs more than a threshold: people must approve.",
        COST_MISSING = "sample.cost-cap.cost-missing": "The request does not say what the change costs.",
        COST_MALFORMED = "sample.cost-cap.cost-malformed": "A cost is not a number, or below zero.",
    )
)]
fn evaluate(settings: &Settings, input: &Fields) -> Answer {
    let types = &settings.resource_types;
    let concerned = matches!(input.get(0), Value::Text(found) if types.is_empty() || types.contains(found));
    if !concerned {
        return abstain();
    }
    let cost = match cost(settings, input) {
        Ok(cost) => cost,
        Err(findings) => return Answer::from(findings),
    };
    let Settings { cap, currency, .. } = settings;
    let at = settings.cost.first().map_or("", String::as_str);
    if cost > *cap {
        let message = format!("the change costs {cost} {currency}; the cap is {cap} {currency}");
        return Answer::from(deny(ABOVE_CAP, message).at(at));
    }
    let above = settings.approvals.iter().filter(|approval| cost > approval.above).map(|approval| {
        let message =
            format!("the change costs {cost} {currency}; more than {} {currency} must be approved", approval.above);
        escalate(ABOVE_THRESHOLD, message).at(at).approve(&approval.roles, approval.count)
    });
    let message = format!("the change costs {cost} {currency}");
    Answer::findings(above.collect()).or(allow(WITHIN_BUDGET, message).at(at))
}

/// The sum of the costs; or what stands in the way of one, field by field.
fn cost(settings: &Settings, input: &Fields) -> Result<f64, Vec<Finding>> {
    let mut sum = 0.0;
    let mut findings = Vec::new();
    // The first field is the resource's type.
    for (pointer, value) in input.iter().skip(1) {
        let cost = match value {
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53; above it no cap is met by a hair")]
            Value::Integer(cost) => *cost as f64,
            Value::Number(cost) => *cost,
            Value::Missing | Value::Null => {
                findings.push(missing(settings.missing, pointer));
                continue;
            }
            Value::Boolean(_) | Value::Text(_) | Value::Json(_) => {
                findings.push(deny(COST_MALFORMED, format!("{pointer} is not a number")).at(pointer));
                continue;
            }
        };
        if cost < 0.0 {
            findings.push(deny(COST_MALFORMED, format!("{pointer} is below zero: {cost}")).at(pointer));
        }
        sum += cost;
    }
    if findings.is_empty() { Ok(sum) } else { Err(findings) }
}

fn missing(missing: Missing, pointer: &str) -> Finding {
    let message = format!("say what the change costs: {pointer}");
    match missing {
        Missing::Defer => defer(COST_MISSING, message),
        Missing::Deny => deny(COST_MISSING, message),
    }
    .at(pointer)
    .provide(pointer)
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
