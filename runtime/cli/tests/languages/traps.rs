//! What other programs in a language can do and policies cannot: it is a fault with its reason, and not a silent wrong answer.

use std::collections::BTreeMap;

use portcullis_gate::{Fault, Said};

use crate::site::{Case, LANGUAGES, Site, available, report, said};

/// Builds the scaffold with branches that it does not have; what it says to each action.
fn changed(
    site: &Site,
    language: &str,
    file: &str,
    changes: &[(&str, &str)],
) -> Option<(String, BTreeMap<String, Said>)> {
    let registry = LANGUAGES.iter().find(|(name, _)| *name == language)?.1;
    if !available(language, registry) {
        return None;
    }
    site.done(&["policy", "new", "trap", "--lang", language]);
    site.replace(&format!("trap/{file}"), changes);
    site.replace("trap/policy.json", &[("\"codes\":", "\"imports\": [\"log\"],\n  \"codes\":")]);
    let (_, warnings) = site.done(&["policy", "build", "trap"]);
    let module = std::fs::read(site.path().join("trap/trap.wasm")).unwrap();
    let calls: Vec<String> = report(&module).calls.into_iter().map(|call| call.name).collect();
    assert_eq!(calls, ["log"], "{language}");
    let case = |action: &str| Case {
        name: action.into(),
        request: serde_json::json!({
            "subject": {"type": "user", "id": "a"}, "action": {"name": action}, "resource": {"type": "x", "id": "b"},
            "context": {"environment": "staging"}
        }),
        settings: serde_json::json!({"protected": ["production"]}),
    };
    let cases = ["log", "clock", "date", "random", "throw", "late", "deploy"].map(case);
    Some((warnings, said(&site.engine(), &module, &cases)))
}

/// The action is a fault, and the fault says why.
fn assert_fault(said: &BTreeMap<String, Said>, action: &str, says: &str) {
    match &said[action] {
        Said::Fault(faulted) => {
            assert_eq!(faulted.fault, Fault::Error, "{action}: {}", faulted.detail);
            assert!(faulted.detail.contains(says), "{action}: {:?} does not say {says:?}", faulted.detail);
        }
        answer => panic!("{action}: {answer:?}"),
    }
}

fn assert_answers(said: &BTreeMap<String, Said>, action: &str) {
    assert!(matches!(said[action], Said::Answer(_)), "{action}: {:?}", said[action]);
}

#[test]
fn javascript_has_no_clock_and_no_randomness_and_errors_are_faults() {
    let site = Site::new();
    let branches = "if (action === \"log\") log(\"hello\");
    if (action === \"clock\") return allow(CODE, `${Date.now()}`);
    if (action === \"random\") return allow(CODE, `${Math.random()}`);
    if (action === \"throw\") throw new Error(\"on purpose\");
    if (action !== \"deploy\") return abstain();";
    let changes = [
        ("if (action !== \"deploy\") return abstain();", branches),
        ("integer, text, warn }", "integer, log, text, warn }"),
    ];
    let Some((warnings, said)) = changed(&site, "javascript", "policy.js", &changes) else { return };
    for warned in ["Date.now: there is no clock in a policy", "Math.random: there is no randomness"] {
        assert!(warnings.contains("warning: policy.js:2") && warnings.contains(warned), "{warnings}");
    }
    assert_fault(&said, "clock", "Date.now is not there in a policy: declare the input /now");
    assert_fault(&said, "random", "Math.random is not there in a policy");
    assert_fault(&said, "throw", "Error: on purpose");
    assert_answers(&said, "log");
    assert_answers(&said, "deploy");
}

#[test]
fn python_has_no_clock_no_randomness_and_no_late_imports() {
    let site = Site::new();
    let branches = "if action == \"log\":
        log(\"hello\")
    if action == \"clock\":
        return allow(CODE, str(time.time()))
    if action == \"date\":
        return allow(CODE, str(datetime.datetime.now()))
    if action == \"random\":
        return allow(CODE, str(random.random()))
    if action == \"throw\":
        raise KeyError(\"on purpose\")
    if action == \"late\":
        import fractions
    if action != \"deploy\":";
    let changes = [
        ("if action != \"deploy\":", branches),
        ("integer, text, warn\n", "integer, log, text, warn\n"),
        ("from sdk.portcullis", "import datetime\nimport random\nimport time\n\nfrom sdk.portcullis"),
    ];
    let Some((_, said)) = changed(&site, "python", "policy.py", &changes) else { return };
    assert_fault(&said, "clock", "time.time is not there in a policy: declare the input /now");
    assert_fault(&said, "date", "datetime.now is not there in a policy");
    assert_fault(&said, "random", "random.random is not there in a policy");
    assert_fault(&said, "throw", "KeyError: 'on purpose'");
    assert_fault(&said, "late", "import fractions at the top of policy.py");
    assert_answers(&said, "log");
    assert_answers(&said, "deploy");
}

#[test]
fn go_panics_are_faults_and_its_clock_stands_still() {
    let site = Site::new();
    let branches = "switch input.Action {
	case \"log\":
		portcullis.Log(\"hello\")
	case \"clock\":
		return portcullis.Say(portcullis.Allow(code+\".open\", time.Now().UTC().String()))
	case \"throw\":
		panic(\"on purpose\")
	}
	if input.Action != \"deploy\" {";
    let changes = [("if input.Action != \"deploy\" {", branches), ("\"slices\"\n", "\"slices\"\n\t\"time\"\n")];
    let Some((_, said)) = changed(&site, "go", "policy.go", &changes) else { return };
    assert_fault(&said, "throw", "on purpose");
    let Said::Answer(answer) = &said["clock"] else { panic!("{:?}", said["clock"]) };
    assert!(format!("{answer:?}").contains("1970-01-01 00:00:01"), "{answer:?}");
    assert_answers(&said, "log");
    assert_answers(&said, "deploy");
}

#[test]
fn c_imports_what_it_calls_and_its_failures_are_faults() {
    let site = Site::new();
    let branches = "if (pc_equal(action, pc_text(\"log\"))) pc_log(\"hello\");
  if (pc_equal(action, pc_text(\"throw\"))) pc_fail(\"on %s\", \"purpose\");
  if (!pc_equal(action, pc_text(\"deploy\"))) {";
    let changes = [("if (!pc_equal(action, pc_text(\"deploy\"))) {", branches)];
    let Some((_, said)) = changed(&site, "c", "policy.c", &changes) else { return };
    assert_fault(&said, "throw", "on purpose");
    assert_answers(&said, "log");
    assert_answers(&said, "deploy");
}

/// A wrong type is shown with its place, and nothing is built.
#[test]
fn typescript_refuses_wrong_types() {
    let site = Site::new();
    if !available("typescript", Some("npm")) {
        return;
    }
    site.done(&["policy", "new", "trap", "--lang", "typescript"]);
    site.replace("trap/policy.ts", &[("if (action !== \"deploy\")", "if (action !== 5)")]);
    let output = site.run(&["policy", "build", "trap"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.code() == Some(1) && said.contains("policy.ts(") && said.contains("error TS2367"), "{said}");
    assert!(!site.path().join("trap/trap.wasm").exists());
}
