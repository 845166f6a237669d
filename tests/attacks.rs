//! What must not work: hostile modules against the real engine. Every file of `guests/` says what must come of it, and
//! does not compile without a test of its name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod attacks {
    mod bytes;
    mod cache;
    #[cfg(target_os = "linux")]
    mod child;
    mod determinism;
    mod drift;
    mod history;
    mod host;
    mod inputs;
    mod meet;
    mod reviews;
    mod rows;
    mod sets;
    mod trace;
    mod words;
}
