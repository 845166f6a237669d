//! `portcullis.toml`: what each key means.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use jiff::Timestamp;
use serde_json::Value;
use toml::de::DeValue;

use super::check::{self, Place, Problem};
use super::manifest_tree::TreeReader;
use super::manifest_trust::read_trust;
use super::read::{self, Item, Reader, Table, kind, nearest};
use super::source::{Mark, SourceError};
use super::when::{Absent, FIELD_NAMES, Field, Pattern, When};
use super::{DEFAULT_VALID_FOR_SECONDS, PolicySpec, SetDefinition, SetParts, Settings, Waiver};
use crate::canonical::canonical;
use crate::document::Pointer;
use crate::limits::{LIMIT_KEYS, LimitKey, Limits};
use crate::mask::Mask;
use crate::outcome::Outcome;

/// A manifest that was read: the set, and what is worth knowing although it is no error.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The set.
    pub definition: SetDefinition,
    /// Expired waivers; a set without policies.
    pub warnings: Vec<Mark>,
}

impl Manifest {
    /// Reads a manifest. `file` is what messages call it; `now` tells which waivers have ended.
    ///
    /// # Errors
    /// [`SourceError`]: everything that is wrong with it, with its line.
    pub fn parse(file: &str, bytes: &[u8], now: Timestamp) -> Result<Manifest, SourceError> {
        let text = read::text(file, bytes)?;
        let root = read::root(file, text)?;
        let refuse = |marks| Err(SourceError { file: file.into(), text: text.into(), marks });
        let mut reader = Reader { top_keys: &SET_KEYS, ..Reader::default() };
        let root =
            Table { entries: root.get_ref(), span: 0..text.lines().next().map_or(0, str::len), what: "a manifest" };
        let (parts, places) = read_set(&mut reader, &root);
        if !reader.marks.is_empty() {
            reader.marks.sort_by_key(|mark| mark.span.start);
            return refuse(reader.marks);
        }
        match SetDefinition::new(parts) {
            Ok(definition) => {
                let warnings = warnings(&definition, &places, now);
                Ok(Manifest { definition, warnings })
            }
            Err(problems) => {
                let mark = |Problem { place, message, help }| Mark { message, help, span: places.of(place) };
                let mut marks: Vec<_> = problems.into_iter().map(mark).collect();
                marks.sort_by_key(|mark| mark.span.start);
                refuse(marks)
            }
        }
    }
}

fn warnings(definition: &SetDefinition, places: &Places<'_>, now: Timestamp) -> Vec<Mark> {
    let mut warnings = Vec::new();
    if definition.policies().is_empty() {
        warnings.push(Mark {
            message: "the set has no policies: every request is denied".into(),
            help: "add a [[policy]]".into(),
            span: places.of(Place::Set("")),
        });
    }
    if !definition.trust().asks() && !definition.trust().keys.is_empty() {
        warnings.push(Mark {
            message: "nothing asks for what these keys sign".into(),
            help: "add a [[trust]] that says which modules need whose signatures and reviews".into(),
            span: places.of(Place::Set("keys")),
        });
    }
    for (place, key) in definition.trust().keys.iter().enumerate() {
        if let Some(until) = key.not_after.filter(|until| *until <= now) {
            warnings.push(Mark {
                message: format!("the key {:?} ended at {until}: what it signed does not count", key.name),
                help: "have another key sign and review, and remove this one".into(),
                span: places.of(Place::Key(place, "not-after")),
            });
        }
    }
    for (place, waiver) in definition.waivers().iter().enumerate() {
        if waiver.is_expired(now) {
            warnings.push(Mark {
                message: format!("the waiver of {} ended at {}: it does not apply", waiver.code, waiver.until),
                help: "remove it, or have its owner decide anew".into(),
                span: places.of(Place::Waiver(place, "until")),
            });
        }
    }
    warnings
}

/// Where the parts of a set are in the text.
struct Places<'t> {
    root: Table<'t>,
    policies: Vec<Table<'t>>,
    waivers: Vec<Table<'t>>,
    nodes: Vec<Table<'t>>,
    leaves: Vec<Range<usize>>,
    keys: Vec<Table<'t>>,
    trust: Vec<Table<'t>>,
}

impl Places<'_> {
    fn of(&self, place: Place) -> Range<usize> {
        let (table, key, whole) = match place {
            Place::Set(key) => (Some(&self.root), key, "name"),
            Place::Policy(policy, key) => (self.policies.get(policy), key, "name"),
            Place::Waiver(waiver, key) => (self.waivers.get(waiver), key, "code"),
            Place::Node(node, key) => (self.nodes.get(node), key, ""),
            Place::Key(one, key) => (self.keys.get(one), key, ""),
            Place::Trust(rule, key) => (self.trust.get(rule), key, "modules"),
            Place::Leaf(leaf) => return self.leaves.get(leaf).or(self.leaves.last()).cloned().unwrap_or_default(),
        };
        let Some(table) = table else { return self.root.span.clone() };
        let item = table.entries.get(key).or_else(|| table.entries.get(whole));
        item.map_or_else(|| table.span.clone(), toml::Spanned::span)
    }
}

