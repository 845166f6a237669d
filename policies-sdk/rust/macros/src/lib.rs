//! The macros of `portcullis-policy`, whose documentation describes them.

mod inputs;
mod json_literal;
mod policy;
mod read;
mod schema;
mod shape;

use proc_macro::TokenStream;

/// Makes a policy of the function `fn NAME(settings: &S, input: &I) -> R`.
///
/// `S` has `#[derive(Settings)]` or implements `Prepared`; without it, the policy has no settings. `I` has
/// `#[derive(Inputs)]`, or is `Fields` or `()`. `R` is an `Answer`, a `Finding`, a list of findings, or a `Result` of
/// one of them whose error, a `String`, is a fault.
///
/// ```ignore
/// #[policy(
///     name = "team.policy",
///     summary = "One sentence.",
///     codes(NAME = "team.policy.reason": "When the policy says so."),
///     data(CALENDAR = "calendar": "What the document is."),
///     history = "What past decisions are counted for."
/// )]
/// ```
///
/// Each code becomes a constant `NAME: Code`, each reference document a constant of type `Data`. A code that ends in
/// `.*`, named `_`, stands for codes that the settings give. `history` lets the policy ask the ledger
/// with `history(&Query)`; without it, a component that asks is refused at load. The policy itself becomes the struct
/// `Policy`.
#[proc_macro_attribute]
pub fn policy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(policy::expand(arguments.into(), item.into()))
}

/// Reads a struct or enum from the settings, refusing what it does not know, and describes it by a JSON Schema.
///
/// On fields: `#[setting(default = JSON, range = 1..=9, length = 1..=64, rename = "..", schema = "{..}")]`, all of them
/// optional. On the type: `#[settings(check = FUNCTION)]`.
#[proc_macro_derive(Settings, attributes(setting, settings))]
pub fn settings(item: TokenStream) -> TokenStream {
    finish(shape::Shape::parse(item.into(), &shape::SETTINGS).map(|shape| {
        let read = read::expand(&shape);
        let schema = schema::expand(&shape);
        quote::quote! { #read #schema }
    }))
}

/// Reads a struct or enum from a request field or a reference document, ignoring members that it does not name.
///
/// On fields: `#[json(default = JSON, rename = "..")]`.
#[proc_macro_derive(FromJson, attributes(json))]
pub fn from_json(item: TokenStream) -> TokenStream {
    finish(shape::Shape::parse(item.into(), &shape::FROM_JSON).map(|shape| read::expand(&shape)))
}

/// Declares the request fields that a policy reads: `#[input("/json/pointer")]` on each field of a struct, or
/// `#[input(from_settings)]` on one field of type `Fields`.
#[proc_macro_derive(Inputs, attributes(input))]
pub fn inputs(item: TokenStream) -> TokenStream {
    finish(inputs::expand(item.into()))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
