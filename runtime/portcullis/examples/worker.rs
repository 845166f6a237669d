//! A message consumer that asks the gate before it acts.
//!
//! ```console
//! $ cargo run --example worker -- POLICIES LEDGER QUEUE
//! ```
//!
//! `QUEUE/inbox` holds messages: files with a request each. What proceeds is carried out and moved to `done`; what does not
//! is moved to `dead`, with the decision beside it; what could not be decided now stays where it is. Where the policy set
//! or the ledger cannot be opened, nothing is taken from the inbox and nothing is done.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis::{DecideError, DecideOptions, Gate, GateOptions, Permission, Request, Stopped};

/// What became of the messages of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Carried out.
    pub done: u32,
    /// Will never proceed.
    pub dead: u32,
    /// Could not be decided now.
    pub left: u32,
}

/// What became of a message.
enum Handled {
    Done,
    /// It will never proceed; why.
    Dead(Vec<u8>),
    /// Nobody knows yet. It is delivered again.
    Left,
}

/// The program.
pub fn main() -> ExitCode {
    // Policies are compiled in a child that runs this executable again.
    #[cfg(unix)]
    portcullis::compile_worker::run_if_asked();
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [policies, ledger, queue] = arguments.as_slice() else {
        eprintln!("usage: worker POLICIES LEDGER QUEUE");
        return ExitCode::from(2);
    };
    match run(policies, ledger, queue, &GateOptions::default()) {
        Ok(counts) => {
            println!("{counts:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}; nothing was done");
            ExitCode::FAILURE
        }
    }
}

/// Handles every message that is in the inbox, in the order of their names.
///
/// # Errors
/// There is no gate, so nothing was done; or a file cannot be read or moved.
pub fn run(policies: &Path, ledger: &Path, queue: &Path, options: &GateOptions) -> Result<Counts, Box<dyn Error>> {
    let gate = Gate::open(policies, ledger, options)?;
    let (inbox, done, dead) = (queue.join("inbox"), queue.join("done"), queue.join("dead"));
    fs::create_dir_all(&done)?;
    fs::create_dir_all(&dead)?;
    let mut messages = fs::read_dir(&inbox)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    messages.sort();
    let mut counts = Counts::default();
    for message in messages {
        let Some(name) = message.file_name() else { continue };
        match handle(&gate, &message, queue)? {
            Handled::Done => {
                fs::rename(&message, done.join(name))?;
                counts.done += 1;
            }
            Handled::Dead(why) => {
                fs::write(dead.join(name).with_extension("why"), why)?;
                fs::rename(&message, dead.join(name))?;
                counts.dead += 1;
            }
            Handled::Left => counts.left += 1,
        }
    }
    Ok(counts)
}

fn handle(gate: &Gate, message: &Path, queue: &Path) -> Result<Handled, Box<dyn Error>> {
    let request = match Request::parse(&fs::read(message)?, portcullis::now()) {
        Ok(request) => request,
        Err(error) => return Ok(Handled::Dead(error.to_string().into_bytes())),
    };
    // A message that is delivered twice is decided once.
    let key = message.file_name().map(|name| name.to_string_lossy().into_owned());
    let options = DecideOptions { idempotency_key: key, ..DecideOptions::default() };
    Ok(match gate.guard(request, &options, |permission| deploy(&permission, queue)) {
        Ok(deployed) => {
            deployed?;
            Handled::Done
        }
        Err(Stopped::Decided(recorded)) => Handled::Dead(recorded.json().to_vec()),
        Err(Stopped::Undecided(DecideError::Overloaded { .. } | DecideError::Contended)) => Handled::Left,
        Err(Stopped::Undecided(
            error @ (DecideError::Conflict { .. } | DecideError::TooLong { .. } | DecideError::Masked(_)),
        )) => Handled::Dead(error.to_string().into_bytes()),
    })
}

/// The effect. It cannot be called without a permission, and is named by the decision: a second delivery does the same
/// again, not something more.
fn deploy(permission: &Permission<'_>, queue: &Path) -> std::io::Result<()> {
    let deployed = queue.join("deployed");
    fs::create_dir_all(&deployed)?;
    fs::write(deployed.join(permission.recorded().id().to_string()), permission.recorded().request().bytes())
}
