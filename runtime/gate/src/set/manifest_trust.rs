//! `[keys]` and `[[trust]]` of a manifest.

use toml::de::DeValue;

use super::manifest::tables_of;
use super::read::{Item, Reader, Table};
use super::trust::{KeySource, ModulePattern, Reviewers, Trust, TrustDefault, TrustKey, TrustRule};
use crate::key::PublicKey;

/// What was read, with the tables that it came from: of the keys, and of the rules.
pub(super) fn read_trust<'t>(reader: &mut Reader, root: &Table<'t>) -> (Trust, Vec<Table<'t>>, Vec<Table<'t>>) {
    let default = match reader.string(root, "trust-default", DEFAULT_HELP) {
        Some("accept") => TrustDefault::Accept,
        None | Some("refuse") => TrustDefault::Refuse,
        Some(other) => {
            let span = root.entries.get("trust-default").map(toml::Spanned::span).unwrap_or_default();
            reader.report(span, format!("`trust-default` is {other:?}"), DEFAULT_HELP);
            TrustDefault::Refuse
        }
    };
    let mut keys = Vec::new();
    let mut key_tables = Vec::new();
    if let Some(all) = root.entries.get("keys").and_then(|item| reader.table(item, "`keys`", KEY_HELP)) {
        for (name, item) in all.entries.iter() {
            let Some(mut table) = reader.table(item, "a key", KEY_HELP) else { continue };
            table.span = name.span();
            if let Some(key) = read_key(reader, &table, name.get_ref()) {
                keys.push(key);
                key_tables.push(table);
            }
        }
    }
    let rule_tables = tables_of(reader, root, "trust", "a trust rule", "write [[trust]] for each rule");
    if let Some(item) = root.entries.get("trust-default").filter(|_| rule_tables.is_empty()) {
        reader.report(item.span(), "`trust-default` says nothing without a [[trust]]", "add a [[trust]], or remove it");
    }
    let rules = rule_tables.iter().map(|table| read_rule(reader, table)).collect();
    (Trust { keys, rules, default }, key_tables, rule_tables)
}

fn read_key(reader: &mut Reader, table: &Table<'_>, name: &str) -> Option<TrustKey> {
    reader.keys(table, &["public-key", "public-key-file", "not-after"]);
    let not_after = table.entries.get("not-after").and_then(|item| {
        reader.time(item, "`not-after`", "write it without quotes and with its zone: not-after = 2027-01-01T00:00:00Z")
    });
    let file = reader.string(table, "public-key-file", "give a file's path in quotes");
    let source = match (table.entries.get("public-key"), file) {
        (Some(item), Some(_)) => {
            reader.report(item.span(), "the key has `public-key` and `public-key-file`", "keep one of them");
            return None;
        }
        (Some(item), None) => match PublicKey::parse(reader.string_of(item, "`public-key`", KEY_HELP)?) {
            Ok(key) => KeySource::Inline(key),
            Err(problem) => {
                reader.report(item.span(), format!("the key {name:?} is {problem}"), KEY_HELP);
                return None;
            }
        },
        (None, Some(file)) => KeySource::File(file.into()),
        (None, None) => {
            if !table.entries.contains_key("public-key-file") {
                reader.missing(table, "public-key", KEY_HELP);
            }
            return None;
        }
    };
    Some(TrustKey { name: name.into(), source, not_after })
}

fn read_rule(reader: &mut Reader, table: &Table<'_>) -> TrustRule {
    reader.keys(table, &["modules", "signed-by", "reviewed-by"]);
    if !table.entries.contains_key("modules") {
        reader.missing(table, "modules", MODULES_HELP);
    }
    let mut modules = Vec::new();
    if let Some(item) = table.entries.get("modules") {
        for item in one_or_more(item) {
            match reader.string_of(item, "a pattern", MODULES_HELP).map(ModulePattern::new) {
                Some(Ok(pattern)) => modules.push(pattern),
                Some(Err(problem)) => reader.report(item.span(), format!("the pattern {problem}"), MODULES_HELP),
                None => {}
            }
        }
    }
    let signed_by = table.entries.get("signed-by").map(|item| read_names(reader, item, SIGNED_HELP));
    let reviewed_by = table.entries.get("reviewed-by").and_then(|item| {
        let table = reader.table(item, "`reviewed-by`", REVIEWED_HELP)?;
        reader.keys(&table, &["any", "of"]);
        let of = table.entries.get("of").map(|item| read_names(reader, item, REVIEWED_HELP));
        if of.is_none() {
            reader.missing(&table, "of", REVIEWED_HELP);
        }
        let any = match table.entries.get("any") {
            Some(item) => reader.unsigned(item, "`any`", REVIEWED_HELP)?,
            None => {
                reader.missing(&table, "any", REVIEWED_HELP);
                return None;
            }
        };
        Some(Reviewers { any: u32::try_from(any).unwrap_or(u32::MAX), of: of? })
    });
    TrustRule { modules, signed_by: signed_by.unwrap_or_default(), reviewed_by }
}

fn read_names(reader: &mut Reader, item: &Item<'_>, help: &str) -> Vec<String> {
    let names = one_or_more(item).iter().filter_map(|item| reader.string_of(item, "a key's name", help));
    let names: Vec<String> = names.map(str::to_owned).collect();
    if matches!(item.get_ref(), DeValue::Array(items) if items.is_empty()) {
        reader.report(item.span(), "an empty list names nobody", help);
    }
    names
}

fn one_or_more<'i, 't>(item: &'i Item<'t>) -> &'i [Item<'t>] {
    if let DeValue::Array(items) = item.get_ref() { items } else { std::slice::from_ref(item) }
}

const DEFAULT_HELP: &str =
    "\"refuse\": a module that no [[trust]] matches is not loaded; \"accept\": it needs nothing but the lock";
const KEY_HELP: &str = "give the PEM of an Ed25519 public key, or its file: public-key-file = \"keys/release.pub\"";
const MODULES_HELP: &str = "modules = [\"policies/*.wasm\"], where * is any characters but a slash and ** any folders";
const SIGNED_HELP: &str = "signed-by = [\"release\"], each a key in [keys]";
const REVIEWED_HELP: &str = "reviewed-by = { any = 2, of = [\"alice\", \"bob\", \"carol\"] }, each a key in [keys]";
