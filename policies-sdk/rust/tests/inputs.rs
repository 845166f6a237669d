//! `#[derive(Inputs)]` and `#[derive(FromJson)]`: absence, null and a wrong type are three things.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_policy::prelude::*;
use portcullis_policy::test::{Case, Fault, description};

#[derive(Inputs)]
struct Inputs {
    #[input("/subject/id")]
    subject: String,
    #[input("/context/optional")]
    optional: Option<i64>,
    #[input("/context/field")]
    field: Field<bool>,
    #[input("/context/raw")]
    raw: Value,
    #[input("/context/approvals")]
    approvals: Option<Vec<Approval>>,
    #[input("/context/tree~0~1")]
    tree: Option<Json>,
    #[input("/context/kind")]
    kind: Option<Kind>,
    #[input("/now")]
    now: portcullis_policy::time::Time,
}

#[derive(Debug, FromJson)]
struct Approval {
    by: String,
    #[json(default)]
    roles: Vec<String>,
    #[json(rename = "at-hour")]
    hour: Option<u8>,
}

#[derive(Debug, FromJson)]
enum Kind {
    Minor,
    EmergencyRollback,
}

#[policy(name = "test.inputs", summary = "Shows its inputs.", codes(SHOWN = "test.inputs.shown": "Always."))]
fn evaluate(input: &Inputs) -> Result<Finding, String> {
    let roles: usize = input.approvals.iter().flatten().map(|approval| approval.roles.len()).sum();
    let who: Vec<_> = input.approvals.iter().flatten().map(|approval| (&*approval.by, approval.hour)).collect();
    let leaf = input.tree.as_ref().and_then(|tree| tree.pointer("/a~1b/1/c"));
    Ok(allow(
        SHOWN,
        format!(
            "{} {:?} {:?} {:?} {who:?} {roles} {leaf:?} {:?} {}",
            input.subject, input.optional, input.field, input.raw, input.kind, input.now
        ),
    ))
}

fn shown(context: &str) -> Result<String, Fault> {
    Case::of::<Policy>().context(context).try_run().map(|answer| answer.as_findings()[0].message.clone())
}

#[test]
fn tells_absence_null_and_values_apart() {
    assert_eq!(shown("{}").unwrap(), "tester None Missing Value::Missing [] 0 None None 2026-03-14T09:30:00.000Z");
    assert_eq!(
        shown(r#"{"optional": null, "field": null, "raw": null, "approvals": null, "tree~/": null, "kind": null}"#)
            .unwrap(),
        "tester None Null Value::Null [] 0 None None 2026-03-14T09:30:00.000Z"
    );
    assert_eq!(
        shown(
            r#"{"optional": -7, "field": true, "raw": [1, {"x": 1.50}], "kind": "emergency-rollback",
                "approvals": [{"by": "a", "roles": ["r", "s"], "at-hour": 9, "more": [[{"]": "}"}]]}, {"by": "b"}],
                "tree~/": {"a/b": [0, {"c": "found"}], "01": 1}}"#
        )
        .unwrap(),
        "tester Some(-7) Is(true) Value::Json(\"[1,{\\\"x\\\":1.50}]\") [(\"a\", Some(9)), (\"b\", None)] 2 \
         Some(Text(\"found\")) Some(EmergencyRollback) 2026-03-14T09:30:00.000Z"
    );
}

#[test]
fn a_wrong_type_is_a_fault_and_never_an_absence() {
    for (context, says) in [
        (r#"{"optional": "7"}"#, "/context/optional must be an integer, not a string"),
        (r#"{"optional": 7.5}"#, "/context/optional must be an integer, not a number"),
        (r#"{"approvals": {}}"#, "/context/approvals must be a list, not an object"),
        (r#"{"approvals": "x"}"#, "/context/approvals must be a list, not a string"),
        (r#"{"approvals": [{}]}"#, "/context/approvals/0/by is missing"),
        (
            r#"{"approvals": [{"by": 1, "at-hour": 300}]}"#,
            "/context/approvals/0/by must be a string, not an integer; /0/at-hour is out of range",
        ),
        (r#"{"kind": "major"}"#, "/context/kind must be one of \"minor\", \"emergency-rollback\""),
        (r#"{"kind": 1}"#, "/context/kind must be a string, not an integer"),
    ] {
        assert_eq!(shown(context), Err(Fault::Error(says.into())), "{context}");
    }
    assert!(shown(r#"{"field": "yes"}"#).unwrap().contains("Wrong(\"must be true or false, not a string\")"));
}

#[test]
fn a_required_input_that_is_missing_is_a_fault() {
    let case = Case::of::<Policy>().request(r#"{"subject": {}}"#);
    assert_eq!(case.try_run(), Err(Fault::Error("/subject/id is missing".into())));
}

#[test]
fn the_description_lists_the_pointers() {
    let text = description::<Policy>();
    assert!(text.contains(r#""inputs":["/subject/id","/context/optional","/context/field","/context/raw","#), "{text}");
    assert!(text.contains(r#""/context/tree~0~1""#), "{text}");
}

mod from_settings {
    use super::*;

    #[derive(Settings)]
    struct Settings {
        fields: Vec<String>,
    }

    impl NamesInputs for Settings {
        fn input_pointers(&self) -> Vec<String> {
            self.fields.clone()
        }
    }

    #[derive(Inputs)]
    struct Inputs {
        #[input("/action/name")]
        action: String,
        #[input(from_settings)]
        fields: Fields,
    }

    #[policy(
        name = "test.from-settings",
        summary = "Reads what its settings name.",
        codes(_ = "test.from-settings.*": "Codes from the settings.")
    )]
    fn evaluate(settings: &Settings, input: &Inputs) -> Vec<Finding> {
        let fields = &input.fields;
        assert_eq!(fields.len(), settings.fields.len());
        fields
            .iter()
            .map(|(pointer, value)| {
                assert_eq!(fields.at(pointer), Some(value));
                warn(format!("test.from-settings.{}", input.action), format!("{pointer} is {}", value.kind_name()))
            })
            .collect()
    }

    #[test]
    fn settings_name_inputs_beside_fixed_ones() {
        let case = Case::of::<Policy>().settings(r#"{"fields": ["/context/x", "/subject", "/context/none"]}"#);
        let answer = case.context(r#"{"x": 1}"#).run();
        let messages: Vec<_> = answer.as_findings().iter().map(|finding| &*finding.message).collect();
        assert_eq!(messages, ["/context/x is an integer", "/subject is an object", "/context/none is missing"]);
        assert_eq!(answer.codes(), ["test.from-settings.deploy"; 3]);
        assert!(description::<Policy>().contains(r#""inputs":"from-settings""#));
    }

    #[test]
    fn pointers_from_settings_are_checked() {
        let fault = Case::of::<Policy>().settings(r#"{"fields": ["context"]}"#).try_run();
        assert_eq!(fault, Err(Fault::Inputs("an input is no JSON pointer: \"context\"".into())));
    }
}