fn read_set<'t>(reader: &mut Reader, root: &Table<'t>) -> (SetParts, Places<'t>) {
    reader.keys(root, &SET_KEYS);
    match root.entries.get("portcullis") {
        None => reader.missing(root, "portcullis", "start it with: portcullis = 1"),
        Some(item) => {
            let format = reader.unsigned(item, "the format", "portcullis = 1");
            if format.is_some_and(|format| format != 1) {
                reader.report(
                    item.span(),
                    "the manifest is of a format that this version does not know",
                    "portcullis = 1",
                );
            }
        }
    }
    let name = reader.required_string(root, "name", "name the set, as in: name = \"acme-deploys\"");
    let absent = match reader.string(root, "absent", ABSENT_HELP) {
        Some("skip") => Absent::Skip,
        None | Some("match") => Absent::Match,
        Some(other) => {
            let span = root.entries.get("absent").map(toml::Spanned::span).unwrap_or_default();
            reader.report(span, format!("`absent` is {other:?}"), ABSENT_HELP);
            Absent::Match
        }
    };
    let valid_for = root.entries.get("valid-for-seconds");
    let valid_for = valid_for.and_then(|item| reader.unsigned(item, "`valid-for-seconds`", "give 1 to 86,400 seconds"));
    let valid_for_seconds = valid_for.map_or(DEFAULT_VALID_FOR_SECONDS, |n| u32::try_from(n).unwrap_or(u32::MAX));
    let masks = read_masks(reader, root);
    let (trust, keys, trust_tables) = read_trust(reader, root);
    let mut limits = Limits::default();
    read_limits(reader, root, &mut limits);

    let tables = tables_of(reader, root, "policy", "a policy", "write [[policy]] for each policy");
    let policies: Vec<_> = tables.iter().map(|table| read_policy(reader, table, limits)).collect();
    let mut by_name = HashMap::new();
    for (place, (policy, table)) in policies.iter().zip(&tables).enumerate() {
        let first = *by_name.entry(policy.name.as_str()).or_insert(place);
        if first != place
            && let Some(item) = table.entries.get("name")
        {
            // Here and not only in the set's own check: what the tree then lacks is a consequence.
            let Problem { message, help, .. } = check::same_name(place, policy);
            reader.report(item.span(), message, help);
        }
    }
    let mut tree = TreeReader { reader, by_name: &by_name, nodes: Vec::new(), leaves: Vec::new() };
    let in_manifest = root.entries.get("tree").and_then(|item| tree.root(item));
    let TreeReader { nodes, leaves, .. } = tree;
    let waiver_tables = tables_of(reader, root, "waiver", "a waiver", "write [[waiver]] for each waiver");
    let waivers = waiver_tables.iter().filter_map(|table| read_waiver(reader, table, &by_name)).collect();

    let mut parts = SetParts::new(name.unwrap_or_default(), policies);
    parts.absent = absent;
    parts.valid_for_seconds = valid_for_seconds;
    parts.waivers = waivers;
    parts.masks = masks;
    parts.trust = trust;
    if let Some(node) = in_manifest {
        parts.root = node;
    }
    let (root, policies, waivers, trust) = (root.clone(), tables, waiver_tables, trust_tables);
    (parts, Places { root, policies, waivers, nodes, leaves, keys, trust })
}

pub(super) fn tables_of<'t>(
    reader: &mut Reader,
    root: &Table<'t>,
    key: &str,
    what: &'static str,
    help: &str,
) -> Vec<Table<'t>> {
    let Some(item) = root.entries.get(key) else { return Vec::new() };
    let items = reader.array(item, &format!("`{key}`"), help).unwrap_or_default();
    items.iter().filter_map(|item| reader.table(item, what, help)).collect()
}

fn read_masks(reader: &mut Reader, root: &Table<'_>) -> Vec<Mask> {
    const HELP: &str =
        "mask = [\"/context/terraform/**/password\"], where * is any one segment and ** any number of them";
    let Some(item) = root.entries.get("mask") else { return Vec::new() };
    let mut masks = Vec::new();
    for item in reader.array(item, "`mask`", HELP).unwrap_or_default() {
        match reader.string_of(item, "a mask", HELP).map(Mask::new) {
            Some(Ok(mask)) => masks.push(mask),
            Some(Err(problem)) => reader.report(item.span(), format!("the mask {problem}"), HELP),
            None => {}
        }
    }
    masks
}

