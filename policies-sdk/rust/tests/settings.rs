//! `#[derive(Settings)]`: every problem is found where it is, and the schema says what the reader does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use portcullis_policy::prelude::*;
use portcullis_policy::test::{Case, Fault, description, schema};
use serde_json::{Value as Document, json};

/// What a thing may cost.
#[derive(Settings)]
#[settings(check = limits_are_ordered)]
struct Settings {
    /// Names, "quoted" and \ escaped.
    #[setting(length = 1..=2)]
    names: Vec<String>,
    #[setting(range = 0.5..=10, default = 1.5)]
    factor: f64,
    #[setting(range = 1..)]
    low: u32,
    high: u8,
    mode: Option<Mode>,
    #[setting(default, rename = "per-team")]
    per_team: BTreeMap<String, Team>,
    #[setting(default = [{"cents": -1}, "free"])]
    prices: Vec<Price>,
    #[setting(schema = r#"{"type": ["string", "integer"]}"#, default = "x")]
    any: Scalar,
    #[setting(length = ..=3, default = "abc")]
    short: String,
}

/// How strict.
#[derive(Settings)]
enum Mode {
    VeryStrict,
    #[setting(rename = "LAX")]
    Lax,
}

/// A team.
#[derive(Settings)]
struct Team {
    lead: bool,
    #[setting(default)]
    members: Vec<String>,
}

#[derive(Settings)]
enum Price {
    Free,
    Cents(i64),
    Owner(Team),
}

fn limits_are_ordered(settings: &Settings, problems: &mut Vec<Problem>) {
    if settings.low > u32::from(settings.high) {
        problems.push(Problem::new("/low", "must not be above high"));
    }
}

#[policy(
    name = "test.settings",
    summary = "Shows its settings.",
    codes(SHOWN = "test.settings.shown": "Always.")
)]
fn evaluate(settings: &Settings, _input: &()) -> Finding {
    let mode = settings.mode.as_ref().map(|mode| match mode {
        Mode::VeryStrict => "very strict",
        Mode::Lax => "lax",
    });
    let prices: Vec<_> = settings
        .prices
        .iter()
        .map(|price| match price {
            Price::Free => 0,
            Price::Cents(cents) => *cents,
            Price::Owner(team) => i64::from(team.lead),
        })
        .collect();
    let teams: Vec<_> = settings.per_team.iter().map(|(name, team)| (name, team.lead, team.members.len())).collect();
    allow(
        SHOWN,
        format!(
            "{:?} {} {} {} {mode:?} {teams:?} {prices:?} {:?} {}",
            settings.names, settings.factor, settings.low, settings.high, settings.any, settings.short
        ),
    )
}

