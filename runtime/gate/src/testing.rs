//! What the unit tests build sets, requests and results from.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::*;

pub(crate) const NOW: &str = "2026-03-14T09:30:00Z";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn pinned(parts: SetParts) -> Arc<PinnedSet> {
    let pins = parts.policies.iter().map(|policy| PolicyPin {
        module_sha256: Some(Sha256::of(policy.name.as_bytes())),
        settings_sha256: Some(Sha256::of(b"{}")),
    });
    Arc::new(PinnedSet {
        pins: pins.collect(),
        sha256: Sha256::of(b"set"),
        engine: EngineIdentity { version: "test 1".into(), configuration_sha256: Sha256::of(b"engine") },
        definition: SetDefinition::new(parts).unwrap(),
    })
}

pub(crate) fn policies(names: &[&str]) -> Vec<PolicySpec> {
    names.iter().map(|name| PolicySpec::new(*name, format!("{name}.wasm"))).collect()
}

/// A set of the named policies under one tree.
pub(crate) fn parts(names: &[&str], root: Node) -> SetParts {
    SetParts { root, ..SetParts::new("test", policies(names)) }
}

pub(crate) fn node(rule: Rule, members: Vec<Member>) -> Node {
    Node { rule, members, ..Node::default() }
}

pub(crate) fn leaves(places: &[usize]) -> Vec<Member> {
    places.iter().copied().map(Member::Policy).collect()
}

pub(crate) fn when(pointer: &str, value: &str) -> When {
    When { fields: vec![Field { pointer: Pointer::new(pointer).unwrap(), any_of: vec![Pattern::text(value)] }] }
}

pub(crate) fn waiver(policy: usize, code: &str, becomes: Outcome) -> Waiver {
    Waiver {
        policy,
        code: code.into(),
        when: When::default(),
        becomes,
        reason: "a reason".into(),
        owner: "alice@example.com".into(),
        until: time("2026-12-31T00:00:00Z"),
    }
}

pub(crate) fn request_in(context: &serde_json::Value) -> Request {
    let request = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "deploy" },
        "resource": { "type": "service", "id": "payment-api" },
        "context": context,
    });
    Request::parse(request.to_string().as_bytes(), time(NOW)).unwrap()
}

pub(crate) fn finding(outcome: Outcome, reason: &str) -> Finding {
    Finding {
        outcome,
        code: format!("sample.test.{reason}"),
        message: format!("because of {reason}"),
        at: None,
        requirement: None,
    }
}

pub(crate) fn answer(findings: Vec<Finding>) -> Option<PolicyRun> {
    let answer = Answer { verdict: Verdict::Findings(findings), obligations: Vec::new() };
    Some(PolicyRun { said: Said::Answer(answer), fuel: 10, duration_us: 3, history: Vec::new() })
}

pub(crate) fn says(outcome: Outcome) -> Option<PolicyRun> {
    answer(vec![finding(outcome, outcome.as_str())])
}

pub(crate) fn abstains() -> Option<PolicyRun> {
    let answer = Answer { verdict: Verdict::Abstain, obligations: Vec::new() };
    Some(PolicyRun { said: Said::Answer(answer), fuel: 10, duration_us: 3, history: Vec::new() })
}

pub(crate) fn faults(fault: Fault) -> Option<PolicyRun> {
    let detail = "/secret/path: a detail".into();
    Some(PolicyRun { said: Said::Fault(Faulted { fault, detail }), fuel: 10, duration_us: 3, history: Vec::new() })
}

pub(crate) fn obliged(run: Option<PolicyRun>, kind: &str) -> Option<PolicyRun> {
    let mut run = run?;
    if let Said::Answer(answer) = &mut run.said {
        answer.obligations.push(Obligation { kind: kind.into(), params: json!({}) });
    }
    Some(run)
}

/// Decides a request without context.
pub(crate) fn decided(parts: SetParts, runs: Vec<Option<PolicyRun>>) -> Decision {
    decided_in(&json!({}), parts, runs)
}

pub(crate) fn decided_in(context: &serde_json::Value, parts: SetParts, runs: Vec<Option<PolicyRun>>) -> Decision {
    decide(select(&pinned(parts), &request_in(context)), Call::default(), runs)
}

pub(crate) fn contributing(decision: &Decision) -> Vec<&str> {
    decision.policies().filter(|policy| policy.contributes).map(|policy| borrowed(policy.name)).collect()
}

pub(crate) fn codes(decision: &Decision) -> Vec<&str> {
    decision.findings().map(|finding| borrowed(finding.code)).collect()
}

/// What a decision shows of itself is borrowed from it.
fn borrowed(text: std::borrow::Cow<'_, str>) -> &str {
    match text {
        std::borrow::Cow::Borrowed(text) => text,
        std::borrow::Cow::Owned(text) => panic!("{text} is not borrowed"),
    }
}