fn read_policy(reader: &mut Reader, table: &Table<'_>, limits: Limits) -> PolicySpec {
    reader.keys(table, &POLICY_KEYS);
    let name = reader.required_string(table, "name", "name the policy, as in: name = \"change-window\"");
    let module = reader.required_string(table, "module", "give the component's file, as in: module = \"window.wasm\"");
    let mut policy = PolicySpec::new(name.unwrap_or_default(), module.unwrap_or_default());
    if let Some(enforce) = read_outcome(reader, table, "enforce") {
        policy.enforce = enforce;
    }
    policy.when = read_when(reader, table);
    let file = reader.string(table, "settings-file", "give a file's path in quotes");
    match (table.entries.get("settings"), file) {
        (Some(settings), Some(_)) => {
            reader.report(settings.span(), "the policy has `settings` and `settings-file`", "keep one of them")
        }
        (Some(settings), None) => {
            if reader.table(settings, "`settings`", "settings are a table: settings = { key = \"value\" }").is_some()
                && let Some(value) = to_json(reader, settings)
            {
                policy.settings = Settings::Inline(canonical(&value));
            }
        }
        (None, Some(file)) => policy.settings = Settings::File(file.into()),
        (None, None) => {}
    }
    policy.data = read_data(reader, table);
    policy.limits = limits;
    read_limits(reader, table, &mut policy.limits);
    policy
}

fn read_data(reader: &mut Reader, table: &Table<'_>) -> BTreeMap<String, String> {
    const HELP: &str = "data = { calendar = \"calendar.json\" }";
    let Some(data) = table.entries.get("data").and_then(|item| reader.table(item, "`data`", HELP)) else {
        return BTreeMap::new();
    };
    let mut documents = BTreeMap::new();
    for (key, item) in data.entries.iter() {
        if let Some(file) = reader.string_of(item, "a document's file", HELP) {
            documents.insert(key.get_ref().to_string(), file.to_owned());
        }
    }
    documents
}

fn read_limits(reader: &mut Reader, table: &Table<'_>, limits: &mut Limits) {
    const HELP: &str = "limits = { fuel = 50_000_000 }";
    let Some(table) = table.entries.get("limits").and_then(|item| reader.table(item, "`limits`", HELP)) else {
        return;
    };
    reader.keys(&table, &LIMIT_KEYS.map(|limit| limit.key));
    for (key, item) in table.entries.iter() {
        let Some(limit) = LimitKey::named(key.get_ref()) else { continue };
        let help = format!("give 1 to {}; every limit is finite", limit.maximum);
        if let Some(value) = reader.unsigned(item, &format!("`{}`", limit.key), &help)
            && let Err(error) = limit.set(limits, value)
        {
            reader.report(item.span(), error.to_string(), help);
        }
    }
}

fn read_outcome(reader: &mut Reader, table: &Table<'_>, key: &str) -> Option<Outcome> {
    let names = Outcome::ALL.map(Outcome::as_str);
    let help = format!("one of {}", names.map(|name| format!("{name:?}")).join(", "));
    let item = table.entries.get(key)?;
    let name = reader.string_of(item, &format!("`{key}`"), &help)?;
    let outcome = Outcome::from_name(name);
    if outcome.is_none() {
        let help = nearest(name, names.into_iter()).map_or(help, |near| format!("did you mean {near:?}?"));
        reader.report(item.span(), format!("`{key}` is {name:?}, which is no outcome"), help);
    }
    outcome
}

/// The `when` of a policy, a node or a waiver.
pub(super) fn read_when(reader: &mut Reader, table: &Table<'_>) -> When {
    const HELP: &str = "when = { environment = [\"staging\", \"production\"], \"/context/change/kind\" = \"major\" }";
    let Some(when) = table.entries.get("when").and_then(|item| reader.table(item, "`when`", HELP)) else {
        return When::default();
    };
    let mut fields = Vec::new();
    for (key, item) in when.entries.iter() {
        let name = key.get_ref().as_ref();
        let named = FIELD_NAMES.iter().find(|(short, _)| *short == name).map(|(_, pointer)| *pointer);
        if named.is_none() && !name.starts_with('/') {
            let shorts = FIELD_NAMES.map(|(short, _)| short);
            let help = match nearest(name, shorts.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a field is one of {}, or a pointer as in \"/context/change/kind\"", shorts.join(", ")),
            };
            reader.report(key.span(), format!("`when` knows no field `{name}`"), help);
            continue;
        }
        match Pointer::new(named.unwrap_or(name)) {
            Ok(pointer) => fields.push(Field { pointer, any_of: read_patterns(reader, item) }),
            Err(problem) => reader.report(
                key.span(),
                format!("{name:?} is no JSON pointer: {problem}"),
                "write it as in \"/context/change/kind\", with ~0 for ~ and ~1 for a slash in a name",
            ),
        }
    }
    When { fields }
}

