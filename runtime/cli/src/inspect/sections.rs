//! What a report says, heading by heading. The module's text was escaped when it was read, and is once more here, where it
//! is cut.

use portcullis::{Percentiles, Usage};
use portcullis_gate::{Fault, LoadFault};
use portcullis_inspect::{DESCRIPTION_SECTION, DeclaredInputs, Need, Report, Review, StringKind, WorldVerdict};

use super::Inspected;
use super::page::{Bar, Item, Page, Part, Tone, figures, share, words};
use crate::text::{bytes, counted, shown};

const CLAIM: Option<&str> = Some("As it says itself. Anyone can write anything here.");

/// The report.
pub fn page(inspected: &Inspected) -> Page {
    let Inspected { review, origin, usage } = inspected;
    let report = &review.report;
    let (verdict, meaning) = match (&report.code, &report.detail) {
        (Some(code), detail) => ("REFUSED", format!("{code}: {}", shown(detail.as_deref().unwrap_or(code.explain())))),
        (None, _) if report.admissible => {
            ("ADMISSIBLE", "a policy that can do no more than what is said here".to_owned())
        }
        (None, _) => ("REFUSED", String::new()),
    };
    let mut page = Page {
        tone: if report.admissible { Tone::Good } else { Tone::Bad },
        verdict: verdict.into(),
        words: meaning,
        subject: format!("{}, {}", shown(&origin.file), bytes(report.size_bytes)),
        digest: format!("sha256 {}", report.module_sha256),
        sections: Vec::new(),
    };
    // Of what is no component at all nothing can be said but that.
    if report.code == Some(Fault::Load(LoadFault::Format)) && review.modules.is_empty() {
        origin.show(&mut page);
        return page;
    }
    if !review.complete {
        let text = "it could not be read to its end; what follows is what stands before, and is not all";
        page.list("Incomplete", [Item::new(Tone::Look, text)]);
    }
    description(&mut page, report);
    origin.show(&mut page);
    abilities(&mut page, review);
    limits(&mut page, review);
    settings(&mut page, report);
    if let Some(usage) = usage {
        recorded(&mut page, usage);
    }
    found_strings(&mut page, review);
    sizes(&mut page, review);
    claims(&mut page, review);
    let cut = review.cut.iter().map(|cut| format!("{}: {} of {}", shown(&cut.list), cut.shown, cut.of));
    page.list("Not listed whole", cut);
    page
}

fn description(page: &mut Page, report: &Report) {
    let Some(description) = &report.description else {
        let has_one = report.sizes.custom_sections.iter().any(|section| section.name == DESCRIPTION_SECTION);
        let words = if has_one { "one that cannot be read" } else { "none: nothing says what it is for" };
        page.list("Description", [words]);
        return;
    };
    let mut items =
        vec![format!("{} {}", shown(&description.name), shown(&description.version)), shown(&description.summary)];
    items.extend(description.sdk.iter().map(|sdk| format!("written with {}", shown(sdk))));
    page.list("It says about itself", items);
}

fn abilities(page: &mut Page, review: &Review) {
    let report = &review.report;
    let whole = |words: &str| if words.contains("the whole request") { Tone::Look } else { Tone::Plain };
    page.list("What it can read of a request", report.reads.iter().map(|words| Item::new(whole(words), shown(words))));
    match &report.declared_inputs {
        DeclaredInputs::Unknown => page.list("Inputs", ["unknown until it is configured"]),
        DeclaredInputs::FromSettings => {
            page.list("Inputs", ["they depend on its settings; the policy set's lock lists them"]);
        }
        // What it can read, above, has them in words.
        DeclaredInputs::Listed(_) => {}
    }
    let mut calls: Vec<String> =
        report.calls.iter().map(|call| format!("{}: {}", shown(&call.name), shown(&call.words))).collect();
    if calls.is_empty() {
        calls.push("nothing".into());
    }
    page.list("What it can call", calls);
    let history = report.history.iter().map(|history| shown(&history.summary));
    page.list("What it reads the ledger's history for, as it says", history);
    page.list("What it cannot do", review.cannot.iter().copied());
    let exports = report.exports.iter().map(|export| format!("{}: {}", shown(&export.name), shown(&export.words)));
    page.list("What it offers", exports);

    let world = &report.world;
    let name = format!("{} {}", shown(&world.package), shown(&world.version));
    let verdict = match world.verdict {
        WorldVerdict::Matches => Item::new(Tone::Good, format!("matches {name}")),
        WorldVerdict::Differs => Item::new(Tone::Bad, format!("differs from {name}")),
        WorldVerdict::Unknown => "not compared: it was refused before".into(),
    };
    let differences = world.differences.iter().map(|difference| Item::from(shown(difference)));
    page.list("World", std::iter::once(verdict).chain(differences));
    page.list("WebAssembly beyond the first version", report.proposals.iter().map(|proposal| shown(proposal)));
    if report.start_function {
        let words = "code of it runs as soon as it is instantiated, before `configure`";
        page.list("Start", [Item::new(Tone::Look, words)]);
    }
}

