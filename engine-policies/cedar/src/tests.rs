use std::path::Path;

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use portcullis_policy::Verdict;
use portcullis_policy::test::Case;
use serde_json::json;

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
fn the_examples_are_what_was_published_and_valid() {
    let mut policies = 0;
    for example in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let folder = example.unwrap().path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        if !folder.is_dir() {
            continue;
        }
        let settings: serde_json::Value = serde_json::from_str(&read("settings.json")).unwrap();
        for (name, text) in settings["policies"].as_object().unwrap() {
            let (published, schema) = (read(name), read(&format!("{name}schema")));
            assert_eq!(text.as_str().unwrap(), published, "{}", folder.display());
            if let Some(text) = settings["schema"].as_str() {
                assert_eq!(text, schema, "{}", folder.display());
            }
            let set: PolicySet = published.parse().unwrap();
            let schema: Schema = schema.parse().unwrap();
            assert!(Validator::new(schema).validate(&set, ValidationMode::Strict).validation_passed(), "{name}");
            policies += set.num_of_policies();
        }
    }
    assert_eq!(policies, 43);
}

fn refused(settings: &serde_json::Value) -> String {
    match Case::of::<Policy>().settings(&settings.to_string()).try_run() {
        Ok(answer) => panic!("{answer:?}"),
        Err(fault) => {
            assert_eq!(fault.code(), "load.settings", "{fault}");
            fault.to_string()
        }
    }
}

fn policy(text: &str) -> serde_json::Value {
    json!({"policies": {"deploy.cedar": text}})
}

const SCHEMA: &str = "entity User = { role: String }; entity Service;\n\
    action deploy appliesTo { principal: User, resource: Service };";

#[test]
fn a_syntax_error_says_file_line_and_column() {
    let said = refused(&policy("permit (principal, action, resource);\npermit (principal, action);\n"));
    assert!(said.contains("/policies/deploy.cedar") && said.contains("deploy.cedar:2:26"), "{said}");
    let said = refused(&policy("permit (principal, action, resource)\n  when { principal.role = \"é\" };\n"));
    assert!(said.contains("deploy.cedar:2:"), "{said}");
    let both = refused(&json!({"policies": {"a.cedar": "permit", "b~/c.cedar": "forbid ("}}));
    assert!(both.contains("/policies/a.cedar") && both.contains("/policies/b~0~1c.cedar"), "{both}");
}

#[test]
fn what_the_schema_does_not_know_is_refused_with_its_place() {
    let said = refused(&json!({
        "policies": {"a.cedar": "permit (principal, action, resource);",
            "b.cedar": "permit (principal, action, resource)\nwhen { principal.rool == \"x\" };"},
        "schema": SCHEMA
    }));
    assert!(said.contains("/policies/b.cedar") && said.contains("b.cedar:2:8") && said.contains("rool"), "{said}");
    // A milder forbid is validated like any other.
    let said = refused(&json!({
        "policies": {"a.cedar": "@outcome(\"warn\") forbid (principal, action, resource) when { principal.rool == \"x\" };"},
        "schema": SCHEMA
    }));
    assert!(said.contains("rool"), "{said}");
    let said = refused(
        &json!({"policies": {"a.cedar": "permit (principal, action, resource);"}, "schema": "entity User = {"}),
    );
    assert!(said.contains("/schema") && said.contains("schema:1:"), "{said}");
    let said = refused(&json!({
        "policies": {"a.cedar": "permit (principal, action, resource);"}, "schema": SCHEMA,
        "entities": [{"uid": {"type": "User", "id": "a"}, "attrs": {"role": 1}, "parents": []}]
    }));
    assert!(said.contains("/entities") && said.contains("role"), "{said}");
}

#[test]
fn annotations_are_checked() {
    for (annotations, effect, says) in [
        ("@outcome(\"allow\")", "forbid", "a forbid anything but allow"),
        ("@outcome(\"deny\")", "permit", "a permit may allow or warn"),
        ("@outcome(\"sometimes\")", "forbid", "a forbid anything but allow"),
        ("@outcome(\"escalate\") @approve(\" , \")", "forbid", "@approve names the roles"),
    ] {
        let said = refused(&policy(&format!("{annotations} {effect} (principal, action, resource);")));
        assert!(said.contains(says), "{annotations}: {said}");
    }
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    assert!(refused(&policy(twice)).contains("the id a is taken"), "{}", refused(&policy(twice)));
}

