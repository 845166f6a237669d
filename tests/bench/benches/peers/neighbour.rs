//! Honest decisions while another thread evaluates a policy that never returns, again and again, in the same engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use portcullis_gate::Request;

use super::ours::Set;

/// The other thread, which evaluates only while it is asked to.
pub struct Neighbour {
    asked: Arc<AtomicBool>,
    busy: Arc<AtomicBool>,
}

impl Neighbour {
    /// Starts it, idle. It ends with the process.
    pub fn start(hostile: Set, request: Request) -> Neighbour {
        let (asked, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let neighbour = Neighbour { asked: Arc::clone(&asked), busy: Arc::clone(&busy) };
        thread::spawn(move || {
            loop {
                // Said before it is asked, so that nobody finds it idle who asked it to stop too late.
                busy.store(true, Ordering::SeqCst);
                if asked.load(Ordering::SeqCst) {
                    hostile.decide(&request);
                } else {
                    busy.store(false, Ordering::SeqCst);
                    thread::sleep(Duration::from_micros(100));
                }
            }
        });
        neighbour
    }

    /// Asks it to evaluate, or to stop, and waits until it does.
    pub fn ask(&self, evaluate: bool) {
        if self.asked.swap(evaluate, Ordering::SeqCst) != evaluate {
            while self.busy.load(Ordering::SeqCst) != evaluate {
                thread::yield_now();
            }
        }
    }
}
