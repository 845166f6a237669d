//! What a replica waits for, said once it takes longer than a moment.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis::Ledger;

use super::place::LEASE;
use crate::report;

/// How long nothing is said.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Says on standard error what is waited for, where it is not dropped within a second.
pub struct Waiting {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Starts to wait for the ledger's first answer; `None` where this process writes the ledger itself.
    #[must_use]
    pub fn start(ledger: &Arc<Ledger>) -> Option<Waiting> {
        if ledger.writes() {
            return None;
        }
        let (done, wait) = channel::<()>();
        let ledger = Arc::downgrade(ledger);
        let thread = std::thread::spawn(move || {
            if wait.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            // Whoever took the lease meanwhile waits no longer for it.
            if ledger.upgrade().is_some_and(|ledger| !ledger.writes()) {
                report::note(&format!(
                    "waiting for the replica that holds the ledger's lease; if it is gone, this one takes over within \
                     {} s",
                    LEASE.as_secs().saturating_add(1)
                ));
            }
        });
        Some(Waiting { done: Some(done), thread: Some(thread) })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
