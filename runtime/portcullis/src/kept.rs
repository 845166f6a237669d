//! Policy sets that were loaded, for whoever goes through a ledger's decisions: each loaded once, the latest few kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values that take long to make, by key. Whoever asks for one that is being made waits for it; others are not stopped.
pub(crate) struct Kept<K, V> {
    most: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Counts the questions.
    now: u64,
}

struct Entry<V> {
    /// Held by whoever makes the value.
    value: Arc<Mutex<Option<V>>>,
    asked: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    /// Keeps at most so many, and those that somebody waits for.
    pub(crate) fn new(most: usize) -> Kept<K, V> {
        Kept { most, state: Mutex::new(State { entries: HashMap::new(), now: 0 }) }
    }

    /// The value of that key, made where it is not kept. What could not be made is tried again by whoever asks next.
    ///
    /// # Errors
    /// It could not be made.
    pub(crate) fn get<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let value = self.entry(key);
        // Not under the lock of all: making it takes seconds.
        let mut value = whole(&value);
        match &*value {
            Some(value) => Ok(value.clone()),
            None => Ok(value.insert(make()?).clone()),
        }
    }

    fn entry(&self, key: &K) -> Arc<Mutex<Option<V>>> {
        let mut state = whole(&self.state);
        let State { entries, now } = &mut *state;
        *now = now.saturating_add(1);
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry { value: Arc::default(), asked: 0 });
        entry.asked = *now;
        let value = Arc::clone(&entry.value);
        while entries.len() > self.most {
            let idle = entries.iter().filter(|(_, entry)| Arc::strong_count(&entry.value) == 1);
            let Some(oldest) = idle.min_by_key(|(_, entry)| entry.asked).map(|(key, _)| key.clone()) else { break };
            entries.remove(&oldest);
        }
        value
    }
}

/// A thread that panicked while it held one of these locks left nothing half done.
fn whole<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn each_is_made_once_and_the_latest_are_kept() {
        let kept = Kept::new(2);
        let made = AtomicU32::new(0);
        let get = |key| kept.get(&key, || Ok::<_, ()>(made.fetch_add(1, Ordering::Relaxed))).unwrap();
        assert_eq!([get('a'), get('b'), get('a'), get('b')], [0, 1, 0, 1]);
        assert_eq!(get('a'), 0);
        assert_eq!(get('c'), 2, "in the place of b, which was asked for longest ago");
        assert_eq!([get('a'), get('c'), get('b')], [0, 2, 3]);
        assert!(kept.state.lock().unwrap().entries.len() <= 2);
        assert_eq!(kept.get(&'d', || Err("not now")), Err("not now"));
        assert_eq!(kept.get(&'d', || Ok::<_, ()>(7)), Ok(7), "tried again");
    }

    /// Each of two threads makes its value while the other one does: neither would end otherwise.
    #[test]
    fn two_are_made_at_once_and_one_only_once() {
        let kept = Kept::new(1);
        let (both, made) = (Barrier::new(2), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for key in ['a', 'b'] {
                let (kept, both) = (&kept, &both);
                scope.spawn(move || kept.get(&key, || Ok::<_, ()>(both.wait().is_leader())));
            }
        });
        let kept = Kept::new(1);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    kept.get(&'c', || {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>(made.fetch_add(1, Ordering::Relaxed))
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
