use std::sync::Arc;

use anstream::adapter::strip_str;
use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Fault, Faulted, Finding, Manifest, Obligation, Outcome, PinnedSet,
    PolicyPin, PolicyRun, Requirement, Said, Sha256, Verdict, decide, select,
};

use super::*;

const MANIFEST: &str = r#"
portcullis = 1
name = "acme-deploys"
[[policy]]
name = "gate"
module = "gate.wasm"
[[policy]]
name = "advice"
module = "advice.wasm"
enforce = "warn"
[[policy]]
name = "calendar"
module = "calendar.wasm"
[[policy]]
name = "plans"
module = "plans.wasm"
when = { resource-type = "terraform-plan" }
[[waiver]]
policy = "gate"
code = "acme.gate.no-ticket"
becomes = "warn"
reason = "the ticket system is being moved"
owner = "alice@example.com"
until = 2026-04-01T00:00:00Z
[[waiver]]
policy = "calendar"
code = "acme.calendar.freeze"
becomes = "allow"
reason = "long ago"
owner = "bob@example.com"
until = 2026-01-01T00:00:00Z
"#;

fn finding(outcome: Outcome, code: &str, message: &str, at: Option<&str>, requirement: Option<Requirement>) -> Finding {
    Finding { outcome, code: code.into(), message: message.into(), at: at.map(Into::into), requirement }
}

fn answer(findings: Vec<Finding>) -> Said {
    let obligations = vec![Obligation { kind: "notify".into(), params: serde_json::json!({"channel": "#ops\u{1b}"}) }];
    Said::Answer(Answer { verdict: Verdict::Findings(findings), obligations })
}

fn abstain() -> Said {
    Said::Answer(Answer { verdict: Verdict::Abstain, obligations: vec![] })
}

fn fault(fault: Fault, detail: &str) -> Said {
    Said::Fault(Faulted { fault, detail: detail.into() })
}

/// A decision about a deployment of `resource`, by what gate, advice and calendar said.
fn decision(resource: &str, said: [Said; 3]) -> Decision {
    let now: Timestamp = "2026-03-14T09:30:00Z".parse().unwrap();
    let definition = Manifest::parse("portcullis.toml", MANIFEST.as_bytes(), now).unwrap().definition;
    let pins = definition.policies().iter().map(|policy| PolicyPin {
        module_sha256: Some(Sha256::of(policy.module.as_bytes())).filter(|_| policy.name != "calendar"),
        settings_sha256: Some(Sha256::of(b"{}")),
    });
    let engine = EngineIdentity { version: "test".into(), configuration_sha256: Sha256::of(b"configuration") };
    let set = Arc::new(PinnedSet { pins: pins.collect(), sha256: Sha256::of(b"set"), definition, engine });
    let request = serde_json::json!({
        "subject": {"type": "user", "id": "alice"}, "action": {"name": "deploy"},
        "resource": {"type": "service", "id": resource}, "context": {"environment": "production"}
    });
    let request = Request::parse(request.to_string().as_bytes(), now).unwrap();
    let runs = said
        .into_iter()
        .zip([1234, 56, 0])
        .map(|(said, fuel)| Some(PolicyRun { said, fuel, duration_us: 45, history: Vec::new() }));
    let id = "019582f0-0000-7000-8000-000000000000".parse().unwrap();
    decide(select(&set, &request), Call { id, ..Call::default() }, runs.chain([None]).collect())
}

fn denied() -> Decision {
    let approve = Requirement::Approve { roles: vec!["cto".into(), "cab".into()], count: 2, within_minutes: Some(30) };
    let wait = Requirement::WaitUntil { time: "2026-03-16T08:00:00Z".into() };
    decision(
        "payment-api",
        [
            answer(vec![
                finding(
                    Outcome::Escalate,
                    "acme.gate.major",
                    "A major change.",
                    Some("/context/change/kind"),
                    Some(approve),
                ),
                finding(Outcome::Defer, "acme.gate.no-ticket", "There is no ticket.", None, None),
            ]),
            answer(vec![finding(Outcome::Deny, "acme.advice.friday", "It is Friday.", Some(""), Some(wait))]),
            fault(Fault::Fuel, "more than 10000000 fuel"),
        ],
    )
}

/// Two roles, each for itself, under one code.
#[test]
fn findings_that_say_the_same_are_told_apart_by_what_they_want() {
    let approve = |role: &str| Requirement::Approve { roles: vec![role.into()], count: 1, within_minutes: None };
    let major = |role| finding(Outcome::Escalate, "acme.gate.major", "A major change.", None, Some(approve(role)));
    let both = decision("payment-api", [answer(vec![major("cto"), major("devops-lead")]), abstain(), abstain()]);
    let text = human(&[payload("a.json", both)]);
    for role in ["cto", "devops-lead"] {
        let line = format!("A major change. (approval by someone with the role {role})\n");
        assert!(text.contains(&line), "{text}");
    }
    let one = decision("payment-api", [answer(vec![major("cto")]), abstain(), abstain()]);
    assert!(human(&[payload("a.json", one)]).contains("A major change.\n"));
}

