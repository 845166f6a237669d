//! The embedding process's side: starts a child, gives it an order, watches it, judges what comes back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_gate::{LoadFault, Sha256, text};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::protocol::{Order, Rlimits, read_answer};
use super::{CompileIn, CompileLimits, Work, worker};
use crate::cache::EntryKey;
use crate::{Effort, EngineOptions, LoadError, PolicySource};

/// Starts children, at most so many at once.
pub(crate) struct Compiler {
    program: PathBuf,
    args: Vec<std::ffi::OsString>,
    limits: CompileLimits,
    effort: Effort,
    max_memory_bytes: u64,
    slots: Slots,
}

impl Compiler {
    /// # Errors
    /// Why there is no program to start, for whoever set the engine up.
    pub(crate) fn new(options: &EngineOptions) -> Result<Compiler, String> {
        let (program, args) = match &options.compile_in {
            CompileIn::OwnExecutable => {
                if !worker::is_hooked() {
                    return Err(NOT_HOOKED.into());
                }
                (own_executable()?, vec![worker::ARGUMENT.into()])
            }
            CompileIn::Program { program, args } => {
                if !program.is_absolute() {
                    return Err(format!("{}: the compiler's program must have an absolute path", program.display()));
                }
                (program.clone(), args.clone())
            }
            CompileIn::ThisProcess => return Err("modules are compiled in this process".into()),
        };
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = Slots { free: Mutex::new(at_once), freed: Condvar::new() };
        let EngineOptions { compile_limits: limits, effort, max_memory_bytes, .. } = *options;
        Ok(Compiler { program, args, limits, effort, max_memory_bytes, slots })
    }
}

/// The executable itself, not whatever lies at its path by now.
fn own_executable() -> Result<PathBuf, String> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map_err(|error| format!("the path of this executable is not to be had: {error}"))
}

const NOT_HOOKED: &str = "this executable cannot be started as a compiler: call \
     `portcullis::compile_worker::run_if_asked()` first in its `main`; or set `EngineOptions::compile_in` to \
     `CompileIn::Program` with the `portcullis` command, or, for modules that are trusted, to `CompileIn::ThisProcess`";

/// Has a child do its work on a module, and gives the content of a cache entry: authentic, and not yet kept anywhere.
///
/// The child writes into memory. Where it wrote into the cache's folder, a full disk would be a fault of the module, which
/// is recorded as a decision against it.
///
/// # Errors
/// What the child refuses the module for; `load.compile-limit`, where it needs too much; `load.compile`, where it crashed;
/// `load.compiler`, where there is no child or it does not keep to the protocol.
pub(crate) fn compile(
    compiler: &Compiler,
    engine: &Sha256,
    module: &[u8],
    source: &PolicySource<'_>,
    work: Work<'_>,
) -> Result<Vec<u8>, LoadError> {
    let _slot = compiler.slots.take();
    let failed = |what: &str| LoadError::new(LoadFault::Compiler, format!("{}: {what}", compiler.program.display()));
    let key = EntryKey::once().map_err(|error| failed(&error))?;
    let entry = unnamed_file().map_err(|error| failed(&format!("no file for the code: {error}")))?;
    let order = Order {
        engine: *engine,
        effort: compiler.effort,
        max_memory_bytes: compiler.max_memory_bytes,
        limits: source.limits,
        key: key.clone(),
        settings: source.settings,
        module,
        work,
    };
    let code = match work {
        Work::Prepare => 0,
        Work::Bind { code } => code.map_or(0, <[u8]>::len),
    };
    let rlimits = Rlimits {
        cpu_s: compiler.limits.cpu_s_for(module.len(), &source.limits),
        // Code that is given is there twice: as it came, and as it runs.
        memory_bytes: compiler.limits.memory_for(module.len().saturating_add(code.saturating_mul(2))),
        file_bytes: compiler.limits.code_bytes,
    };
    let wall = compiler.limits.wall_for(&source.limits);
    run(compiler, &entry, &order, rlimits, wall)
        .map_err(|failure| failure.explained(&compiler.program, rlimits, wall))??;
    key.open_file(&entry).ok_or_else(|| failed("it answered, and its code is not authentic"))
}

/// Why there is no answer.
enum Failure {
    Start(io::Error),
    Limits(rustix::io::Errno),
    Deadline,
    Garbage(io::Error),
    /// It ended without an answer; with what it wrote to its standard error.
    Ended(ExitStatus, String),
    /// It closed its side of the socket and went on.
    Silent,
}

fn run(
    compiler: &Compiler,
    entry: &File,
    order: &Order<'_>,
    rlimits: Rlimits,
    wall: Duration,
) -> Result<Result<(), LoadError>, Failure> {
    let deadline = Instant::now() + wall;
    let (socket, complaints, mut running) = start(compiler, entry).map_err(Failure::Start)?;
    limit(&running, rlimits)?;
    let mut timed = Timed { socket: &socket, deadline };
    let told = rlimits.write(&mut timed).and_then(|()| order.write(&mut timed));
    if told.as_ref().is_err_and(is_timeout) {
        return Err(Failure::Deadline);
    }
    // A child that stopped listening may still have answered.
    match read_answer(&mut timed) {
        Ok(answer) => Ok(answer),
        Err(error) if is_timeout(&error) => Err(Failure::Deadline),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::Garbage(error)),
        Err(_) => match running.ended(deadline.min(Instant::now() + GRACE)) {
            Some(status) => Err(Failure::Ended(status, heard(&complaints))),
            None => Err(Failure::Silent),
        },
    }
}