#[test]
fn reads_values_and_defaults() {
    let shown = |settings: &str| Case::of::<Policy>().settings(settings).run().as_findings()[0].message.clone();
    assert_eq!(shown(r#"{"names":["a"],"low":1,"high":255}"#), r#"["a"] 1.5 1 255 None [] [-1, 0] Text("x") abc"#);
    assert_eq!(
        shown(
            r#" { "names" : [ "\u00e9\n\ud83d\ude00" , "b" ] , "factor" : 1e1 , "low" : 2 , "high" : 3 , "mode" : "LAX" ,
            "per-team" : { "x" : { "lead" : true , "members" : [ "m" ] } } , "prices" : [ "free" , { "cents" : 7 } ,
            { "owner" : { "lead" : true } } ] , "any" : 4 , "short" : "" } "#
        ),
        "[\"é\\n😀\", \"b\"] 10 2 3 Some(\"lax\") [(\"x\", true, 1)] [0, 7, 1] Integer(4) "
    );
}

#[test]
fn finds_every_problem_where_it_is() {
    let found = |settings: &str| match Case::of::<Policy>().settings(settings).try_run() {
        Err(Fault::Settings(problems)) => {
            problems.into_iter().map(|problem| format!("{} {}", problem.at, problem.message)).collect::<Vec<_>>()
        }
        other => panic!("{settings}: {other:?}"),
    };
    assert_eq!(
        found(
            r#"{"names":[1,"a",null],"factor":10.5,"low":0,"high":256,"mode":"strict","extra~/":{"deep":[1]},
            "per-team":{"x":{"members":{}}},"prices":[{"cents":1,"owner":1},{},3,"dear"],"short":"four","low":4}"#
        ),
        [
            "/names/0 must be a string, not an integer",
            "/names/2 must be a string, not null",
            "/high is out of range",
            "/mode must be one of \"very-strict\", \"LAX\"",
            "/extra~0~1 is not known here; known are names, factor, low, high, mode, per-team, prices, any, short",
            "/per-team/x/members must be a list, not an object",
            "/per-team/x/lead is missing",
            "/prices/0/owner must be an object, not an integer",
            "/prices/0 must be one of \"free\", or an object with exactly one of the members \"cents\", \"owner\"",
            "/prices/1 must be one of \"free\", or an object with exactly one of the members \"cents\", \"owner\"",
            "/prices/2 must be an object, not an integer",
            "/prices/3 must be one of \"free\", or an object with exactly one of the members \"cents\", \"owner\"",
            "/low appears twice",
            "/factor must be from 0.5 to 10",
            "/short must have at most 3 characters",
        ]
    );
    assert_eq!(found("{}"), ["/names is missing", "/low is missing", "/high is missing"]);
    assert_eq!(
        found(r#"{"names":[],"low":0,"high":1}"#),
        ["/names must have from 1 to 2 items", "/low must be at least 1"]
    );
    assert_eq!(found(r#"{"names":["a"],"low":9,"high":1}"#), ["/low must not be above high"]);
    assert_eq!(found("[]"), [" must be an object, not a list"]);
}

#[test]
fn malformed_json_is_told_once_and_where() {
    for (settings, says) in [
        ("", "malformed JSON at byte 0: expected a value"),
        (r#"{"names":["a""#, "malformed JSON at byte 13: expected a comma or ]"),
        (r#"{"names":["a"],}"#, "malformed JSON at byte 15: expected a key in double quotes"),
        (r#"{"low":01}"#, "malformed JSON at byte 7: this is no number"),
        (r#"{"short":"\ud800"}"#, "malformed JSON at byte 16: expected a value"),
        (r#"{"short":"\x"}"#, "malformed JSON at byte 12: an unknown escape"),
        ("{\"short\":\"a\u{1}\"}", "malformed JSON at byte 10: a control character in a string"),
        (r#"{"names":["a"],"low":1,"high":2} x"#, "malformed JSON at byte 33: something follows the value"),
        (&"[".repeat(65), "must be an object, not a list"),
    ] {
        let Err(Fault::Settings(problems)) = Case::of::<Policy>().settings(settings).try_run() else {
            panic!("{settings} was read")
        };
        assert_eq!(problems[0].message, says, "{settings}");
    }
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema: Document = serde_json::from_str(&schema::<Policy>()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = json!({"names": ["a"], "low": 1, "high": 2});
    let with = |key: &str, value: Document| {
        let mut settings = good.clone();
        settings[key] = value;
        settings
    };
    for (settings, valid) in [
        (good.clone(), true),
        (json!({}), false),
        (with("names", json!([])), false),
        (with("names", json!(["a", "b", "c"])), false),
        (with("factor", json!(0.25)), false),
        (with("factor", json!(10)), true),
        (with("low", json!(0)), false),
        (with("high", json!(256)), false),
        (with("mode", json!("very-strict")), true),
        (with("mode", json!(null)), true),
        (with("mode", json!("VeryStrict")), false),
        (with("per-team", json!({"x": {"lead": true}})), true),
        (with("per-team", json!({"x": {}})), false),
        (with("per_team", json!({})), false),
        (with("prices", json!(["free", {"cents": 1}, {"owner": {"lead": false}}])), true),
        (with("prices", json!([{"cents": 1, "owner": {"lead": false}}])), false),
        (with("prices", json!(["cents"])), false),
        (with("short", json!("four")), false),
        (with("any", json!(3)), true),
        (with("any", json!([])), false),
    ] {
        assert_eq!(validator.is_valid(&settings), valid, "the schema on {settings}");
        let read = Case::of::<Policy>().settings(&settings.to_string()).try_run();
        assert_eq!(read.is_ok(), valid, "the reader on {settings}: {read:?}");
    }
    assert_eq!(schema["description"], "What a thing may cost.");
    assert_eq!(schema["properties"]["names"]["description"], "Names, \"quoted\" and \\ escaped.");
    assert_eq!(schema["properties"]["prices"]["default"], json!([{"cents": -1}, "free"]));
}

#[test]
fn the_description_is_json_without_duplicate_keys() {
    let text = description::<Policy>();
    // The crate's own reader refuses duplicates in objects, serde_json checks everything else.
    Json::parse(&text).unwrap();
    let description: Document = serde_json::from_str(&text).unwrap();
    assert_eq!(description["name"], "test.settings");
    assert_eq!(description["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["codes"], json!([{"code": "test.settings.shown", "summary": "Always."}]));
    assert_eq!(description["inputs"], json!([]));
    assert_eq!(description["data"], json!([]));
    assert_eq!(description["sdk"], concat!("portcullis-policy ", env!("CARGO_PKG_VERSION")));
    assert_eq!(description["settings_schema"]["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let members: Vec<_> = description.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members.len(), 8, "{members:?}");
}
