//! How wasmtime is set up, and what of that decides a verdict.

use portcullis_gate::Sha256;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm, WasmFeatures,
};

use crate::engine::Effort;

/// Version of wasmtime and of the snapshot tool; a test compares it with the lock file.
pub(crate) const WASMTIME_VERSION: &str = "48.0.8";

/// Guests of at most this much memory are reset by writing it anew; larger ones by asking the kernel what changed.
/// Measured: 2.2 µs against 3.6 µs for 128 KiB; above, the kernel wins.
pub(crate) const SMALL_MEMORY_BYTES: u64 = 128 * 1024;

/// How much of a larger guest's memory stays resident between evaluations.
const LARGE_KEEP_RESIDENT_BYTES: usize = 512 * 1024;

/// How much of a table stays resident between evaluations.
const TABLE_KEEP_RESIDENT_BYTES: usize = 16 * 1024;

/// Native stack that a guest may use.
pub(crate) const STACK_BYTES: usize = 512 * 1024;

/// Core instances, memories and tables that one component may bring: Python's bring 38. It is a bound that takes no room
/// in the pool; the default limit of a policy is lower.
const MAX_PER_COMPONENT: u32 = 64;

/// Memories that are set aside for each sandbox; what has more takes the room of several.
pub(crate) const MEMORIES_PER_INSTANCE: u32 = 2;

/// Tables that are set aside for each sandbox.
pub(crate) const TABLES_PER_INSTANCE: u32 = 4;

/// How an engine resets memory between evaluations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reset {
    /// For guests of at most [`SMALL_MEMORY_BYTES`].
    Memset,
    /// For all others, where the kernel tells which pages changed (Linux 6.7 and later).
    Pagemap,
    /// For all others elsewhere: beyond little memory, the kernel drops the pages.
    Madvise,
}

/// The configuration of an engine that holds `instances` sandboxes at once.
pub(crate) fn config(reset: Reset, effort: Effort, instances: u32, max_memory_bytes: u64) -> Config {
    let mut config = Config::new();
    // Semantics. Everything that `portcullis_inspect::features` does not name is off.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(portcullis_inspect::features(), true);
    config.shared_memory(false);
    config.concurrency_support(false);
    config.cranelift_nan_canonicalization(true);
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES);
    // Compilation.
    match effort {
        Effort::Optimized => {
            config.cranelift_opt_level(OptLevel::Speed).cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        }
        Effort::Draft => {
            config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        }
    };
    config.parallel_compilation(true);
    // Memory.
    config.memory_init_cow(true);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // A number to count to, and no room.
        .total_core_instances(instances.saturating_mul(MAX_PER_COMPONENT))
        .total_memories(instances.saturating_mul(MEMORIES_PER_INSTANCE))
        .total_tables(instances.saturating_mul(TABLES_PER_INSTANCE))
        .total_gc_heaps(0)
        .max_unused_warm_slots(instances.saturating_mul(2))
        .max_core_instances_per_component(MAX_PER_COMPONENT)
        .max_memories_per_component(MAX_PER_COMPONENT)
        .max_tables_per_component(MAX_PER_COMPONENT)
        .max_memory_size(usize::try_from(max_memory_bytes).unwrap_or(usize::MAX))
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    match reset {
        Reset::Memset | Reset::Madvise => pool
            .linear_memory_keep_resident(usize::try_from(SMALL_MEMORY_BYTES).unwrap_or(usize::MAX))
            .pagemap_scan(Enabled::No),
        Reset::Pagemap => pool.linear_memory_keep_resident(LARGE_KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::Yes),
    };
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// A digest over everything in the engine's configuration that can change a verdict or its fuel. The same on every
/// machine: two decisions with the same digest came from engines that decide alike.
pub(crate) fn configuration_sha256() -> Sha256 {
    let description = format!(
        "wasmtime {WASMTIME_VERSION}; cranelift; features {:x}; nan canonicalization; default operator costs; \
         stack {STACK_BYTES}; world {}",
        portcullis_inspect::features().bits(),
        Sha256::of(include_str!("../../../wit/policy.wit").as_bytes()),
    );
    Sha256::of(description.as_bytes())
}