fn limits(page: &mut Page, review: &Review) {
    let figure = |need: &Need, value: u64| if need.scale == 1 { value.to_string() } else { bytes(value) };
    let fits = |need: &Need| {
        if need.fits {
            return Item::new(Tone::Good, "by default");
        }
        if need.needs > need.maximum {
            return Item::new(Tone::Bad, "never");
        }
        Item::new(Tone::Look, format!("with {} = {}", need.limit, need.in_units()))
    };
    let rows = review.limits.iter().map(|need| {
        let of = |value| Item::from(figure(need, value));
        vec![need.limit.into(), of(need.needs), of(need.default), of(need.maximum), fits(need)]
    });
    let head = vec![words("limit"), figures("needs"), figures("default"), figures("at most"), words("fits")];
    let most = &review.report.sizes.max_memory_bytes;
    let memory = format!("its memory may grow to {}, as far as the policy set lets it", bytes(*most));
    let growth = (review.report.sizes.memories > 0).then_some(memory);
    page.add("What it needs of the limits", None, vec![Part::table(head, rows), Part::items(growth)]);
}

fn settings(page: &mut Page, report: &Report) {
    let proposed = report.proposed_limits.iter().map(|(key, value)| format!("{key} = {value}"));
    page.list("Limits that its author proposes", proposed);
    let data = report.data_documents.iter().map(|data| format!("{}: {}", shown(&data.name), shown(&data.summary)));
    page.list("Reference documents that it wants", data);
    let codes = report.codes.iter().map(|code| format!("{}: {}", shown(&code.code), shown(&code.summary)));
    page.list("Codes of its findings", codes);
    if let Some(schema) = &report.settings_schema {
        page.list("Settings", settings_of(schema));
    }
}

/// The settings by name; the whole schema is in the JSON.
pub fn settings_of(schema: &serde_json::Value) -> Vec<String> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(serde_json::Value::as_array)
        .map(|names| names.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) else {
        return vec!["see the schema in --format json".into()];
    };
    if properties.is_empty() {
        return vec!["none".into()];
    }
    let setting = |(name, schema): (&String, &serde_json::Value)| {
        let kind = match schema.get("type") {
            Some(serde_json::Value::String(kind)) => format!(" ({})", shown(kind)),
            _ => String::new(),
        };
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        let words = schema.get("description").and_then(serde_json::Value::as_str);
        let words = words.map(|words| format!(": {}", shown(words))).unwrap_or_default();
        format!("{}{kind}{must}{words}", shown(name))
    };
    let mut settings: Vec<String> = properties.iter().take(MAX_SETTINGS).map(setting).collect();
    if let Some(more @ 1..) = properties.len().checked_sub(MAX_SETTINGS) {
        settings.push(format!("and {more} more; see the schema in --format json"));
    }
    settings
}

fn recorded(page: &mut Page, usage: &Usage) {
    let mut items = vec![format!(
        "asked in {}, by {}",
        counted(usize::try_from(usage.decisions).unwrap_or(usize::MAX), "decision", "decisions"),
        counted(usize::try_from(usage.sets).unwrap_or(usize::MAX), "policy set", "policy sets"),
    )];
    if let (Some(first), Some(last)) = (usage.first, usage.last) {
        items.push(format!("from {first:.0} to {last:.0}"));
    }
    if usage.erased > 0 {
        items.push(format!("in {} more, which were erased", usage.erased));
    }
    let total = usage.said.values().fold(0u64, |sum, count| sum.saturating_add(*count));
    let said = usage.said.iter().map(|(said, count)| Bar {
        label: (*said).into(),
        value: count.to_string(),
        share: share(*count, total),
    });
    let mut parts = vec![Part::items(items), Part::Bars(said.collect())];
    if let Some(fuel) = &usage.fuel {
        parts.push(fuel_table(&[("fuel", fuel)]));
    }
    let codes = usage.codes.iter().map(|one| vec![shown(&one.code).into(), one.count.into()]);
    parts.push(Part::table(vec![words("code that it gave"), figures("times")], codes));
    if let Some(more @ 1..) = usage.codes_total.checked_sub(usage.codes.len() as u64) {
        parts.push(Part::items([format!("codes that are not listed: {more}")]));
    }
    page.add("What it did in recorded decisions", None, parts);
}

/// Percentiles of fuel, a row each.
pub fn fuel_table(rows: &[(&str, &Percentiles)]) -> Part {
    let head = vec![words(""), figures("count"), figures("p50"), figures("p90"), figures("p99"), figures("max")];
    let row = |(label, fuel): &(&str, &Percentiles)| {
        vec![(*label).into(), fuel.count.into(), fuel.p50.into(), fuel.p90.into(), fuel.p99.into(), fuel.max.into()]
    };
    Part::table(head, rows.iter().map(row))
}

