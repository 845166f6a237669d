//! What a module says of where it comes from. Anyone can write anything here; it is shown as what it is, a claim.

use serde::{Deserialize, Serialize};
use wasmparser::{ComponentName, CustomSectionReader, KnownCustom, Name};

use crate::stop::wide;
use crate::text;

/// Something that a module says about its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataClaim {
    /// `name`, `authors`, `description`, `licenses`, `source`, `homepage`, `revision`, `version`: custom sections as
    /// [wasm-metadata](https://docs.rs/wasm-metadata) writes them; or a member of the older `registry-metadata`.
    pub field: String,
    /// What it says.
    pub value: String,
}

/// The packages that a module says it was built from.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct DependencyClaims {
    /// The packages, by name; the first 512.
    pub packages: Vec<PackageClaim>,
    /// How many there are.
    pub total: u64,
    /// Why the section cannot be read, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A package, as [cargo-auditable](https://github.com/rust-secure-code/cargo-auditable) lists it in `.dep-v0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageClaim {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `crates.io`, `git`, `local`, `registry`.
    pub source: String,
    /// Whether it ran while the module was built, and is not in it.
    pub build: bool,
}

/// What the custom sections claim.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub metadata: Vec<MetadataClaim>,
    /// Claims that were not kept.
    pub metadata_left_out: u64,
    pub dependencies: Option<DependencyClaims>,
}

impl Claims {
    /// Reads one custom section; what is malformed claims nothing.
    pub(crate) fn add(&mut self, section: &CustomSectionReader<'_>) {
        let data = section.data();
        if data.len() > MAX_SECTION_BYTES {
            return;
        }
        match section.name() {
            field if TEXTS.contains(&field) => {
                if let Ok(value) = std::str::from_utf8(data) {
                    self.claim(field, value);
                }
            }
            "registry-metadata" => {
                if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(data) {
                    for (field, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        self.claim(field, &value);
                    }
                }
            }
            ".dep-v0" => {
                let dependencies = dependencies(data);
                self.dependencies.get_or_insert(dependencies);
            }
            _ => match section.as_known() {
                KnownCustom::Name(names) => {
                    for name in names.into_iter().map_while(Result::ok) {
                        if let Name::Module { name, .. } = name {
                            self.claim("name", name);
                        }
                    }
                }
                KnownCustom::ComponentName(names) => {
                    for name in names.into_iter().map_while(Result::ok) {
                        if let ComponentName::Component { name, .. } = name {
                            self.claim("name", name);
                        }
                    }
                }
                _ => {}
            },
        }
    }

    fn claim(&mut self, field: &str, value: &str) {
        let claim = MetadataClaim { field: text::name(field), value: text::escaped(value, MAX_VALUE_BYTES) };
        if self.metadata.contains(&claim) {
            return;
        }
        if self.metadata.len() >= MAX_CLAIMS {
            self.metadata_left_out = self.metadata_left_out.saturating_add(1);
        } else {
            self.metadata.push(claim);
        }
    }
}

#[derive(Deserialize)]
struct Audit {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    kind: String,
}

fn dependencies(data: &[u8]) -> DependencyClaims {
    let unreadable = |problem: String| DependencyClaims { unreadable: Some(problem), ..DependencyClaims::default() };
    let json = match miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data, MAX_INFLATED_BYTES) {
        Ok(json) => json,
        Err(error) => return unreadable(format!("it is not compressed as it should be: {:?}", error.status)),
    };
    match serde_json::from_slice::<Audit>(&json) {
        Err(error) => unreadable(text::name(&error.to_string())),
        Ok(Audit { packages }) => {
            let total = wide(packages.len());
            let claim = |package: Package| PackageClaim {
                name: text::name(&package.name),
                version: text::name(&package.version),
                source: text::name(&package.source),
                build: package.kind == "build",
            };
            let packages = packages.into_iter().take(MAX_PACKAGES).map(claim).collect();
            DependencyClaims { packages, total, unreadable: None }
        }
    }
}

const TEXTS: [&str; 7] = ["authors", "description", "licenses", "source", "homepage", "revision", "version"];
/// Largest section that is read.
const MAX_SECTION_BYTES: usize = 4 << 20;
/// Most that `.dep-v0` may inflate to.
const MAX_INFLATED_BYTES: usize = 2 << 20;
const MAX_CLAIMS: usize = 64;
const MAX_PACKAGES: usize = 512;
const MAX_VALUE_BYTES: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn zlib(json: &str) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 6)
    }

    #[test]
    fn dependencies_are_listed() {
        let found = dependencies(&zlib(
            r#"{"packages":[{"name":"adler","version":"0.2.3","source":"crates.io"},{"name":"cc\u001b","version":"1.0.0","source":"local","kind":"build","dependencies":[0],"root":true}],"format":1}"#,
        ));
        assert_eq!((found.total, &found.unreadable), (2, &None));
        assert_eq!(found.packages[0].name, "adler");
        assert_eq!((found.packages[1].name.as_str(), found.packages[1].build), ("cc\\u{1b}", true));
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for data in [b"".to_vec(), b"{}".to_vec(), zlib("{}"), zlib("[]"), zlib(r#"{"packages":[{"name":1}]}"#)] {
            assert!(dependencies(&data).unreadable.is_some(), "{data:?}");
        }
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; MAX_INFLATED_BYTES + 1], 9);
        assert!(bomb.len() < 4000 && dependencies(&bomb).unreadable.is_some());
        let many: Vec<String> = (0..600).map(|n| format!(r#"{{"name":"p{n}","version":"1"}}"#)).collect();
        let found = dependencies(&zlib(&format!(r#"{{"packages":[{}]}}"#, many.join(","))));
        assert_eq!((found.packages.len(), found.total), (MAX_PACKAGES, 600));
    }
}
