//! Connections for reading: so many and no more, kept from one reading to the next.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{OpenReader, ReadStore};
use crate::store_error::StoreError;

/// How long a reading waits until another one gives its connection back. Readings take milliseconds.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A bounded number of connections. Whoever comes when all are in use waits for one.
pub(crate) struct Pool {
    opener: Arc<dyn OpenReader>,
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Box<dyn ReadStore>>,
    /// Readings that go on. Each has one connection, or opens one.
    used: usize,
}

impl Pool {
    /// At most `most` connections, one at least.
    pub(crate) fn new(opener: Arc<dyn OpenReader>, most: usize) -> Pool {
        Pool { opener, most: most.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Reads with one connection. Where it was kept from before and turns out to be gone, as after a restart of the server,
    /// all that were kept are given up, and `read` is called once more with a new one. After any other error the connection
    /// is not used again.
    ///
    /// # Errors
    /// What `read` says; [`StoreError::Database`] where no connection can be opened, or none is given back in time.
    pub(crate) fn with<T>(
        &self,
        mut read: impl FnMut(&mut dyn ReadStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (_place, kept) = self.take()?;
        if let Some(mut store) = kept {
            match read(store.as_mut()) {
                Ok(value) => {
                    self.keep(store);
                    return Ok(value);
                }
                Err(StoreError::Database { .. }) if !store.is_alive() => {}
                Err(error) => return Err(error),
            }
            drop(store);
            let gone = std::mem::take(&mut self.lock().idle);
            drop(gone);
        }
        let mut store = self.opener.open_reader()?;
        let value = read(store.as_mut())?;
        self.keep(store);
        Ok(value)
    }

    /// Keeps a connection for later, where it sees then what was written until then.
    pub(crate) fn keep(&self, store: Box<dyn ReadStore>) {
        if store.is_reusable() {
            let mut state = self.lock();
            if state.idle.len() < self.most {
                state.idle.push(store);
            }
        }
    }

    fn take(&self) -> Result<(Place<'_>, Option<Box<dyn ReadStore>>), StoreError> {
        let state = self.freed.wait_timeout_while(self.lock(), MAX_WAIT, |state| state.used >= self.most);
        let (mut state, waited) = state.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let message = format!("all {} were in use for {} s", self.most, MAX_WAIT.as_secs());
            return Err(StoreError::Database { phase: "waiting for a connection", message });
        }
        state.used = state.used.saturating_add(1);
        let kept = state.idle.pop();
        Ok((Place(self), kept))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have one connection. Given back however the reading ends.
struct Place<'p>(&'p Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.used = state.used.saturating_sub(1);
        drop(state);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::Entry;
    use crate::store::sqlite::Sqlite;
    use crate::testing::events;
    use crate::{Body, Ledger, LedgerOptions};

    /// Opens connections to a file, and counts them.
    struct Openings {
        path: PathBuf,
        still: bool,
        opened: AtomicUsize,
    }

    impl OpenReader for Openings {
        fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let open = if self.still { Sqlite::open_still } else { Sqlite::open_reader };
            Ok(Box::new(open(&self.path)?))
        }

        fn tend(&self) -> Result<(), StoreError> {
            Ok(())
        }

        fn prepare_scrub(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn pool(path: &Path, still: bool, most: usize) -> (Arc<Openings>, Pool) {
        let opener = Arc::new(Openings { path: path.to_owned(), still, opened: AtomicUsize::new(0) });
        (Arc::clone(&opener), Pool::new(opener, most))
    }

    /// Appends an event that rests on nothing.
    fn append(path: &Path, n: u8) {
        let ledger = Ledger::open(path, &LedgerOptions::default()).unwrap();
        let mut event = events().into_iter().find(|event| matches!(event.body, Body::ReplayChecked(_))).unwrap();
        event.id = crate::testing::id(n);
        ledger.append(Entry::new(&event).unwrap()).unwrap();
    }

    #[test]
    fn no_more_connections_than_allowed_are_open_and_the_rest_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        append(&path, 0);
        let (opener, pool) = pool(&path, false, 3);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    let size = pool.with(|store| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(2));
                        let size = store.size();
                        now.fetch_sub(1, Ordering::SeqCst);
                        size
                    });
                    assert_eq!(size.unwrap(), 1);
                });
            }
        });
        assert_eq!((most.into_inner(), opener.opened.load(Ordering::Relaxed)), (3, 3));
    }

    #[test]
    fn a_connection_is_given_back_after_an_error_and_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        append(&path, 0);
        let (opener, pool) = pool(&path, false, 1);
        assert!(pool.with::<()>(|_| Err(StoreError::damaged("as it may be"))).is_err());
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.with::<()>(|_| panic!("as it may"))));
        assert!(panicked.is_err());
        assert_eq!(pool.with(|store| store.size()).unwrap(), 1);
        assert_eq!(opener.opened.load(Ordering::Relaxed), 3, "what failed is not used again");
    }

    /// A connection that believes that nobody writes would go on telling what was so when it was opened.
    #[test]
    fn a_connection_that_sees_nothing_new_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        append(&path, 0);
        let (_, pool) = pool(&path, true, 8);
        assert_eq!(pool.with(|store| store.size()).unwrap(), 1);
        append(&path, 1);
        assert_eq!(pool.with(|store| store.size()).unwrap(), 2);
    }
}
