//! What differs between two modules, from their reviews: nothing of either is run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::prints::Prints;
use crate::review::Cut;
use crate::{DeclaredInputs, Review, text};

/// What a difference is about. In this order they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Whether it is admissible.
    Admission,
    /// The instructions and data that it runs.
    Code,
    /// What it can call.
    Imports,
    /// The request fields that it reads.
    Inputs,
    /// The reference documents that it wants.
    Data,
    /// What it reads the ledger's history for.
    History,
    /// What it offers.
    Exports,
    /// Its name, version and words about itself.
    Description,
    /// The schema of its settings.
    Settings,
    /// The codes that its findings may have.
    Codes,
    /// What it needs of the limits.
    Limits,
    /// Code that runs before `configure`.
    Start,
    /// WebAssembly beyond the first version.
    Proposals,
    /// How large it is.
    Sizes,
    /// Addresses, keys, tokens and paths in its data.
    Strings,
    /// Custom sections.
    CustomSections,
    /// The tools that it says made it.
    Toolchain,
    /// What it says of its origin.
    Metadata,
    /// The packages that it says it was built from.
    Dependencies,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub area: Area,
    /// What differs: the import's name, the input's pointer, the setting's.
    pub what: String,
    /// As it was; `None` where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it is; `None` where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why a reviewer should look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<&'static str>,
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Whether both are the same bytes.
    pub identical: bool,
    /// Whether both run the same: their custom sections at most differ. Otherwise what they decide may differ.
    pub same_code: bool,
    /// What differs, by area; of each area the first 200.
    pub changes: Vec<Difference>,
    /// Areas of which not all is listed.
    pub cut: Vec<Cut>,
}

/// Compares two modules.
#[must_use]
pub fn differences(before: &Review, after: &Review) -> Differences {
    let (old, new) = (&before.report, &after.report);
    let mut found = Found::default();
    let verdict = |review: &Review| match &review.report.code {
        None if review.report.admissible => "admissible".to_owned(),
        Some(code) => format!("refused: {code}"),
        None => "refused".to_owned(),
    };
    found.value(Area::Admission, "admission", verdict(before), verdict(after), |_, _| {
        (!new.admissible).then_some("it would not be loaded")
    });

    code(&mut found, &before.prints, &after.prints);
    let calls = |review: &Review| entries(review.report.calls.iter().map(|call| (&call.name, &call.words)));
    found.map(Area::Imports, calls(before), calls(after), |change| match change {
        (None, Some(_)) => Some("it can call more"),
        _ => None,
    });
    inputs(&mut found, &old.declared_inputs, &new.declared_inputs);
    let data = |review: &Review| entries(review.report.data_documents.iter().map(|data| (&data.name, &data.summary)));
    found.map(Area::Data, data(before), data(after), |change| match change {
        (None, Some(_)) => Some("a policy set that does not give it this document can no longer load it"),
        _ => None,
    });
    let history = |review: &Review| entries(review.report.history.iter().map(|history| ("summary", &history.summary)));
    found.map(Area::History, history(before), history(after), |change| match change {
        (None, Some(_)) => Some("it learns what was decided before"),
        _ => None,
    });
    let exports = |review: &Review| entries(review.report.exports.iter().map(|export| (&export.name, &export.words)));
    found.map(Area::Exports, exports(before), exports(after), |_| None);

    found.map(Area::Description, description(before), description(after), |_| None);
    settings(&mut found, old.settings_schema.as_ref(), new.settings_schema.as_ref());
    let codes = |review: &Review| entries(review.report.codes.iter().map(|code| (&code.code, &code.summary)));
    found.map(Area::Codes, codes(before), codes(after), |change| match change {
        (Some(_), None) => Some("waivers and tools that name it no longer meet it"),
        _ => None,
    });

    for (one, other) in before.limits.iter().zip(&after.limits) {
        // How large the file is stands with the sizes; here only where it begins or ceases to fit.
        if one.limit != "module-mib" || one.fits != other.fits {
            let shown = |need: &crate::Need| need.needs.to_string();
            found.value(Area::Limits, one.limit, shown(one), shown(other), |_, _| {
                (one.fits && !other.fits).then_some("it needs more than a policy set gives where it does not say")
            });
        }
    }
    let start = |review: &Review| if review.report.start_function { "yes" } else { "no" }.to_owned();
    found.value(Area::Start, "start function", start(before), start(after), |_, _| {
        new.start_function.then_some("code of it runs before `configure`")
    });
    let set = |items: &[String]| items.iter().map(|item| (item.clone(), String::new())).collect();
    found.map(Area::Proposals, set(&old.proposals), set(&new.proposals), |_| None);
    for ((what, one), (_, other)) in sizes(before).into_iter().zip(sizes(after)) {
        found.value(Area::Sizes, what, one.to_string(), other.to_string(), |_, _| None);
    }
    let strings = |review: &Review| {
        entries(review.strings.iter().map(|found| (format!("{}: {}", found.kind.as_str(), found.text), "")))
    };
    found.map(Area::Strings, strings(before), strings(after), |change| match change {
        (None, Some(_)) => Some("new in its data"),
        _ => None,
    });
    let sections = |review: &Review| {
        let all = review.report.sizes.custom_sections.iter();
        entries(all.map(|section| (&section.name, format!("{} of {} bytes", section.count, section.bytes))))
    };
    found.map(Area::CustomSections, sections(before), sections(after), |_| None);
    let tools = |review: &Review| {
        joined(review.report.toolchain_claims.iter().map(|c| (format!("{}: {}", c.field, c.name), c.version.clone())))
    };
    found.map(Area::Toolchain, tools(before), tools(after), |_| None);
    let metadata =
        |review: &Review| joined(review.metadata_claims.iter().map(|claim| (claim.field.clone(), claim.value.clone())));
    found.map(Area::Metadata, metadata(before), metadata(after), |_| None);
    let packages = |review: &Review| {
        let packages = review.dependency_claims.iter().flat_map(|claims| &claims.packages);
        joined(packages.map(|package| (package.name.clone(), format!("{} ({})", package.version, package.source))))
    };
    found.map(Area::Dependencies, packages(before), packages(after), |_| None);
    let same_code = before.prints.change(&after.prints).is_none();
    found.into_differences(old.module_sha256 == new.module_sha256, same_code)
}

