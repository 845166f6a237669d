//! A hostile policy: whoever asks it never gets an answer. The host stops it when its fuel is used up, and the fault counts
//! as a deny.

#![forbid(unsafe_code)]

use portcullis_policy::prelude::*;

#[policy(
    name = "sample.runaway",
    summary = "Hostile: never returns.",
    codes(ALLOWED = "sample.runaway.allowed": "What it would say if it ever came to it.")
)]
fn evaluate(_: &()) -> Finding {
    let mut turns = 0u64;
    while std::hint::black_box(turns) != u64::MAX {
        turns = turns.wrapping_add(2);
    }
    allow(ALLOWED, "nothing stands in the way")
}
