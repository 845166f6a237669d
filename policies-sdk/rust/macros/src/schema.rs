use proc_macro2::TokenStream;
use quote::quote;

use crate::json_literal::quote_json;
use crate::shape::{Body, Field, Measure, Shape, Variant};

/// The implementations of `Schema` and `Prepared`.
pub fn expand(shape: &Shape) -> TokenStream {
    let name = &shape.name;
    let about = about(&shape.doc);
    let members = match &shape.body {
        Body::Struct(fields) => of_struct(fields),
        Body::Enum(variants) => of_enum(variants),
    };
    quote! {
        #[automatically_derived]
        impl ::portcullis_policy::schema::Schema for #name {
            const ABOUT: ::portcullis_policy::schema::Rope = ::portcullis_policy::schema::Rope::Text(#about);
            const MEMBERS: ::portcullis_policy::schema::Rope =
                ::portcullis_policy::schema::Rope::Parts(&[#(#members),*]);
        }

        #[automatically_derived]
        impl ::portcullis_policy::Prepared for #name {
            type Settings = Self;

            fn prepare(
                settings: Self,
            ) -> ::core::result::Result<Self, ::std::vec::Vec<::portcullis_policy::Problem>> {
                ::core::result::Result::Ok(settings)
            }
        }
    }
}

pub fn text(text: impl AsRef<str>) -> TokenStream {
    let text = text.as_ref();
    quote!(::portcullis_policy::schema::Rope::Text(#text))
}

fn about(doc: &str) -> String {
    if doc.is_empty() { String::new() } else { format!("\"description\":{},", quote_json(doc)) }
}

fn of_struct(fields: &[Field]) -> Vec<TokenStream> {
    let mut parts = vec![text("\"type\":\"object\",\"properties\":{")];
    for (n, field) in fields.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        parts.push(text(format!("{comma}{}:{{", quote_json(&field.name))));
        parts.extend(of_field(field));
        parts.push(text("}"));
    }
    let required: Vec<_> =
        fields.iter().filter(|field| !field.is_optional()).map(|field| quote_json(&field.name)).collect();
    parts.push(text(match required.is_empty() {
        true => "},\"additionalProperties\":false".to_owned(),
        false => format!("}},\"required\":[{}],\"additionalProperties\":false", required.join(",")),
    }));
    parts
}

fn of_field(field: &Field) -> Vec<TokenStream> {
    let ty = &field.ty;
    let mut parts = Vec::new();
    match (&field.schema, field.doc.is_empty()) {
        (_, false) => parts.push(text(about(&field.doc))),
        (None, true) => parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::ABOUT)),
        (Some(_), true) => {}
    }
    match &field.schema {
        Some(members) => parts.push(text(members)),
        None => parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::MEMBERS)),
    }
    let mut more = String::new();
    match &field.range {
        Some(bounds) => {
            push(&mut more, "minimum", bounds.min.as_ref());
            push(&mut more, "maximum", bounds.max.as_ref());
        }
        None if field.schema.is_none() => {
            parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::BOUNDS));
        }
        None => {}
    }
    if let Some((bounds, measure)) = &field.length {
        let (min, max) = match measure {
            Measure::Characters => ("minLength", "maxLength"),
            Measure::Items => ("minItems", "maxItems"),
            Measure::Members => ("minProperties", "maxProperties"),
        };
        push(&mut more, min, bounds.min.as_ref());
        push(&mut more, max, bounds.max.as_ref());
    }
    push(&mut more, "default", field.default.as_ref());
    parts.push(text(more));
    parts
}

fn push(members: &mut String, key: &str, value: Option<&String>) {
    if let Some(value) = value {
        members.push_str(&format!(",\"{key}\":{value}"));
    }
}

fn of_enum(variants: &[Variant]) -> Vec<TokenStream> {
    if variants.iter().all(|variant| variant.content.is_none()) {
        let names: Vec<_> = variants.iter().map(|variant| quote_json(&variant.name)).collect();
        return vec![text(format!("\"type\":\"string\",\"enum\":[{}]", names.join(",")))];
    }
    let mut parts = vec![text("\"oneOf\":[")];
    for (n, variant) in variants.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let name = quote_json(&variant.name);
        match &variant.content {
            None => parts.push(text(format!("{comma}{{\"const\":{name}}}"))),
            Some(ty) => {
                parts.push(text(format!("{comma}{{\"type\":\"object\",\"properties\":{{{name}:{{")));
                parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::ABOUT));
                parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::MEMBERS));
                parts.push(quote!(<#ty as ::portcullis_policy::schema::Schema>::BOUNDS));
                parts.push(text(format!("}}}},\"required\":[{name}],\"additionalProperties\":false}}")));
            }
        }
    }
    parts.push(text("]"));
    parts
}
