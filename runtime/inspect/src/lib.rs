//! Reads the bytes of a would-be policy and says whether it is admissible and what it can do.
//!
//! What it does: bounds everything that inspecting, compiling and starting a module could cost; validates it with
//! exactly the features that the engine has on; compares what it imports and exports with `wit/policy.wit`; reads its
//! description. What it refuses to do: run, instantiate or compile anything, know wasmtime, trust a word that
//! the module says. It follows the [WebAssembly](https://webassembly.github.io/spec/core/) and
//! [component model](https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md) binary formats.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod claims;
mod code;
mod contract;
mod custom;
mod description;
mod diff;
mod evidence;
mod features;
mod format;
mod limits;
mod needs;
mod prints;
mod report;
mod review;
mod scan;
mod stop;
mod strings;
mod text;
mod words;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_gate::{Fault, LoadFault};
use wasmparser::ComponentExternalKind;

use crate::contract::Contract;
use crate::scan::Scan;
use crate::stop::{Stop, bound, wide};

pub use claims::{DependencyClaims, MetadataClaim, PackageClaim};
pub use description::MAX_DESCRIPTION_BYTES;
pub use diff::{Area, Difference, Differences, differences};
pub use evidence::{CoreModule, Parts};
pub use features::features;
pub use limits::InspectLimits;
pub use report::{
    CustomSection, DataDocument, DeclaredInputs, Description, Extern, HistoryUse, ReasonCode, Refusal, Report, Sizes,
    ToolchainClaim, World, WorldVerdict,
};
pub use review::{Cut, Need, Review, review};
pub use strings::{FoundString, StringKind};

/// The custom section that holds a policy's description, as JSON.
pub const DESCRIPTION_SECTION: &str = custom::DESCRIPTION_SECTION;

/// Inspects a module. Linear in its size, whatever it holds.
///
/// # Errors
/// Why it must not be compiled, with the report as far as it got.
pub fn inspect(bytes: &[u8], limits: &InspectLimits) -> Result<Report, Refusal> {
    let mut report = Report::new(bytes);
    // What parses hostile bytes is not ours: should it panic, that is a refusal and not the end of the process.
    let outcome = catch_unwind(AssertUnwindSafe(|| fill(bytes, limits, &mut report))).unwrap_or_else(|_| {
        Err(Stop::new(
            LoadFault::Format,
            "the parser gave up on it: not a component that a toolchain makes; build it again",
        ))
    });
    match outcome {
        Ok(()) => {
            report.admissible = true;
            Ok(report)
        }
        Err(Stop { fault, detail }) => {
            report.admissible = false;
            report.code = Some(Fault::Load(fault));
            report.detail = Some(detail.clone());
            Err(Refusal { fault, detail, report: Box::new(report) })
        }
    }
}

/// The cheapest checks first, and nothing before it is bounded.
fn fill(bytes: &[u8], limits: &InspectLimits, report: &mut Report) -> Result<(), Stop> {
    bound(
        LoadFault::Size,
        report.size_bytes,
        limits.module_bytes,
        "bytes",
        "raise `module-mib` in the policy's limits",
    )?;
    format::check(bytes)?;

    let mut scan = Scan::default();
    let scanned = scan.read(bytes, limits);
    describe(&scan, report);
    // Read before it counts, so that the report of a module that is refused for something else has it too.
    let described = description::read(&scan.customs, report);
    report.reads = reads(report);
    scanned?;

    let types = features::validate(bytes, limits)?;

    let contract = Contract::get().map_err(|error| {
        Stop::new(LoadFault::World, format!("the contract that was built in cannot be read: {}", text::name(error)))
    })?;
    report.world.package.clone_from(&contract.package);
    report.world.version.clone_from(&contract.version);
    report.world.differences = world::differences(contract, &types, &scan.imports, &scan.exports);
    let differences = &report.world.differences;
    if let Some((first, more)) = differences.split_first() {
        report.world.verdict = WorldVerdict::Differs;
        let detail = if more.is_empty() { first.clone() } else { format!("{first} (and {} more)", more.len()) };
        return Err(Stop::new(LoadFault::World, detail));
    }
    report.world.verdict = WorldVerdict::Matches;

    described?;
    check_history(&scan, report)
}

/// What the scan found, for the report.
fn describe(scan: &Scan<'_>, report: &mut Report) {
    report.sizes = scan.sizes.clone();
    report.start_function = scan.start_function;
    report.toolchain_claims = scan.customs.claims.clone();
    report.proposals = features::names(scan.code.features.0);
    // Importing nothing but types gives names to them, not abilities.
    let calls: Vec<_> = scan.imports.iter().filter(|(name, _)| !is_types_only(name)).copied().collect();
    report.calls = externs(&calls, words::import);
    report.exports = externs(&scan.exports, |name, _| words::export(name));
    report.left_out.calls = wide(calls.len().saturating_sub(MAX_EXTERNS));
    report.left_out.exports = wide(scan.exports.len().saturating_sub(MAX_EXTERNS));
}

fn externs(
    entries: &[(&str, ComponentExternalKind)],
    words: impl Fn(&str, ComponentExternalKind) -> &'static str,
) -> Vec<Extern> {
    let shown = entries.iter().take(MAX_EXTERNS);
    shown.map(|(name, kind)| Extern { name: text::name(name), words: words(name, *kind).to_owned() }).collect()
}

/// A policy that can read the ledger's history says so and what for. The other way round it only says what it does not do,
/// as with documents.
fn check_history(scan: &Scan<'_>, report: &mut Report) -> Result<(), Stop> {
    let imported = scan.imports.iter().any(|(name, _)| *name == words::HISTORY);
    if imported && report.history.is_none() {
        return Err(Stop::new(
            LoadFault::History,
            "imports `history`, and its description does not say so and what for: announce it \
             (Rust: #[policy(history = \"What for.\")]) or take the import out of its world",
        ));
    }
    if !imported {
        report.history = None;
    }
    Ok(())
}

fn is_types_only(import: &str) -> bool {
    Contract::get()
        .is_ok_and(|contract| contract.interfaces.contains_key(import) || contract.types.contains_key(import))
}

/// What a policy reads of a request, in words: what it declared, unless it can ask for more while it runs.
fn reads(report: &Report) -> Vec<String> {
    if report.calls.iter().any(|call| call.name == "request") {
        return vec![words::WHOLE_REQUEST.to_owned()];
    }
    match &report.declared_inputs {
        DeclaredInputs::Unknown => vec![words::UNDECLARED.to_owned()],
        DeclaredInputs::FromSettings => vec![words::FROM_SETTINGS.to_owned()],
        DeclaredInputs::Listed(pointers) if pointers.is_empty() => vec![words::NOTHING.to_owned()],
        DeclaredInputs::Listed(pointers) => pointers.iter().map(|pointer| words::field(pointer)).collect(),
    }
}

/// How many imports and exports a report lists.
const MAX_EXTERNS: usize = 64;
