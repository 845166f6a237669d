use super::sections::settings_of;

#[test]
fn settings_are_listed_by_name() {
    let schema = serde_json::json!({
        "properties": {"roles": {"type": "array", "description": "who may\u{1b}[2J"}, "limit": {"type": ["integer", "null"]}},
        "required": ["roles"]
    });
    assert_eq!(settings_of(&schema), ["limit", "roles (array), required: who may\\u{1b}[2J"]);
    assert_eq!(settings_of(&serde_json::json!({"properties": {}})), ["none"]);
    assert_eq!(settings_of(&serde_json::json!(true)), ["see the schema in --format json"]);
    let many: serde_json::Map<_, _> = (0..300).map(|n| (format!("s{n}"), serde_json::json!({}))).collect();
    let listed = settings_of(&serde_json::json!({ "properties": many }));
    assert_eq!((listed.len(), listed[200].as_str()), (201, "and 100 more; see the schema in --format json"));
}
