//! Signs of life on standard error, where it is a terminal.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long something may take before it is worth a word.
const PATIENCE: Duration = Duration::from_millis(500);

/// A spinner that appears when something takes more than half a second, and goes when it is dropped.
pub struct Spinner {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    /// Starts to wait.
    #[must_use]
    pub fn start(message: &'static str) -> Spinner {
        if !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            return Spinner { done: None, thread: None };
        }
        let (done, wait) = channel();
        let thread = std::thread::spawn(move || {
            if wait.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::new_spinner().with_message(message);
            bar.enable_steady_tick(Duration::from_millis(100));
            _ = wait.recv();
            bar.finish_and_clear();
        });
        Spinner { done: Some(done), thread: Some(thread) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Says what is being done, on standard error.
pub fn say(line: &str) {
    _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// A spinner with what is being done, where standard error is a terminal; gone when it is dropped.
pub struct Work {
    bar: ProgressBar,
}

impl Work {
    /// Shows `message` until it is dropped.
    #[must_use]
    pub fn start(message: String) -> Work {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(100));
        Work { bar }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A progress bar over `count` steps; hidden where standard error is not a terminal.
#[must_use]
pub fn bar(count: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX)).with_style(style)
}
