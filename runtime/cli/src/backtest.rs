//! `portcullis backtest`.

use std::fmt::Write as _;
use std::sync::Arc;

use portcullis::{Backtest, Backtester, PolicySet};

use crate::args::{BacktestArgs, ReportFormat};
use crate::decide::words;
use crate::each::{each, processors};
use crate::exit::Exit;
use crate::progress::bar;
use crate::text::{counted, shown};
use crate::{cache, ledger, modules, replay, report};

/// Compares a candidate with what was decided.
///
/// # Errors
/// The ledger or the candidate cannot be read, or the ledger is damaged.
pub fn run(args: &BacktestArgs) -> anyhow::Result<Exit> {
    let reader = Arc::new(ledger::reader(&args.ledger)?);
    let engine = cache::engine(&args.cache)?;
    let candidate = PolicySet::open_with(&args.candidate, modules::store(&args.modules).ok().as_ref(), &engine)?;
    cache::warn_of_not_kept(&engine);
    let ids = replay::decisions(&reader, args.since)?;
    let backtester = Backtester::new(reader, &candidate);
    let bar = bar(ids.len());
    let compared = each(&ids, args.jobs.unwrap_or_else(processors), |id| {
        let compared = backtester.compare(*id);
        bar.inc(1);
        compared
    });
    bar.finish_and_clear();
    let backtest = Backtest::of(compared.into_iter().collect::<Result<Vec<_>, _>>()?);
    let text = match args.format {
        ReportFormat::Human => human(&backtest),
        ReportFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&backtest)?) + "\n",
    };
    report::out(&text)?;
    let lenient = backtest.more_lenient().next().is_some();
    if backtest.decided == 0 {
        report::warning("no request was decided again: this says nothing of the candidate");
    }
    Ok(if lenient && !args.allow_more_lenient {
        Exit::MoreLenient
    } else if backtest.is_unknown() && !args.allow_unknown {
        Exit::Unknown
    } else {
        Exit::Done
    })
}

fn human(backtest: &Backtest) -> String {
    let mut out = String::from("recorded      candidate     decisions\n");
    for transition in &backtest.transitions {
        let (from, to) = (transition.from, transition.to);
        let mark = match to.cmp(&from) {
            std::cmp::Ordering::Less => "  more lenient",
            std::cmp::Ordering::Greater => "  stricter",
            std::cmp::Ordering::Equal => "",
        };
        let (one, other) = (words::style(from), words::style(to));
        _ = writeln!(
            out,
            "{one}{} {from:<11}{one:#} {other}{} {to:<11}{other:#} {:>9}{mark}",
            words::symbol(from),
            words::symbol(to),
            transition.count
        );
        if from == to {
            for (count, words) in
                [(transition.relaxed, "ask for less: more lenient"), (transition.stricter, "ask for more")]
            {
                if count > 0 {
                    _ = writeln!(out, "    {count} of them {words}");
                }
            }
        }
        for example in &transition.examples {
            _ = writeln!(out, "    {} {}", example.id, shown(example.code.as_deref().unwrap_or("")));
        }
    }
    let decided = usize::try_from(backtest.decided).unwrap_or(usize::MAX);
    let erased = if backtest.erased > 0 { format!(", {} erased", backtest.erased) } else { String::new() };
    if backtest.faulted > 0 {
        _ = writeln!(
            out,
            "in {} of them a policy of the candidate failed: what it would say is not known",
            backtest.faulted
        );
    }
    if backtest.masked > 0 {
        _ = writeln!(
            out,
            "{} more would get no decision: what the candidate masks makes them no requests",
            backtest.masked
        );
    }
    if backtest.host_failed > 0 {
        _ = writeln!(
            out,
            "{} more were stopped by a failure of the host, not by a policy: not compared",
            backtest.host_failed
        );
    }
    let lenient: u64 = backtest.more_lenient().map(portcullis::Transition::more_lenient).sum();
    _ = writeln!(
        out,
        "{} decided again{erased}; {lenient} would be more lenient",
        counted(decided, "request", "requests")
    );
    out
}