/// What was and what is; both for what changed.
type Entry<'e> = (Option<&'e str>, Option<&'e str>);

#[derive(Default)]
struct Found {
    changes: Vec<Difference>,
    counts: BTreeMap<Area, u64>,
}

impl Found {
    fn push(&mut self, change: Difference) {
        let count = self.counts.entry(change.area).or_default();
        *count = count.saturating_add(1);
        if *count <= MAX_OF_AN_AREA {
            self.changes.push(change);
        }
    }

    fn value(
        &mut self,
        area: Area,
        what: &str,
        before: String,
        after: String,
        attention: impl Fn(&str, &str) -> Option<&'static str>,
    ) {
        if before != after {
            let attention = attention(&before, &after);
            let (before, after) = (Some(before), Some(after));
            self.push(Difference { area, what: what.into(), before, after, attention });
        }
    }

    fn map(
        &mut self,
        area: Area,
        before: BTreeMap<String, String>,
        after: BTreeMap<String, String>,
        attention: impl Fn(Entry<'_>) -> Option<&'static str>,
    ) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (old, new) = (before.get(key), after.get(key));
            if old != new {
                self.push(Difference {
                    area,
                    what: key.clone(),
                    before: old.cloned(),
                    after: new.cloned(),
                    attention: attention((old.map(String::as_str), new.map(String::as_str))),
                });
            }
        }
    }

    fn into_differences(self, identical: bool, same_code: bool) -> Differences {
        let area = |area: Area| match serde_json::to_value(area) {
            Ok(Value::String(name)) => name,
            _ => String::new(),
        };
        let cut = self.counts.iter().filter(|(_, count)| **count > MAX_OF_AN_AREA);
        let cut = cut.map(|(of, count)| Cut { list: area(*of), shown: MAX_OF_AN_AREA, of: *count }).collect();
        let mut changes = self.changes;
        changes.sort_by_key(|change| change.area);
        Differences { identical, same_code, changes, cut }
    }
}

/// How much of what runs differs. What that does is not known: only the decisions themselves tell.
fn code(found: &mut Found, before: &Prints, after: &Prints) {
    let Some(change) = before.change(after) else { return };
    let mut say = |what: String| {
        let attention = Some("what it decides may differ");
        found.push(Difference { area: Area::Code, what, before: None, after: None, attention });
    };
    let all = after.functions();
    let functions = |count: usize| if count == 1 { "function" } else { "functions" };
    if change.functions > 0 {
        let differ = if change.functions == 1 { "differs" } else { "differ" };
        say(format!("{} of {all} {} {differ}", change.functions, functions(all)));
    } else if change.gone > 0 {
        say(format!("{} {} fewer, the others are the same", change.gone, functions(change.gone)));
    } else if change.order {
        say(format!("the {all} functions are the same, in another order"));
    }
    if change.data {
        say("the contents of its memory at the start differ".into());
    }
    if change.rest {
        say("types, imports, globals, tables or what ties its parts together differ".into());
    }
}