fn read_patterns(reader: &mut Reader, item: &Item<'_>) -> Vec<Pattern> {
    const HELP: &str = "give a string (with a * at its end: a prefix), an integer, a boolean, or a list of those";
    let one = std::slice::from_ref(item);
    let items = if let DeValue::Array(items) = item.get_ref() { items } else { one };
    if items.is_empty() {
        reader.report(item.span(), "an empty list matches nothing", HELP);
    }
    let mut patterns = Vec::new();
    for item in items {
        match item.get_ref() {
            DeValue::String(text) => patterns.push(Pattern::text(text)),
            DeValue::Boolean(value) => patterns.push(Pattern::Boolean(*value)),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(value) => patterns.push(Pattern::Integer(value)),
                Err(_) => reader.report(item.span(), format!("{integer} does not fit 64 bits"), HELP),
            },
            other @ (DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_)) => {
                reader.report(item.span(), format!("a field cannot be compared with {}", kind(other)), HELP);
            }
        }
    }
    patterns
}

fn read_waiver(reader: &mut Reader, table: &Table<'_>, by_name: &HashMap<&str, usize>) -> Option<Waiver> {
    reader.keys(table, &WAIVER_KEYS);
    let policy = reader.required_string(table, "policy", "name the policy whose finding is waived");
    let code = reader.required_string(table, "code", "name the finding's code, as a decision shows it");
    let reason = reader.required_string(table, "reason", "say why it is acceptable");
    let owner = reader.required_string(table, "owner", "say who answers for it");
    if !table.entries.contains_key("becomes") {
        reader.missing(table, "becomes", "say what the finding counts as, as in: becomes = \"warn\"");
    }
    let becomes = read_outcome(reader, table, "becomes");
    let when = read_when(reader, table);
    let until = match table.entries.get("until") {
        Some(item) => {
            reader.time(item, "`until`", "write it without quotes and with its zone: until = 2026-12-31T00:00:00Z")
        }
        None => {
            reader.missing(table, "until", "a waiver has an end, as in: until = 2026-12-31T00:00:00Z");
            None
        }
    };
    let place = policy.and_then(|name| {
        let place = by_name.get(name).copied();
        if place.is_none() {
            let span = table.entries.get("policy").map(toml::Spanned::span).unwrap_or_default();
            reader.report(span, format!("the set has no policy {name:?}"), unknown_policy_help(name, by_name));
        }
        place
    });
    Some(Waiver {
        policy: place?,
        code: code?.into(),
        when,
        becomes: becomes?,
        reason: reason?.into(),
        owner: owner?.into(),
        until: until?,
    })
}

pub(super) fn unknown_policy_help(name: &str, by_name: &HashMap<&str, usize>) -> String {
    let mut names: Vec<_> = by_name.keys().copied().collect();
    names.sort_unstable();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("add a [[policy]] of that name; the set has {}", names.join(", ")),
    }
}

/// A TOML value as JSON. Dates and times become strings; NaN and infinities have no JSON.
fn to_json(reader: &mut Reader, item: &Item<'_>) -> Option<Value> {
    const HELP: &str = "settings reach the policy as JSON: numbers are finite, integers fit 64 bits";
    let value = match item.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) => Value::from(value),
            Err(_) => {
                reader.report(item.span(), format!("{integer} does not fit 64 bits"), HELP);
                return None;
            }
        },
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            if number.is_none() {
                reader.report(item.span(), format!("{float} is no finite number"), HELP);
            }
            Value::Number(number?)
        }
        DeValue::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for item in items.iter() {
                values.push(to_json(reader, item)?);
            }
            Value::from(values)
        }
        DeValue::Table(entries) => {
            let mut members = serde_json::Map::new();
            for (key, item) in entries.iter() {
                members.insert(key.get_ref().to_string(), to_json(reader, item)?);
            }
            Value::from(members)
        }
    };
    Some(value)
}

const SET_KEYS: [&str; 12] = [
    "portcullis",
    "name",
    "absent",
    "valid-for-seconds",
    "mask",
    "trust-default",
    "limits",
    "policy",
    "tree",
    "waiver",
    "keys",
    "trust",
];
const POLICY_KEYS: [&str; 8] = ["name", "module", "enforce", "when", "settings", "settings-file", "data", "limits"];
const WAIVER_KEYS: [&str; 7] = ["policy", "code", "when", "becomes", "reason", "owner", "until"];
const ABSENT_HELP: &str =
    "\"match\": a policy whose `when` names a field that the request lacks is evaluated; \"skip\": it is skipped";
