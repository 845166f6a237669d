use std::fmt::Write as _;

use crate::testing::{NOW, time};
use crate::*;

fn parse(text: &str) -> Result<Manifest, SourceError> {
    Manifest::parse("portcullis.toml", text.as_bytes(), time(NOW))
}

fn good(text: &str) -> SetDefinition {
    let manifest = parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(manifest.warnings, []);
    manifest.definition
}

const FULL: &str = r#"
portcullis = 1
name = "acme-deploys"
absent = "skip"
valid-for-seconds = 60

[limits]
fuel = 20_000_000
memory-mib = 64

[[policy]]
name = "stage0"
module = "../target/policies/stage0-constraints.wasm"
when = { resource-type = "stage0-check", environment = ["staging", "prod*"], "/context/change/size" = 3, "/context/hot" = true }
settings = { roles = ["b", "a"], until = 2026-01-01, deep = { z = 1.5, a = -1 }, "é" = "\n" }
data = { calendar = "calendar.json" }
limits = { fuel = 50_000_000, host-call-kib = 8 }

[[policy]]
name = "advice"
module = "advice.wasm"
enforce = "warn"
settings-file = "advice.json"

[[policy]]
name = "a"
module = "a.wasm"

[[policy]]
name = "b"
module = "a.wasm"

[tree]
all-of = ["advice", { at-least = 2, name = "reviews", of = ["a", { any-of = ["b"] }, { first-of = ["stage0"], when = { action = "deploy" } }] }]

[[waiver]]
policy = "stage0"
code = "sample.stage0.too-many-iterations"
when = { environment = "staging" }
becomes = "warn"
reason = "the staging runner retries"
owner = "alice@example.com"
until = 2026-12-31T00:00:00+01:00
"#;