#[test]
fn templates_names_and_pointers_are_checked() {
    let permit = "permit (principal, action, resource);";
    for (settings, says) in [
        (policy("permit (principal == ?principal, action, resource);"), "is a template"),
        (json!({"policies": {"a": permit}, "types": {"user": "no-name"}}), "is no entity type of Cedar"),
        (json!({"policies": {"a": permit}, "action_type": "1"}), "/action_type"),
        (json!({"policies": {"a": permit}, "principal": {"parents": {"a b": "/x"}}}), "/principal/parents"),
        (json!({"policies": {"a": permit}, "context": {"x/y": "context"}}), "/context/x~1y"),
        (json!({"policies": {"a": permit}, "resource": {"id": "id"}}), "/resource/id"),
        (json!({"policies": {"a": permit}, "entities": {}}), "/entities"),
        (json!({"policies": {"a": permit}, "schema": 1}), "/schema"),
        (json!({"policies": {}}), "/policies"),
    ] {
        let said = refused(&settings);
        assert!(said.contains(says), "{said} does not say {says}");
    }
}

#[test]
fn a_value_that_cedar_does_not_have_is_named() {
    let permit = "permit (principal, action, resource);";
    let typed = json!({"policies": {"a": permit}, "schema": "entity User, Service; action a appliesTo \
        { principal: User, resource: Service, context: { a: { b: Set<decimal> } } };"});
    for (settings, context, says) in [
        (policy(permit), json!({"a": {"b": 0.00001}}), "/context/a/b 0.00001 is no number"),
        (policy(permit), json!({"a": [1, null]}), "/context/a/1 a list holds null"),
        (json!({"policies": {"a": permit}, "context": {"n": "/context/a"}}), json!({"a": 1e300}), "/context/a 1e300"),
        (typed.clone(), json!({"a": {"b": [1, 0.00001]}}), "/context/a/b/1 0.00001 is no number"),
        (typed, json!({"a": {"__extn": 1}}), "/context/a the name"),
    ] {
        let request = json!({"subject": {"type": "User", "id": "u"}, "action": {"name": "a"},
            "resource": {"type": "Service", "id": "s"}, "context": context});
        let case = Case::of::<Policy>().settings(&settings.to_string()).request(&request.to_string());
        let fault = case.try_run().unwrap_err().to_string();
        assert!(fault.contains(says) && !fault.contains("malformed"), "{fault} does not say {says}");
    }
}

#[test]
fn a_context_that_is_no_object_does_not_fit() {
    for context in ["[1]", "\"text\"", "1"] {
        let request = format!(
            r#"{{"subject": {{"type": "User", "id": "u"}}, "action": {{"name": "a"}},
                "resource": {{"type": "Service", "id": "s"}}, "context": {context}}}"#
        );
        let settings = policy("permit (principal, action, resource);").to_string();
        let answer = Case::of::<Policy>().settings(&settings).request(&request).run();
        let Verdict::Findings(findings) = &answer.verdict else { panic!("{answer:?}") };
        let said: Vec<_> = findings.iter().map(|finding| (finding.code.as_str(), finding.at.as_deref())).collect();
        assert_eq!(said, [("policy.cedar.invalid-request", Some("/context"))]);
    }
}

#[test]
fn only_the_named_fields_are_inputs() {
    use portcullis_policy::Configured;
    let settings = json!({"policies": {"a": "permit (principal, action, resource);"},
        "context": {"environment": "/context/environment"}, "principal": {"attributes": {}}, "resource": {"attributes": {}}});
    let configured = Configured::<Policy>::new(&settings.to_string()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let pointers =
        ["/subject/type", "/subject/id", "/resource/type", "/resource/id", "/action/name", "/context/environment"];
    assert_eq!(configured.pointers(), pointers);
}
