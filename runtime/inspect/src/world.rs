//! Compares what a validated component imports and exports with the contract, by structure and not by name alone.

use wasmparser::ComponentExternalKind;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentInstanceTypeId,
    ComponentValType,
};
use wasmparser::names::KebabString;
use wasmparser::types::{Types, TypesRef};

use crate::contract::{Contract, Kind, Shape, Signature};
use crate::{text, words};

/// How many differences a report lists.
const MAX_DIFFERENCES: usize = 16;

/// Everything that differs, in words, each with what to do about it; the first 16.
pub(crate) fn differences(
    contract: &Contract,
    types: &Types,
    imports: &[(&str, ComponentExternalKind)],
    exports: &[(&str, ComponentExternalKind)],
) -> Vec<String> {
    let comparison = Comparison { types: types.as_ref(), contract };
    let imported = imports.iter().filter_map(|(name, kind)| comparison.import(name, *kind));
    let missing = contract
        .exports
        .keys()
        .filter(|name| !exports.iter().any(|(export, _)| export == name))
        .map(|name| format!("does not export `{name}`, which a policy must: implement it"));
    let exported = exports.iter().filter_map(|(name, _)| comparison.export(name));
    imported.chain(missing).chain(exported).take(MAX_DIFFERENCES).collect()
}

struct Comparison<'a> {
    types: TypesRef<'a>,
    contract: &'a Contract,
}