#[test]
fn masks_are_read_and_refused_with_their_line() {
    let manifest = |mask: &str| {
        let text =
            format!("portcullis = 1\nname = \"a\"\nmask = {mask}\n[[policy]]\nname = \"p\"\nmodule = \"p.wasm\"\n");
        Manifest::parse("portcullis.toml", text.as_bytes(), time("2026-03-14T09:30:00Z"))
    };
    let read = manifest(r#"["/context/**/password", "/context/token"]"#).unwrap();
    let masks: Vec<_> = read.definition.masks().iter().map(crate::Mask::as_str).collect();
    assert_eq!(masks, ["/context/**/password", "/context/token"]);
    for (mask, says) in [
        (r#"["/context/**"]"#, "the mask would mask the whole request"),
        (r#"["password"]"#, "the mask does not start with a slash"),
        (r#""/context/token""#, "`mask` is"),
        ("[3]", "a mask is"),
    ] {
        let error = manifest(mask).expect_err(mask).to_string();
        assert!(error.contains(says) && error.contains("portcullis.toml:3"), "{error}");
    }
}

#[test]
fn reads_everything_that_a_manifest_can_say() {
    let set = good(FULL);
    assert_eq!((set.name(), set.absent(), set.valid_for_seconds()), ("acme-deploys", Absent::Skip, 60));
    let [stage0, advice, a, _] = set.policies() else { panic!("four policies") };
    assert_eq!(
        stage0.settings,
        Settings::Inline(r#"{"deep":{"a":-1,"z":1.5},"roles":["b","a"],"until":"2026-01-01","é":"\n"}"#.into())
    );
    assert_eq!(stage0.data.get("calendar").map(String::as_str), Some("calendar.json"));
    assert_eq!((stage0.limits.fuel, stage0.limits.host_call_bytes), (50_000_000, 8 * 1024));
    assert_eq!((a.limits.fuel, a.limits.memory_bytes), (20_000_000, 64 * 1024 * 1024));
    assert_eq!((stage0.enforce, advice.enforce), (Outcome::Deny, Outcome::Warn));
    assert_eq!(advice.settings, Settings::File("advice.json".into()));
    assert_eq!(a.settings, Settings::Inline("{}".into()));
    let patterns = |at: &str| &stage0.when.fields.iter().find(|field| field.pointer.as_str() == at).unwrap().any_of;
    assert_eq!(patterns("/resource/type"), &[Pattern::Text("stage0-check".into())]);
    assert_eq!(patterns("/context/environment"), &[Pattern::Text("staging".into()), Pattern::Prefix("prod".into())]);
    assert_eq!(patterns("/context/change/size"), &[Pattern::Integer(3)]);
    assert_eq!(patterns("/context/hot"), &[Pattern::Boolean(true)]);

    let [Member::Policy(1), Member::Node(reviews)] = &set.root().members[..] else { panic!("{:?}", set.root()) };
    assert_eq!((reviews.rule, reviews.label().as_str()), (Rule::AtLeast(2), "\"reviews\""));
    let [Member::Policy(2), Member::Node(any), Member::Node(first)] = &reviews.members[..] else {
        panic!("{reviews:?}")
    };
    assert_eq!((any.rule, first.rule), (Rule::AtLeast(1), Rule::FirstOf));
    assert_eq!(first.when.fields[0].pointer.as_str(), "/action/name");

    let [waiver] = set.waivers() else { panic!("one waiver") };
    assert_eq!((waiver.policy, waiver.becomes, waiver.until), (0, Outcome::Warn, time("2026-12-30T23:00:00Z")));
}

#[test]
fn without_a_tree_all_policies_count() {
    let text = SMALL.replace("[tree]\nall-of = [\"a\", \"b\"]\n", "");
    assert_eq!(good(&text).root().members, [Member::Policy(0), Member::Policy(1)]);
    assert_eq!(good(&text), good(SMALL));
    assert_eq!(good(&text).valid_for_seconds(), 300);
}

#[test]
fn warns_of_what_is_no_error() {
    let manifest = parse("portcullis = 1\nname = \"empty\"\n").unwrap();
    assert!(manifest.definition.policies().is_empty());
    assert_eq!(manifest.warnings[0].message, "the set has no policies: every request is denied");
    let expired = parse(&WAIVED.replace("2026-12-31T00:00:00Z", NOW)).unwrap();
    assert_eq!(expired.definition.waivers().len(), 1);
    assert!(expired.warnings[0].message.contains("ended at 2026-03-14T09:30:00Z"), "{:?}", expired.warnings);
    assert_eq!(expired.warnings[0].line_column(&WAIVED.replace("2026-12-31T00:00:00Z", NOW)).0, 18);
}

const SMALL: &str = r#"portcullis = 1
name = "small"
[[policy]]
name = "a"
module = "a.wasm"
[[policy]]
name = "b"
module = "b.wasm"
[tree]
all-of = ["a", "b"]
"#;

const WAIVED: &str = r#"portcullis = 1
name = "small"
[[policy]]
name = "a"
module = "a.wasm"
[[policy]]
name = "b"
module = "b.wasm"
[tree]
all-of = ["a", "b"]
[[waiver]]
policy = "a"
code = "sample.test.deny"
when = { environment = "staging" }
becomes = "warn"
reason = "a reason"
owner = "alice@example.com"
until = 2026-12-31T00:00:00Z
"#;

/// Each is a change to a good manifest: what to replace, and by what. The snapshot shows what people get to read.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("not TOML", "name = \"small\"", "name = small"),
    ("a table twice", "[tree]", "[[tree]]\n[tree]"),
    ("an escape in the text", "all-of", "name = \"the first\u{1b}\"\nall-of"),
    ("no format", "portcullis = 1\n", ""),
    ("another format", "portcullis = 1", "portcullis = 2"),
    ("a set without a name", "name = \"small\"\n", ""),
    ("a set's name that is none", "\"small\"", "\"Small set\""),
    ("a key of the top in a table", "[tree]", "valid-for-seconds = 3\n[tree]"),
    ("unknown keys", "module = \"b.wasm\"", "modul = \"b.wasm\"\ncolour = \"red\""),
    ("a wrong type", "module = \"b.wasm\"", "module = 7"),
    ("an empty module", "\"b.wasm\"", "\"\""),
    ("two policies of one name", "name = \"b\"", "name = \"a\""),
    ("the host's name", "name = \"b\"", "name = \"portcullis\""),
    ("absent misspelt", "[[policy]]\nname = \"a\"", "absent = \"skips\"\n[[policy]]\nname = \"a\""),
    ("holds too long", "[[policy]]\nname = \"a\"", "valid-for-seconds = 86401\n[[policy]]\nname = \"a\""),
    ("holds no time", "[[policy]]\nname = \"a\"", "valid-for-seconds = 0\n[[policy]]\nname = \"a\""),
    ("an outcome misspelt", "module = \"b.wasm\"", "module = \"b.wasm\"\nenforce = \"wran\""),
    ("an outcome that is none", "module = \"b.wasm\"", "module = \"b.wasm\"\nenforce = \"mandatory\""),
    ("settings twice", "module = \"b.wasm\"", "module = \"b.wasm\"\nsettings = {}\nsettings-file = \"b.json\""),
    ("settings that are no table", "module = \"b.wasm\"", "module = \"b.wasm\"\nsettings = \"{}\""),
    ("settings that JSON cannot hold", "module = \"b.wasm\"", "module = \"b.wasm\"\nsettings = { a = nan, b = [inf] }"),
    ("settings beyond 64 bits", "module = \"b.wasm\"", "module = \"b.wasm\"\nsettings = { a = 9223372036854775808 }"),
    ("a limit of zero", "module = \"b.wasm\"", "module = \"b.wasm\"\nlimits = { fuel = 0 }"),
    ("a limit beyond its bound", "[[policy]]\nname = \"a\"", "[limits]\ntime-ms = 60_001\n[[policy]]\nname = \"a\""),
    ("a negative limit", "module = \"b.wasm\"", "module = \"b.wasm\"\nlimits = { log-kib = -1 }"),
    ("a limit misspelt", "module = \"b.wasm\"", "module = \"b.wasm\"\nlimits = { memory-mb = 3 }"),
    ("when misspelt", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { enviroment = \"staging\" }"),
    ("when on no field", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { team = \"x\" }"),
    ("a bad pointer", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { \"/context/~2\" = 1 }"),
    ("when on nothing", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { action = [] }"),
    ("when on a table", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { action = { is = \"deploy\" } }"),
    ("when on a fraction", "module = \"b.wasm\"", "module = \"b.wasm\"\nwhen = { \"/context/n\" = [1, 1.5] }"),
    ("data that is no file", "module = \"b.wasm\"", "module = \"b.wasm\"\ndata = { calendar = 3, Team = \"t.json\" }"),
    ("the tree names an unknown policy", "[\"a\", \"b\"]", "[\"a\", \"b\", \"bb\"]"),
    ("a policy used twice", "[\"a\", \"b\"]", "[\"a\", \"b\", { any-of = [\"a\"] }]"),
    ("a policy that is not used", "[\"a\", \"b\"]", "[\"a\"]"),
    ("an empty node", "[\"a\", \"b\"]", "[\"a\", \"b\", { any-of = [] }]"),
    ("an empty tree", "all-of = [\"a\", \"b\"]", ""),
    ("at-least none", "[\"a\", \"b\"]", "[{ at-least = 0, of = [\"a\", \"b\"] }]"),
    ("at-least more than there are", "[\"a\", \"b\"]", "[{ at-least = 3, of = [\"a\", \"b\"] }]"),
    ("at-least of nothing", "[\"a\", \"b\"]", "[\"a\", \"b\", { at-least = 1 }]"),
    ("two rules", "[\"a\", \"b\"]", "[{ any-of = [\"a\"], all-of = [\"b\"] }]"),
    ("of beside any-of", "[\"a\", \"b\"]", "[{ any-of = [\"a\"], of = [\"b\"] }]"),
    ("a member that is none", "[\"a\", \"b\"]", "[\"a\", \"b\", 3]"),
    ("a node's name that is none", "all-of", "name = \"the first\"\nall-of"),
    ("a lowered level under any-of", "\"a.wasm\"\n", "\"a.wasm\"\nenforce = \"escalate\"\n"),
    ("a lowered level under first-of, deep", "\"b.wasm\"\n", "\"b.wasm\"\nenforce = \"warn\"\n"),
    ("a waiver without an end", "until = 2026-12-31T00:00:00Z\n", ""),
    ("a waiver's end without its zone", "00:00:00Z", "00:00:00"),
    ("a waiver's end in quotes", "2026-12-31T00:00:00Z", "\"2026-12-31\""),
    ("a waiver of an unknown policy", "policy = \"a\"", "policy = \"c\""),
    ("a waiver that becomes nothing", "becomes = \"warn\"", "becomes = \"ok\""),
    ("a waiver that does nothing", "becomes = \"warn\"", "becomes = \"deny\""),
    ("a waiver of no code", "\"sample.test.deny\"", "\"deny\""),
    ("a waiver of the host's finding", "\"sample.test.deny\"", "\"portcullis.no-policy-applied\""),
    ("a waiver without a reason", "\"a reason\"", "\" \""),
    ("several at once", "enviro", "enviroo"),
];

fn mistaken((name, from, to): (&str, &str, &str)) -> String {
    let text = match name {
        "a lowered level under any-of" => WAIVED.replace("all-of", "any-of"),
        "a lowered level under first-of, deep" => {
            WAIVED.replace("all-of = [\"a\", \"b\"]", "first-of = [{ all-of = [\"a\", \"b\"] }]")
        }
        "the host's name" => WAIVED.replace("[\"a\", \"b\"]", "[\"a\", \"portcullis\"]"),
        "several at once" => WAIVED.replace("module = \"a.wasm\"", "modul = 3").replace("owner", "ower"),
        _ => WAIVED.into(),
    };
    assert!(text.contains(from), "{name}");
    text.replacen(from, to, 1)
}

#[test]
fn each_mistake_has_its_line_and_its_remedy() {
    parse(WAIVED).unwrap();
    let mut shown = String::new();
    for mistake in MISTAKES {
        let error = parse(&mistaken(*mistake)).expect_err(mistake.0);
        assert!(!error.to_string().contains('\u{1b}'), "an escape reached the terminal");
        writeln!(shown, "## {}\n{error}", mistake.0).unwrap();
    }
    insta::assert_snapshot!("mistakes", shown);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let tree = format!("{}\"a\"{}", "{ all-of = [".repeat(depth - 1), "] }".repeat(depth - 1));
        parse(&SMALL.replace("[\"a\", \"b\"]", &format!("[{tree}, \"b\"]")))
    };
    assert!(nested(MAX_TREE_DEPTH).is_ok());
    let error = nested(MAX_TREE_DEPTH + 1).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 16 levels"), "{error}");
    for deep in [100, 10_000, 50_000] {
        assert!(nested(deep).is_err());
    }
    let key = format!("portcullis = 1\nname = \"x\"\n[{}a]\n", "a.".repeat(10_000));
    assert!(parse(&key).is_err());
}

#[test]
fn size_and_encoding_are_checked_first() {
    let large = format!("{SMALL}#{}", " ".repeat(MAX_MANIFEST_BYTES));
    assert!(parse(&large).unwrap_err().to_string().contains("more than 1048576"));
    let error = Manifest::parse("portcullis.toml", b"portcullis = 1\n# \xff", time(NOW)).unwrap_err();
    assert_eq!(error.marks[0].line_column(&error.text), (2, 3));
    assert!(error.to_string().contains("not UTF-8"));
}

#[test]
fn counts_are_bounded() {
    let mut text = String::from("portcullis = 1\nname = \"many\"\n");
    for n in 0..=MAX_POLICIES {
        write!(text, "[[policy]]\nname = \"p{n}\"\nmodule = \"m\"\n").unwrap();
    }
    assert!(parse(&text).unwrap_err().to_string().contains("1001 policies"));
}

proptest::proptest! {
    /// Whatever the bytes: an answer or an error that can be shown, never a panic.
    #[test]
    fn survives_damage(at in 0..FULL.len(), length in 0usize..40, by in ".{0,6}") {
        let start = (0..=at).rev().find(|at| FULL.is_char_boundary(*at)).unwrap();
        let end = (start + length).min(FULL.len());
        let end = (end..=FULL.len()).find(|at| FULL.is_char_boundary(*at)).unwrap();
        let damaged = format!("{}{by}{}", &FULL[..start], &FULL[end..]);
        if let Err(error) = parse(&damaged) {
            proptest::prop_assert!(!error.marks.is_empty());
            proptest::prop_assert!(error.to_string().contains("portcullis.toml:"));
        }
    }
}
