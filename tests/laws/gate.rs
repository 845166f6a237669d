//! The real gate behind the words of the second implementation: cases in, decisions out, by its public API alone.

use std::sync::Arc;

use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Fault, Faulted, Field, Finding as GateFinding, Member, Node, Obligation,
    Outcome, Pattern, PinnedSet, Pointer, PolicyPin, PolicyRun, PolicySaid, PolicySpec, Problem, Request, Requirement,
    Rule as GateRule, Said as GateSaid, SetDefinition, SetParts, Sha256, Verdict, Waiver as GateWaiver, WaiverStatus,
    When, decide, select,
};

use super::oracle::{Case, Decided, Part, Policy, Rank, Rule, Said, Shown, Status, Tree, Waiver};

/// The host's clock in every generated case.
pub const NOW: &str = "2026-03-14T09:30:00Z";

/// A production deploy: matchers on the environment tell `matches` from not.
pub fn request() -> Request {
    let text = r#"{"subject":{"type":"user","id":"alice"},"action":{"name":"deploy"},
        "resource":{"type":"service","id":"payment-api"},"context":{"environment":"production"}}"#;
    Request::parse(text.as_bytes(), NOW.parse().unwrap()).unwrap()
}

/// The case's policy set.
pub fn set(case: &Case) -> Arc<PinnedSet> {
    pinned(definition(case).unwrap())
}

/// The case's policy set, as the gate's load rules see it.
pub fn definition(case: &Case) -> Result<SetDefinition, Vec<Problem>> {
    let policies = case.policies.iter().enumerate().map(|(index, policy)| PolicySpec {
        enforce: outcome(policy.enforce),
        when: when(policy.matches),
        ..PolicySpec::new(name(index), "policy.wasm")
    });
    let root = match node(&case.root) {
        Member::Node(root) => root,
        leaf @ Member::Policy(_) => Node { members: vec![leaf], ..Node::default() },
    };
    let waivers = case.waivers.iter().map(waiver).collect();
    SetDefinition::new(SetParts { root, waivers, ..SetParts::new("laws", policies.collect()) })
}

/// A set with made-up digests.
pub fn pinned(definition: SetDefinition) -> Arc<PinnedSet> {
    let digest = Sha256::of(b"laws");
    let pin = PolicyPin { module_sha256: Some(digest), settings_sha256: Some(digest) };
    let pins = vec![pin; definition.policies().len()];
    let engine = EngineIdentity { version: "none".into(), configuration_sha256: digest };
    Arc::new(PinnedSet { definition, sha256: digest, pins, engine })
}

/// What the case's policies said, also of those that will be skipped.
pub fn runs(case: &Case) -> Vec<Option<PolicyRun>> {
    case.policies.iter().map(|policy| Some(run(policy))).collect()
}

/// The gate's decision.
pub fn decision(set: &Arc<PinnedSet>, request: &Request, runs: Vec<Option<PolicyRun>>) -> Decision {
    decide(select(set, request), Call::default(), runs)
}

/// The gate's decision of a whole case.
pub fn of(case: &Case, request: &Request) -> Decision {
    decision(&set(case), request, runs(case))
}

/// What the gate decided, in the words of the second implementation.
pub fn decided(decision: &Decision) -> Decided {
    let evaluated = decision.evaluated();
    let place = |name: &str| name.strip_prefix("policy-").map(|index| index.parse::<usize>().unwrap());
    Decided {
        rank: rank(decision.outcome()),
        proceed: decision.proceeds(),
        degraded: decision.degraded(),
        ran: evaluated.ran,
        abstained: evaluated.abstained,
        skipped: evaluated.skipped,
        faulted: evaluated.faulted,
        policies: decision
            .policies()
            .enumerate()
            .map(|(index, trace)| {
                assert_eq!(place(&trace.name), Some(index), "the trace keeps the manifest's order");
                let said = match trace.said {
                    PolicySaid::Outcome(outcome) => Some(rank(outcome)),
                    PolicySaid::Abstain | PolicySaid::Skipped | PolicySaid::Fault => None,
                };
                Part { said, counted: trace.counted_as.map(rank), contributes: trace.contributes }
            })
            .collect(),
        findings: decision
            .findings()
            .map(|finding| {
                let policy = finding.policy.as_deref().and_then(place);
                assert!(
                    policy.is_some() || finding.policy.as_deref() == Some("portcullis"),
                    "{finding:?} has no author"
                );
                Shown { counted: rank(finding.outcome), code: finding.code.into(), policy }
            })
            .collect(),
        requirements: decision.requirements().into_iter().map(requirement_name).collect(),
        obligations: decision.obligations().map(|o| (place(&o.policy).unwrap(), o.kind.into_owned())).collect(),
        waivers: decision.waivers().map(|waiver| status(waiver.status)).collect(),
    }
}

