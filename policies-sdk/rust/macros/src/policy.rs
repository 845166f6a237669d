use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{FnArg, Ident, ItemFn, LitStr, Token, Type, parenthesized};

use crate::json_literal::quote_json;
use crate::schema::text;

/// The function, the struct `Policy`, the constants and the component's exports.
pub fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let Arguments { name, summary, codes, data, history } = syn::parse2(arguments)?;
    let function: ItemFn = syn::parse2(item)?;
    let (visibility, ident) = (&function.vis, &function.sig.ident);
    let parameters = parameters(&function)?;
    let no_settings: Type = syn::parse_quote!(::portcullis_policy::NoSettings);
    let (prepared, inputs, call) = match parameters.as_slice() {
        [settings, inputs] => (settings, inputs, quote!(#ident(settings, inputs))),
        [inputs] => (&no_settings, inputs, quote!(#ident(inputs))),
        _ => return Err(syn::Error::new(function.sig.span(), SIGNATURE)),
    };

    let code_constants = codes.iter().filter(|code| !code.is_pattern()).map(|Named { constant, name, summary }| {
        let doc = summary.value();
        quote! {
            #[doc = #doc]
            #visibility const #constant: ::portcullis_policy::Code = ::portcullis_policy::Code::new(#name);
        }
    });
    let data_constants = data.iter().map(|Named { constant, name, summary }| {
        let doc = summary.value();
        quote! {
            #[doc = #doc]
            #visibility const #constant: ::portcullis_policy::Data = ::portcullis_policy::Data::new(#name);
        }
    });
    let (code_names, data_names) = (codes.iter().map(|code| &code.name), data.iter().map(|data| &data.name));
    let start = text(format!("{{\"name\":{},\"version\":", quote_json(&name.value())));
    let version =
        quote!(::portcullis_policy::schema::Rope::Text(::core::concat!("\"", ::core::env!("CARGO_PKG_VERSION"), "\"")));
    let schema = text(format!(
        ",\"summary\":{},\"settings_schema\":{{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",",
        quote_json(&summary.value())
    ));
    let codes_text = text(format!("}},\"codes\":{},\"inputs\":", list("code", &codes)));
    let announced = match &history {
        Some(purpose) => format!(",\"history\":{{\"summary\":{}}}", quote_json(&purpose.value())),
        None => String::new(),
    };
    let end = text(format!(
        ",\"data\":{}{announced},\"sdk\":\"portcullis-policy {}\"}}",
        list("name", &data),
        env!("CARGO_PKG_VERSION")
    ));
    let reads_history = history.is_some();
    Ok(quote! {
        #(#code_constants)*
        #(#data_constants)*

        #function

        /// The policy, for the exports and for tests.
        #visibility struct Policy;

        #[automatically_derived]
        impl ::portcullis_policy::Policy for Policy {
            type Prepared = #prepared;
            type Inputs = #inputs;
            const DESCRIPTION: ::portcullis_policy::schema::Rope = ::portcullis_policy::schema::Rope::Parts(&[
                #start,
                #version,
                #schema,
                <<#prepared as ::portcullis_policy::Prepared>::Settings as ::portcullis_policy::schema::Schema>::ABOUT,
                <<#prepared as ::portcullis_policy::Prepared>::Settings as ::portcullis_policy::schema::Schema>::MEMBERS,
                <<#prepared as ::portcullis_policy::Prepared>::Settings as ::portcullis_policy::schema::Schema>::BOUNDS,
                #codes_text,
                <#inputs as ::portcullis_policy::Inputs<#prepared>>::DECLARED,
                #end,
            ]);
            const CODES: &'static [&'static str] = &[#(#code_names),*];
            const DATA: &'static [&'static str] = &[#(#data_names),*];
            const HISTORY: bool = #reads_history;

            fn evaluate(
                settings: &#prepared,
                inputs: &#inputs,
            ) -> ::core::result::Result<::portcullis_policy::Answer, ::std::string::String> {
                let _ = settings;
                ::portcullis_policy::IntoAnswer::into_answer(#call)
            }
        }

        const _: ::portcullis_policy::schema::Rope = <Policy as ::portcullis_policy::Policy>::DESCRIPTION;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            static STATE: ::portcullis_policy::guest::State<Policy> = ::portcullis_policy::guest::State::new();

            impl ::portcullis_policy::bindings::Guest for Component {
                fn configure(
                    settings: ::std::string::String,
                ) -> ::core::result::Result<
                    ::std::vec::Vec<::std::string::String>,
                    ::std::vec::Vec<::portcullis_policy::Problem>,
                > {
                    STATE.configure(&settings)
                }

                fn evaluate(
                    inputs: ::std::vec::Vec<::portcullis_policy::Value>,
                ) -> ::core::result::Result<::portcullis_policy::Answer, ::std::string::String> {
                    STATE.evaluate(inputs)
                }
            }

            ::portcullis_policy::bindings::export!(Component with_types_in ::portcullis_policy::bindings);

            const TEXT: ::portcullis_policy::schema::Rope = <Policy as ::portcullis_policy::Policy>::DESCRIPTION;

            #[unsafe(link_section = "portcullis-policy")]
            static DESCRIPTION: [u8; TEXT.len()] = TEXT.bytes();
        };
    })
}

struct Arguments {
    name: LitStr,
    summary: LitStr,
    codes: Vec<Named>,
    data: Vec<Named>,
    /// What the ledger's history is read for.
    history: Option<LitStr>,
}

/// `CONSTANT = "name": "summary"`
struct Named {
    constant: Ident,
    name: LitStr,
    summary: LitStr,
}

const SIGNATURE: &str = "expected `fn NAME(settings: &S, input: &I) -> R` or `fn NAME(input: &I) -> R`";

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Arguments> {
        let (mut name, mut summary, mut history) = (None, None, None);
        let (mut codes, mut data) = (Vec::new(), Vec::new());
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" => name = Some(value(input)?),
                "summary" => summary = Some(value(input)?),
                "codes" => codes = named(input)?,
                "data" => data = named(input)?,
                "history" => history = Some(value(input)?),
                _ => {
                    return Err(syn::Error::new(
                        key.span(),
                        "unknown; known are name, summary, codes, data and history",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing = |what: &str| input.error(format!("{what} is missing"));
        let arguments = Arguments {
            name: name.ok_or_else(|| missing("name = \"team.policy\""))?,
            summary: summary.ok_or_else(|| missing("summary = \"One sentence.\""))?,
            codes,
            data,
            history,
        };
        if let Some(purpose) = arguments.history.as_ref().filter(|purpose| purpose.value().trim().is_empty()) {
            return Err(syn::Error::new(purpose.span(), "say what the ledger's history is read for"));
        }
        for code in &arguments.codes {
            let (name, probe) = (code.name.value(), code.name.value().replace('*', "any"));
            if !is_code(&probe) || (name.contains('*') && !code.is_pattern()) {
                return Err(syn::Error::new(code.name.span(), CODE));
            }
            if code.is_pattern() != (code.constant == "_") {
                return Err(syn::Error::new(
                    code.constant.span(),
                    "a code that ends in `.*`, and no other, is named _",
                ));
            }
        }
        Ok(arguments)
    }
}

const CODE: &str = "a code is `team.policy.reason`: three or more segments of a-z 0-9 - _, 128 bytes at most; the first \
                    is not portcullis, fault or load; the last may be `*`, for codes from the settings";

impl Named {
    fn is_pattern(&self) -> bool {
        self.name.value().ends_with(".*")
    }
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> syn::Result<Named> {
        let constant = match input.parse::<Option<Token![_]>>()? {
            Some(underscore) => Ident::new("_", underscore.span()),
            None => input.parse()?,
        };
        input.parse::<Token![=]>()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Named { constant, name, summary: input.parse()? })
    }
}

fn value(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn named(input: ParseStream<'_>) -> syn::Result<Vec<Named>> {
    let content;
    parenthesized!(content in input);
    Ok(content.parse_terminated(Named::parse, Token![,])?.into_iter().collect())
}

fn list(key: &str, named: &[Named]) -> String {
    let items: Vec<_> = named
        .iter()
        .map(|Named { name, summary, .. }| {
            format!("{{\"{key}\":{},\"summary\":{}}}", quote_json(&name.value()), quote_json(&summary.value()))
        })
        .collect();
    format!("[{}]", items.join(","))
}

/// The types behind the references that the function takes.
fn parameters(function: &ItemFn) -> syn::Result<Vec<Type>> {
    let plain = function.sig.generics.params.is_empty()
        && function.sig.asyncness.is_none()
        && matches!(function.sig.output, syn::ReturnType::Type(..));
    if !plain {
        return Err(syn::Error::new(function.sig.span(), SIGNATURE));
    }
    function
        .sig
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(reference) if reference.mutability.is_none() => Ok((*reference.elem).clone()),
                other => Err(syn::Error::new(other.span(), SIGNATURE)),
            },
            FnArg::Receiver(receiver) => Err(syn::Error::new(receiver.span(), SIGNATURE)),
        })
        .collect()
}

fn is_code(code: &str) -> bool {
    let segments: Vec<_> = code.split('.').collect();
    let formed = |segment: &&str| {
        !segment.is_empty() && segment.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    segments.len() >= 3
        && code.len() <= 128
        && segments.iter().all(formed)
        && !matches!(segments.first(), Some(&("portcullis" | "fault" | "load")))
}