fn allowed() -> Decision {
    let allow = |code| answer(vec![finding(Outcome::Allow, code, "All is well.", None, None)]);
    decision("payment-api", [allow("acme.gate.ok"), abstain(), allow("acme.calendar.open")])
}

fn warned() -> Decision {
    let ticket = finding(Outcome::Defer, "acme.gate.no-ticket", "There is no ticket.", None, None);
    decision("payment-api", [answer(vec![ticket]), fault(Fault::Trap, "unreachable"), abstain()])
}

fn deferred() -> Decision {
    let provide = Requirement::Provide { pointer: "/context/change/ticket".into() };
    let accept = Requirement::Acknowledge { statement: "I watch the roll-out.".into() };
    let findings = vec![
        finding(Outcome::Defer, "acme.gate.evidence", "Evidence is missing.", None, Some(provide)),
        finding(Outcome::Acknowledge, "acme.gate.watch", "Watch it.", None, Some(accept)),
    ];
    decision("payment-api", [answer(findings), abstain(), abstain()])
}

/// What callers and policies write, at its worst.
fn hostile() -> Decision {
    let nasty = "a\u{1b}[2J\r\n::error::x\n</system-out>]]> %25,: | <b>`x` \u{202e}gnp.exe";
    let wait = Requirement::Acknowledge { statement: nasty.into() };
    decision(
        nasty,
        [
            answer(vec![finding(Outcome::Acknowledge, "acme.gate.nasty", nasty, Some("/a\u{1b}"), Some(wait))]),
            fault(Fault::Trap, nasty),
            abstain(),
        ],
    )
}

fn payload(source: &str, decision: Decision) -> Payload {
    standing(source, decision, Place::Ledger { index: 7 }, Standing::Holds)
}

fn standing(source: &str, decision: Decision, place: Place, standing: Standing) -> Payload {
    let request = decision.request();
    let decided = Decided::new(asked(request), Some(Named::of(request)), decision.view().into_owned(), place, standing);
    Payload { source: source.into(), decided: Ok(decided) }
}

fn undecided() -> Payload {
    let decided = Err(Undecided::new("request.syntax", "expected value at line 1 column 1"));
    Payload { source: "bad,%\u{1b}.json".into(), decided }
}

fn human(payloads: &[Payload]) -> String {
    strip_str(&human::render(payloads)).to_string()
}

#[test]
fn people_see_why_a_change_is_stopped_and_what_would_change_it() {
    insta::assert_snapshot!(human(&[payload("deploy.json", denied())]));
}

#[test]
fn people_see_what_was_waived_and_what_failed() {
    insta::assert_snapshot!(human(&[payload("deploy.json", warned())]));
}

#[test]
fn people_see_many_and_a_summary() {
    insta::assert_snapshot!(human(&[payload("a.json", allowed()), undecided(), payload("b.json", deferred())]));
}

#[test]
fn github_gets_annotations() {
    let payloads =
        [payload("a.json", allowed()), payload("b.json", denied()), payload("c.json", warned()), undecided()];
    insta::assert_snapshot!(github::render(&payloads));
}

#[test]
fn github_gets_a_summary() {
    insta::assert_snapshot!(github::step_summary(&[payload("b.json", denied()), undecided()]));
}

#[test]
fn junit_gets_a_suite() {
    let payloads = [payload("a.json", allowed()), payload("b.json", denied()), undecided()];
    insta::assert_snapshot!(junit::render(&payloads).unwrap());
}