/// One policy's result.
pub fn run(policy: &Policy) -> PolicyRun {
    let said = match &policy.said {
        Said::Fault(code) => {
            GateSaid::Fault(Faulted { fault: Fault::from_code(code).unwrap(), detail: "as the case says".into() })
        }
        Said::Abstain => answer(Verdict::Abstain, policy),
        Said::Findings(findings) => answer(
            Verdict::Findings(
                findings
                    .iter()
                    .map(|finding| GateFinding {
                        outcome: outcome(finding.rank),
                        code: finding.code.clone(),
                        message: "as the case says".into(),
                        at: None,
                        requirement: finding.requirement.as_deref().map(requirement),
                    })
                    .collect(),
            ),
            policy,
        ),
    };
    PolicyRun { said, fuel: 1, duration_us: 1, history: Vec::new() }
}

/// The gate's outcome of a rank.
pub fn outcome(rank: Rank) -> Outcome {
    match rank {
        Rank::Allow => Outcome::Allow,
        Rank::Warn => Outcome::Warn,
        Rank::Defer => Outcome::Defer,
        Rank::Acknowledge => Outcome::Acknowledge,
        Rank::Escalate => Outcome::Escalate,
        Rank::Deny => Outcome::Deny,
    }
}

/// The rank of a gate's outcome.
pub fn rank(outcome: Outcome) -> Rank {
    match outcome {
        Outcome::Allow => Rank::Allow,
        Outcome::Warn => Rank::Warn,
        Outcome::Defer => Rank::Defer,
        Outcome::Acknowledge => Rank::Acknowledge,
        Outcome::Escalate => Rank::Escalate,
        Outcome::Deny => Rank::Deny,
    }
}

fn answer(verdict: Verdict, policy: &Policy) -> GateSaid {
    let oblige = |kind: &String| Obligation { kind: kind.clone(), params: serde_json::json!({}) };
    GateSaid::Answer(Answer { verdict, obligations: policy.obligations.iter().map(oblige).collect() })
}

fn name(index: usize) -> String {
    format!("policy-{index}")
}

fn when(matches: bool) -> When {
    let environment = Pattern::text(if matches { "production" } else { "staging" });
    let pointer = Pointer::new("/context/environment").unwrap();
    When { fields: vec![Field { pointer, any_of: vec![environment] }] }
}

fn node(tree: &Tree) -> Member {
    match tree {
        Tree::Leaf(index) => Member::Policy(*index),
        Tree::Node { rule, matches, members } => Member::Node(Node {
            name: None,
            rule: match rule {
                Rule::AllOf => GateRule::AllOf,
                Rule::AtLeast(n) => GateRule::AtLeast(u32::try_from(*n).unwrap()),
                Rule::FirstOf => GateRule::FirstOf,
            },
            when: when(*matches),
            members: members.iter().map(node).collect(),
        }),
    }
}

fn waiver(waiver: &Waiver) -> GateWaiver {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    GateWaiver {
        policy: waiver.policy,
        code: waiver.code.clone(),
        when: when(waiver.matches),
        becomes: outcome(waiver.becomes),
        reason: "as the case says".into(),
        owner: "alice@example.com".into(),
        // The nearest ends on both sides: a waiver that ends now has ended.
        until: if waiver.ended { now } else { now + jiff::SignedDuration::from_millis(1) },
    }
}

fn status(status: WaiverStatus) -> Status {
    match status {
        WaiverStatus::Applied => Status::Applied,
        WaiverStatus::Expired => Status::Expired,
        WaiverStatus::Unused => Status::Unused,
    }
}

fn requirement(name: &str) -> Requirement {
    match name {
        "acknowledge" => Requirement::Acknowledge { statement: "I watch the rollout".into() },
        "approve" => Requirement::Approve { roles: vec!["lead".into()], count: 2, within_minutes: None },
        "provide" => Requirement::Provide { pointer: "/context/ticket".into() },
        "wait-until" => Requirement::WaitUntil { time: "2026-03-16T08:00:00Z".into() },
        other => panic!("no requirement is called {other}"),
    }
}

fn requirement_name(requirement: &Requirement) -> String {
    match requirement {
        Requirement::Acknowledge { .. } => "acknowledge",
        Requirement::Approve { .. } => "approve",
        Requirement::Provide { .. } => "provide",
        Requirement::WaitUntil { .. } => "wait-until",
    }
    .into()
}
