//! The laws of how a decision is made, against the real gate: exhaustively where cases can be counted, by generated
//! cases beyond, and against a second implementation.
//!
//! `PORTCULLIS_CASES` is the number of generated cases (20,000 unless it says otherwise), `PORTCULLIS_SEED` where
//! they start; `PORTCULLIS_TABLES=full` makes the exhaustive tables complete for four policies too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod laws {
    mod agreement;
    mod exhaustive;
    mod gate;
    mod generate;
    mod oracle;
    mod properties;
    mod shapes;
    mod tables;
    mod vectors;
}
