use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_gate::{LIMIT_KEYS, Limits};
use serde::Serialize;

use crate::claims::{DependencyClaims, MetadataClaim};
use crate::evidence::{CoreModule, Evidence, Parts};
use crate::prints::Prints;
use crate::stop::wide;
use crate::strings::{FoundString, MAX_OF_A_KIND};
use crate::{DeclaredInputs, InspectLimits, Report, description, inspect, words};

/// Everything that can be said of a module without running it: the [`Report`] that admits or refuses it, and what a
/// security reviewer asks beyond that. Serializes as the members of the report, then these; their names are stable, new ones
/// may be added. Every text that comes from the module is escaped and bounded, every list is bounded, and [`cut`](Self::cut)
/// names those that are not whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Review {
    /// Whether it is admissible, and what admission found.
    #[serde(flatten)]
    pub report: Report,
    /// What it cannot do, in words; empty for a module that was refused, of which nothing is promised.
    pub cannot: Vec<&'static str>,
    /// What it needs of the limits that a policy set gives, by the manifest's keys.
    pub limits: Vec<Need>,
    /// The file's bytes by what they are.
    pub parts: Parts,
    /// The core modules, in the order of the file.
    pub modules: Vec<CoreModule>,
    /// What it says of its origin. Anyone can write anything here.
    pub metadata_claims: Vec<MetadataClaim>,
    /// The packages that it says it was built from; `None` where it says nothing. Anyone can write anything here.
    pub dependency_claims: Option<DependencyClaims>,
    /// Addresses, keys, tokens and paths in its data.
    pub strings: Vec<FoundString>,
    /// The lists that are not whole.
    pub cut: Vec<Cut>,
    /// Whether the file could be read to its end. What is counted above is otherwise what was read before.
    pub complete: bool,
    /// What it runs, for comparing it with another.
    #[serde(skip)]
    pub(crate) prints: Prints,
}

/// What a module needs of one limit, known without running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The manifest's key: `memory-mib`.
    pub limit: &'static str,
    /// How many bytes, elements or instances one of the key's unit is.
    pub scale: u64,
    /// What it needs, in bytes, elements or instances.
    pub needs: u64,
    /// What a policy set gives where it does not say, in the same.
    pub default: u64,
    /// The most that a policy set can give, in the same.
    pub maximum: u64,
    /// Whether the default is enough.
    pub fits: bool,
}

/// A list that is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The member's name; for strings with their kind: `strings.url`.
    pub list: String,
    /// How many are listed.
    pub shown: u64,
    /// How many there are.
    pub of: u64,
}

impl Need {
    /// The value of the key that would do, in the key's unit.
    #[must_use]
    pub fn in_units(&self) -> u64 {
        self.needs.div_ceil(self.scale.max(1))
    }
}

/// Inspects a module for a reviewer. As [`inspect`], and a second pass that reads on where a module is refused. Nothing
/// of the module is run.
#[must_use]
pub fn review(bytes: &[u8], limits: &InspectLimits) -> Review {
    let mut report = match inspect(bytes, limits) {
        Ok(report) => report,
        Err(refusal) => *refusal.report,
    };
    let mut evidence = Evidence::default();
    // As for `inspect`: a parser that gives up is no end of the process.
    let read = catch_unwind(AssertUnwindSafe(|| evidence.read(bytes)));
    evidence.complete &= read.is_ok();
    if !report.admissible {
        read_on(&evidence, &mut report);
    }
    let mut cut = Vec::new();
    let mut whole = |list: &str, shown: usize, left_out: u64| {
        if left_out > 0 {
            let shown = wide(shown);
            cut.push(Cut { list: list.into(), shown, of: shown.saturating_add(left_out) });
        }
    };
    let Evidence { parts, modules, modules_left_out, customs, claims, strings, prints, complete, .. } = evidence;
    whole("calls", report.calls.len(), report.left_out.calls);
    whole("exports", report.exports.len(), report.left_out.exports);
    whole("sizes.custom_sections", report.sizes.custom_sections.len(), customs.left_out);
    whole("toolchain_claims", report.toolchain_claims.len(), customs.claims_left_out);
    whole("modules", modules.len(), modules_left_out);
    whole("metadata_claims", claims.metadata.len(), claims.metadata_left_out);
    if let Some(dependencies) = &claims.dependencies {
        let shown = dependencies.packages.len();
        whole("dependency_claims.packages", shown, dependencies.total.saturating_sub(wide(shown)));
    }
    let mut kinds: Vec<_> = strings.left_out.iter().map(|(kind, count)| (*kind, *count)).collect();
    kinds.sort_unstable();
    for (kind, left_out) in kinds {
        whole(&format!("strings.{}", kind.as_str()), MAX_OF_A_KIND, left_out);
    }
    Review {
        cannot: if report.admissible { words::cannot(&report) } else { Vec::new() },
        limits: needs(&report),
        parts,
        modules,
        metadata_claims: claims.metadata,
        dependency_claims: claims.dependencies,
        strings: strings.into_found(),
        cut,
        complete,
        prints,
        report,
    }
}

/// What admission did not come to, because it refused before.
fn read_on(evidence: &Evidence<'_>, report: &mut Report) {
    report.sizes.custom_sections = evidence.customs.sizes();
    report.toolchain_claims.clone_from(&evidence.customs.claims);
    if report.description.is_none() {
        // A description that is itself malformed is what the module was refused for, or one reason more.
        _ = description::read(&evidence.customs, report);
    }
    if report.declared_inputs != DeclaredInputs::Unknown {
        report.reads = crate::reads(report);
    }
}

fn needs(report: &Report) -> Vec<Need> {
    let defaults = Limits::default();
    let needed = [
        ("module-mib", report.size_bytes),
        ("memory-mib", report.sizes.initial_memory_bytes),
        ("table-elements", report.sizes.table_elements),
        ("instances", report.sizes.core_instances.max(report.sizes.memories).max(report.sizes.tables)),
    ];
    LIMIT_KEYS
        .iter()
        .filter_map(|limit| {
            let (_, needs) = needed.iter().find(|(key, _)| *key == limit.key)?;
            let default = limit.get(&defaults);
            let maximum = limit.maximum.saturating_mul(limit.scale);
            Some(Need {
                limit: limit.key,
                scale: limit.scale,
                needs: *needs,
                default,
                maximum,
                fits: *needs <= default,
            })
        })
        .collect()
}
