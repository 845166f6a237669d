use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, LitStr, Token, braced, bracketed};

/// A JSON value among Rust tokens: `3`, `-0.5`, `"x"`, `true`, `null`, `["a", "b"]`, `{"a": 1}`.
pub struct JsonLiteral {
    pub text: String,
}

impl Parse for JsonLiteral {
    fn parse(input: ParseStream<'_>) -> syn::Result<JsonLiteral> {
        let mut text = String::new();
        write(input, &mut text)?;
        Ok(JsonLiteral { text })
    }
}

/// A JSON string.
pub fn quote_json(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\0'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn write(input: ParseStream<'_>, text: &mut String) -> syn::Result<()> {
    if input.peek(syn::token::Bracket) {
        let content;
        bracketed!(content in input);
        text.push('[');
        separated(&content, text, &mut |content, text| write(content, text))?;
        text.push(']');
        return Ok(());
    }
    if input.peek(syn::token::Brace) {
        let content;
        braced!(content in input);
        text.push('{');
        separated(&content, text, &mut |content, text| {
            text.push_str(&quote_json(&content.parse::<LitStr>()?.value()));
            content.parse::<Token![:]>()?;
            text.push(':');
            write(content, text)
        })?;
        text.push('}');
        return Ok(());
    }
    let negative = input.parse::<Option<Token![-]>>()?.is_some();
    if negative {
        text.push('-');
    }
    let expected = "a JSON value: a number, \"text\", true, false, null, [..] or {..}";
    if !negative && input.peek(Ident) && !input.peek(syn::LitBool) {
        let word: Ident = input.parse()?;
        if word != "null" {
            return Err(syn::Error::new(word.span(), format!("expected {expected}")));
        }
        text.push_str("null");
        return Ok(());
    }
    match input.parse()? {
        Lit::Str(value) if !negative => text.push_str(&quote_json(&value.value())),
        Lit::Bool(value) if !negative => text.push_str(if value.value { "true" } else { "false" }),
        Lit::Int(value) if value.suffix().is_empty() => text.push_str(value.base10_digits()),
        Lit::Float(value) if value.suffix().is_empty() => text.push_str(value.base10_digits()),
        other => return Err(syn::Error::new(other.span(), format!("expected {expected}"))),
    }
    Ok(())
}

fn separated(
    content: ParseStream<'_>,
    text: &mut String,
    one: &mut dyn FnMut(ParseStream<'_>, &mut String) -> syn::Result<()>,
) -> syn::Result<()> {
    let mut first = true;
    while !content.is_empty() {
        if !first {
            text.push(',');
        }
        first = false;
        one(content, text)?;
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(())
}
