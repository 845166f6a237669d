//! The contract, `wit/policy.wit`, as a tree that a component's types are compared with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use wasmparser::PrimitiveValType;
use wit_parser::{FunctionKind, Resolve, Type, TypeDefKind, WorldItem, WorldKey};

/// What a policy may import and must export.
#[derive(Debug)]
pub(crate) struct Contract {
    /// `portcullis:policy`.
    pub package: String,
    /// Of the package.
    pub version: String,
    /// Interfaces of nothing but types, by their full name: importing them gives names, not abilities.
    pub interfaces: BTreeMap<String, BTreeMap<String, Shape>>,
    /// Types that the world itself names.
    pub types: BTreeMap<String, Shape>,
    pub imports: BTreeMap<String, Signature>,
    pub exports: BTreeMap<String, Signature>,
}

/// A function's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub params: Vec<(String, Shape)>,
    pub result: Option<Shape>,
}

/// A type, with the name that the contract gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub name: Option<String>,
    pub kind: Kind,
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Primitive(PrimitiveValType),
    Record(Vec<(String, Shape)>),
    Variant(Vec<(String, Option<Shape>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Tuple(Vec<Shape>),
    List(Box<Shape>),
    Option(Box<Shape>),
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
}

impl Contract {
    /// The contract of this host.
    ///
    /// # Errors
    /// The contract that was built in cannot be read: a defect of this program.
    pub(crate) fn get() -> Result<&'static Contract, &'static str> {
        static CONTRACT: OnceLock<Result<Contract, String>> = OnceLock::new();
        CONTRACT.get_or_init(|| Contract::parse(WIT)).as_ref().map_err(String::as_str)
    }

    fn parse(wit: &str) -> Result<Contract, String> {
        let mut resolve = Resolve::new();
        let package = resolve.push_source("policy.wit", wit).map_err(|error| format!("{error:#}"))?;
        let world = resolve.select_world(&[package], Some("policy")).map_err(|error| format!("{error:#}"))?;
        let package = resolve.packages.get(package).ok_or("the package is missing")?;
        let world = resolve.worlds.get(world).ok_or("the world is missing")?;
        let mut contract = Contract {
            package: format!("{}:{}", package.name.namespace, package.name.name),
            version: package.name.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            interfaces: BTreeMap::new(),
            types: BTreeMap::new(),
            imports: BTreeMap::new(),
            exports: BTreeMap::new(),
        };
        for (key, item) in &world.imports {
            match (key, item) {
                (WorldKey::Name(name), WorldItem::Function(function)) => {
                    contract.imports.insert(name.clone(), signature(&resolve, function)?);
                }
                (WorldKey::Name(name), WorldItem::Type { id, .. }) => {
                    contract.types.insert(name.clone(), shape(&resolve, &Type::Id(*id))?);
                }
                (WorldKey::Interface(id), WorldItem::Interface { .. }) => {
                    let interface = resolve.interfaces.get(*id).ok_or("an interface is missing")?;
                    if !interface.functions.is_empty() {
                        return Err("an imported interface has functions".into());
                    }
                    let name = resolve.id_of(*id).ok_or("an interface has no name")?;
                    let mut types = BTreeMap::new();
                    for (name, id) in &interface.types {
                        types.insert(name.clone(), shape(&resolve, &Type::Id(*id))?);
                    }
                    contract.interfaces.insert(name, types);
                }
                _ => return Err("an import of a kind that inspection does not know".into()),
            }
        }
        for (key, item) in &world.exports {
            match (key, item) {
                (WorldKey::Name(name), WorldItem::Function(function)) => {
                    contract.exports.insert(name.clone(), signature(&resolve, function)?);
                }
                _ => return Err("an export of a kind that inspection does not know".into()),
            }
        }
        Ok(contract)
    }

    /// What a policy may import, in words.
    pub(crate) fn allowed_imports(&self) -> String {
        let names: Vec<_> = self.imports.keys().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }
}

fn signature(resolve: &Resolve, function: &wit_parser::Function) -> Result<Signature, String> {
    if function.kind != FunctionKind::Freestanding {
        return Err(format!("{} is not a plain function", function.name));
    }
    let params = function.params.iter().map(|param| Ok((param.name.clone(), shape(resolve, &param.ty)?)));
    let result = function.result.as_ref().map(|ty| shape(resolve, ty)).transpose()?;
    Ok(Signature { params: params.collect::<Result<_, String>>()?, result })
}

fn shape(resolve: &Resolve, ty: &Type) -> Result<Shape, String> {
    let primitive = |ty| Ok(Shape { name: None, kind: Kind::Primitive(ty) });
    let id = match ty {
        Type::Bool => return primitive(PrimitiveValType::Bool),
        Type::U8 => return primitive(PrimitiveValType::U8),
        Type::U16 => return primitive(PrimitiveValType::U16),
        Type::U32 => return primitive(PrimitiveValType::U32),
        Type::U64 => return primitive(PrimitiveValType::U64),
        Type::S8 => return primitive(PrimitiveValType::S8),
        Type::S16 => return primitive(PrimitiveValType::S16),
        Type::S32 => return primitive(PrimitiveValType::S32),
        Type::S64 => return primitive(PrimitiveValType::S64),
        Type::F32 => return primitive(PrimitiveValType::F32),
        Type::F64 => return primitive(PrimitiveValType::F64),
        Type::Char => return primitive(PrimitiveValType::Char),
        Type::String => return primitive(PrimitiveValType::String),
        Type::ErrorContext => return Err("error contexts have no place in the contract".into()),
        Type::Id(id) => *id,
    };
    let definition = resolve.types.get(id).ok_or("a type is missing")?;
    let boxed = |ty: &Type| shape(resolve, ty).map(Box::new);
    let kind = match &definition.kind {
        // `use` and `type a = b`: the same type; the first name is the one that people know.
        TypeDefKind::Type(ty) => return shape(resolve, ty),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| Ok((field.name.clone(), shape(resolve, &field.ty)?)));
            Kind::Record(fields.collect::<Result<_, String>>()?)
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant
                .cases
                .iter()
                .map(|case| Ok((case.name.clone(), case.ty.as_ref().map(|ty| shape(resolve, ty)).transpose()?)));
            Kind::Variant(cases.collect::<Result<_, String>>()?)
        }
        TypeDefKind::Enum(cases) => Kind::Enum(cases.cases.iter().map(|case| case.name.clone()).collect()),
        TypeDefKind::Flags(flags) => Kind::Flags(flags.flags.iter().map(|flag| flag.name.clone()).collect()),
        TypeDefKind::Tuple(tuple) => {
            Kind::Tuple(tuple.types.iter().map(|ty| shape(resolve, ty)).collect::<Result<_, String>>()?)
        }
        TypeDefKind::List(ty) => Kind::List(boxed(ty)?),
        TypeDefKind::Option(ty) => Kind::Option(boxed(ty)?),
        TypeDefKind::Result(result) => {
            Kind::Result(result.ok.as_ref().map(boxed).transpose()?, result.err.as_ref().map(boxed).transpose()?)
        }
        TypeDefKind::Resource
        | TypeDefKind::Handle(_)
        | TypeDefKind::Map(..)
        | TypeDefKind::FixedLengthList(..)
        | TypeDefKind::Future(_)
        | TypeDefKind::Stream(_)
        | TypeDefKind::Unknown => return Err(format!("a {} has no place in the contract", definition.kind.as_str())),
    };
    Ok(Shape { name: definition.name.clone(), kind })
}

