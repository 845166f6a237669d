//! The clock behind time limits: a thread of its own that advances the engines' epochs every millisecond, and a
//! watchdog that refuses to evaluate when that thread no longer does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One tick of the epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A ticker that is silent for longer has stopped, as far as time limits are concerned.
const STALE: Duration = Duration::from_millis(500);

/// How long an evaluation waits for the next tick of a silent ticker before it is refused: after the machine was suspended,
/// or where it has more to do than processors, the thread needs a moment too.
const GRACE: Duration = Duration::from_secs(2);

/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    started: Instant,
    /// Milliseconds since `started` at the last tick.
    last_tick_ms: AtomicU64,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread; `tick` is called every millisecond.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Ticker> {
        let shared =
            Arc::new(Shared { started: Instant::now(), last_tick_ms: AtomicU64::new(0), stop: AtomicBool::new(false) });
        let thread = std::thread::Builder::new().name("portcullis-epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    tick();
                    shared.last_tick_ms.store(shared.elapsed_ms(Instant::now()), Ordering::Relaxed);
                }
            }
        })?;
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// Whether time limits are being enforced at `now`.
    pub(crate) fn is_alive(&self, now: Instant) -> bool {
        if self.ticked_lately(now) {
            return true;
        }
        let last = self.shared.last_tick_ms.load(Ordering::Relaxed);
        let until = Instant::now() + GRACE;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(LOOK);
            if self.shared.last_tick_ms.load(Ordering::Relaxed) != last {
                return true;
            }
        }
        false
    }

    fn ticked_lately(&self, now: Instant) -> bool {
        let silent_ms = self.shared.elapsed_ms(now).saturating_sub(self.shared.last_tick_ms.load(Ordering::Relaxed));
        u128::from(silent_ms) <= STALE.as_millis()
    }
}

impl Shared {
    fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A tick that panicked has ended the thread already; there is nothing left to stop.
            _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_notices_a_dead_thread() {
        let ticker = Ticker::start(|| {}).expect("a thread");
        std::thread::sleep(Duration::from_millis(20));
        assert!(ticker.is_alive(Instant::now()));
        let dead = Ticker::start(|| panic!("the ticker dies in this test")).expect("a thread");
        std::thread::sleep(Duration::from_millis(600));
        let asked = Instant::now();
        assert!(!dead.is_alive(asked));
        assert!(asked.elapsed() < GRACE, "nobody waits for a thread that has ended");
    }

    /// What a busy machine does to the thread: it gets no processor for longer than the silence that is allowed.
    #[test]
    fn a_late_tick_is_waited_for_and_one_that_never_comes_is_not() {
        let late = |silence| Ticker::start(move || std::thread::sleep(silence)).expect("a thread");
        let ticker = late(Duration::from_millis(1100));
        std::thread::sleep(Duration::from_millis(600));
        assert!(ticker.is_alive(Instant::now()), "the next tick comes within {GRACE:?}");
        let ticker = late(STALE + GRACE + Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(600));
        assert!(!ticker.is_alive(Instant::now()));
    }
}