#[test]
fn one_payload_is_one_object() {
    let json: serde_json::Value = serde_json::from_str(&json::render(&[payload("a.json", denied())]).unwrap()).unwrap();
    assert_eq!(
        (json["outcome"].as_str(), json["proceed"].as_bool(), json["degraded"].as_bool()),
        (Some("deny"), Some(false), Some(true))
    );
    assert_eq!(json["findings"][0]["code"], "fault.fuel");
    for member in ["outcome", "code", "message", "policy"] {
        assert!(json["findings"][1][member].is_string(), "{member}");
    }
    assert_eq!(json["policies"][0]["module_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(
        (json["policies"][0]["name"].as_str(), json["policies"][0]["fuel"].as_u64()),
        (Some("gate"), Some(1234))
    );
    assert_eq!(json["source"], "a.json");
    assert_eq!(
        serde_json::json!([json["subject"], json["action"], json["resource"], json["environment"]]),
        serde_json::json!([
            {"type": "user", "id": "alice"}, "deploy", {"type": "service", "id": "payment-api"}, "production"
        ])
    );

    let json: serde_json::Value = serde_json::from_str(&json::render(&[undecided()]).unwrap()).unwrap();
    assert_eq!((json["proceed"].as_bool(), json["error"]["code"].as_str()), (Some(false), Some("request.syntax")));
}

/// In no format does a decision that holds no longer, or a rehearsal, look like permission.
#[test]
fn what_gives_no_permission_says_so_in_every_format() {
    let lapsed = || standing("a.json", allowed(), Place::Repeated { index: 7 }, Standing::Lapsed);
    let unrecorded = || standing("a.json", warned(), Place::Nowhere { reason: "full".into() }, Standing::Lapsed);
    let rehearsal = || standing("a.json", allowed(), Place::DryRun, Standing::Rehearsal);
    for (payload, proceed, rehearsed, title) in [
        (&lapsed as &dyn Fn() -> Payload, false, false, "HOLDS NO LONGER"),
        (&unrecorded, false, false, "NOT RECORDED"),
        (&rehearsal, true, true, "DRY RUN"),
    ] {
        let json: serde_json::Value = serde_json::from_str(&json::render(&[payload()]).unwrap()).unwrap();
        assert_eq!((json["holds"].as_bool(), json["proceed"].as_bool()), (Some(false), Some(proceed)), "{title}");
        assert_eq!(json["rehearsal"].as_bool(), Some(rehearsed), "{title}");
        let junit = junit::render(&[payload()]).unwrap();
        let status = if rehearsed { "<skipped " } else { "<error " };
        assert!(junit.contains(status) && (rehearsed || junit.contains(r#"errors="1""#)), "{junit}");
        let github = github::render(&[payload()]);
        let command = if rehearsed { "::warning" } else { "::error" };
        assert!(github.starts_with(&format!("{command} file=a.json,title={title}::")), "{github}");
        let summary = github::step_summary(&[payload()]);
        assert!(summary.contains(&format!("{title}: ")), "{summary}");
        let human = human(&[payload()]);
        assert!(human.starts_with(&format!("✖ {title}  ")), "{human}");
        if !rehearsed {
            for text in [&junit, &github, &summary, &human] {
                assert!(!text.contains("nothing stands in the way") && !text.contains("ALLOW "), "{text}");
            }
        }
    }
    insta::assert_snapshot!(human(&[lapsed(), rehearsal()]));
    insta::assert_snapshot!(github::step_summary(&[lapsed(), rehearsal()]));
    let past: serde_json::Value = serde_json::to_value(Line::new(
        None,
        standing("", allowed(), Place::Ledger { index: 7 }, Standing::Past).decided.as_ref().ok().unwrap(),
    ))
    .unwrap();
    assert_eq!((past.get("holds"), past["proceed"].as_bool()), (None, Some(true)), "a record of the past");
}

#[test]
fn several_payloads_are_lines_that_begin_with_their_source() {
    let text = json::render(&[payload("a.json", allowed()), undecided(), payload("b.json", denied())]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with(r#"{"source":"a.json","id":"019582f0-"#), "{}", lines[0]);
    assert!(lines[1].starts_with(r#"{"source":"bad,%\u001b.json","proceed":false,"error":{"code":"request.syntax""#));
    let outcomes: Vec<_> = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    assert_eq!(outcomes[2]["outcome"], "deny");
}

#[test]
fn nothing_of_others_acts_on_a_terminal_a_log_or_a_report() {
    let payloads = || [payload("a\u{1b}]0;x\u{7}.json", hostile()), undecided()];
    let texts = [
        human(&payloads()),
        github::render(&payloads()),
        github::step_summary(&payloads()),
        junit::render(&payloads()).unwrap(),
        json::render(&payloads()).unwrap(),
    ];
    for text in &texts {
        let bad = text.chars().find(|c| *c != '\n' && crate::text::is_unprintable(*c));
        assert_eq!(bad, None, "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::error::")), "{text}");
    }
    let [_, github, summary, junit, json] = &texts;
    assert!(
        github.lines().all(|line| line.starts_with("::error file=") || line.starts_with("::warning file=")),
        "{github}"
    );
    assert!(!summary.contains("<b>") && !summary.contains("`x`"), "{summary}");
    assert!(!junit.contains("</system-out>]]>"), "{junit}");
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert!(line["findings"][0]["message"].as_str().unwrap().contains('\u{202e}'), "an escape means the same");
}
