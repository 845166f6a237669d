//! `portcullis diff`: what differs between two modules, and what that would have changed.

mod sections;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use portcullis::{PolicySet, Substitution, SubstitutionSummary, Trial};
use portcullis_gate::Sha256;
use portcullis_inspect::{Cut, Difference, Review, differences};
use serde::Serialize;

use crate::args::{DiffArgs, ReportFormat};
use crate::decide::printable;
use crate::each::{each, processors};
use crate::exit::Exit;
use crate::inspect::{self, human};
use crate::progress::bar;
use crate::{cache, ledger, replay, report};

/// The members of the JSON.
#[derive(Serialize)]
struct Compared {
    old: Side,
    new: Side,
    /// Whether both are the same bytes.
    identical: bool,
    /// Whether both run the same: their custom sections at most differ.
    same_code: bool,
    changes: Vec<Difference>,
    cut: Vec<Cut>,
    /// The policies of the set that was named which run the old module.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<Trial>>,
    /// What would have been decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<SubstitutionSummary>,
}

/// One of the two modules.
#[derive(Serialize)]
struct Side {
    file: String,
    module_sha256: Sha256,
    size_bytes: u64,
    admissible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Compares two modules.
///
/// # Errors
/// A file, the ledger or the policy set cannot be read, or the ledger is damaged.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let (_, old) = inspect::read(&args.old)?;
    let (bytes, new) = inspect::read(&args.new)?;
    let found = differences(&old, &new);
    let (admissible, old_sha256) = (new.report.admissible, old.report.module_sha256);
    let bytes: Arc<[u8]> = bytes.into();
    let mut compared = Compared {
        old: side(&args.old, &old),
        new: side(&args.new, &new),
        identical: found.identical,
        same_code: found.same_code,
        changes: found.changes,
        cut: found.cut,
        policies: None,
        decisions: None,
    };
    // A module that is refused is not loaded: there is nothing that it would have decided.
    if admissible && (args.policies.is_some() || args.ledger.is_some()) {
        let engine = cache::engine(&args.cache)?;
        if let Some(policies) = &args.policies {
            compared.policies = Some(PolicySet::try_module(
                policies,
                crate::modules::store(&args.modules).ok().as_ref(),
                &old_sha256,
                &bytes,
                &engine,
            )?);
        }
        if let Some(file) = &args.ledger {
            let reader = ledger::reader_at(file)?;
            let ids = replay::decisions(&reader, args.since)?;
            let substitution = Substitution::new(&reader, engine, old_sha256, bytes);
            let bar = bar(ids.len());
            let all = each(&ids, args.jobs.unwrap_or_else(processors), |id| {
                let substituted = substitution.decide(*id);
                bar.inc(1);
                substituted.map(|substituted| (*id, substituted))
            });
            bar.finish_and_clear();
            let all: Vec<_> = all.into_iter().collect::<Result<_, _>>()?;
            compared.decisions = Some(SubstitutionSummary::of(all, &substitution));
        }
    }
    let text = match args.format {
        ReportFormat::Human => human::render(&sections::page(&compared)),
        ReportFormat::Json => printable(&serde_json::to_string_pretty(&compared)?) + "\n",
    };
    report::out(&text)?;
    let unknown = compared.decisions.as_ref().is_some_and(SubstitutionSummary::is_unknown);
    if unknown {
        report::warning(
            "no decision in this ledger tells what the new module would change: the old one was never asked there, or what it \
             was asked cannot be decided again",
        );
    }
    let lenient = compared.decisions.as_ref().is_some_and(|decisions| decisions.more_lenient() > 0);
    Ok(if !admissible {
        Exit::Refused
    } else if lenient && !args.allow_more_lenient {
        Exit::MoreLenient
    } else if unknown && !compared.identical && !args.allow_unknown {
        Exit::Unknown
    } else {
        Exit::Done
    })
}

fn side(path: &Path, review: &Review) -> Side {
    let report = &review.report;
    Side {
        file: path.display().to_string(),
        module_sha256: report.module_sha256,
        size_bytes: report.size_bytes,
        admissible: report.admissible,
        code: report.code.map(|code| code.code()),
        detail: report.detail.clone(),
    }
}
