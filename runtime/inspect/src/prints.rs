//! Digests of what runs, by which two modules are compared: of each function, of the data, and of all else but the custom
//! sections. Where they are equal, two modules do the same.

use std::collections::HashMap;

use portcullis_gate::Sha256;
use wasmparser::Payload;

/// What a module runs, as digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prints {
    /// Of each function's body, in the order of the file.
    functions: Vec<Sha256>,
    /// Of the sections of data.
    data: Chain,
    /// Of every other section that is no custom section, and of what could not be read.
    rest: Chain,
}

/// A digest of all that was added, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain(Option<Sha256>);

/// How the code of two modules differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeChange {
    /// Functions of the second whose bodies the first does not have.
    pub functions: usize,
    /// Functions of the first whose bodies the second does not have.
    pub gone: usize,
    /// Whether the same bodies are there in another order.
    pub order: bool,
    /// Whether the data differs.
    pub data: bool,
    /// Whether types, tables, globals, imports or what ties the modules together differ.
    pub rest: bool,
}

impl Prints {
    /// Adds one section of the file, or one body.
    pub(crate) fn add(&mut self, payload: &Payload<'_>, bytes: &[u8]) {
        match payload {
            Payload::CodeSectionEntry(body) => {
                self.functions.push(Sha256::of(bytes.get(body.range()).unwrap_or_default()));
            }
            Payload::DataSection(section) => self.data.push(b"data", bytes.get(section.range()).unwrap_or_default()),
            // The bodies and the parts within are added by themselves.
            Payload::CodeSectionStart { .. } => self.rest.push(b"code", &[]),
            Payload::Version { encoding, .. } => self.rest.push(format!("{encoding:?}").as_bytes(), &[]),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.rest.push(b"part", &[]),
            Payload::End(_) => self.rest.push(b"end", &[]),
            Payload::CustomSection(_) => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    self.rest.push(&[id], bytes.get(range).unwrap_or_default());
                }
            }
        }
    }

    /// Adds what could not be read: with it, nothing is known to be the same.
    pub(crate) fn add_unread(&mut self, bytes: &[u8]) {
        self.rest.push(b"unread", bytes);
    }

    /// How many functions have a body.
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// What of the code differs in `after`; `None` where nothing does.
    pub(crate) fn change(&self, after: &Prints) -> Option<CodeChange> {
        let mut count: HashMap<&Sha256, isize> = HashMap::new();
        for body in &after.functions {
            let one = count.entry(body).or_default();
            *one = one.saturating_add(1);
        }
        for body in &self.functions {
            let one = count.entry(body).or_default();
            *one = one.saturating_sub(1);
        }
        let sum = |sign: isize| count.values().map(|one| one.saturating_mul(sign).max(0).unsigned_abs()).sum();
        let (functions, gone) = (sum(1), sum(-1));
        let change = CodeChange {
            functions,
            gone,
            order: functions == 0 && gone == 0 && self.functions != after.functions,
            data: self.data != after.data,
            rest: self.rest != after.rest,
        };
        (functions > 0 || gone > 0 || change.order || change.data || change.rest).then_some(change)
    }
}

impl Chain {
    fn push(&mut self, what: &[u8], bytes: &[u8]) {
        let before = self.0.map(|digest| *digest.as_bytes()).unwrap_or_default();
        let all = [before.as_slice(), Sha256::of(what).as_bytes(), Sha256::of(bytes).as_bytes()].concat();
        self.0 = Some(Sha256::of(&all));
    }
}
