//! Being ready to write: a thread that takes the lease whenever nobody has it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::copies::Copies;
use crate::log::spawn;
use crate::store::postgres::PostgresOptions;
use crate::store_error::StoreError;
use crate::{Ledger, LedgerOptions};

/// Takes the lease whenever nobody has it, and then writes what replicas submit.
pub(crate) struct Candidate {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    ended: Mutex<bool>,
    changed: Condvar,
    writes: AtomicBool,
    problem: Mutex<Option<String>>,
}

impl Candidate {
    pub(crate) fn start(
        place: &PostgresOptions,
        key_file: &Path,
        copies: &[PathBuf],
        options: &LedgerOptions,
    ) -> Result<Candidate, StoreError> {
        let options = LedgerOptions { lock_wait: Duration::ZERO, ..options.clone() };
        let mut copies = Copies::new(place.clone(), copies.to_vec());
        let open = {
            let (place, key_file) = (place.clone(), key_file.to_owned());
            move |copies: &[PathBuf]| match Ledger::open_postgres(&place, &key_file, copies, &options) {
                Ok(writer) => Ok(Some(writer)),
                Err(StoreError::Leased { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        // On a host's first time there is no copy yet that another could be behind.
        let first = open(&copies.paths).or_else(|error| match error {
            StoreError::CopyMissing { .. } => copies.follow().and_then(|_| open(&copies.paths)),
            error => Err(error),
        })?;
        copies.follow()?;
        let state = Arc::new(State::default());
        state.writes.store(first.is_some(), Ordering::Relaxed);
        let thread = {
            let state = Arc::clone(&state);
            // An ended lease is found soon enough, and the database is not asked without a pause.
            let pause = (place.lease / 4).clamp(Duration::from_millis(20), Duration::from_secs(2));
            spawn("ledger-candidate", move || state.run(first, pause, copies, open))?
        };
        Ok(Candidate { state, thread: Some(thread) })
    }

    pub(crate) fn writes(&self) -> bool {
        self.state.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.state.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        *self.state.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn run(
        &self,
        mut writer: Option<Ledger>,
        pause: Duration,
        mut copies: Copies,
        open: impl Fn(&[PathBuf]) -> Result<Option<Ledger>, StoreError>,
    ) {
        loop {
            // A writer that stopped, because it lost its lease or its connection, writes nothing more.
            writer = writer.filter(|writer| writer.check().is_ok());
            let mut problem = None;
            if writer.is_none() {
                let opened = copies.follow().and_then(|leased| match leased {
                    None => open(&copies.paths),
                    Some(_) => Ok(None),
                });
                match opened {
                    Ok(opened) => writer = opened,
                    Err(error) => problem = Some(error.to_string()),
                }
            }
            if writer.is_some() {
                copies.rest();
            }
            self.writes.store(writer.is_some(), Ordering::Relaxed);
            *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = self.changed.wait_timeout_while(ended, pause, |ended| !*ended);
            if *ended.unwrap_or_else(PoisonError::into_inner).0 {
                if writer.is_none() {
                    // The copies speak of all that was answered here. Where the database is gone, they lag, as they may.
                    _ = copies.follow();
                }
                return;
            }
        }
    }
}
