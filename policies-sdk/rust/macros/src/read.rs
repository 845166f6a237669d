use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::shape::{Body, Bounds, Field, Measure, Shape, Variant};

/// The implementation of `FromJson`.
pub fn expand(shape: &Shape) -> TokenStream {
    let name = &shape.name;
    let (kind, body) = match &shape.body {
        Body::Struct(fields) => ("an object", read_struct(shape, fields)),
        Body::Enum(variants) if variants.iter().all(|variant| variant.content.is_none()) => {
            ("a string", read_enum(shape, variants))
        }
        Body::Enum(variants) => ("an object", read_enum(shape, variants)),
    };
    let from_text = match &shape.body {
        Body::Struct(_) => None,
        Body::Enum(variants) => from_text(variants),
    };
    quote! {
        #[automatically_derived]
        impl ::portcullis_policy::FromJson for #name {
            const NAME: &'static str = #kind;

            #[inline(never)]
            fn read(
                reader: &mut ::portcullis_policy::json::Reader<'_>,
            ) -> ::core::option::Option<Self> {
                #body
            }

            #from_text
        }
    }
}

fn read_struct(shape: &Shape, fields: &[Field]) -> TokenStream {
    let slots: Vec<_> = (0..fields.len()).map(|n| format_ident!("slot_{n}")).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let idents = fields.iter().map(|field| &field.ident);
    let unknown = match shape.dialect.strict {
        true => quote!(reader.unknown(&[#(#names),*])),
        false => quote!({
            reader.skip();
        }),
    };
    let values = fields.iter().zip(&slots).map(|(Field { name, ty, default, .. }, slot)| match default {
        Some(default) => quote!(let #slot = reader.defaulted::<#ty>(#name, #slot, #default);),
        None => quote!(let #slot = reader.required::<#ty>(#name, #slot);),
    });
    let checks = fields.iter().zip(&slots).map(|(field, slot)| check_bounds(field, slot));
    let check = shape.check.as_ref().map(|check| {
        quote! {
            let mut problems = ::std::vec::Vec::new();
            #check(&value, &mut problems);
            if !problems.is_empty() {
                reader.problems_within(problems);
                return ::core::option::Option::None;
            }
        }
    });
    quote! {
        reader.begin_object()?;
        #(let mut #slots = ::portcullis_policy::json::Slot::Absent;)*
        while let ::core::option::Option::Some(key) = reader.next_key() {
            match &*key {
                #(#names => reader.member(&mut #slots),)*
                _ => #unknown,
            }
        }
        #(#values)*
        #(#checks)*
        let value = Self { #(#idents: #slots?),* };
        #check
        ::core::option::Option::Some(value)
    }
}

/// Turns a value out of bounds into a problem.
fn check_bounds(field: &Field, slot: &syn::Ident) -> TokenStream {
    let name = &field.name;
    let range = field.range.as_ref().map(|bounds| {
        let message = format!("must be {}", within(bounds));
        let (min, max) = (number(&bounds.min), number(&bounds.max));
        quote! {
            let #slot = match #slot {
                ::core::option::Option::Some(value)
                    if !::portcullis_policy::json::InRange::in_range(&value, #min, #max) =>
                {
                    reader.problem_at(#name, #message)
                }
                other => other,
            };
        }
    });
    let length = field.length.as_ref().map(|(bounds, measure)| {
        let what = match measure {
            Measure::Characters => "characters",
            Measure::Items => "items",
            Measure::Members => "members",
        };
        let message = format!("must have {} {what}", within(bounds));
        let (min, max) = (number(&bounds.min), number(&bounds.max));
        quote! {
            let #slot = match #slot {
                ::core::option::Option::Some(value)
                    if !::portcullis_policy::json::InRange::in_range(
                        &::portcullis_policy::json::Length::length(&value),
                        #min,
                        #max,
                    ) =>
                {
                    reader.problem_at(#name, #message)
                }
                other => other,
            };
        }
    });
    quote!(#range #length)
}

fn within(bounds: &Bounds) -> String {
    match (&bounds.min, &bounds.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any".into(),
    }
}

fn number(bound: &Option<String>) -> TokenStream {
    match bound.as_ref().and_then(|text| text.parse::<f64>().ok()) {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn read_enum(shape: &Shape, variants: &[Variant]) -> TokenStream {
    let units: Vec<_> = variants.iter().filter(|variant| variant.content.is_none()).collect();
    let unit_names = units.iter().map(|variant| &variant.name);
    let unit_idents = units.iter().map(|variant| &variant.ident);
    let expected = expected(variants);
    let read_unit = quote! {
        match &*reader.text()? {
            #(#unit_names => ::core::option::Option::Some(Self::#unit_idents),)*
            _ => reader.problem(#expected),
        }
    };
    if units.len() == variants.len() {
        return read_unit;
    }
    let contents: Vec<_> = variants.iter().filter(|variant| variant.content.is_some()).collect();
    let names: Vec<_> = contents.iter().map(|variant| &variant.name).collect();
    let idents = contents.iter().map(|variant| &variant.ident);
    let types = contents.iter().map(|variant| &variant.content);
    let unit = (!units.is_empty()).then(|| {
        quote! {
            if reader.peek()? == ::portcullis_policy::json::Kind::Text {
                return #read_unit;
            }
        }
    });
    let unknown = match shape.dialect.strict {
        true => quote!(reader.unknown(&[#(#names),*])),
        false => quote!({
            reader.skip();
        }),
    };
    quote! {
        #unit
        reader.begin_object()?;
        let mut value = ::core::option::Option::None;
        let mut count = 0u32;
        while let ::core::option::Option::Some(key) = reader.next_key() {
            match &*key {
                #(#names => {
                    count = count.saturating_add(1);
                    value = <#types as ::portcullis_policy::FromJson>::read(reader).map(Self::#idents);
                })*
                _ => #unknown,
            }
        }
        if count == 1 { value } else { reader.problem(#expected) }
    }
}

/// For enums of plain names, which arrive as text rather than as JSON.
fn from_text(variants: &[Variant]) -> Option<TokenStream> {
    let units: Vec<_> = variants.iter().filter(|variant| variant.content.is_none()).collect();
    if units.is_empty() {
        return None;
    }
    let names = units.iter().map(|variant| &variant.name);
    let idents = units.iter().map(|variant| &variant.ident);
    let expected = expected(variants);
    let others = match units.len() == variants.len() {
        true => quote! {
            other => ::core::result::Result::Err(::std::format!("must be a string, not {}", other.kind_name())),
        },
        false => quote! {
            ::portcullis_policy::Value::Json(text) => ::portcullis_policy::json::read_text(&text),
            other => ::core::result::Result::Err(::std::format!("must be an object, not {}", other.kind_name())),
        },
    };
    Some(quote! {
        fn from_value(
            value: ::portcullis_policy::Value,
        ) -> ::core::result::Result<Self, ::std::string::String> {
            match value {
                ::portcullis_policy::Value::Text(text) => match &*text {
                    #(#names => ::core::result::Result::Ok(Self::#idents),)*
                    _ => ::core::result::Result::Err(#expected.into()),
                },
                ::portcullis_policy::Value::Missing => ::core::result::Result::Err("is missing".into()),
                #others
            }
        }
    })
}

fn expected(variants: &[Variant]) -> String {
    let units: Vec<_> = variants.iter().filter(|variant| variant.content.is_none()).map(quoted).collect();
    let contents: Vec<_> = variants.iter().filter(|variant| variant.content.is_some()).map(quoted).collect();
    let object = format!("an object with exactly one of the members {}", contents.join(", "));
    match (units.is_empty(), contents.is_empty()) {
        (false, true) => format!("must be one of {}", units.join(", ")),
        (true, _) => format!("must be {object}"),
        (false, false) => format!("must be one of {}, or {object}", units.join(", ")),
    }
}

fn quoted(variant: &Variant) -> String {
    format!("{:?}", variant.name)
}
