//! C: a reactor for WASI preview 1, whose system calls are answered by a stand-in inside the component.

use std::path::Path;
use std::process::Command;

use super::{encode, tools};
use crate::progress::Work;

/// The component of the policy in `folder`.
///
/// # Errors
/// There is no compiler to be had, or the code is wrong.
pub fn component(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut command = compiler()?;
    let _work = Work::start("compiling policy.c".into());
    let work = tempfile::tempdir()?;
    let out = work.path().join("policy.wasm");
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-std=c17", "-Os", "-flto", "-g0"]);
    command.args(["-Wall", "-Wextra", "-Werror=implicit-function-declaration"]);
    // Undefined behaviour is a trap, and so a fault.
    command.args(["-fsanitize=undefined", "-fsanitize-trap=undefined"]);
    command.args(["-Wl,--strip-all", "-Wl,-z,stack-size=65536"]);
    command.arg("-Isdk").arg("-o").arg(&out).args(["policy.c", "sdk/portcullis.c"]).current_dir(folder);
    let output = tools::output(&mut command, "set PORTCULLIS_CC to a compiler that has wasm32-wasi")?;
    super::pass_on(&output.stderr);
    encode::from_core(&std::fs::read(&out)?)
}

/// The one that is named, else the one in the cache: `zig cc`, which is clang with a C library.
fn compiler() -> anyhow::Result<Command> {
    if let Some(named) = std::env::var_os("PORTCULLIS_CC") {
        return Ok(Command::new(named));
    }
    let mut zig = Command::new(tools::get(&tools::ZIG)?.join("ziglang").join("zig"));
    zig.arg("cc").env("ZIG_GLOBAL_CACHE_DIR", tools::folder()?.join("zig-cache"));
    Ok(zig)
}
