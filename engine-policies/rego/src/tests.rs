use std::path::Path;

use portcullis_policy::test::Case;

use super::Policy;

#[test]
fn cases() {
    portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}

/// Apart from `cases`: nearly each has settings of its own, which `portcullis policy test` would compile one by one.
#[test]
fn edges() {
    portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/edges"));
}

#[test]
fn the_examples_are_what_was_published() {
    let mut modules = 0;
    for example in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let folder = example.unwrap().path();
        let Ok(settings) = std::fs::read_to_string(folder.join("settings.json")) else { continue };
        let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
        for (name, text) in settings["modules"].as_object().unwrap() {
            let published = std::fs::read_to_string(folder.join(name)).unwrap();
            assert_eq!(text.as_str().unwrap(), published, "{}", folder.join(name).display());
            modules += 1;
        }
    }
    assert_eq!(modules, 15);
}

fn refused(settings: serde_json::Value) -> String {
    match Case::of::<Policy>().settings(&settings.to_string()).try_run() {
        Ok(answer) => panic!("{answer:?}"),
        Err(fault) => {
            assert_eq!(fault.code(), "load.settings");
            fault.to_string()
        }
    }
}

fn module(text: &str) -> serde_json::Value {
    serde_json::json!({"modules": {"deploy.rego": text}})
}

#[test]
fn a_syntax_error_says_file_line_and_column() {
    let said = refused(module("package deploy\n\ndeny contains msg if {\n\tmsg := := 1\n}\n"));
    assert!(said.contains("/modules/deploy.rego") && said.contains("deploy.rego:4:12: expecting expression"), "{said}");
    // Each module's own.
    let said = refused(serde_json::json!({"modules": {"a.rego": "package", "b~/c.rego": "package b\nx := "}}));
    assert!(said.contains("/modules/a.rego") && said.contains("/modules/b~0~1c.rego"), "{said}");
    // Version 0 is not version 1.
    let old = module("package deploy\ndeny[msg] { msg := \"x\" }");
    assert!(refused(old.clone()).contains("deploy.rego:2:"), "{}", refused(old));
}

#[test]
fn what_varies_is_refused_at_load_wherever_it_is_called() {
    for (call, why) in [
        ("time.now_ns()", "a policy has no clock"),
        ("rand.intn(\"a\", 3)", "a policy has no randomness"),
        ("uuid.rfc4122(\"a\")", "a policy has no randomness"),
        ("http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1\"})", "a policy has no network"),
        ("opa.runtime()", "a policy has no environment"),
        ("nosuch.thing(1)", "no module defines it"),
        ("data.other.f(1)", "no module defines it"),
    ] {
        for body in [
            format!("deny contains \"x\" if {{ {call} }}"),
            format!("deny contains \"x\" if {{ not helper }}\nhelper if {{ false; [y | y := {call}][0] > 1 }}"),
            format!("deny contains \"x\" if {{ g(1) }}\ng(x) := y if {{ y := {{\"a\": [{call}]}} }}"),
            format!("deny contains \"x\" if {{ every v in [1] {{ v == {call} }} }}"),
            format!("deny contains \"x\" if {{ false }} else := {call}").replace("contains \"x\" if", "if"),
        ] {
            let said = refused(module(&format!("package deploy\n{body}\n")));
            assert!(said.contains("there is no function") && said.contains(why), "{call}: {said}");
        }
    }
}

#[test]
fn functions_of_modules_are_known_under_each_of_their_names() {
    let settings = serde_json::json!({"modules": {
        "lib.rego": "package acme.lib\nis_bad(x) if x == 1\ndefault rank(_) := 0",
        "deploy.rego": "package deploy\nimport data.acme.lib\nimport data.acme.lib as l\nlocal(x) if lib.is_bad(x)\n\
            deny contains \"a\" if { local(1); l.is_bad(1); data.acme.lib.is_bad(1); lib.rank(1) == 0; startswith(\"ab\", \"a\"); print(1) }"
    }});
    let answer = Case::of::<Policy>().settings(&settings.to_string()).run();
    assert_eq!(answer.codes(), ["policy.rego.deny"]);
}

#[test]
fn rules_are_those_that_exist() {
    let said = refused(serde_json::json!({
        "modules": {"deploy.rego": "package deploy\ndeny if input.x"}, "rules": {"data.deploy.denny": "deny"}
    }));
    assert!(said.contains("/rules/data.deploy.denny") && said.contains("there are data.deploy.deny"), "{said}");
    assert!(refused(module("package deploy\nrefuse if input.x")).contains("no module has a rule named deny"));
    assert!(
        refused(module("package deploy\ndeny.root if input.x")).contains("say in `rules` what data.deploy.deny.root")
    );
    // A function is no rule.
    assert!(refused(module("package deploy\ndeny(x) if x")).contains("no module has a rule named deny"));
}

#[test]
fn recursion_is_a_fault() {
    // The engine sees it only when it gets there.
    let fault =
        Case::of::<Policy>().settings(&module("package deploy\ndeny if a\na if b\nb if a").to_string()).try_run();
    let fault = fault.unwrap_err();
    assert_eq!(fault.code(), "fault.error");
    assert!(fault.to_string().contains("recursi"), "{fault}");
}