fn found_strings(page: &mut Page, review: &Review) {
    let row = |found: &portcullis_inspect::FoundString| {
        let (kind, tone) = match found.kind {
            StringKind::PrivateKey => ("private key", Tone::Bad),
            StringKind::Token => ("token", Tone::Bad),
            StringKind::Pem => ("PEM block", Tone::Plain),
            StringKind::Url => ("URL", Tone::Look),
            StringKind::Host => ("host name", Tone::Look),
            StringKind::Ip => ("IP address", Tone::Look),
            StringKind::BuildPath => ("build path", Tone::Plain),
        };
        vec![
            Item::new(tone, kind),
            found.at.into(),
            found.count.into(),
            shown(&found.place).into(),
            shown(&found.text).into(),
        ]
    };
    let head = vec![words("looks like"), figures("at byte"), figures("times"), words("in"), words("text")];
    let note = match review.report.admissible {
        true => {
            "It can reach none of these. That nothing is found says nothing: text can be put together while it runs."
        }
        false => "That nothing is found says nothing: text can be put together while it runs.",
    };
    page.add("Text in its data", Some(note), vec![Part::table(head, review.strings.iter().map(row))]);
}

fn sizes(page: &mut Page, review: &Review) {
    let (sizes, parts) = (&review.report.sizes, &review.parts);
    let bar = |(label, part): (&str, u64)| Bar {
        label: label.into(),
        value: bytes(part),
        share: share(part, review.report.size_bytes),
    };
    let bars = [
        ("code", parts.code),
        ("data", parts.data),
        ("types, tables, links", parts.tables),
        ("component", parts.component),
        ("custom sections", parts.custom),
        ("rest", parts.rest),
    ];
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let items = [
        format!(
            "{}, the largest {}; {} of data in {}",
            counted(number(sizes.functions), "function", "functions"),
            bytes(sizes.largest_function_bytes),
            bytes(sizes.data_bytes),
            counted(number(sizes.data_segments), "segment", "segments"),
        ),
        format!(
            "{}: {} at the start",
            counted(number(sizes.memories), "memory", "memories"),
            bytes(sizes.initial_memory_bytes),
        ),
        format!(
            "{} with {}; {}, nested {} deep",
            counted(number(sizes.tables), "table", "tables"),
            counted(number(sizes.table_elements), "element", "elements"),
            counted(number(sizes.core_modules), "core module", "core modules"),
            sizes.nesting_depth
        ),
    ];
    page.add("Sizes", None, vec![Part::Bars(bars.into_iter().map(bar).collect()), Part::items(items)]);
    let head = vec![
        figures("module"),
        figures("bytes"),
        figures("functions"),
        figures("code"),
        figures("data"),
        figures("imports"),
        figures("exports"),
        figures("pages"),
        figures("elements"),
        words("start"),
        words("largest function"),
    ];
    let rows = review.modules.iter().map(|module| {
        let largest = module
            .largest_function
            .iter()
            .map(|name| format!("{}, {}", shown(name), bytes(module.largest_function_bytes)));
        vec![
            module.index.into(),
            bytes(module.bytes).into(),
            module.functions.into(),
            bytes(module.code_bytes).into(),
            bytes(module.data_bytes).into(),
            module.imports.into(),
            module.exports.into(),
            module.memory_pages.into(),
            module.table_elements.into(),
            if module.start_function { Item::new(Tone::Look, "yes") } else { "no".into() },
            largest.collect::<String>().into(),
        ]
    });
    page.add("Core modules", None, vec![Part::table(head, rows)]);
    let rows = sizes
        .custom_sections
        .iter()
        .map(|section| vec![shown(&section.name).into(), section.count.into(), bytes(section.bytes).into()]);
    let head = vec![words("name"), figures("count"), figures("bytes")];
    page.add("Custom sections", None, vec![Part::table(head, rows)]);
}

fn claims(page: &mut Page, review: &Review) {
    let tools = review.report.toolchain_claims.iter();
    let tools = tools.map(|claim| format!("{}: {} {}", shown(&claim.field), shown(&claim.name), shown(&claim.version)));
    page.add("Made by, as it claims", CLAIM, vec![Part::items(tools)]);
    let metadata = &review.metadata_claims;
    let mut items: Vec<String> =
        metadata.iter().map(|claim| format!("{}: {}", shown(&claim.field), shown(&claim.value))).collect();
    if !metadata.iter().any(|claim| matches!(claim.field.as_str(), "source" | "revision")) {
        items.push("neither source nor revision: nothing says how to build it again".into());
    }
    page.add("Origin, as it claims", CLAIM, vec![Part::items(items)]);
    let Some(dependencies) = &review.dependency_claims else { return };
    let row = |package: &portcullis_inspect::PackageClaim| {
        let used = if package.build { "to build it" } else { "in it" };
        vec![shown(&package.name).into(), shown(&package.version).into(), shown(&package.source).into(), used.into()]
    };
    let head = vec![words("package"), words("version"), words("source"), words("used")];
    let unreadable = dependencies.unreadable.iter().map(|problem| format!("cannot be read: {}", shown(problem)));
    let parts = vec![Part::items(unreadable), Part::table(head, dependencies.packages.iter().map(row))];
    page.add("Packages, as it claims", CLAIM, parts);
}

/// Most settings that are listed by name.
const MAX_SETTINGS: usize = 200;