fn inputs(found: &mut Found, before: &DeclaredInputs, after: &DeclaredInputs) {
    let kind = |inputs: &DeclaredInputs| match inputs {
        DeclaredInputs::Unknown => "not declared: `configure` says them",
        DeclaredInputs::FromSettings => "those that its settings name",
        DeclaredInputs::Listed(_) => "listed",
    };
    let listed = |inputs: &DeclaredInputs| -> BTreeMap<String, String> {
        match inputs {
            DeclaredInputs::Listed(pointers) => {
                let words = |pointer: &String| (pointer.clone(), crate::words::meaning(pointer).to_owned());
                pointers.iter().map(words).collect()
            }
            DeclaredInputs::Unknown | DeclaredInputs::FromSettings => BTreeMap::new(),
        }
    };
    found.value(Area::Inputs, "which fields", kind(before).into(), kind(after).into(), |_, _| {
        (!matches!(after, DeclaredInputs::Listed(_))).then_some("its description no longer bounds what it reads")
    });
    let all_new = !matches!(before, DeclaredInputs::Listed(_));
    found.map(Area::Inputs, listed(before), listed(after), |change| match change {
        (None, Some(_)) if !all_new => Some("it reads more"),
        _ => None,
    });
}

fn description(review: &Review) -> BTreeMap<String, String> {
    let Some(description) = &review.report.description else { return BTreeMap::new() };
    let sdk = description.sdk.iter().map(|sdk| ("sdk", sdk));
    let rest = [("name", &description.name), ("version", &description.version), ("summary", &description.summary)];
    entries(rest.into_iter().chain(sdk))
}

/// Schemas, member by member. Which settings they accept is not compared: that takes more than their text.
fn settings(found: &mut Found, before: Option<&Value>, after: Option<&Value>) {
    let mut changes = Vec::new();
    schemas(before, after, &mut String::new(), MAX_SCHEMA_DEPTH, &mut changes);
    for (what, before, after) in changes {
        let required = what.ends_with("/required") || what.contains("/required/");
        let attention = match (&before, &after) {
            (None, Some(_)) if required => Some("settings that lack it are refused"),
            (Some(_), None) if !required && what.contains("/properties/") => {
                Some("settings that have it may be refused")
            }
            _ => None,
        };
        found.push(Difference { area: Area::Settings, what, before, after, attention });
    }
}

fn schemas(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut String,
    depth: usize,
    changes: &mut Vec<(String, Option<String>, Option<String>)>,
) {
    if before == after {
        return;
    }
    let shown = |value: Option<&Value>| value.map(|value| text::escaped(&value.to_string(), MAX_VALUE_BYTES));
    let length = path.len();
    match (before, after, depth.checked_sub(1)) {
        (Some(Value::Object(one)), Some(Value::Object(other)), Some(depth)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                path.push('/');
                path.push_str(key);
                schemas(one.get(key), other.get(key), path, depth, changes);
                path.truncate(length);
            }
        }
        // The order in `required` and `enum` says nothing.
        (Some(Value::Array(one)), Some(Value::Array(other)), _)
            if path.ends_with("/required") || path.ends_with("/enum") =>
        {
            for value in one.iter().filter(|value| !other.contains(value)) {
                changes.push((text::name(path), shown(Some(value)), None));
            }
            for value in other.iter().filter(|value| !one.contains(value)) {
                changes.push((text::name(path), None, shown(Some(value))));
            }
        }
        _ => {
            let what = if path.is_empty() { "schema".into() } else { text::escaped(path, MAX_VALUE_BYTES) };
            changes.push((what, shown(before), shown(after)));
        }
    }
}

fn sizes(review: &Review) -> [(&'static str, u64); 12] {
    let sizes = &review.report.sizes;
    [
        ("bytes", review.report.size_bytes),
        ("core modules", sizes.core_modules),
        ("components", sizes.components),
        ("nesting", sizes.nesting_depth),
        ("functions", sizes.functions),
        ("largest function, bytes", sizes.largest_function_bytes),
        ("code, bytes", review.parts.code),
        ("data segments", sizes.data_segments),
        ("data, bytes", sizes.data_bytes),
        ("memories", sizes.memories),
        ("largest memory, bytes", sizes.max_memory_bytes),
        ("tables", sizes.tables),
    ]
}

fn entries<K: ToString, V: ToString>(items: impl Iterator<Item = (K, V)>) -> BTreeMap<String, String> {
    items.map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Several values of one key side by side, in their order.
fn joined(items: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in items {
        all.entry(key).or_default().push(value);
    }
    all.into_iter().map(|(key, values)| (key, values.join(", "))).collect()
}

/// Most differences of an area that are listed.
const MAX_OF_AN_AREA: u64 = 200;
/// How deep schemas are compared member by member.
const MAX_SCHEMA_DEPTH: usize = 32;
const MAX_VALUE_BYTES: usize = 200;
