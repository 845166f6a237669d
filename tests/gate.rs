//! The gate that platforms embed: real policy sets, real ledger files. Nothing proceeds that is not recorded, and what is
//! recorded can be made again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod gate {
    mod activation;
    mod backtest;
    mod embedding;
    mod history;
    mod masks;
    mod modules;
    mod recording;
    mod replay;
    mod replicas;
    #[path = "../../runtime/ledger/tests/stores/server.rs"]
    mod server;
    mod sets;
    mod shedding;
    mod site;
    mod stopped;
    mod substitution;
    mod trust;
    mod worker;
}
