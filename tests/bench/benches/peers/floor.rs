//! What wasmtime itself takes: a fresh store with fuel, epoch and limiter, an instance with 128 KiB of memory, a call
//! that returns a number. Set up as the engine is; nothing of a policy is in it.

use std::hint::black_box;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder,
};

pub struct Floor {
    engine: Engine,
    pre: InstancePre<StoreLimits>,
    run: ComponentExportIndex,
}

const COMPONENT: &str = r#"
(component
  (core module $m
    (memory (export "memory") 2)
    (data (i32.const 1024) "state")
    (func (export "run") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))"#;

impl Floor {
    pub fn new() -> anyhow::Result<Floor> {
        Floor::build().map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    fn build() -> wasmtime::Result<Floor> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(256)
            .max_unused_warm_slots(256)
            .linear_memory_keep_resident(128 * 1024)
            .table_keep_resident(16 * 1024)
            .total_gc_heaps(0)
            .pagemap_scan(Enabled::No);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .concurrency_support(false)
            .cranelift_nan_canonicalization(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(
            &engine,
            &wat::parse_str(COMPONENT).map_err(|error| wasmtime::Error::msg(error.to_string()))?,
        )?;
        let pre = Linker::new(&engine).instantiate_pre(&component)?;
        let run = component.get_export_index(None, "run").ok_or_else(|| wasmtime::Error::msg("no run"))?;
        Ok(Floor { engine, pre, run })
    }

    pub fn call(&self) {
        let mut store = Store::new(&self.engine, StoreLimitsBuilder::new().memory_size(16 << 20).build());
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1000);
        let called = store.set_fuel(10_000_000).and_then(|()| {
            let instance = self.pre.instantiate(&mut store)?;
            instance.get_typed_func::<(), (u32,)>(&mut store, self.run)?.call(&mut store, ())
        });
        black_box(called.ok());
    }
}
