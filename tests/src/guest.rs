//! A guest is a file of `guests/`: WebAssembly text, or Rust that writes bytes where text would be too large. The
//! comments at its head say what it attempts and what must come of it:
//!
//! | line | meaning |
//! |---|---|
//! | `;; expect: fault.fuel` | the code of the fault, or the outcome (`allow`, `deny`, `abstain` ...) |
//! | `;; expect: load.configure (fault.fuel)` | refused at load, and what went wrong inside the guest |
//! | `;; limits: fuel=1000 time-ms=50` | limits other than the defaults of the tests, by the manifest's keys |
//! | `;; settings: {"a":1}` | settings other than `{}` |
//! | `;; data: calendar={"a":1}` | a reference document |
//! | `;; past: deploy service/a allow 30` | a past decision, made so many minutes ago; `none`: a history that holds nothing |
//! | `;; mode: configure-each-time` | the module cannot be snapshotted (otherwise: it must be) |
//! | `;; form: core` | the module as it is, without a component around it; `text`: the file's own bytes |
//! | `;; wit: OLD => NEW` | a world that looks alike: the contract with `OLD` replaced |
//! | `;; wit+: TEXT` | text after the contract: further packages |
//! | `;; include: NAME` | here comes `guests/pieces/NAME.wat` |
//!
//! `(module ..)` is encoded as a component of the world by its exports; `(component ..)` is taken as it is.

use std::collections::BTreeMap;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// One file of `guests/`.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The file's name without its extension: `01-loop`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
    /// Where the file is Rust: what it writes.
    pub bytes: Option<fn() -> Vec<u8>>,
}

/// A guest, ready to be loaded.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The file's name without its extension.
    pub name: &'static str,
    /// What the host is given as a module.
    pub bytes: Vec<u8>,
    /// What must come of it.
    pub expect: Expect,
    /// Limits other than the defaults, by the manifest's keys and in their units.
    pub limits: Vec<(String, u64)>,
    /// Settings, as JSON text.
    pub settings: String,
    /// Reference documents, as JSON text.
    pub data: BTreeMap<String, String>,
    /// Past decisions; `None` where the host gives no history.
    pub past: Option<Vec<Past>>,
    /// Whether the module can be snapshotted.
    pub snapshot: bool,
}

/// A past decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The action's name.
    pub action: String,
    /// The resource's type and id.
    pub resource: (String, String),
    /// Its name.
    pub outcome: String,
    /// How long before the request that the guest is evaluated for.
    pub minutes_ago: i64,
}

/// What must come of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It answers: `abstain`, or the strictest outcome of its findings.
    Answer(String),
    /// It is loaded, and faults when it is evaluated.
    Fault(String),
    /// It is not loaded; `cause` is what went wrong inside `configure`.
    Load {
        /// `load.world` ...
        code: String,
        /// `fault.fuel` ..., where the guest was running.
        cause: Option<String>,
    },
}

impl Source {
    /// Assembles the guest.
    #[must_use]
    pub fn guest(&self) -> Guest {
        let headers = self.headers();
        let one = |key: &str| headers.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
        let many = |key: &str| headers.iter().filter(|(k, _)| k == key).map(|(_, value)| value.clone()).collect();
        let expect = one("expect").unwrap_or_else(|| panic!("{}: no `expect:`", self.name));
        let bytes = match self.bytes {
            Some(bytes) => bytes(),
            None => self.assemble(one("form").as_deref(), many("wit"), many("wit+")),
        };
        let pairs: Vec<String> = many("data");
        Guest {
            name: self.name,
            bytes,
            expect: Expect::parse(&expect),
            limits: one("limits").as_deref().map(|text| limits(self.name, text)).unwrap_or_default(),
            settings: one("settings").unwrap_or_else(|| "{}".into()),
            data: pairs
                .iter()
                .map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{}: data: NAME=JSON", self.name)))
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
            past: one("past").map(|_| Past::all(self.name, &many("past"))),
            snapshot: one("mode").is_none(),
        }
    }

