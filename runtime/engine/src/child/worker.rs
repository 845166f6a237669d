//! The child's side: limits itself, gives up what it does not need, compiles one module, answers, ends.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_gate::{Document, LoadFault};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::protocol::{Answer, Received, ReceivedWork, Rlimits, write_answer};
use crate::engine::Shared;
use crate::{LoadError, PolicySource};

/// The one argument that makes an executable a compiler.
pub const ARGUMENT: &str = "portcullis-compile-worker";

/// Whether this executable's `main` asks what it was started for.
static HOOKED: AtomicBool = AtomicBool::new(false);

pub(super) fn is_hooked() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

/// Makes this process the compiler that it was started as, and never returns then; otherwise does nothing.
///
/// Call it first in `main`, before threads are started, files opened and arguments read:
///
/// ```no_run
/// portcullis_engine::compile_worker::run_if_asked();
/// // What the program is for comes here.
/// ```
///
/// An executable that was started with the one argument [`ARGUMENT`] is a compiler: it takes an order from its standard
/// input, which is a socket, and writes the code to its standard output.
pub fn run_if_asked() {
    HOOKED.store(true, Ordering::Relaxed);
    let mut args = std::env::args_os().skip(1);
    if let (Some(argument), None) = (args.next(), args.next())
        && argument == ARGUMENT
    {
        let code = match run() {
            Ok(()) => 0,
            Err(error) => {
                // The parent shows it to the operator.
                _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
                1
            }
        };
        std::process::exit(code);
    }
}

/// # Errors
/// There is no order, or nobody to answer.
fn run() -> io::Result<()> {
    UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)
        .peer_addr()
        .map_err(|_| io::Error::other("this is started by portcullis, with a socket"))?;
    let mut socket = Raw(io::stdin());
    die_with_the_parent()?;
    // What burns time here must not take it from whoever decides. Where it is low already, it stays so.
    _ = rustix::process::nice(NICENESS);
    Rlimits::read(&mut socket)?.set()?;
    #[cfg(target_os = "linux")]
    super::confine();
    let received = Received::read(&mut socket)?;
    let answer = compile(&received);
    write_answer(&mut socket, &answer)
}

/// A standard stream without a buffer, and without a descriptor of its own: those of this process that were open before
/// cannot be used.
struct Raw<F>(F);

impl<F: AsFd> io::Read for Raw<F> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, to)?)
    }
}

impl<F: AsFd> io::Write for Raw<F> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, from)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NICENESS: i32 = 5;

/// Compiles, and writes the entry to the standard output.
fn compile(received: &Received) -> Answer {
    let failed = |what: String| LoadError::new(LoadFault::Compiler, what);
    let shared =
        Shared::to_compile(received.effort, received.max_memory_bytes).map_err(|error| failed(error.to_string()))?;
    if shared.fingerprint != received.engine {
        return Err(failed("the program that compiles is of another version than the one that evaluates".into()));
    }
    let source = PolicySource {
        name: "",
        settings: &received.settings,
        limits: received.limits,
        // Every import traps while a policy is being configured, so nothing is read.
        data: Arc::new(BTreeMap::<String, Document>::new()),
        expected_sha256: None,
    };
    let module = &received.module;
    let content = match &received.work {
        ReceivedWork::Prepare => crate::prepared::to_keep(&shared, module, &source)?,
        ReceivedWork::Bind { code } => {
            crate::compile::compile(&shared, module, &source, code.as_deref())?.content().map_err(failed)?
        }
    };
    received.key.write(Raw(io::stdout()), &content).map_err(|error| match error.kind() {
        // Where the signal that comes with it is ignored.
        io::ErrorKind::FileTooLarge => LoadError::new(LoadFault::CompileLimit, "the code is larger than its limit"),
        _ => failed(format!("the code cannot be written: {error}")),
    })
}

fn die_with_the_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

impl Rlimits {
    /// Every limit that a child has. Where it is to be started with less, by whoever started this process, it stays so.
    pub(super) fn all(self) -> [(Resource, Rlimit); 5] {
        let just = |most| Rlimit { current: Some(most), maximum: Some(most) };
        // At the soft limit comes a signal of its own, by which the parent knows the reason.
        let cpu = Rlimit { current: Some(self.cpu_s), maximum: Some(self.cpu_s.saturating_add(5)) };
        [
            (Resource::Cpu, cpu),
            (Resource::Data, just(self.memory_bytes)),
            (Resource::Fsize, just(self.file_bytes)),
            (Resource::Nofile, just(MAX_DESCRIPTORS)),
            (Resource::Core, just(0)),
        ]
        .map(|(resource, limit)| (resource, no_more_than(getrlimit(resource), limit)))
    }

    fn set(self) -> io::Result<()> {
        for (resource, limit) in self.all() {
            setrlimit(resource, limit)?;
        }
        Ok(())
    }
}

fn no_more_than(has: Rlimit, limit: Rlimit) -> Rlimit {
    let lower = |limit: Option<u64>, has: Option<u64>| match (limit, has) {
        (Some(limit), Some(has)) => Some(limit.min(has)),
        (limit, has) => limit.or(has),
    };
    Rlimit { current: lower(limit.current, has.maximum), maximum: lower(limit.maximum, has.maximum) }
}

const MAX_DESCRIPTORS: u64 = 64;
