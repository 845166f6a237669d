//! Go: a reactor for WASI preview 1, whose system calls are answered by a stand-in inside the component.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{encode, tools};
use crate::progress::Work;

/// The component of the policy in `folder`.
///
/// # Errors
/// There is no Go to be had, or the code is wrong.
pub fn component(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let go = find()?;
    let _work = Work::start("compiling policy.go".into());
    let work = tempfile::tempdir()?;
    let out = work.path().join("policy.wasm");
    let mut command = Command::new(&go);
    command.args(["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o"]);
    command.arg(&out).arg(".").current_dir(folder).env("GOOS", "wasip1").env("GOARCH", "wasm");
    command.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0").env_remove("GOFLAGS").env_remove("GOWASM");
    if std::env::var_os("GOCACHE").is_none() {
        command.env("GOCACHE", tools::folder()?.join("go-cache"));
    }
    let output = tools::output(&mut command, GO)?;
    super::pass_on(&output.stderr);
    encode::from_core(&std::fs::read(&out)?)
}

/// The one that is named, the user's own where it is new enough, or the one in the cache.
fn find() -> anyhow::Result<OsString> {
    if let Some(named) = std::env::var_os("PORTCULLIS_GO") {
        return Ok(named);
    }
    let own = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    if own.is_ok_and(|own| own.status.success() && is_new_enough(&String::from_utf8_lossy(&own.stdout))) {
        return Ok("go".into());
    }
    let fetched: PathBuf = tools::get(&tools::GO)?.join("go").join("bin").join("go");
    Ok(fetched.into_os_string())
}

/// 1.24 brought exports.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim().strip_prefix("go").unwrap_or_default().split('.');
    let mut part = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or_default();
    (part(), part()) >= (1, 24)
}

const GO: &str = "install Go 1.24 or later (https://go.dev/dl), or set PORTCULLIS_GO";

#[cfg(test)]
mod tests {
    #[test]
    fn versions() {
        for (version, expected) in [
            ("go1.24", true),
            ("go1.27.3\n", true),
            ("go2.0", true),
            ("go1.19.8", false),
            ("devel", false),
            ("", false),
        ] {
            assert_eq!(super::is_new_enough(version), expected, "{version}");
        }
    }
}
