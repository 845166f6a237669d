use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Fault, Faulted, Finding, LoadFault, Manifest, Outcome, PinnedSet,
    PolicyPin, PolicyRun, Request, Said, Sha256, Verdict, decide, select,
};

use super::*;

const MANIFEST: &str = r#"
portcullis = 1
name = "acme"
[[policy]]
name = "one"
module = "one.wasm"
[[policy]]
name = "two"
module = "two.wasm"
"#;

fn decision(said: [Said; 2]) -> Decision {
    let now: Timestamp = "2026-03-14T09:30:00Z".parse().unwrap();
    let definition = Manifest::parse("portcullis.toml", MANIFEST.as_bytes(), now).unwrap().definition;
    let pin = PolicyPin { module_sha256: Some(Sha256::of(b"module")), settings_sha256: Some(Sha256::of(b"{}")) };
    let engine = EngineIdentity { version: "test".into(), configuration_sha256: Sha256::of(b"configuration") };
    let set = Arc::new(PinnedSet { pins: vec![pin, pin], sha256: Sha256::of(b"set"), definition, engine });
    let request = serde_json::json!({
        "subject": {"type": "user", "id": "alice"}, "action": {"name": "deploy"},
        "resource": {"type": "service", "id": "api"}, "context": {}
    });
    let request = Request::parse(request.to_string().as_bytes(), now).unwrap();
    let runs = said.map(|said| Some(PolicyRun { said, fuel: 1, duration_us: 1, history: Vec::new() }));
    decide(select(&set, &request), Call { id: Uuid::nil(), ..Call::default() }, runs.into())
}

fn says(outcome: Outcome) -> Said {
    let finding = Finding { outcome, code: "acme.one.code".into(), message: "m".into(), at: None, requirement: None };
    Said::Answer(Answer { verdict: Verdict::Findings(vec![finding]), obligations: Vec::new() })
}

fn fails(fault: Fault) -> Said {
    Said::Fault(Faulted { fault, detail: "detail".into() })
}

/// What a backtest may hold against a candidate: only what a policy said, never what a disk or a clock did.
#[test]
fn what_a_policy_said_counts_whatever_the_host_did_beside_it() {
    let without = |said| without_host_failures(&decision(said).view());
    let compiler = || fails(Fault::Load(LoadFault::Compiler));
    assert_eq!(without([says(Outcome::Allow), compiler()]), Some(Outcome::Allow));
    assert_eq!(without([says(Outcome::Escalate), compiler()]), Some(Outcome::Escalate));
    assert_eq!(without([says(Outcome::Deny), fails(Fault::Time)]), Some(Outcome::Deny));
    assert_eq!(without([compiler(), fails(Fault::Host)]), Some(Outcome::Allow));
    // A fault of the policy itself is no excuse.
    assert_eq!(without([fails(Fault::Fuel), compiler()]), Some(Outcome::Deny));
    assert_eq!(without([says(Outcome::Deny), fails(Fault::Fuel)]), None);
}

#[test]
fn only_what_failed_may_differ() {
    let alike = |one: [Said; 2], other: [Said; 2]| {
        let (one, other) = (decision(one), decision(other));
        let (one, other) = (one.view(), other.view());
        let failed: Vec<_> = unrepeatable(&one).chain(unrepeatable(&other)).collect();
        (!failed.is_empty()).then(|| alike_but_for(&one, &other, &failed))
    };
    let compiler = || fails(Fault::Load(LoadFault::Compiler));
    let (allow, deny) = (|| says(Outcome::Allow), || says(Outcome::Deny));
    assert_eq!(alike([allow(), compiler()], [allow(), deny()]), Some(true));
    assert_eq!(alike([allow(), compiler()], [deny(), deny()]), Some(false), "the other policy says something else");
    assert_eq!(alike([allow(), fails(Fault::Trap)], [allow(), deny()]), None, "a trap is the policy's own");
    let (result, reason) = unrepeatable(&decision([allow(), compiler()]).view()).next().unwrap().explained();
    assert_eq!(result, ReplayResult::HostFailure);
    assert_eq!(reason, "cannot be repeated: host failure: the policy two: load.compiler: detail");
}