impl Comparison<'_> {
    /// What is wrong with an import.
    fn import(&self, name: &str, kind: ComponentExternalKind) -> Option<String> {
        let found = self.types.component_item_for_import(name).map(|item| item.ty);
        if let Some(expected) = self.contract.imports.get(name) {
            return self.function(&format!("import `{name}`"), found, expected);
        }
        if let Some(expected) = self.contract.types.get(name) {
            return self.named_type(&format!("import `{name}`"), found, expected);
        }
        if let Some(expected) = self.contract.interfaces.get(name) {
            let Some(ComponentEntityType::Instance(id)) = found else {
                return Some(format!("import `{name}` is {}, not an interface: {REBUILD}", entity(found)));
            };
            return self.interface(name, id, expected);
        }
        let contract = self.contract;
        let shown = text::name(name);
        if let Some(own) = contract.interfaces.keys().find(|own| without_version(own) == without_version(name)) {
            return Some(format!("imports `{shown}`, but this host has `{own}`: build it against the host's version"));
        }
        Some(format!(
            "imports `{shown}` ({}), but a policy may import nothing other than {}: {}",
            words::import(name, kind),
            contract.allowed_imports(),
            words::without(name),
        ))
    }

    /// What is wrong with an export.
    fn export(&self, name: &str) -> Option<String> {
        match self.contract.exports.get(name) {
            Some(expected) => {
                let found = self.types.component_item_for_export(name).map(|item| item.ty);
                self.function(&format!("export `{name}`"), found, expected)
            }
            None => Some(format!(
                "exports `{}`, but a policy exports nothing beyond the contract: take it out of its world",
                text::name(name)
            )),
        }
    }

    fn function(&self, what: &str, found: Option<ComponentEntityType>, expected: &Signature) -> Option<String> {
        let Some(ComponentEntityType::Func(id)) = found else {
            return Some(format!("{what} is {}, not a function: {REBUILD}", entity(found)));
        };
        self.signature(id, expected).map(|problem| format!("{what}: {problem}: {REBUILD}"))
    }

    fn signature(&self, id: ComponentFuncTypeId, expected: &Signature) -> Option<String> {
        let Some(found) = self.types.get(id) else { return Some("its type is missing".into()) };
        if found.async_ {
            return Some("expected a plain function, found an async one".into());
        }
        if found.params.len() != expected.params.len() {
            let (wants, has) = (expected.params.len(), found.params.len());
            return Some(format!("expected {wants} parameters, found {has}"));
        }
        for ((name, ty), (expected_name, expected_ty)) in found.params.iter().zip(&expected.params) {
            if name.as_str() != expected_name {
                return Some(format!("expected a parameter `{expected_name}`, found `{}`", text::name(name.as_str())));
            }
            if let Some(problem) = self.differs(ty, expected_ty) {
                return Some(format!("parameter `{expected_name}`{problem}"));
            }
        }
        match (&found.result, &expected.result) {
            (None, None) => None,
            (Some(ty), Some(expected)) => self.differs(ty, expected).map(|problem| format!("result{problem}")),
            (Some(ty), None) => Some(format!("expected no result, found {}", self.describe(ty, DESCRIBED_DEPTH))),
            (None, Some(expected)) => Some(format!("expected the result {expected}, found none")),
        }
    }

    fn named_type(&self, what: &str, found: Option<ComponentEntityType>, expected: &Shape) -> Option<String> {
        let Some(ComponentEntityType::Type { referenced, .. }) = found else {
            return Some(format!("{what} is {}, not a type: {REBUILD}", entity(found)));
        };
        let ComponentAnyTypeId::Defined(id) = referenced else {
            return Some(format!("{what} is a resource, function or interface type, not {expected}: {REBUILD}"));
        };
        self.differs(&ComponentValType::Type(id), expected).map(|problem| format!("{what}{problem}: {REBUILD}"))
    }

    fn interface(
        &self,
        name: &str,
        id: ComponentInstanceTypeId,
        expected: &std::collections::BTreeMap<String, Shape>,
    ) -> Option<String> {
        let Some(found) = self.types.get(id) else { return Some(format!("`{name}`: its type is missing")) };
        found.exports.iter().find_map(|(member, item)| match expected.get(member) {
            Some(shape) => self.named_type(&format!("import `{name}`, type `{member}`"), Some(item.ty), shape),
            None => Some(format!(
                "imports `{}` of `{name}`, which has no such member in this host: build it against the host's version",
                text::name(member)
            )),
        })
    }

    /// How a type differs from what the contract asks for: where, then what was expected and found. Walks the contract's
    /// type, so a hostile one costs no more than that.
    fn differs(&self, found: &ComponentValType, expected: &Shape) -> Option<String> {
        let mismatch = || Some(format!(": expected {expected}, found {}", self.describe(found, DESCRIBED_DEPTH)));
        let defined = match found {
            ComponentValType::Primitive(ty) => {
                return if expected.kind == Kind::Primitive(*ty) { None } else { mismatch() };
            }
            ComponentValType::Type(id) => match self.types.get(*id) {
                Some(defined) => defined,
                None => return mismatch(),
            },
        };
        match (defined, &expected.kind) {
            (ComponentDefinedType::Primitive(found), Kind::Primitive(expected)) if found == expected => None,
            (ComponentDefinedType::Record(found), Kind::Record(fields)) => {
                if let Some(problem) = names_differ("field", found.fields.keys(), fields.iter().map(|(name, _)| name)) {
                    return Some(format!("{}{problem}", inside(expected)));
                }
                found.fields.values().zip(fields).find_map(|(ty, (name, shape))| {
                    self.differs(ty, shape).map(|problem| format!("{}, field `{name}`{problem}", inside(expected)))
                })
            }
            (ComponentDefinedType::Variant(found), Kind::Variant(cases)) => {
                if let Some(problem) = names_differ("case", found.cases.keys(), cases.iter().map(|(name, _)| name)) {
                    return Some(format!("{}{problem}", inside(expected)));
                }
                found.cases.values().zip(cases).find_map(|(case, (name, shape))| {
                    self.optional(case.ty.as_ref(), shape.as_ref())
                        .map(|problem| format!("{}, case `{name}`{problem}", inside(expected)))
                })
            }
            (ComponentDefinedType::Enum(found), Kind::Enum(cases)) => {
                names_differ("case", found, cases).map(|problem| format!("{}{problem}", inside(expected)))
            }
            (ComponentDefinedType::Flags(found), Kind::Flags(flags)) => {
                names_differ("flag", found, flags).map(|problem| format!("{}{problem}", inside(expected)))
            }
            (ComponentDefinedType::Tuple(found), Kind::Tuple(parts)) if found.types.len() == parts.len() => {
                found.types.iter().zip(parts).find_map(|(ty, shape)| self.differs(ty, shape))
            }
            (ComponentDefinedType::List { element, .. }, Kind::List(shape)) => {
                self.differs(element, shape).map(|problem| format!(", in the list{problem}"))
            }
            (ComponentDefinedType::Option { ty, .. }, Kind::Option(shape)) => self.differs(ty, shape),
            (ComponentDefinedType::Result { ok, err, .. }, Kind::Result(expected_ok, expected_err)) => {
                self.optional(ok.as_ref(), expected_ok.as_deref()).map(|problem| format!(", `ok`{problem}")).or_else(
                    || self.optional(err.as_ref(), expected_err.as_deref()).map(|problem| format!(", `err`{problem}")),
                )
            }
            _ => mismatch(),
        }
    }

    fn optional(&self, found: Option<&ComponentValType>, expected: Option<&Shape>) -> Option<String> {
        match (found, expected) {
            (None, None) => None,
            (Some(found), Some(expected)) => self.differs(found, expected),
            (Some(found), None) => Some(format!(": expected nothing, found {}", self.describe(found, DESCRIBED_DEPTH))),
            (None, Some(expected)) => Some(format!(": expected {expected}, found nothing")),
        }
    }

    /// A type as in WIT, cut below `depth`.
    fn describe(&self, ty: &ComponentValType, depth: usize) -> String {
        let defined = match ty {
            ComponentValType::Primitive(ty) => return ty.to_string(),
            ComponentValType::Type(id) => self.types.get(*id),
        };
        let Some(depth) = depth.checked_sub(1) else { return "…".into() };
        let part =
            |ty: &Option<ComponentValType>| ty.as_ref().map_or_else(|| "_".into(), |ty| self.describe(ty, depth));
        match defined {
            None => "an unknown type".into(),
            Some(ComponentDefinedType::Primitive(ty)) => ty.to_string(),
            Some(ComponentDefinedType::Record(record)) => format!("record {{ {} }}", listed(record.fields.keys())),
            Some(ComponentDefinedType::Variant(variant)) => format!("variant {{ {} }}", listed(variant.cases.keys())),
            Some(ComponentDefinedType::Enum(names)) => format!("enum {{ {} }}", listed(names)),
            Some(ComponentDefinedType::Flags(names)) => format!("flags {{ {} }}", listed(names)),
            Some(ComponentDefinedType::Tuple(tuple)) => format!("a tuple of {}", tuple.types.len()),
            Some(ComponentDefinedType::List { element, .. }) => format!("list<{}>", self.describe(element, depth)),
            Some(ComponentDefinedType::Option { ty, .. }) => format!("option<{}>", self.describe(ty, depth)),
            Some(ComponentDefinedType::Result { ok, err, .. }) => format!("result<{}, {}>", part(ok), part(err)),
            Some(ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_)) => "a handle to a resource".into(),
            Some(ComponentDefinedType::Map { .. }) => "a map".into(),
            Some(ComponentDefinedType::FixedLengthList { .. }) => "a list of fixed length".into(),
            Some(ComponentDefinedType::Future { .. }) => "a future".into(),
            Some(ComponentDefinedType::Stream { .. }) => "a stream".into(),
        }
    }
}

