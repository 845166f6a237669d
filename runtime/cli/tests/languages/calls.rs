//! Every call of the host, made by a policy in each language: it asks the same, is told the same, and says the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_engine::PolicySource;
use portcullis_gate::{Document, HistoryQuery, Limits, Outcome, PastDecision, Request, Said, Verdict};

use crate::site::{LANGUAGES, Site, available, report};

const NOW: &str = "2026-03-14T09:30:00Z";

/// What the policy says of what it was told: a document's value and one that is not there, four fields of the request, two
/// answers of the history.
const SAID: &str = "alice none|more 7 true none|2 2026-03-14T08:30:00.000Z 2026-03-14T09:00:00.000Z|0 none none";

/// Builds the scaffold with these changes, evaluates it, and compares what it asked and said.
fn calls(language: &str, file: &str, changes: &[(&str, &str)]) {
    let registry = LANGUAGES.iter().find(|(name, _)| *name == language).unwrap().1;
    if !available(language, registry) {
        return;
    }
    let site = Site::new();
    site.done(&["policy", "new", "asks", "--lang", language]);
    site.replace(&format!("asks/{file}"), changes);
    let described = "\"imports\": [\"log\", \"data\", \"request\", \"history\"],
  \"history\": {\"summary\": \"how often it was deployed\"},
  \"data\": [{\"name\": \"teams\", \"summary\": \"who owns what\"}],
  \"codes\":";
    site.replace("asks/policy.json", &[("\"codes\":", described)]);
    site.done(&["policy", "build", "asks"]);
    let module = std::fs::read(site.path().join("asks/asks.wasm")).unwrap();
    let report = report(&module);
    let mut called: Vec<&str> = report.calls.iter().map(|call| call.name.as_str()).collect();
    called.sort_unstable();
    assert_eq!(called, ["data", "history", "log", "request"], "{language}");

    let teams = Document::parse(br#"{"owners": ["alice"]}"#).unwrap();
    let limits = Limits { time_ms: 60_000, configure_time_ms: 600_000, ..report.raised(Limits::default()) };
    let source = PolicySource {
        name: "asks",
        settings: r#"{"protected": ["production"]}"#,
        limits,
        data: Arc::new(BTreeMap::from([("teams".to_owned(), teams)])),
        expected_sha256: None,
    };
    let policy = site.engine().load(&module, &source).unwrap();
    let request = br#"{"subject": {"type": "user", "id": "a"}, "action": {"name": "ask"}, "resource": {"type": "service", "id": "b"},
        "context": {"extra": "more", "risk": 7, "flag": true}}"#;
    let now: Timestamp = NOW.parse().unwrap();
    let past = |now: &str, action: &str, resource_id: &str, outcome| PastDecision {
        now: now.parse().unwrap(),
        action: action.into(),
        resource_type: "service".into(),
        resource_id: resource_id.into(),
        outcome,
    };
    let history = vec![
        past("2026-03-14T08:00:00Z", "deploy", "b", Outcome::Allow), // ninety minutes ago: no longer in it
        past("2026-03-14T08:30:00Z", "deploy", "b", Outcome::Allow),
        past("2026-03-14T08:40:00Z", "deploy", "b", Outcome::Warn),
        past("2026-03-14T08:50:00Z", "deploy", "c", Outcome::Deny),
        past("2026-03-14T08:50:00Z", "rollback", "b", Outcome::Deny),
        past("2026-03-14T09:00:00Z", "deploy", "b", Outcome::Deny),
    ];
    let run = policy.evaluate_with(&Request::parse(request, now).unwrap(), Some(Arc::new(history)));
    assert_eq!(run.log, ["asked"], "{language}");
    let asked: Vec<&HistoryQuery> = run.history.iter().map(|call| &call.query).collect();
    let one = HistoryQuery {
        action: Some("deploy".into()),
        resource_type: Some("service".into()),
        resource_id: Some("b".into()),
        outcomes: vec![Outcome::Allow, Outcome::Deny],
        within_minutes: 90,
        until: now,
    };
    let two = HistoryQuery {
        action: None,
        resource_type: None,
        resource_id: None,
        outcomes: vec![],
        within_minutes: 1,
        until: now,
    };
    assert_eq!(asked, [&one, &two], "{language}");
    let Said::Answer(answer) = &run.said else { panic!("{language}: {:?}", run.said) };
    let Verdict::Findings(findings) = &answer.verdict else { panic!("{language}: {answer:?}") };
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, [SAID], "{language}");
}

