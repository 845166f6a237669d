//! A replica of a PostgreSQL ledger: hands what it decides to whoever writes, and is ready to be the one that does.

mod candidate;
mod copies;
mod submitter;

use std::thread::JoinHandle;

pub(crate) use candidate::Candidate;
pub(crate) use submitter::Submitter;

/// What makes a [`Ledger`](crate::Ledger) a replica. Dropped once no caller is left: what was submitted is waited for.
pub(crate) struct Replica {
    pub(crate) submitter: Option<JoinHandle<()>>,
    pub(crate) candidate: Candidate,
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(thread) = self.submitter.take() {
            let _ = thread.join();
        }
    }
}
