use proc_macro2::TokenStream;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Expr, Fields, Ident, LitStr, Path, Type};

use crate::json_literal::JsonLiteral;

/// A struct or enum that is read from JSON.
pub struct Shape {
    pub dialect: &'static Dialect,
    pub name: Ident,
    pub doc: String,
    pub check: Option<Path>,
    pub body: Body,
}

pub enum Body {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

pub struct Field {
    pub ident: Ident,
    pub ty: Type,
    pub name: String,
    pub doc: String,
    /// As JSON text.
    pub default: Option<String>,
    pub range: Option<Bounds>,
    pub length: Option<(Bounds, Measure)>,
    /// The members of the schema that replaces the type's.
    pub schema: Option<String>,
}

pub struct Variant {
    pub ident: Ident,
    pub name: String,
    pub content: Option<Type>,
}

/// Inclusive; the texts are JSON numbers.
pub struct Bounds {
    pub min: Option<String>,
    pub max: Option<String>,
}

/// What the length of a type counts.
#[derive(Clone, Copy)]
pub enum Measure {
    Characters,
    Items,
    Members,
}

/// How the two derives differ.
pub struct Dialect {
    /// The attribute on fields and variants.
    field: &'static str,
    /// The attribute on the type.
    type_: &'static str,
    /// Settings: unknown members are refused, ranges and a schema are possible.
    pub strict: bool,
}

pub const SETTINGS: Dialect = Dialect { field: "setting", type_: "settings", strict: true };
pub const FROM_JSON: Dialect = Dialect { field: "json", type_: "json", strict: false };

impl Shape {
    pub fn parse(item: TokenStream, dialect: &'static Dialect) -> syn::Result<Shape> {
        let item: DeriveInput = syn::parse2(item)?;
        if !item.generics.params.is_empty() {
            return Err(syn::Error::new(item.generics.span(), "generic types cannot be read from JSON"));
        }
        let body = match &item.data {
            Data::Struct(data) => Body::Struct(
                named(&data.fields, item.ident.span())?
                    .map(|field| Field::parse(field, dialect))
                    .collect::<syn::Result<_>>()?,
            ),
            Data::Enum(data) => Body::Enum(
                data.variants.iter().map(|variant| Variant::parse(variant, dialect)).collect::<syn::Result<_>>()?,
            ),
            Data::Union(_) => return Err(syn::Error::new(item.ident.span(), "expected a struct or an enum")),
        };
        let mut check = None;
        for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident(dialect.type_)) {
            attribute.parse_nested_meta(|meta| {
                if !dialect.strict || !meta.path.is_ident("check") {
                    return Err(meta.error("unknown; known on the type is `#[settings(check = function)]`"));
                }
                check = Some(meta.value()?.parse()?);
                Ok(())
            })?;
        }
        Ok(Shape { dialect, doc: doc(&item.attrs), name: item.ident, check, body })
    }
}

impl Field {
    fn parse(field: &syn::Field, dialect: &Dialect) -> syn::Result<Field> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new(field.span(), "expected a field with a name"));
        };
        let mut parsed = Field {
            name: ident.to_string().trim_start_matches("r#").to_owned(),
            ident,
            ty: field.ty.clone(),
            doc: doc(&field.attrs),
            default: None,
            range: None,
            length: None,
            schema: None,
        };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident(dialect.field)) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    parsed.default = Some(match meta.input.peek(syn::Token![=]) {
                        true => meta.value()?.parse::<JsonLiteral>()?.text,
                        false => empty(&field.ty).to_owned(),
                    });
                } else if meta.path.is_ident("rename") {
                    parsed.name = meta.value()?.parse::<LitStr>()?.value();
                } else if dialect.strict && meta.path.is_ident("range") {
                    parsed.range = Some(bounds(&meta.value()?.parse()?)?);
                } else if dialect.strict && meta.path.is_ident("length") {
                    let Some(measure) = measure(&field.ty) else {
                        return Err(meta.error("only a String, a Vec and a BTreeMap have a length"));
                    };
                    parsed.length = Some((bounds(&meta.value()?.parse()?)?, measure));
                } else if dialect.strict && meta.path.is_ident("schema") {
                    parsed.schema = Some(schema_members(&meta.value()?.parse()?)?);
                } else if dialect.strict {
                    return Err(meta.error("unknown; known are default, range, length, rename and schema"));
                } else {
                    return Err(meta.error("unknown; known are default and rename"));
                }
                Ok(())
            })?;
        }
        Ok(parsed)
    }

    /// Whether the member may be left out.
    pub fn is_optional(&self) -> bool {
        self.default.is_some() || last_segment(&self.ty).is_some_and(|segment| segment.ident == "Option")
    }
}