    /// The `key: value` comments at the head of the file.
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for line in self.text.lines() {
            let Some(line) = line.strip_prefix(";; ").or_else(|| line.strip_prefix("// ")) else { break };
            if let Some((key, value)) = line.split_once(": ")
                && HEADERS.contains(&key)
            {
                headers.push((key.to_owned(), value.trim().to_owned()));
            }
        }
        headers
    }

    fn assemble(&self, form: Option<&str>, replaced: Vec<String>, appended: Vec<String>) -> Vec<u8> {
        if form == Some("text") {
            return self.text.as_bytes().to_vec();
        }
        let text = with_pieces(self.text);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        if form == Some("core") || !wasmparser::Parser::is_core_wasm(&wasm) {
            return wasm;
        }
        let mut wit = CONTRACT.to_owned();
        for pair in replaced {
            let (old, new) = pair.split_once(" => ").unwrap_or_else(|| panic!("{}: wit: OLD => NEW", self.name));
            assert!(wit.contains(old), "{}: the contract does not contain {old:?}", self.name);
            wit = wit.replace(old, new);
        }
        for text in appended {
            wit.push_str(&text);
        }
        encode(&wasm, &wit).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

impl Past {
    fn all(guest: &str, texts: &[String]) -> Vec<Past> {
        let texts = texts.iter().filter(|text| *text != "none");
        texts
            .map(|text| Past::parse(text).unwrap_or_else(|| panic!("{guest}: past: ACTION TYPE/ID OUTCOME MINUTES")))
            .collect()
    }

    fn parse(text: &str) -> Option<Past> {
        let [action, resource, outcome, minutes] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let (kind, id) = resource.split_once('/')?;
        let resource = (kind.to_owned(), id.to_owned());
        let minutes_ago = minutes.parse().ok()?;
        Some(Past { action: action.to_owned(), resource, outcome: outcome.to_owned(), minutes_ago })
    }
}

impl Expect {
    fn parse(text: &str) -> Expect {
        if text.starts_with("load.") {
            let (code, cause) = match text.split_once(" (") {
                Some((code, cause)) => (code, Some(cause.trim_end_matches(')').to_owned())),
                None => (text, None),
            };
            return Expect::Load { code: code.to_owned(), cause };
        }
        if text.starts_with("fault.") { Expect::Fault(text.to_owned()) } else { Expect::Answer(text.to_owned()) }
    }
}

/// The guest of that name.
#[must_use]
pub fn find(name: &str) -> Guest {
    let source = sources::ALL.iter().find(|source| source.name == name);
    source.unwrap_or_else(|| panic!("there is no guest {name:?}")).guest()
}

/// A component of the world `policy` around a core module, which is not checked.
#[must_use]
pub fn component(module: &[u8]) -> Vec<u8> {
    encode(module, CONTRACT).unwrap_or_else(|error| panic!("{error}"))
}

/// The honest guest with `more`, a component, inside it: the world is the contract's, the rest is not.
#[must_use]
pub fn beside(more: &wasm_encoder::Component) -> Vec<u8> {
    let mut bytes = find("00-allow").bytes;
    bytes.push(wasm_encoder::ComponentSectionId::Component as u8);
    wasm_encoder::Encode::encode(more.as_slice(), &mut bytes);
    bytes
}

/// A core module from text with pieces.
#[must_use]
pub fn module(text: &str) -> Vec<u8> {
    wat::parse_str(with_pieces(text)).unwrap_or_else(|error| panic!("{error}"))
}

/// Text with its `;; include: NAME` lines replaced.
#[must_use]
pub fn with_pieces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.trim_start().strip_prefix(";; include: ") {
            Some(name) => {
                let piece = pieces::ALL.iter().find(|(piece, _)| *piece == name.trim());
                let (_, piece) = piece.unwrap_or_else(|| panic!("there is no piece {name:?}"));
                out.push_str(&with_pieces(piece));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

fn encode(module: &[u8], wit: &str) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("policy.wit", wit).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some("policy")).map_err(|error| format!("{error:#}"))?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .and_then(|()| ComponentEncoder::default().validate(false).module(&module)?.encode())
        .map_err(|error| format!("{error:#}"))
}

fn limits(guest: &str, text: &str) -> Vec<(String, u64)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), value.replace('_', "").parse().ok()?))
    };
    text.split_whitespace()
        .map(|text| pair(text).unwrap_or_else(|| panic!("{guest}: limits: KEY=NUMBER ..., not {text:?}")))
        .collect()
}

const HEADERS: [&str; 9] = ["expect", "limits", "settings", "data", "past", "mode", "form", "wit", "wit+"];

/// The contract that guests are made for.
const CONTRACT: &str = include_str!("../../wit/policy.wit");

/// Text that many guests share.
pub mod pieces {
    /// Every piece, with its name.
    pub const ALL: &[(&str, &str)] = &[
        ("policy", include_str!("../guests/pieces/policy.wat")),
        ("realloc", include_str!("../guests/pieces/realloc.wat")),
        ("bump", include_str!("../guests/pieces/bump.wat")),
        ("configure", include_str!("../guests/pieces/configure.wat")),
        ("answer", include_str!("../guests/pieces/answer.wat")),
        ("evaluate", include_str!("../guests/pieces/evaluate.wat")),
        ("history", include_str!("../guests/pieces/history.wat")),
        ("announced", include_str!("../guests/pieces/announced.wat")),
        ("ask", include_str!("../guests/pieces/ask.wat")),
        ("world", include_str!("../guests/pieces/world.wat")),
        ("lift", include_str!("../guests/pieces/lift.wat")),
    ];
}

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    /// What a mistake in a guest looks like: bytes that no validator accepts, though the guest does not say so.
    #[test]
    fn every_guest_assembles() {
        let mut wrong = Vec::new();
        for source in sources::ALL {
            let Ok(guest) = std::panic::catch_unwind(|| source.guest()) else {
                wrong.push(format!("{}: does not assemble", source.name));
                continue;
            };
            if let Some((key, _)) = guest.limits.iter().find(|(key, _)| portcullis_gate::LimitKey::named(key).is_none())
            {
                wrong.push(format!("{}: no limit {key}", guest.name));
            }
            let malformed =
                matches!(&guest.expect, Expect::Load { code, .. } if MAY_BE_INVALID.contains(&code.as_str()));
            let mut validator = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all());
            if let Err(error) = validator.validate_all(&guest.bytes)
                && !malformed
            {
                wrong.push(format!("{}: {error}", guest.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    const MAY_BE_INVALID: [&str; 3] = ["load.format", "load.compile-limit", "load.resources"];
}
