use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArgs};
use crate::exit::Exit;
use crate::report;

/// Writes a shell's completion script to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "portcullis", &mut script);
    report::out(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}
