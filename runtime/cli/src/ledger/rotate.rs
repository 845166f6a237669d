//! `portcullis ledger rotate-key`.

use super::open_alone;
use crate::args::RotateKeyArgs;
use crate::exit::Exit;
use crate::report;

pub fn run(args: &RotateKeyArgs) -> anyhow::Result<Exit> {
    let ledger = open_alone(&args.ledger)?;
    let previous = ledger.verifier_key().clone();
    let next = ledger.rotate_key()?;
    report::out(&format!("{} handed over to the key that signs from now on:\n{next}\n", previous.id()))?;
    Ok(Exit::Done)
}
