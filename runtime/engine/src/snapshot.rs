//! Settings bound once: `configure` runs at load, and its memory becomes the initial memory of a new component.
//!
//! Uses wasmtime's pre-initialiser in three steps (instrument, run by ourselves, snapshot), because only then the
//! run has our limits. The tool can fail or panic on unusual modules; then the policy is configured anew in each
//! sandbox instead, with the same verdicts.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, WasmList};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::compile::Configured;
use crate::sandbox::Sandbox;

/// A larger image loses copy-on-write: milliseconds for each sandbox instead of microseconds.
const MAX_SNAPSHOT_BYTES: usize = 24 * 1024 * 1024;

/// Fuel for reading globals and memory out of the instance, apart from what `configure` used.
const READOUT_FUEL: u64 = 10_000_000;

/// Memory for the same.
const READOUT_BYTES: u64 = 1024 * 1024;

/// A component, rewritten so that its state can be read out after `configure` has run.
pub(crate) struct Instrumented<'a> {
    context: ComponentContext<'a>,
    /// The component to run.
    pub(crate) wasm: Vec<u8>,
}

/// Prepares a component for a snapshot.
///
/// # Errors
/// Why this module cannot have one, for the record.
pub(crate) fn instrument(wasm: &[u8]) -> Result<Instrumented<'_>, String> {
    caught("instrument", || wizer().instrument_component(wasm).map_err(|error| format!("{error:#}")))
        .map(|(context, wasm)| Instrumented { context, wasm })
}

/// Makes the component whose initial state is that of a configured sandbox.
///
/// # Errors
/// Why there is no snapshot, for the record.
pub(crate) fn snapshot(instrumented: &Instrumented<'_>, mut configured: Configured<'_>) -> Result<Vec<u8>, String> {
    let (store, instance) = (&mut configured.store, configured.instance);
    store.set_fuel(READOUT_FUEL).map_err(|error| error.to_string())?;
    store.set_hostcall_fuel(MAX_SNAPSHOT_BYTES);
    store.data_mut().make_room(READOUT_BYTES);
    let mut state = ReadOut { store, instance, problem: None };
    let wasm = caught("snapshot", || {
        ready(wizer().snapshot_component(&instrumented.context, &mut state)).map_err(|error| format!("{error:#}"))
    })?;
    if let Some(problem) = state.problem {
        return Err(problem);
    }
    if wasm.len() > MAX_SNAPSHOT_BYTES {
        return Err(format!("the snapshot is larger than {MAX_SNAPSHOT_BYTES} bytes"));
    }
    Ok(wasm)
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // Removing the export would leave an invalid component.
    wizer.init_func("configure").keep_init_func(true);
    wizer
}

fn caught<R>(step: &str, work: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(format!("the {step} step panicked on this module")))
}

/// The tool's functions are asynchronous for other hosts; ours never wait.
fn ready<R>(future: impl Future<Output = wasmtime::Result<R>>) -> wasmtime::Result<R> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(wasmtime::Error::msg("the snapshot waits for something")),
    }
}

struct ReadOut<'s> {
    store: &'s mut Store<Sandbox>,
    instance: Instance,
    /// The first thing that went wrong: the tool's interface has no room for it.
    problem: Option<String>,
}

impl ReadOut<'_> {
    fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> Option<R> {
        let result = (|| {
            let (_, at) = self
                .instance
                .get_export(&mut *self.store, None, instance)
                .ok_or_else(|| wasmtime::Error::msg("no such instance"))?;
            let (_, function) = self
                .instance
                .get_export(&mut *self.store, Some(&at), function)
                .ok_or_else(|| wasmtime::Error::msg("no such function"))?;
            let typed = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, function)?;
            Ok::<R, wasmtime::Error>(typed.call(&mut *self.store, ())?.0)
        })();
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem.get_or_insert_with(|| format!("reading {instance} {function}: {error:#}"));
                None
            }
        }
    }
}

impl ComponentInstanceState for ReadOut<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.call::<WasmList<u8>>(instance, func) {
            Some(list) => contents(list.as_le_slice(&*self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).unwrap_or_default().to_bits()
    }
}
