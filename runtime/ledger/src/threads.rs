//! The threads of an open ledger, which end with it whatever happens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::outside;
use crate::replica::Replica;
use crate::sequencer::{Sequencer, Shared, Work};
use crate::store::{Listen, OpenReader, Store};
use crate::store_error::StoreError;

/// The queue of an open ledger and the threads behind it. Dropping it ends all of them: none outlives its ledger, not even
/// one that could not be opened to the end.
pub(crate) struct Threads {
    pub(crate) queue: Option<SyncSender<Work>>,
    pub(crate) shared: Arc<Shared>,
    replica: Option<Replica>,
    sequencer: Option<JoinHandle<Box<dyn Store>>>,
    publisher: Option<JoinHandle<()>>,
    scrubber: Option<JoinHandle<()>>,
    /// Tells the sequencer of what others submitted, until it is told to end.
    collector: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
}

impl Threads {
    /// Behind the queue of a replica, which has no writer of its own in front of it.
    pub(crate) fn of_replica(queue: SyncSender<Work>, shared: Arc<Shared>, replica: Replica) -> Threads {
        let mut threads = Threads::none(queue, shared);
        threads.replica = Some(replica);
        threads
    }

    fn none(queue: SyncSender<Work>, shared: Arc<Shared>) -> Threads {
        Threads {
            queue: Some(queue),
            shared,
            replica: None,
            sequencer: None,
            publisher: None,
            scrubber: None,
            collector: None,
        }
    }

    /// Starts what a writer needs: the sequencer, who publishes and tends, and who listens to others.
    pub(crate) fn of_writer(
        sequencer: Sequencer,
        shared: Arc<Shared>,
        readers: Arc<dyn OpenReader>,
        copies: Vec<PathBuf>,
        max_queue: usize,
    ) -> Result<Threads, StoreError> {
        let (queue, jobs) = sync_channel(max_queue);
        let mut threads = Threads::none(queue, Arc::clone(&shared));
        let published = shared.newest().size;
        threads.sequencer = Some(spawn("ledger-sequencer", move || sequencer.run(&jobs))?);
        threads.publisher = Some({
            let readers = Arc::clone(&readers);
            spawn("ledger-publisher", move || outside::publish(&shared, &copies, &readers, published))?
        });
        if let Some(queue) = threads.queue.clone() {
            let (shared, readers) = (Arc::clone(&threads.shared), Arc::clone(&readers));
            threads.scrubber = Some(spawn("ledger-scrubber", move || scrub(&shared, &readers, &queue))?);
        }
        if let (Some(first), Some(queue)) = (readers.listen()?, threads.queue.clone()) {
            let end = Arc::new(AtomicBool::new(false));
            let ends = Arc::clone(&end);
            let collector = spawn("ledger-collector", move || collect(first, &readers, &queue, &ends))?;
            threads.collector = Some((collector, end));
        }
        Ok(threads)
    }

    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// Ends the threads: what is queued is still committed, then the copies are written. The writer's store comes back,
    /// so that it can be closed after everything that reads.
    pub(crate) fn end(&mut self) -> Option<Box<dyn Store>> {
        if let Some((thread, end)) = self.collector.take() {
            end.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
        self.shared.update(|newest| newest.ending = true);
        if let Some(thread) = self.scrubber.take() {
            let _ = thread.join();
        }
        drop(self.queue.take());
        drop(self.replica.take());
        let mut store = self.sequencer.take().and_then(|thread| thread.join().ok());
        self.shared.update(|newest| newest.closing = true);
        if let Some(thread) = self.publisher.take() {
            let _ = thread.join();
        }
        if let Some(store) = &mut store
            && self.shared.check().is_err()
        {
            store.abandon();
        }
        store
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Empties what erasing left beside the database: all that can be done beside the sequencer, then asks it for the rest.
/// While a reader is in the way it asks again.
fn scrub(shared: &Shared, readers: &Arc<dyn OpenReader>, queue: &SyncSender<Work>) {
    loop {
        let newest = shared.wait(Duration::MAX, |newest| newest.scrub.erased > newest.scrub.done || newest.ending);
        if shared.check().is_err() || newest.scrub.erased <= newest.scrub.done {
            return;
        }
        if let Err(error) = readers.prepare_scrub() {
            return shared.stop(&error);
        }
        let erased = newest.scrub.erased;
        shared.update(|newest| (newest.scrub.prepared, newest.scrub.hindered) = (erased, newest.scrub.done));
        // Where the queue is full, the sequencer comes by anyway.
        if let Err(TrySendError::Disconnected(_)) = queue.try_send(Work::Look) {
            return;
        }
        let newest = shared.wait(SCRUB_WAIT, |newest| newest.scrub.done.max(newest.scrub.hindered) >= erased);
        if newest.ending {
            return;
        }
        if newest.scrub.done < erased {
            shared.wait(SCRUB_INTERVAL, |newest| newest.ending);
        }
    }
}

/// Most time that a batch takes to answer.
const SCRUB_WAIT: Duration = Duration::from_secs(10);
/// Time from one attempt to the next while a reader is in the way.
const SCRUB_INTERVAL: Duration = Duration::from_secs(1);

/// Tells the sequencer when something was submitted, and once in a while in case that was missed.
fn collect(first: Box<dyn Listen>, readers: &Arc<dyn OpenReader>, looks: &SyncSender<Work>, end: &AtomicBool) {
    let mut listener = Some(first);
    while !end.load(Ordering::Relaxed) {
        // What waits since before the writer began, or the connection was lost, is looked for at once.
        if let Err(TrySendError::Disconnected(_)) = looks.try_send(Work::Look) {
            return;
        }
        let heard = match &mut listener {
            Some(open) => open.wait(LOOK_INTERVAL),
            None => {
                std::thread::sleep(LOOK_INTERVAL);
                listener = readers.listen().ok().flatten();
                Ok(false)
            }
        };
        if heard.is_err() {
            listener = None;
        }
    }
}

/// Most time between two looks for submissions.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) fn closed() -> StoreError {
    StoreError::Stopped { cause: "the sequencer ended".to_owned() }
}

pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|e| StoreError::io(Path::new(name), "starting a thread", e))
}
