//! The one unsafe step: turning bytes into machine code that will run.
#![expect(unsafe_code, reason = "loading compiled code is unsafe by nature; see the argument below")]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads compiled code.
///
/// `bytes` must come from [`crate::cache::Cache::get`]: it returns only what this user's engine wrote with
/// `Component::serialize` and authenticated under a key that others cannot read, in the very buffer that was verified.
/// wasmtime itself refuses code of another version or configuration.
pub(crate) fn deserialize(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` asks that the bytes are an unaltered result of `Component::serialize`. The
    // authentication code that the caller verified says so, unless someone holds this user's key, who could run code
    // as this user anyway.
    unsafe { Component::deserialize(engine, bytes) }
}
