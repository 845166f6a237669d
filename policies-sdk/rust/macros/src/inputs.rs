use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Ident, LitStr};

use crate::json_literal::quote_json;
use crate::schema::text;
use crate::shape::named;

/// The implementation of `Inputs`.
pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let name = &item.ident;
    let Data::Struct(data) = &item.data else {
        return Err(syn::Error::new(name.span(), "expected a struct"));
    };
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new(name.span(), "the inputs cannot be generic"));
    }
    let mut fixed = Vec::new();
    let mut from_settings = None;
    for field in named(&data.fields, name.span())? {
        let Some(ident) = &field.ident else { continue };
        let Some(attribute) = field.attrs.iter().find(|attribute| attribute.path().is_ident("input")) else {
            return Err(syn::Error::new(ident.span(), "say which request field this is: #[input(\"/json/pointer\")]"));
        };
        match attribute.parse_args()? {
            Source::Pointer(pointer) => fixed.push((ident, pointer)),
            Source::Settings if from_settings.is_none() => from_settings = Some(ident),
            Source::Settings => return Err(syn::Error::new(ident.span(), "only one field can be from the settings")),
        }
    }
    let idents: Vec<_> = fixed.iter().map(|(ident, _)| ident).collect();
    let pointers: Vec<_> = fixed.iter().map(|(_, pointer)| pointer.value()).collect();
    let declared = match from_settings {
        Some(_) => text("\"from-settings\""),
        None => text(format!("[{}]", pointers.iter().map(|pointer| quote_json(pointer)).collect::<Vec<_>>().join(","))),
    };
    let (generics, more, rest) = match from_settings {
        Some(ident) => (
            quote!(<S: ::portcullis_policy::NamesInputs>),
            quote!(pointers.extend(::portcullis_policy::NamesInputs::input_pointers(settings));),
            quote!(#ident: values.rest()),
        ),
        None => (quote!(<S>), quote!(let _ = settings;), quote!()),
    };
    let mutable = from_settings.map(|_| quote!(mut));
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::portcullis_policy::Inputs<S> for #name {
            const DECLARED: ::portcullis_policy::schema::Rope = #declared;

            fn pointers(settings: &S) -> ::std::vec::Vec<::std::string::String> {
                let #mutable pointers: ::std::vec::Vec<::std::string::String> =
                    [#(#pointers),*].iter().map(|pointer: &&str| (*pointer).into()).collect();
                #more
                pointers
            }

            fn read(
                values: &mut ::portcullis_policy::Values,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                ::core::result::Result::Ok(Self { #(#idents: values.take(#pointers)?,)* #rest })
            }
        }
    })
}

enum Source {
    Pointer(LitStr),
    Settings,
}

impl syn::parse::Parse for Source {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Source> {
        if input.peek(LitStr) {
            let pointer: LitStr = input.parse()?;
            check_pointer(&pointer)?;
            return Ok(Source::Pointer(pointer));
        }
        let word: Ident = input.parse()?;
        if word == "from_settings" {
            return Ok(Source::Settings);
        }
        Err(syn::Error::new(word.span(), "expected a JSON pointer in quotes, or from_settings"))
    }
}

fn check_pointer(pointer: &LitStr) -> syn::Result<()> {
    let text = pointer.value();
    let error = |message: &str| Err(syn::Error::new(pointer.span(), message));
    if !text.is_empty() && !text.starts_with('/') {
        return error("a JSON pointer starts with a slash");
    }
    if text.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
        return error("in a JSON pointer ~ is written ~0 and / inside a key ~1");
    }
    Ok(())
}
