//! The one unsafe step: turning bytes into machine code that will run.
#![expect(unsafe_code, reason = "loading compiled code is unsafe by nature; see the argument below")]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads compiled code.
///
/// `bytes` must come from [`crate::cache::EntryKey::open`]: it returns only what this user's engine, or a child that it
/// started to compile this very module, wrote with `Component::serialize` and authenticated under this entry's key,
/// in the very buffer that was verified. wasmtime itself refuses code of another version or configuration.
pub(crate) fn deserialize(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` asks that the bytes are an unaltered result of `Component::serialize`. The
    // authentication code that the caller verified says so, unless someone holds this user's key, who could run code
    // as this user anyway, or a module has taken over the process that compiled it: compilation in a child does not
    // defend against that, see `child`.
    unsafe { Component::deserialize(engine, bytes) }
}