#[test]
fn javascript() {
    let ask = r#"if (action === "ask") {
      log("asked");
      const show = (value) => (value === undefined ? "none" : String(value));
      const values = request(["/context/extra", "/context/risk", "/context/flag", "/context/none"]).map(show);
      const one = history({
        action: "deploy", resourceType: "service", resourceId: "b", outcomes: ["allow", "deny"], withinMinutes: 90,
      });
      const two = history({ withinMinutes: 1 });
      const told = [one, two].map((found) => `${found.count} ${show(found.oldest)} ${show(found.latest)}`);
      const owners = [show(data("teams", "/owners/0")), show(data("teams", "/owners/1"))];
      return allow(`${CODE}.open`, [owners.join(" "), values.join(" "), ...told].join("|"));
    }
    if (action !== "deploy") return abstain();"#;
    calls(
        "javascript",
        "policy.js",
        &[
            ("if (action !== \"deploy\") return abstain();", ask),
            ("answer, definePolicy,", "answer, data, definePolicy,"),
            ("integer, text, warn }", "history, integer, log, request, text, warn }"),
        ],
    );
}

#[test]
fn python() {
    let ask = r#"if action == "ask":
        log("asked")

        def show(value):
            if value is MISSING or value is None:
                return "none"
            return "true" if value is True else str(value)

        values = [show(v) for v in request(["/context/extra", "/context/risk", "/context/flag", "/context/none"])]
        one = history(90, action="deploy", resource_type="service", resource_id="b", outcomes=["allow", "deny"])
        two = history(1)
        told = [f"{found.count} {show(found.oldest)} {show(found.latest)}" for found in (one, two)]
        owners = [show(data("teams", "/owners/0")), show(data("teams", "/owners/1"))]
        return allow(f"{CODE}.open", "|".join([" ".join(owners), " ".join(values), *told]))
    if action != "deploy":"#;
    calls(
        "python",
        "policy.py",
        &[
            ("if action != \"deploy\":", ask),
            (
                "import Answer, Finding, Policy,",
                "import MISSING, Answer, Finding, Policy, data, history, log, request,",
            ),
        ],
    );
}

#[test]
fn go() {
    let ask = r#"if input.Action == "ask" {
		portcullis.Log("asked")
		show := func(value portcullis.Value) string {
			switch value.Tag {
			case portcullis.Text:
				return value.Text
			case portcullis.Integer:
				return fmt.Sprint(value.Integer)
			case portcullis.Boolean:
				return fmt.Sprint(value.Boolean)
			default:
				return "none"
			}
		}
		action, kind, id := "deploy", "service", "b"
		one := portcullis.History(portcullis.HistoryQuery{
			Action: &action, ResourceType: &kind, ResourceID: &id,
			Outcomes:      []portcullis.Outcome{portcullis.AllowOutcome, portcullis.DenyOutcome},
			WithinMinutes: 90,
		})
		two := portcullis.History(portcullis.HistoryQuery{WithinMinutes: 1})
		when := func(time *string) string {
			if time == nil {
				return "none"
			}
			return *time
		}
		told := func(found portcullis.HistoryAnswer) string {
			return fmt.Sprint(found.Count, " ", when(found.Oldest), " ", when(found.Latest))
		}
		owners := show(portcullis.Data("teams", "/owners/0")) + " " + show(portcullis.Data("teams", "/owners/1"))
		var fields []string
		for _, value := range portcullis.Request("/context/extra", "/context/risk", "/context/flag", "/context/none") {
			fields = append(fields, show(value))
		}
		said := []string{owners, strings.Join(fields, " "), told(one), told(two)}
		return portcullis.Say(portcullis.Allow(code+".open", strings.Join(said, "|")))
	}
	if input.Action != "deploy" {"#;
    calls(
        "go",
        "policy.go",
        &[("if input.Action != \"deploy\" {", ask), ("\"slices\"\n", "\"slices\"\n\t\"strings\"\n")],
    );
}

#[test]
fn c() {
    let ask = r#"if (pc_equal(action, pc_text("ask"))) {
    pc_log("asked");
    pc_string deploy = action, service = pc_text("service"), id = pc_text("b");
    deploy = pc_text("deploy");
    static const pc_outcome outcomes[] = {PC_ALLOW, PC_DENY};
    pc_history_query first = {&deploy, &service, &id, outcomes, 2, 90}, second = {.within_minutes = 1};
    pc_history_answer one = pc_history(&first), two = pc_history(&second);
    pc_value owner = pc_data("teams", "/owners/0"), nobody = pc_data("teams", "/owners/1");
    pc_value extra = pc_request("/context/extra"), risk_again = pc_request("/context/risk");
    pc_value flag = pc_request("/context/flag"), none = pc_request("/context/none");
    pc_allow(CODE ".open", "%s %s|%s %lld %s %s|%llu %s %s|%llu %s %s", owner.text.data,
             nobody.tag == PC_MISSING ? "none" : "?", extra.text.data, (long long)risk_again.integer,
             flag.boolean ? "true" : "false", none.tag == PC_MISSING ? "none" : "?", (unsigned long long)one.count,
             one.oldest.data, one.latest.data, (unsigned long long)two.count,
             two.oldest.length ? "?" : "none", two.latest.length ? "?" : "none");
    return;
  }
  if (!pc_equal(action, pc_text("deploy"))) {"#;
    calls("c", "policy.c", &[("if (!pc_equal(action, pc_text(\"deploy\"))) {", ask)]);
}
