//! Work on many items, in their order, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One thread for each processor.
#[must_use]
pub fn processors() -> u8 {
    std::thread::available_parallelism().map_or(1, |n| u8::try_from(n.get()).unwrap_or(u8::MAX)).min(64)
}

/// `work` on every item, at most `jobs` at once, in the items' order.
pub fn each<T: Sync, R: Send>(items: &[T], jobs: u8, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let jobs = usize::from(jobs).min(items.len());
    if jobs <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let run = || {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                match items.get(n) {
                    Some(item) => done.push((n, work(item))),
                    None => return done,
                }
            }
        };
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_in_order_whatever_the_number_of_jobs() {
        let items: Vec<u32> = (0..100).collect();
        for jobs in [1, 2, 7, 64] {
            assert_eq!(each(&items, jobs, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
        assert!(each(&[] as &[u32], 4, |n| *n).is_empty());
    }
}
