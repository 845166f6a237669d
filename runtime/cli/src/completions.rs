use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArgs};
use crate::exit::Exit;

/// Writes a shell's completion script to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    use std::io::Write as _;

    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "portcullis", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
