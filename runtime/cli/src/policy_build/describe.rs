//! `policy.json`: a policy's description, as its author writes it for every language but Rust.

use std::path::Path;

use anyhow::{Context as _, bail};
use portcullis_gate::Document;
use serde_json::{Map, Value};

use super::encode::IMPORTS;

/// The file's name.
pub const FILE: &str = "policy.json";

/// A description, ready to be embedded.
#[derive(Debug)]
pub struct Described {
    /// The last part of the policy's name: the component's file is named after it.
    pub short_name: String,
    /// What the policy calls of the host.
    pub imports: Vec<String>,
    /// What is embedded: the file without what is only for the build.
    members: Map<String, Value>,
}

impl Described {
    /// The description as it is embedded.
    #[must_use]
    pub fn embedded(&self, sdk: &str) -> String {
        let mut members = self.members.clone();
        members.insert("sdk".into(), sdk.into());
        Value::Object(members).to_string()
    }
}

/// Reads the description in a policy's folder. Its members are checked when the finished component is inspected.
///
/// # Errors
/// It is not there, malformed, or names an import that there is not.
pub fn read(folder: &Path) -> anyhow::Result<Described> {
    let path = folder.join(FILE);
    let shown = path.display();
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {shown}, the policy's description"))?;
    parse(&bytes).with_context(|| shown.to_string())
}

fn parse(bytes: &[u8]) -> anyhow::Result<Described> {
    let document = Document::parse(bytes)?;
    let Value::Object(mut members) = serde_json::from_str(document.text())? else { bail!("is not an object") };
    let imports: Vec<String> = match members.remove("imports") {
        None => Vec::new(),
        Some(imports) => serde_json::from_value(imports).context("`imports` is not a list of names")?,
    };
    if let Some(unknown) = imports.iter().find(|import| !IMPORTS.contains(&import.as_str())) {
        bail!("`imports` names {unknown:?}; a policy can import {}", IMPORTS.join(", "));
    }
    for (member, import) in [("data", "data"), ("history", "history")] {
        if members.contains_key(member) && !imports.iter().any(|it| it == import) {
            bail!("announces `{member}`, and `imports` does not list {import:?}");
        }
    }
    if members.contains_key("sdk") {
        bail!("has `sdk`, which the build writes; leave it out");
    }
    let name = members.get("name").and_then(Value::as_str).context("has no `name`")?;
    let short_name = name.rsplit('.').next().unwrap_or(name);
    if short_name.is_empty() || !short_name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
        bail!("has the name {name:?}; its last part is not of a-z 0-9 - _");
    }
    Ok(Described { short_name: short_name.to_owned(), imports, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_for_the_build_is_not_embedded() {
        let described =
            parse(br#"{"name":"acme.x-1","version":"1","inputs":[],"imports":["log","data"],"data":[]}"#).unwrap();
        assert_eq!(
            (described.short_name.as_str(), described.imports.as_slice()),
            ("x-1", &["log".into(), "data".into()][..])
        );
        let embedded: Value = serde_json::from_str(&described.embedded("some sdk 1")).unwrap();
        assert_eq!(
            embedded,
            serde_json::json!({"name":"acme.x-1","version":"1","inputs":[],"data":[],"sdk":"some sdk 1"})
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, says) in [
            ("[]", "is not an object"),
            ("{}", "has no `name`"),
            (r#"{"name":"a.b","name":"a.c"}"#, "name"),
            (r#"{"name":"a.B"}"#, "its last part"),
            (r#"{"name":"a.."}"#, "its last part"),
            (r#"{"name":"a.b","imports":["clock"]}"#, "a policy can import log, data, request, history"),
            (r#"{"name":"a.b","imports":"log"}"#, "`imports` is not a list"),
            (r#"{"name":"a.b","history":{"summary":"x"}}"#, "`imports` does not list \"history\""),
            (r#"{"name":"a.b","sdk":"x"}"#, "which the build writes"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
