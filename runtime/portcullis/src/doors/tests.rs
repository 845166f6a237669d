use portcullis_gate::{MAX_DOCUMENT_BYTES, Pointer, Request, Value};
use proptest::prelude::*;

use super::*;

const STAGE0: &str = include_str!("../../tests/doors/stage0-deploy.json");
const PLAN: &str = include_str!("../../tests/doors/terraform-plan.json");
const REVIEW: &str = include_str!("../../tests/doors/admission-review.json");
const NATIVE: &str = r#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},
    "resource":{"type":"service","id":"payment-api"},"context":{"environment":"staging"}}"#;

fn request(opened: &Opened) -> Request {
    let now = "2026-03-14T09:30:00Z".parse().expect("a time");
    Request::parse(&opened.request, now).expect("a door's result is a request")
}

fn opened(kind: Kind, payload: &str, options: &DoorOptions) -> Request {
    request(&open(Some(kind), payload.as_bytes(), options).expect("opens"))
}

fn text(request: &Request, at: &str) -> String {
    match request.get(&Pointer::new(at).expect("a pointer")) {
        Value::Text(text) => text.to_owned(),
        Value::Json(json) => json.to_string(),
        other => format!("{other:?}"),
    }
}

fn check(request: &Request, expected: &[(&str, &str)]) {
    for (at, expected) in expected {
        assert_eq!(text(request, at), *expected, "{at}");
    }
}

/// `payload` with the JSON at `at` replaced.
fn with(payload: &str, at: &str, json: serde_json::Value) -> String {
    let mut document: serde_json::Value = serde_json::from_str(payload).expect("JSON");
    let (parent, key) = at.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).and_then(serde_json::Value::as_object_mut).expect("an object");
    if json == serde_json::json!("<remove>") {
        parent.remove(key);
    } else {
        parent.insert(key.to_owned(), json);
    }
    document.to_string()
}

fn refusal(kind: Kind, payload: &str, options: &DoorOptions) -> String {
    open(Some(kind), payload.as_bytes(), options).expect_err("refused").to_string()
}

fn options(context: &[(&str, &str)]) -> DoorOptions {
    let document = |json: &str| Document::parse(json.as_bytes()).expect("JSON");
    DoorOptions {
        context: context.iter().map(|(name, json)| ((*name).to_owned(), document(json))).collect(),
        ..DoorOptions::default()
    }
}

