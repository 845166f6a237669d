//! Answers, imports, and what the test harness refuses as the host would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_policy::prelude::*;
use portcullis_policy::test::{Case, Fault, cases};
use portcullis_policy::{Approval, Obligation};

#[derive(Inputs)]
struct Inputs {
    #[input("/context/say")]
    say: String,
}

#[policy(
    name = "test.answers",
    summary = "Answers as it is told.",
    codes(OK = "test.answers.ok": "Said on demand.", TEAM = "test.answers.team": "From the document."),
    data(TEAMS = "teams": "Who is who.")
)]
fn evaluate(input: &Inputs) -> Result<Answer, String> {
    Ok(match &*input.say {
        "nothing" => Answer::findings(Vec::new()),
        "nothing, or ok" => Answer::findings(Vec::new()).or(allow(OK, "fine")),
        "abstain" => abstain(),
        "error" => return Err("cannot judge".into()),
        "panic" => panic!("at the disco"),
        "undeclared" => deny("test.answers.other", "x").into(),
        "reserved" => deny("portcullis.answers.other", "x").into(),
        "empty message" => deny(OK, " ").into(),
        "bad pointer" => deny(OK, "x").at("context").into(),
        "no roles" => escalate(OK, "x").approve(Vec::<String>::new(), 1).into(),
        "nobody" => escalate(OK, "x").approve(["r"], 0).into(),
        "bad time" => defer(OK, "x").wait_until("tomorrow").into(),
        "bad kind" => allow(OK, "x").oblige("Notify", [("a", "b")]),
        "bad params" => allow(OK, "x").oblige("notify", Params::new().json("a", "{")),
        "long" => deny(OK, "é".repeat(3000)).into(),
        "everything" => Answer::from(vec![
            warn(OK, "w").at("/context"),
            escalate(OK, "e").approve(["lead", "cab"], 2).within_minutes(30),
            acknowledge(OK, "a").statement("I will watch it"),
            defer(OK, "d").provide("/context/ticket"),
            defer(OK, "t").wait_until("2026-03-14T10:00:00Z"),
        ])
        .oblige("notify", Params::new().text("to", "a\"b\n").integer("n", -3).flag("f", true).json("l", "[1]"))
        .oblige("tag", [("name", "x")]),
        "team" => {
            let lead: String = TEAMS.read("/a/lead")?;
            let missing: Option<String> = TEAMS.read("/b/lead")?;
            let _ = TEAMS
                .read::<i64>("/a/lead")
                .map_err(|problem| assert_eq!(problem, "teams: /a/lead must be an integer, not a string"));
            log("looked up the team");
            let [action, now] = &*request(&["/action/name", "/now"]) else { return Err("two".into()) };
            deny(TEAM, format!("{lead} {missing:?} {action:?} {now:?}")).into()
        }
        "other document" => {
            let _ = data("calendar", "");
            abstain()
        }
        other => return Err(format!("unknown: {other}")),
    })
}