/// As in WIT, named types by their name.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            return f.write_str(name);
        }
        let part = |part: &Option<Box<Shape>>| part.as_ref().map_or_else(|| "_".to_owned(), ToString::to_string);
        match &self.kind {
            Kind::Primitive(ty) => write!(f, "{ty}"),
            Kind::Record(_) => f.write_str("record"),
            Kind::Variant(_) => f.write_str("variant"),
            Kind::Enum(_) => f.write_str("enum"),
            Kind::Flags(_) => f.write_str("flags"),
            Kind::Tuple(types) => {
                let types: Vec<_> = types.iter().map(ToString::to_string).collect();
                write!(f, "tuple<{}>", types.join(", "))
            }
            Kind::List(ty) => write!(f, "list<{ty}>"),
            Kind::Option(ty) => write!(f, "option<{ty}>"),
            Kind::Result(ok, err) => write!(f, "result<{}, {}>", part(ok), part(err)),
        }
    }
}

const WIT: &str = include_str!("../../../wit/policy.wit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_contract_can_be_read() {
        let contract = Contract::get().unwrap();
        assert_eq!((contract.package.as_str(), contract.version.as_str()), ("portcullis:policy", "0.1.0"));
        assert_eq!(contract.imports.keys().collect::<Vec<_>>(), ["data", "history", "log", "request"]);
        assert_eq!(contract.exports.keys().collect::<Vec<_>>(), ["configure", "evaluate"]);
        assert_eq!(
            contract.types.keys().collect::<Vec<_>>(),
            ["answer", "history-answer", "history-query", "problem", "value"]
        );
        assert_eq!(contract.interfaces.keys().collect::<Vec<_>>(), ["portcullis:policy/types@0.1.0"]);
        let evaluate = &contract.exports["evaluate"];
        assert_eq!(evaluate.params[0].1.to_string(), "list<value>");
        assert_eq!(evaluate.result.as_ref().unwrap().to_string(), "result<answer, string>");
    }

    #[test]
    fn a_contract_that_inspection_could_not_check_is_an_error() {
        for (wit, expected) in [
            ("package a:b; world policy { import i: interface { f: func(); } }", "kind"),
            ("package a:b; interface i { f: func(); } world policy { import i; }", "has functions"),
            ("package a:b; interface i { resource r; } world policy { use i.{r}; export f: func(x: r); }", "no place"),
            ("package a:b; world policy { export f: async func(); }", "not a plain function"),
            ("package a:b; world other {}", ""),
            ("nonsense", ""),
        ] {
            let error = Contract::parse(wit).unwrap_err();
            assert!(error.contains(expected), "{wit}: {error}");
        }
    }
}
