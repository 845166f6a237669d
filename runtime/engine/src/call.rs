//! Running a guest, and naming what went wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_gate::{Fault, Faulted};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::sandbox::Stop;
use crate::text;

/// Runs `guest`; whatever goes wrong, a panic in the host included, is a fault.
pub(crate) fn guarded<R>(guest: impl FnOnce() -> wasmtime::Result<R>) -> Result<R, Faulted> {
    match catch_unwind(AssertUnwindSafe(guest)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(&error)),
        // The payload may quote anything; the panic hook has shown it to the operator.
        Err(_) => Err(Faulted { fault: Fault::Host, detail: "the host panicked while it served the policy".into() }),
    }
}

/// The fault that an error of wasmtime stands for.
fn classify(error: &wasmtime::Error) -> Faulted {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return Faulted { fault: stop.fault, detail: stop.detail.clone() };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let detail = "more evaluations at once than there are sandboxes".into();
        return Faulted { fault: Fault::Host, detail };
    }
    let detail = text::escaped(&format!("{:#}", error.root_cause()), 512);
    let fault = match error.downcast_ref::<Trap>() {
        Some(trap) => of_trap(*trap, error),
        // Inside a call of the host, guest code is on the stack; where the answer is read, none is.
        None if detail.contains(OUT_OF_HOSTCALL_FUEL) => match error.downcast_ref::<WasmBacktrace>() {
            Some(_) => Fault::HostCalls,
            None => Fault::Output,
        },
        // Everything else that a call can fail with is a broken calling convention: pointers, UTF-8, discriminants,
        // handles.
        None => Fault::Abi,
    };
    Faulted { fault, detail }
}

/// wasmtime's error for a list or string beyond the bytes that a guest may pass has no public type; a test pins this.
const OUT_OF_HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

fn of_trap(trap: Trap, error: &wasmtime::Error) -> Fault {
    match trap {
        Trap::OutOfFuel => Fault::Fuel,
        Trap::Interrupt => Fault::Time,
        Trap::StackOverflow => Fault::Stack,
        Trap::AllocationTooLarge => Fault::Memory,
        Trap::CannotEnterComponent
        | Trap::CannotLeaveComponent
        | Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer
        | Trap::NoAsyncResult
        | Trap::CannotBlockSyncTask => Fault::Abi,
        _ if trapped_in_realloc(error) => Fault::Abi,
        _ => Fault::Trap,
    }
}

/// Whether the outermost frame of a trap is the guest's allocator, called by the host to pass a value. Goes by the
/// name that the module gives, so it tells a diagnosis, not more: under another name it is a trap like any other.
fn trapped_in_realloc(error: &wasmtime::Error) -> bool {
    error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|backtrace| backtrace.frames().last())
        .and_then(|frame| frame.func_name())
        .is_some_and(|name| name.ends_with("realloc"))
}
