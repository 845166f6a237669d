//! How many evaluations an engine has room for at once. Whoever finds none waits: one sandbox too many would be a fault,
//! which counts as a deny though no policy said so.

use std::sync::{Condvar, Mutex, PoisonError};

use wasmtime::component::Component;

use crate::config::{MEMORIES_PER_INSTANCE, TABLES_PER_INSTANCE};

/// Turns of one engine. Evaluations on more threads than this only slow each other down, and run into their limits on wall
/// time.
pub(crate) struct Turns {
    /// Sandboxes of an ordinary policy that the engine's pools hold.
    instances: u32,
    /// Most turns at once, however much room there is.
    most: u32,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    taken: u32,
    /// How many ordinary sandboxes the largest policy that was loaded takes the room of.
    heaviest: u32,
}

/// The right to run policies of one engine, one after the other. Given back when dropped.
#[must_use = "a turn that is dropped is over"]
pub struct Turn<'e>(&'e Turns);

impl Turns {
    pub(crate) fn new(instances: u32) -> Turns {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let useful = u32::try_from(processors.saturating_mul(4).clamp(16, 128)).unwrap_or(128);
        let state = Mutex::new(State { taken: 0, heaviest: 1 });
        Turns { instances, most: useful.min(instances).max(1), state, freed: Condvar::new() }
    }

    /// Most turns at once.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Waits until there is room for one more evaluation.
    pub(crate) fn take(&self) -> Turn<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut State| state.taken >= self.room(state.heaviest);
        let mut state = self.freed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_add(1);
        Turn(self)
    }

    /// Makes sure that every turn which begins from now on has room for this component.
    ///
    /// # Errors
    /// The engine can hold no sandbox of it, in words.
    pub(crate) fn make_room(&self, component: &Component) -> Result<(), String> {
        // Unknown where it imports modules, which the world does not allow.
        let (memories, tables) =
            component.resources_required().map_or((u32::MAX, u32::MAX), |needs| (needs.num_memories, needs.num_tables));
        let weight = memories.div_ceil(MEMORIES_PER_INSTANCE).max(tables.div_ceil(TABLES_PER_INSTANCE)).max(1);
        if weight > self.instances {
            return Err(format!(
                "a sandbox with {memories} memories and {tables} tables takes the room of {weight}, and the engine has {}",
                self.instances
            ));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.heaviest = state.heaviest.max(weight);
        Ok(())
    }

    fn room(&self, heaviest: u32) -> u32 {
        self.most.min(self.instances / heaviest.max(1)).max(1)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_sub(1);
        self.0.freed.notify_one();
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn most_at_once(turns: &Turns, threads: usize) -> u32 {
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _turn = turns.take();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_micros(50));
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        most.into_inner()
    }

    #[test]
    fn no_more_than_there_is_room_for() {
        for (instances, heaviest, room) in [(3, 1, 3), (8, 2, 4), (5, 2, 2), (2, 2, 1), (1, 1, 1), (0, 1, 1)] {
            let turns = Turns::new(instances);
            turns.state.lock().unwrap().heaviest = heaviest;
            let most = most_at_once(&turns, 12);
            assert!(most <= room, "{instances} instances, heaviest {heaviest}: {most} at once");
            assert_eq!(turns.state.lock().unwrap().taken, 0);
        }
        assert!(Turns::new(1_000).most() <= 128);
    }

    #[test]
    fn a_turn_is_given_back_by_a_thread_that_panics() {
        let turns = Turns::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = turns.take();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        drop(turns.take());
    }
}