/// The first name that differs, by position.
fn names_differ<'a>(
    what: &str,
    found: impl IntoIterator<Item = &'a KebabString>,
    expected: impl IntoIterator<Item = &'a String>,
) -> Option<String> {
    let (mut found, mut expected) = (found.into_iter(), expected.into_iter());
    loop {
        return match (found.next(), expected.next()) {
            (None, None) => None,
            (Some(name), Some(wanted)) if name.as_str() == wanted => continue,
            (Some(name), Some(wanted)) => {
                Some(format!(": expected the {what} `{wanted}`, found `{}`", text::name(name.as_str())))
            }
            (Some(name), None) => Some(format!(": expected no {what} more, found `{}`", text::name(name.as_str()))),
            (None, Some(wanted)) => Some(format!(": expected the {what} `{wanted}`, found no more")),
        };
    }
}

fn inside(shape: &Shape) -> String {
    shape.name.as_ref().map(|name| format!(", in `{name}`")).unwrap_or_default()
}

/// The first few names.
fn listed<'a>(names: impl IntoIterator<Item = &'a KebabString>) -> String {
    let mut out = Vec::new();
    for name in names {
        if out.len() == LISTED_NAMES {
            out.push("…".into());
            break;
        }
        out.push(text::escaped(name.as_str(), LISTED_NAME_BYTES));
    }
    out.join(", ")
}

fn entity(found: Option<ComponentEntityType>) -> &'static str {
    match found {
        None => "missing",
        Some(ComponentEntityType::Module(_)) => "a core module",
        Some(ComponentEntityType::Func(_)) => "a function",
        Some(ComponentEntityType::Value(_)) => "a value",
        Some(ComponentEntityType::Type { .. }) => "a type",
        Some(ComponentEntityType::Instance(_)) => "an interface",
        Some(ComponentEntityType::Component(_)) => "a component",
    }
}

fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

const REBUILD: &str = "build it against the host's `wit/policy.wit`";
/// How deep a type that was found is spelled out.
const DESCRIBED_DEPTH: usize = 3;
const LISTED_NAMES: usize = 8;
const LISTED_NAME_BYTES: usize = 40;