impl Variant {
    fn parse(variant: &syn::Variant, dialect: &Dialect) -> syn::Result<Variant> {
        let mut name = kebab_case(&variant.ident.to_string());
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident(dialect.field)) {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("rename") {
                    return Err(meta.error("unknown; known on a variant is rename"));
                }
                name = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            })?;
        }
        let content = match &variant.fields {
            Fields::Unit => None,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                fields.unnamed.first().map(|field| field.ty.clone())
            }
            other => {
                return Err(syn::Error::new(
                    other.span(),
                    "a variant has no content, or one type in parentheses (with the fields in a struct of its own)",
                ));
            }
        };
        Ok(Variant { ident: variant.ident.clone(), name, content })
    }
}

pub fn named(fields: &Fields, span: proc_macro2::Span) -> syn::Result<impl Iterator<Item = &syn::Field>> {
    match fields {
        Fields::Named(fields) => Ok(fields.named.iter()),
        Fields::Unnamed(_) | Fields::Unit => Err(syn::Error::new(span, "expected a struct with named fields")),
    }
}

/// The documentation as one text: a paragraph a line.
pub fn doc(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let syn::Meta::NameValue(meta) = &attribute.meta else { continue };
        let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &meta.value else { continue };
        let line = line.value();
        match line.trim() {
            "" => text.push('\n'),
            line if text.is_empty() || text.ends_with('\n') => text.push_str(line),
            line => text.extend([" ", line]),
        }
    }
    text.trim().to_owned()
}

/// The default of a type without its own: no members or no items.
fn empty(ty: &Type) -> &'static str {
    match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
        Some("Vec") => "[]",
        Some("Option") => "null",
        _ => "{}",
    }
}

fn measure(ty: &Type) -> Option<Measure> {
    let segment = last_segment(ty)?;
    match segment.ident.to_string().as_str() {
        "String" => Some(Measure::Characters),
        "Vec" => Some(Measure::Items),
        "BTreeMap" => Some(Measure::Members),
        "Option" => match &segment.arguments {
            syn::PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
                Some(syn::GenericArgument::Type(inner)) => measure(inner),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn bounds(range: &Expr) -> syn::Result<Bounds> {
    let error = |span| syn::Error::new(span, "expected `1..=9`, `1..` or `..=9`");
    let Expr::Range(range) = range else { return Err(error(range.span())) };
    if range.end.is_some() && matches!(range.limits, syn::RangeLimits::HalfOpen(_)) {
        return Err(error(range.span()));
    }
    let number = |expr: &Option<Box<Expr>>| match expr {
        None => Ok(None),
        Some(expr) => {
            let tokens = quote::quote!(#expr);
            let literal: JsonLiteral = syn::parse2(tokens)?;
            if literal.text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
                Ok(Some(literal.text))
            } else {
                Err(error(expr.span()))
            }
        }
    };
    Ok(Bounds { min: number(&range.start)?, max: number(&range.end)? })
}

fn schema_members(schema: &LitStr) -> syn::Result<String> {
    let value = schema.value();
    match value.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::trim) {
        Some(members) if !members.is_empty() => Ok(members.to_owned()),
        _ => Err(syn::Error::new(schema.span(), "expected a JSON Schema: an object with at least one member")),
    }
}

fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for (n, character) in name.chars().enumerate() {
        if character.is_uppercase() && n > 0 {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}
