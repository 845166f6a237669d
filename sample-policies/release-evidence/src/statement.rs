//! in-toto statements with SLSA provenance (<https://slsa.dev/spec/v1.0/provenance> and v0.2).

use portcullis_policy::prelude::*;

/// What a provenance says about a build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The sha256 digests of what was built, in hexadecimal.
    pub subjects: Vec<String>,
    /// Who built it.
    pub builder: String,
    /// Which repository the build was asked to build.
    pub source: Option<String>,
    /// The repositories that it used, where it says at which commit.
    pub materials: Vec<String>,
}

impl Provenance {
    /// Reads a payload.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(payload: &[u8]) -> Result<Provenance, &'static str> {
        let text = std::str::from_utf8(payload).map_err(|_| "the statement is not UTF-8")?;
        let statement = Json::parse(text).map_err(|_| "the statement is no JSON")?;
        if !statement.get("_type").and_then(Json::as_str).is_some_and(|kind| STATEMENTS.contains(&kind)) {
            return Err("the payload is no in-toto statement");
        }
        let predicate = statement.get("predicate").ok_or("the statement has no predicate")?;
        let mut provenance = match statement.get("predicateType").and_then(Json::as_str) {
            Some("https://slsa.dev/provenance/v1") => version_1(predicate),
            Some("https://slsa.dev/provenance/v0.2") => version_0_2(predicate),
            _ => None,
        }
        .ok_or("the predicate is no SLSA provenance v1 or v0.2 with a builder")?;
        let subjects = statement.get("subject").and_then(Json::as_array).unwrap_or_default();
        provenance.subjects = subjects.iter().filter_map(|subject| text_at(subject, &["digest", "sha256"])).collect();
        Ok(provenance)
    }
}

/// A repository's address without how it is fetched and at which reference:
/// `git+https://github.com/acme/app.git@refs/heads/main` is `https://github.com/acme/app`.
pub fn repository(uri: &str) -> &str {
    let address = uri.strip_prefix("git+").unwrap_or(uri);
    // An @ before the path belongs to the host, as in ssh://git@example.com/app.
    let path = address.match_indices('/').nth(2).map_or(address.len(), |(slash, _)| slash);
    let reference = address.get(path..).and_then(|path| path.find('@'));
    let end = reference.map_or(address.len(), |at| path.saturating_add(at));
    let address = address.get(..end).unwrap_or(address);
    address.strip_suffix(".git").unwrap_or(address)
}

fn version_1(predicate: &Json) -> Option<Provenance> {
    let build = predicate.get("buildDefinition")?;
    let parameters = build.get("externalParameters");
    let asked = |path: &[&str]| parameters.and_then(|parameters| text_at(parameters, path));
    Some(Provenance {
        subjects: Vec::new(),
        builder: text_at(predicate, &["runDetails", "builder", "id"])?,
        // GitHub's workflows; builders that take a source; builders that take a repository.
        source: asked(&["workflow", "repository"])
            .or_else(|| asked(&["source", "uri"]))
            .or_else(|| asked(&["source"]))
            .or_else(|| asked(&["repository"])),
        materials: materials(build.get("resolvedDependencies")),
    })
}

fn version_0_2(predicate: &Json) -> Option<Provenance> {
    Some(Provenance {
        subjects: Vec::new(),
        builder: text_at(predicate, &["builder", "id"])?,
        source: text_at(predicate, &["invocation", "configSource", "uri"]),
        materials: materials(predicate.get("materials")),
    })
}

fn materials(list: Option<&Json>) -> Vec<String> {
    let list = list.and_then(Json::as_array).unwrap_or_default();
    let pinned = list.iter().filter(|material| {
        let digests = material.get("digest").and_then(Json::as_object).unwrap_or_default();
        digests.iter().any(|(_, digest)| digest.as_str().is_some_and(|digest| !digest.is_empty()))
    });
    pinned.filter_map(|material| text_at(material, &["uri"])).collect()
}

fn text_at(value: &Json, path: &[&str]) -> Option<String> {
    let text = path.iter().try_fold(value, |value, name| value.get(name))?.as_str()?;
    Some(text.to_owned())
}

const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_compared_without_their_reference() {
        for (uri, address) in [
            ("git+https://github.com/acme/app@refs/heads/main", "https://github.com/acme/app"),
            ("git+https://github.com/acme/app.git@refs/tags/v1/x", "https://github.com/acme/app"),
            ("https://github.com/acme/app", "https://github.com/acme/app"),
            ("git+ssh://git@github.com/acme/app@main", "ssh://git@github.com/acme/app"),
            ("https://github.com/acme/app@0123abc", "https://github.com/acme/app"),
            ("", ""),
        ] {
            assert_eq!(repository(uri), address, "{uri}");
        }
    }
}
