//! `portcullis ledger erase` and `retain`.

use anyhow::bail;
use jiff::Timestamp;
use portcullis::{Ledger, Stored};
use portcullis_ledger::store::Entry;
use portcullis_ledger::{Appended, Body, ErasedPart, ErasureReason, Event, RequestErased, Time};
use uuid::Uuid;

use super::{id, open_existing, reader};
use crate::args::{EraseArgs, Reason, RetainArgs};
use crate::exit::Exit;
use crate::progress::Spinner;
use crate::report;
use crate::text::counted;

pub fn run(args: &EraseArgs) -> anyhow::Result<Exit> {
    let ledger = open_existing(&args.ledger)?;
    let reader = ledger.reader()?;
    let id = id(reader, &args.id)?;
    let stored = Stored::read(reader, id)?;
    if stored.request.is_none() && stored.decision.is_none() {
        bail!("what was stored of decision {id} was erased before; an event says so already");
    }
    let reason = match args.reason {
        Reason::DataSubject => ErasureReason::DataSubject,
        Reason::Operator => ErasureReason::Operator,
    };
    let event = erase(&ledger, id, stored.index, reason, args.reference.clone())?;
    report::out(&format!("erased what was stored of decision {id}; event {event} says so\n"))?;
    Ok(Exit::Done)
}

pub fn retain(args: &RetainArgs) -> anyhow::Result<Exit> {
    if args.dry_run {
        let count = reader(&args.ledger)?.count_before(args.older_than)?;
        report::out(&format!("{} would be erased; nothing was\n", decisions(count, args.older_than)))?;
        return Ok(Exit::Done);
    }
    let ledger = open_existing(&args.ledger)?;
    let erased = {
        let _spinner = Spinner::start("erasing");
        ledger.erase_before(args.older_than, Timestamp::now(), ErasureReason::Retention)?
    };
    if erased.scrub_pending {
        warn_of_scrub();
    }
    report::out(&match erased.decisions {
        0 => format!("nothing is stored of decisions before {:.0}, so nothing was erased\n", args.older_than),
        count => format!("erased what was stored of {}, each with an event\n", decisions(count, args.older_than)),
    })?;
    Ok(Exit::Done)
}

fn decisions(count: u64, before: Timestamp) -> String {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    format!("{} before {before:.0}", counted(count, "decision", "decisions"))
}

fn warn_of_scrub() {
    report::warning(
        "a reader has the ledger open, so its write-ahead log still holds the erased bytes; they go once nobody has the \
         ledger open",
    );
}

fn erase(
    ledger: &Ledger,
    decision: Uuid,
    index: u64,
    reason: ErasureReason,
    reference: Option<String>,
) -> anyhow::Result<u64> {
    let parts = vec![ErasedPart::Request, ErasedPart::Decision];
    let body = Body::RequestErased(RequestErased { decision, index, parts, reason, reference });
    let event = Event { id: Uuid::now_v7(), time: Time::new(Timestamp::now())?, body };
    match ledger.append(Entry::new(&event)?)? {
        Appended::Committed(commit) => {
            if commit.scrub_pending && !ledger.scrubbed(std::time::Duration::from_secs(10)) {
                warn_of_scrub();
            }
            Ok(commit.index)
        }
        other => anyhow::bail!("the ledger answered {other:?}"),
    }
}