fn ask(say: &str) -> Result<Answer, Fault> {
    let case = Case::of::<Policy>().data("teams", r#"{"a": {"lead": "ann"}}"#).set("/context/say", &format!("{say:?}"));
    case.try_run()
}

#[test]
fn builds_answers() {
    let answer = ask("everything").unwrap();
    assert_eq!(answer.outcome(), Some(Outcome::Escalate));
    let requirements: Vec<_> = answer.as_findings().iter().filter_map(|finding| finding.requirement.clone()).collect();
    assert_eq!(
        requirements,
        [
            Requirement::Approve(Approval {
                roles: vec!["lead".into(), "cab".into()],
                count: 2,
                within_minutes: Some(30)
            }),
            Requirement::Acknowledge("I will watch it".into()),
            Requirement::Provide("/context/ticket".into()),
            Requirement::WaitUntil("2026-03-14T10:00:00Z".into()),
        ]
    );
    assert_eq!(
        answer.obligations,
        [
            Obligation { kind: "notify".into(), params: r#"{"to":"a\"b\n","n":-3,"f":true,"l":[1]}"#.into() },
            Obligation { kind: "tag".into(), params: r#"{"name":"x"}"#.into() },
        ]
    );
    assert_eq!(ask("nothing, or ok").unwrap().codes(), ["test.answers.ok"]);
    assert_eq!(ask("abstain").unwrap().outcome(), None);
    assert_eq!(ask("long").unwrap().as_findings()[0].message.len(), 4096);
}

#[test]
fn refuses_what_the_host_refuses() {
    for (say, code, says) in [
        ("nothing", "fault.answer", "there are no findings"),
        ("error", "fault.error", "cannot judge"),
        ("panic", "fault.trap", "at the disco"),
        ("undeclared", "fault.answer", "\"test.answers.other\" is not declared"),
        ("reserved", "fault.answer", "is not `team.policy.reason`"),
        ("empty message", "fault.answer", "the message is empty"),
        ("bad pointer", "fault.answer", "is no JSON pointer: \"context\""),
        ("no roles", "fault.answer", "an approval needs"),
        ("nobody", "fault.answer", "an approval needs"),
        ("bad time", "fault.answer", "is no RFC 3339 time: \"tomorrow\""),
        ("bad kind", "fault.answer", "the obligation kind \"Notify\""),
        ("bad params", "fault.answer", "the params are no JSON object"),
        ("other document", "fault.trap", "there is no document \"calendar\""),
    ] {
        let fault = ask(say).unwrap_err();
        assert_eq!(fault.code(), code, "{say}: {fault}");
        assert!(fault.to_string().contains(says), "{say}: {fault}");
    }
    let fault = Case::of::<Policy>().set("/context/say", "\"abstain\"").try_run().unwrap_err();
    assert_eq!(fault, Fault::Data("the case gives no document \"teams\"".into()));
}

#[test]
fn imports_answer_from_the_case() {
    let answer = ask("team").unwrap();
    let message = &answer.as_findings()[0].message;
    assert_eq!(message, "ann None Value::Text(\"deploy\") Value::Text(\"2026-03-14T09:30:00.000Z\")");
}

#[test]
fn settings_are_refused_where_there_are_none() {
    let case = Case::of::<Policy>().data("teams", "{}").settings(r#"{"a": 1}"#);
    assert_eq!(case.try_run(), Err(Fault::Settings(vec![Problem::new("/a", "is not known here: nothing can be set")])));
}

#[test]
fn quotes_text_from_callers() {
    assert_eq!(quote("a\"b\\\u{1b}[31m\u{202e}é"), "\"a\\\"b\\\\\\u{1b}[31m\\u{202e}é\"");
    assert_eq!(quote(&"x".repeat(81)), format!("\"{}…\"", "x".repeat(80)));
}

/// Case files: one folder that passes, and one for each way in which it must not.
mod case_files {
    use super::*;

    const PASSING: &str = r#"[
        {"name": "abstains", "request": {"context": {"say": "abstain"}}, "data": {"teams": {}}, "expect": {"outcome": "abstain"}},
        {"name": "everything", "request": {"context": {"say": "everything"}}, "data": {"teams": {}},
         "expect": {"outcome": "escalate", "codes": ["test.answers.ok", "test.answers.ok", "test.answers.ok",
            "test.answers.ok", "test.answers.ok"], "obligations": ["notify", "tag"], "requirements": [
            {"kind": "approve", "count": 2, "roles": ["lead", "cab"], "within_minutes": 30},
            {"kind": "acknowledge", "statement": "I will watch it"}, {"kind": "provide", "pointer": "/context/ticket"},
            {"kind": "wait-until", "time": "2026-03-14T10:00:00Z"}]}},
        {"name": "faults", "request": {"context": {}}, "settings": {}, "now": "2026-01-01T00:00:00Z", "data": {"teams": {}},
         "expect": {"outcome": "fault.error"}}
    ]"#;

    fn run(name: &str, text: &str) -> std::thread::Result<()> {
        let folder = std::env::temp_dir().join(format!("portcullis-cases-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.json"), text).unwrap();
        let result = std::panic::catch_unwind(|| cases::<Policy>(&folder));
        std::fs::remove_dir_all(&folder).unwrap();
        result
    }

    #[test]
    fn pass() {
        run("pass", PASSING).unwrap();
    }

    #[test]
    fn fail_on_every_difference_and_on_every_mistake() {
        for (name, from, to) in [
            ("outcome", "\"abstain\"}}", "\"allow\"}}"),
            ("codes", "\"test.answers.ok\"]", "\"test.answers.team\"]"),
            ("obligations", "\"tag\"", "\"review\""),
            ("requirements", "\"count\": 2", "\"count\": 1"),
            ("fault", "fault.error", "fault.trap"),
            ("duplicate", "\"faults\"", "\"abstains\""),
            ("unknown", "\"now\"", "\"then\""),
            ("missing", "{\"outcome\": \"fault.error\"}", "{}"),
            ("json", "]}}", "]}"),
        ] {
            let changed = PASSING.replacen(from, to, 1);
            assert_ne!(changed, PASSING, "{name}");
            assert!(run(name, &changed).is_err(), "{name} passed");
        }
        assert!(run("none", "[]").is_err(), "no case passed");
    }
}