/// How long a child that has closed its socket may take to end.
const GRACE: Duration = Duration::from_secs(5);

fn start(compiler: &Compiler, entry: &File) -> io::Result<(UnixStream, UnixStream, Running)> {
    let (socket, theirs) = UnixStream::pair()?;
    let (complaints, stderr) = UnixStream::pair()?;
    // Nobody reads before the end: what does not fit is lost, and nobody waits.
    complaints.set_nonblocking(true)?;
    stderr.set_nonblocking(true)?;
    let child = Command::new(&compiler.program)
        .arg0("portcullis")
        .args(&compiler.args)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(OwnedFd::from(theirs))
        .stdout(entry.try_clone()?)
        .stderr(OwnedFd::from(stderr))
        .spawn()?;
    Ok((socket, complaints, Running { child, over: false }))
}

/// Sets the child's limits from outside, whatever it is going to do about them.
fn limit(running: &Running, rlimits: Rlimits) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if let Some(pid) = running.pid() {
        for (resource, limit) in rlimits.all() {
            match rustix::process::prlimit(Some(pid), resource, limit) {
                // It has ended; why is told later.
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(Failure::Limits(error)),
            }
        }
    }
    _ = (running, rlimits);
    Ok(())
}

/// A child. Dropped, it and whatever it started are killed and nothing of it is left.
struct Running {
    child: Child,
    /// Whether its status was taken: its number may then be another process's.
    over: bool,
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    /// Waits for the end without taking the status away: until then, nobody else can have the process's number.
    fn ended(&mut self, deadline: Instant) -> Option<ExitStatus> {
        let pid = self.pid()?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            match waitid(WaitId::Pid(pid), look) {
                Ok(None) | Err(rustix::io::Errno::INTR) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(Some(_)) => break,
                Ok(None) | Err(_) => return None,
            }
        }
        self.end()
    }

    /// Kills what is left of the group, and takes the status.
    fn end(&mut self) -> Option<ExitStatus> {
        if self.over {
            return None;
        }
        if let Some(pid) = self.pid() {
            // It may have ended, and nothing be left to kill.
            _ = kill_process_group(pid, Signal::KILL);
        }
        self.over = true;
        self.child.wait().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A socket whose reads and writes end at the deadline.
struct Timed<'s> {
    socket: &'s UnixStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(to)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What a child complained of, as far as it is kept.
fn heard(mut complaints: &UnixStream) -> String {
    let mut bytes = [0; 4096];
    let length = complaints.read(&mut bytes).unwrap_or(0);
    let said = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    text::escaped(said.trim(), MAX_COMPLAINT_BYTES)
}

const MAX_COMPLAINT_BYTES: usize = 1024;

impl Failure {
    fn explained(self, program: &Path, rlimits: Rlimits, wall: Duration) -> LoadError {
        let program = program.display();
        let compiler = |what: String| LoadError::new(LoadFault::Compiler, format!("{program}: {what}"));
        let over = |what: String| LoadError::new(LoadFault::CompileLimit, format!("the compiler needs {what}"));
        match self {
            Failure::Start(error) => compiler(format!("the process that compiles cannot be started: {error}")),
            Failure::Limits(error) => compiler(format!("the limits of the process that compiles: {error}")),
            Failure::Deadline => over(format!("more than {} s", wall.as_secs())),
            Failure::Garbage(error) => compiler(format!("the process that compiles answers nonsense: {error}")),
            Failure::Silent => compiler("the process that compiles went silent".into()),
            Failure::Ended(status, said) => match status.signal().and_then(Signal::from_named_raw) {
                Some(Signal::XCPU) => over(format!("more than {} s of CPU time", rlimits.cpu_s)),
                Some(Signal::XFSZ) => over(format!("more than {} bytes for the code", rlimits.file_bytes)),
                Some(Signal::ABORT) if said.contains(OUT_OF_MEMORY) => {
                    over(format!("more than {} MiB of memory", rlimits.memory_bytes >> 20))
                }
                Some(Signal::KILL) => compiler(
                    "the process that compiles was killed from outside: by the system where memory ran out, or by someone"
                        .into(),
                ),
                Some(signal) => LoadError::new(
                    LoadFault::Compile,
                    format!("the compiler crashed on this module (signal {}): {said}", signal.as_raw()),
                ),
                None if status.code() == Some(PANICKED) => {
                    LoadError::new(LoadFault::Compile, format!("the compiler panicked on this module: {said}"))
                }
                None => compiler(format!("the process that compiles ended without an answer ({status}): {said}")),
            },
        }
    }
}

/// How Rust's runtime ends a process that cannot allocate.
const OUT_OF_MEMORY: &str = "memory allocation of";
/// With what a Rust program exits whose `main` panicked.
const PANICKED: i32 = 101;

struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

struct Slot<'s>(&'s Slots);

impl Slots {
    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_sub(1);
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(1);
        self.0.freed.notify_one();
    }
}

/// A file without a name.
fn unnamed_file() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        let fd = rustix::fs::memfd_create("portcullis code", rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(File::from(fd))
    }
    #[cfg(not(target_os = "linux"))]
    tempfile::tempfile()
}
