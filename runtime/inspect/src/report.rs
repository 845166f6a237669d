use std::collections::BTreeMap;
use std::fmt;

use portcullis_gate::{Fault, LimitKey, Limits, LoadFault, Sha256};
use serde::{Serialize, Serializer};

/// What a module is and what it can do. Serializes as the JSON of `portcullis inspect --format json`; the order of the
/// members is stable. Every text that comes from the module is escaped and bounded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Digest of the file.
    pub module_sha256: Sha256,
    /// Size of the file.
    pub size_bytes: u64,
    /// Whether the engine may compile it.
    pub admissible: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Fault>,
    /// Why not, in words: what, where, and how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What of a request it can read, in words.
    pub reads: Vec<String>,
    /// What it calls, in words.
    pub calls: Vec<Extern>,
    /// What it offers, in words.
    pub exports: Vec<Extern>,
    /// How it compares with the contract.
    pub world: World,
    /// The request fields that it declares in its description.
    pub declared_inputs: DeclaredInputs,
    /// JSON schema of its settings.
    pub settings_schema: Option<serde_json::Value>,
    /// The codes that its findings have.
    pub codes: Vec<ReasonCode>,
    /// The reference documents that it wants.
    pub data_documents: Vec<DataDocument>,
    /// What it reads the ledger's history for; `None` where it cannot read it, or only says that it does.
    pub history: Option<HistoryUse>,
    /// The limits that its author proposes, by their key in the manifest and in the key's unit. Only a proposal: what
    /// counts is what the policy set gives.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proposed_limits: BTreeMap<String, u64>,
    /// What it says about itself.
    pub description: Option<Description>,
    /// How large it is.
    pub sizes: Sizes,
    /// Whether code of it runs as soon as it is instantiated, before `configure`.
    pub start_function: bool,
    /// The tools that it says made it. Anyone can write anything here.
    pub toolchain_claims: Vec<ToolchainClaim>,
    /// WebAssembly proposals beyond the first version that it uses, in words; from its code, whatever it claims.
    pub proposals: Vec<String>,
    /// How much is not listed.
    #[serde(skip)]
    pub(crate) left_out: LeftOut,
}

/// How many imports and exports a report does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub calls: u64,
    pub exports: u64,
}

/// An import or export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extern {
    /// Its name in the component.
    pub name: String,
    /// What it is, for people.
    pub words: String,
}

/// How a module compares with the contract of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct World {
    /// The outcome of the comparison.
    pub verdict: WorldVerdict,
    /// The contract's package: `portcullis:policy`.
    pub package: String,
    /// The contract's version.
    pub version: String,
    /// What differs, in words.
    pub differences: Vec<String>,
}

/// The outcome of comparing a module with the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldVerdict {
    /// The module was refused before it was compared.
    Unknown,
    /// It imports nothing but what the contract offers and exports just what it asks for.
    Matches,
    /// It does not.
    Differs,
}

/// The request fields that a module's description declares.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum DeclaredInputs {
    /// There is no description.
    #[default]
    Unknown,
    /// They depend on the settings; `configure` says them.
    FromSettings,
    /// No others than these JSON pointers.
    Listed(Vec<String>),
}

/// A code that a finding may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCode {
    /// `team.policy.reason`; or `team.policy.*`, where the settings name the reasons.
    pub code: String,
    /// What it means.
    pub summary: String,
}

/// A reference document that a module wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataDocument {
    /// The name under which the policy set gives it.
    pub name: String,
    /// What it holds.
    pub summary: String,
}

/// That a module reads the ledger's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryUse {
    /// What for, in its own words.
    pub summary: String,
}

/// What a module says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// `team.policy`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The kit that it was written with.
    pub sdk: Option<String>,
}

/// How large a module is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Sizes {
    /// Core modules in the file.
    pub core_modules: u64,
    /// Components in the file, the outermost included.
    pub components: u64,
    /// Core functions with a body.
    pub functions: u64,
    /// The largest body.
    pub largest_function_bytes: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Their contents.
    pub data_bytes: u64,
    /// Memories that instantiation creates.
    pub memories: u64,
    /// Their initial size, summed.
    pub initial_memory_bytes: u64,
    /// Their largest size, summed; 4 GiB for each that declares none.
    pub max_memory_bytes: u64,
    /// Tables that instantiation creates.
    pub tables: u64,
    /// Their initial elements, summed.
    pub table_elements: u64,
    /// Core instances that instantiation creates.
    pub core_instances: u64,
    /// How deep components are nested; 1 is a component without components inside.
    pub nesting_depth: u64,
    /// The custom sections, by name, in the order in which the names first appear.
    pub custom_sections: Vec<CustomSection>,
}

/// The custom sections of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomSection {
    /// Their name.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// Their contents, summed.
    pub bytes: u64,
}

/// One entry of a `producers` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolchainClaim {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// The tool.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A module that must not be compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Why.
    pub fault: LoadFault,
    /// What, where and how to mend it. One line, safe to show.
    pub detail: String,
    /// The report, as far as it got.
    pub report: Box<Report>,
}

impl Report {
    /// `limits`, raised where the author proposes more. For whoever tries a policy out; a decision takes what the
    /// policy set gives.
    #[must_use]
    pub fn raised(&self, mut limits: Limits) -> Limits {
        for (key, value) in self.lacking(&limits) {
            if let Some(limit) = LimitKey::named(key) {
                // Proposals were checked when they were read.
                _ = limit.set(&mut limits, value);
            }
        }
        limits
    }

    /// What the author proposes and `limits` do not give: keys of the manifest and values in their units.
    #[must_use]
    pub fn lacking(&self, limits: &Limits) -> Vec<(&str, u64)> {
        let lacks = |key: &str, value: u64| {
            LimitKey::named(key).is_some_and(|limit| limit.get(limits) < value.saturating_mul(limit.scale))
        };
        let proposed = self.proposed_limits.iter().map(|(key, value)| (key.as_str(), *value));
        proposed.filter(|(key, value)| lacks(key, *value)).collect()
    }

    pub(crate) fn new(bytes: &[u8]) -> Report {
        Report {
            module_sha256: Sha256::of(bytes),
            size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            admissible: false,
            code: None,
            detail: None,
            reads: Vec::new(),
            calls: Vec::new(),
            exports: Vec::new(),
            world: World {
                verdict: WorldVerdict::Unknown,
                package: String::new(),
                version: String::new(),
                differences: Vec::new(),
            },
            declared_inputs: DeclaredInputs::Unknown,
            settings_schema: None,
            codes: Vec::new(),
            data_documents: Vec::new(),
            history: None,
            proposed_limits: BTreeMap::new(),
            description: None,
            sizes: Sizes::default(),
            start_function: false,
            toolchain_claims: Vec::new(),
            proposals: Vec::new(),
            left_out: LeftOut::default(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.code(), self.detail)
    }
}

impl std::error::Error for Refusal {}

impl Serialize for DeclaredInputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DeclaredInputs::Unknown => serializer.serialize_str("unknown"),
            DeclaredInputs::FromSettings => serializer.serialize_str("from-settings"),
            DeclaredInputs::Listed(pointers) => pointers.serialize(serializer),
        }
    }
}