#[test]
fn a_stage0_check_becomes_a_request() {
    let request = opened(Kind::Stage0, STAGE0, &DoorOptions::default());
    check(
        &request,
        &[
            ("/subject/type", "run"),
            ("/subject/id", "run_deploy_001"),
            ("/subject/properties", r#"{"role":"platform_admin"}"#),
            ("/action/name", "execute"),
            ("/action/properties/tools", r#"["github_actions","argo_cd","slack"]"#),
            ("/action/properties/side_effects/1", "database change"),
            ("/resource/type", "stage0-check"),
            ("/resource/id", "run_deploy_001"),
            ("/resource/properties/goal", "Deploy the payments service and run a schema migration"),
            ("/context/environment", "production"),
            ("/context/stage0/context/approval_status", "approved"),
            ("/context/stage0/constraints/4", "timeout:300s"),
        ],
    );
    assert!(std::str::from_utf8(request.bytes()).expect("UTF-8").contains(STAGE0.trim()), "the text is copied");
}

#[test]
fn a_stage0_check_without_context_names_nobody() {
    let request = opened(Kind::Stage0, r#"{"goal":"x","later":1}"#, &DoorOptions::default());
    check(
        &request,
        &[
            ("/subject", r#"{"id":"unknown","type":"run"}"#),
            ("/action", r#"{"name":"execute"}"#),
            ("/resource/id", "check"),
            ("/context", r#"{"stage0":{"goal":"x","later":1}}"#),
        ],
    );
    let named = |context: &str| {
        text(
            &opened(Kind::Stage0, &format!(r#"{{"goal":"x","context":{context}}}"#), &DoorOptions::default()),
            "/subject/id",
        )
    };
    let typed =
        opened(Kind::Stage0, r#"{"goal":"x","context":{"actor_id":"a","run_id":"c"}}"#, &DoorOptions::default());
    assert_eq!(text(&typed, "/subject/type"), "user");
    assert_eq!(named(r#"{"actor":"b","actor_id":"a","run_id":"c"}"#), "a");
    assert_eq!(named(r#"{"actor":"b","run_id":"c"}"#), "b");
    assert_eq!(named(r#"{"actor_id":null,"run_id":"c"}"#), "c");
}

#[test]
fn stage0_refuses_other_shapes() {
    use serde_json::json;
    for (at, json, says) in [
        ("/goal", json!("<remove>"), "/goal is missing"),
        ("/goal", json!(7), "/goal is a number; it should be a string"),
        ("/goal", json!(""), "/goal is an empty string"),
        ("/tools", json!("slack"), "/tools is a string; it should be a list of strings"),
        ("/side_effects", json!({}), "/side_effects is an object"),
        ("/constraints", json!(["approval required", 3]), "/constraints/1 is not a string"),
        ("/context", json!([]), "/context is a list; it should be an object"),
        ("/context/actor_role", json!(["admin"]), "/context/actor_role is a list"),
        ("/context/environment", json!({"a": 1}), "/context/environment is an object"),
        ("/pro", json!("yes"), "/pro is a string; it should be true or false"),
    ] {
        let message = refusal(Kind::Stage0, &with(STAGE0, at, json), &DoorOptions::default());
        assert!(message.contains("Stage0 check") && message.contains(says), "{message} does not say {says}");
    }
    assert!(refusal(Kind::Stage0, "[]", &DoorOptions::default()).contains("not a JSON object"));
}

#[test]
fn a_terraform_plan_becomes_a_request() {
    let request = opened(Kind::Terraform, PLAN, &DoorOptions::default());
    check(
        &request,
        &[
            ("/subject", r#"{"id":"unknown","type":"pipeline"}"#),
            ("/action/name", "apply"),
            ("/resource", r#"{"id":"plan","type":"terraform-plan"}"#),
            ("/context/environment", "Missing"),
            ("/context/terraform/format_version", "1.2"),
        ],
    );
    let known = DoorOptions {
        subject: Some("pipeline:release:42".parse().expect("a subject")),
        environment: Some("production".into()),
        resource_id: Some("network".into()),
        ..options(&[("ticket", r#""CHG-7""#), ("approvals", r#"[{"by":"bob"}]"#)])
    };
    check(
        &opened(Kind::Terraform, PLAN, &known),
        &[
            ("/subject/id", "release:42"),
            ("/resource/id", "network"),
            ("/context/environment", "production"),
            ("/context/ticket", "CHG-7"),
            ("/context/approvals/0/by", "bob"),
        ],
    );
}

#[test]
fn terraform_refuses_other_formats_and_states() {
    use serde_json::json;
    for (payload, says) in [
        (with(PLAN, "/format_version", json!("2.0")), "/format_version is \"2.0\"; only major version 1"),
        (with(PLAN, "/format_version", json!("0.2")), "only major version 1"),
        (with(PLAN, "/format_version", json!("12.0")), "only major version 1"),
        (with(PLAN, "/format_version", json!(1)), "/format_version is a number"),
        (with(PLAN, "/format_version", json!("<remove>")), "/format_version is missing"),
        (with(PLAN, "/resource_changes", json!({})), "/resource_changes is an object; it should be a list"),
        (with(PLAN, "/planned_values", json!([])), "/planned_values is a list; it should be an object"),
        (r#"{"format_version":"1.0","values":{"root_module":{}}}"#.to_owned(), "this is a state"),
    ] {
        let message = refusal(Kind::Terraform, &payload, &DoorOptions::default());
        assert!(message.contains(says), "{message} does not say {says}");
    }
}

#[test]
fn an_admission_review_becomes_a_request() {
    let opened = open(Some(Kind::Kubernetes), REVIEW.as_bytes(), &options(&[])).expect("opens");
    assert_eq!(opened.uid.as_deref(), Some("705ab4f5-6393-11e8-b7cc-42010a800002"));
    check(
        &request(&opened),
        &[
            ("/subject/type", "user"),
            ("/subject/id", "alice@example.com"),
            ("/subject/properties/groups", r#"["system:authenticated","payments-developers"]"#),
            ("/action/name", "update"),
            ("/resource/type", "kubernetes-object"),
            ("/resource/id", "payments/payment-api"),
            (
                "/resource/properties",
                r#"{"group":"apps","kind":"Deployment","namespace":"payments","resource":"deployments","version":"v1"}"#,
            ),
            ("/context/kubernetes/object/spec/replicas", "Integer(3)"),
            ("/context/kubernetes/uid", "705ab4f5-6393-11e8-b7cc-42010a800002"),
            ("/context/kubernetes/response", "Missing"),
        ],
    );
}

#[test]
fn objects_without_a_name_or_namespace_have_an_id() {
    use serde_json::json;
    let id = |payload: &str| text(&opened(Kind::Kubernetes, payload, &DoorOptions::default()), "/resource/id");
    let unnamed = with(REVIEW, "/request/name", json!("<remove>"));
    assert_eq!(id(&unnamed), "payments/unnamed");
    assert_eq!(id(&with(&unnamed, "/request/object/metadata/generateName", json!("job-"))), "payments/job-");
    assert_eq!(id(&with(REVIEW, "/request/namespace", json!(""))), "payment-api");
    assert_eq!(id(&with(&unnamed, "/request/object", json!(null))), "payments/unnamed");
}

#[test]
fn kubernetes_refuses_other_versions_and_shapes() {
    use serde_json::json;
    for (at, json, says) in [
        ("/apiVersion", json!("admission.k8s.io/v1beta1"), "admissionReviewVersions"),
        ("/kind", json!("Pod"), "/kind is \"Pod\""),
        ("/request", json!("<remove>"), "/request is missing"),
        ("/request", json!([]), "/request is a list; it should be an object"),
        ("/request/uid", json!(""), "/request/uid is an empty string"),
        ("/request/operation", json!("PATCH"), "/request/operation is \"PATCH\""),
        ("/request/userInfo/username", json!(null), "/request/userInfo/username is missing"),
        ("/request/userInfo/groups", json!("admins"), "/request/userInfo/groups is a string"),
        ("/request/kind/kind", json!(3), "/request/kind/kind is a number"),
    ] {
        let message = refusal(Kind::Kubernetes, &with(REVIEW, at, json), &DoorOptions::default());
        assert!(message.contains(says), "{message} does not say {says}");
    }
}

#[test]
fn options_never_override_the_payload() {
    let subject = |text: &str| DoorOptions { subject: text.parse().ok(), ..DoorOptions::default() };
    let environment = |text: &str| DoorOptions { environment: Some(text.into()), ..DoorOptions::default() };
    let resource = || DoorOptions { resource_id: Some("x".into()), ..DoorOptions::default() };
    for (kind, payload, options, says) in [
        (Kind::Native, NATIVE, subject("user:b"), "says its subject itself"),
        (Kind::Native, NATIVE, environment("production"), "says its environment itself"),
        (Kind::Native, NATIVE, options(&[("a", "1")]), "says its context itself"),
        (Kind::Kubernetes, REVIEW, subject("user:b"), "says its subject itself"),
        (Kind::Kubernetes, REVIEW, resource(), "says its resource itself"),
        (
            Kind::Stage0,
            STAGE0,
            environment("staging"),
            "the environment is \"production\" and the option says \"staging\"",
        ),
        (Kind::Stage0, STAGE0, resource(), "the run is \"run_deploy_001\""),
        (Kind::Stage0, STAGE0, options(&[("stage0", "{}")]), "the context member \"stage0\" is the door's own"),
        (Kind::Terraform, PLAN, options(&[("terraform", "{}")]), "\"terraform\" is the door's own"),
        (Kind::Kubernetes, REVIEW, options(&[("environment", "{}")]), "\"environment\" is the door's own"),
    ] {
        let message = refusal(kind, payload, &options);
        assert!(message.contains(says), "{message} does not say {says}");
    }
    let request = opened(Kind::Stage0, STAGE0, &subject("agent:b"));
    check(&request, &[("/subject/type", "agent"), ("/subject/id", "b")]);
    opened(Kind::Stage0, STAGE0, &environment("production"));
}

#[test]
fn nothing_breaks_out_of_the_splice() {
    let hostile = r#"{"goal":"x\"}},\"subject\":{\"id\":\"root\"}","context":{"actor_id":"\",\"type\":\"root","subject":
        {"type":"user","id":"root"},"\"},\"subject\":{":1},"subject":{"type":"user","id":"root"}}"#;
    let awkward = options(&[("\"},\"subject\":{\"id\":\"root\"},\"x\":{\"", r#"{"subject":{"id":"root"}}"#)]);
    let request = opened(Kind::Stage0, hostile, &awkward);
    check(
        &request,
        &[("/subject/id", "\",\"type\":\"root"), ("/subject/type", "user"), ("/context/stage0/subject/id", "root")],
    );

    let trailing = format!("{STAGE0} , \"subject\": 1");
    assert!(refusal(Kind::Stage0, &trailing, &DoorOptions::default()).contains("trailing"));
}

#[test]
fn every_door_is_strict() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let huge = " ".repeat(MAX_DOCUMENT_BYTES + 1024 * 1024);
    for (kind, payload) in
        [(Kind::Native, NATIVE), (Kind::Stage0, STAGE0), (Kind::Terraform, PLAN), (Kind::Kubernetes, REVIEW)]
    {
        let insert = |member: &str| payload.replacen('{', &format!("{{{member},"), 1);
        let code = |payload: &str| match open(Some(kind), payload.as_bytes(), &DoorOptions::default()) {
            Err(DoorError::Request(error)) => error.code,
            other => panic!("{kind}: {other:?}"),
        };
        assert_eq!(code(&insert(r#""x":1,"x":2"#)), "request.duplicate-key");
        assert_eq!(code(&insert(r#""x":123456789012345678901234567890"#)), "request.number");
        assert_eq!(code(&insert(&format!("\"x\":{}", deep(10_000)))), "request.depth");
        assert_eq!(code(&insert("\"x\":\"\\ud800\"")), "request.syntax");
        assert_eq!(code(&format!("{payload}{huge}")), "request.size");
        assert_eq!(code(&format!("\u{feff}{payload}")), "request.syntax");
        assert_eq!(code(""), "request.syntax");
        assert_eq!(code(&payload.trim_end()[..payload.trim_end().len() - 1]), "request.syntax");
    }
}

#[test]
fn a_payload_must_fit_where_it_goes() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"goal":"\"[[","x":{open}"}}\\"{close}}}"#)
    };
    opened(Kind::Stage0, &nested(62), &DoorOptions::default());
    assert!(refusal(Kind::Stage0, &nested(63), &DoorOptions::default()).contains("deeper than the 62 levels"));
    let extra = format!("{}{}", "[".repeat(63), "]".repeat(63));
    assert!(refusal(Kind::Terraform, PLAN, &options(&[("x", &extra)])).contains("/context/x"));
}

#[test]
fn guesses_only_what_is_unambiguous() {
    for (kind, payload) in
        [(Kind::Native, NATIVE), (Kind::Stage0, STAGE0), (Kind::Terraform, PLAN), (Kind::Kubernetes, REVIEW)]
    {
        assert_eq!(guess(payload.as_bytes()), Ok(kind));
        assert_eq!(open(None, payload.as_bytes(), &DoorOptions::default()).expect("opens").kind, kind);
    }
    for (payload, expected) in [
        (r#"{"goal":"x","subject":{}}"#, vec![Kind::Native, Kind::Stage0]),
        (r#"{"format_version":"1.0","goal":"x"}"#, vec![Kind::Stage0, Kind::Terraform]),
        (r#"{"kind":"AdmissionReview","resource":{}}"#, vec![Kind::Native, Kind::Kubernetes]),
        (r#"{"kind":"Pod","apiVersion":"v1"}"#, vec![]),
        ("[1]", vec![]),
        ("null", vec![]),
    ] {
        match guess(payload.as_bytes()) {
            Err(DoorError::Guess { candidates }) => assert_eq!(candidates, expected, "{payload}"),
            other => panic!("{payload}: {other:?}"),
        }
    }
    let both = guess(br#"{"goal":"x","subject":{}}"#).expect_err("ambiguous").to_string();
    assert!(both.contains("native request (native), Stage0 check (stage0)"), "{both}");
    let none = guess(b"{}").expect_err("nothing").to_string();
    assert!(
        none.contains("none of") && none.contains("a Terraform plan has `format_version` and `resource_changes`"),
        "{none}"
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Members that doors read, so that mutations reach past the first check.
const PLACES: [&str; 14] = [
    "/goal",
    "/tools",
    "/constraints",
    "/context",
    "/context/run_id",
    "/context/actor_role",
    "/context/environment",
    "/format_version",
    "/resource_changes",
    "/request",
    "/request/name",
    "/request/userInfo/username",
    "/request/object",
    "/subject",
];

proptest! {
    /// Whatever a door lets through is a request, and holds the payload unchanged.
    #[test]
    fn a_door_gives_a_request_or_an_error(
        sample in 0..4usize, place in 0..PLACES.len(), value in json(), id in ".*", extra in json(), name in ".*",
    ) {
        let (kind, payload, member) = [
            (Kind::Native, NATIVE, None), (Kind::Stage0, STAGE0, Some("/context/stage0")),
            (Kind::Terraform, PLAN, Some("/context/terraform")), (Kind::Kubernetes, REVIEW, Some("/context/kubernetes")),
        ][sample];
        let mut document: serde_json::Value = serde_json::from_str(payload).expect("JSON");
        let (parent, key) = PLACES[place].rsplit_once('/').expect("a pointer");
        if let Some(parent) = document.pointer_mut(parent).and_then(serde_json::Value::as_object_mut) {
            parent.insert(key.to_owned(), value);
        }
        let subject = format!("user:{id}").parse().ok();
        let mut options = if kind == Kind::Native { DoorOptions::default() } else { options(&[(&name, &extra.to_string())]) };
        options.subject = subject.filter(|_| matches!(kind, Kind::Stage0 | Kind::Terraform));
        let text = serde_json::to_string_pretty(&document).expect("serializes");
        if let Ok(opened) = open(Some(kind), text.as_bytes(), &options) {
            let now = "2026-03-14T09:30:00Z".parse().expect("a time");
            match Request::parse(&opened.request, now) {
                Ok(request) => if let Some(member) = member {
                    let kept: serde_json::Value = serde_json::from_str(&self::text(&request, member)).expect("JSON");
                    let sent = if kind == Kind::Kubernetes { &document["request"] } else { &document };
                    prop_assert_eq!(&kept, sent);
                },
                Err(error) => prop_assert!(kind == Kind::Native, "{error}"),
            }
        }
    }

    /// No bytes make a door panic.
    #[test]
    fn a_door_survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in Kind::ALL {
            _ = open(Some(kind), &bytes, &DoorOptions::default());
        }
        _ = guess(&bytes);
    }
}
