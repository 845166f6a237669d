//! Programs that keep credentials, by
//! [the protocol of Docker's helpers](https://github.com/docker/docker-credential-helpers): `docker-credential-NAME get`.
//!
//! Written here, so that a helper has a time limit and its answer a bound.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::MAX_TOKEN_ANSWER_BYTES;
use crate::credentials::Credentials;
use crate::error::CredentialError;
use crate::http::shown;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What a helper has for a registry; `None` where it has nothing. `path` is the file that names the helper.
pub(crate) fn get(path: &Path, helper: &str, registry: &str) -> Result<Option<Credentials>, CredentialError> {
    let failed = |detail: String| CredentialError::Helper {
        path: path.into(),
        helper: shown(helper),
        registry: shown(registry),
        detail,
    };
    // A name, not a path: what is run is in the folders for programs.
    if helper.is_empty() || !helper.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(failed("this is no name of a helper".into()));
    }
    let (success, said) = run(&format!("docker-credential-{helper}"), registry, TIME_LIMIT).map_err(failed)?;
    if !success {
        let text = String::from_utf8_lossy(&said);
        // The only word that the protocol has for it.
        if text.to_ascii_lowercase().contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("it failed: {}", shown(text.trim()))));
    }
    let said: Said = serde_json::from_slice(&said).map_err(|_| failed("what it says is not credentials".into()))?;
    let source = format!("the helper {helper}");
    Ok(match said.username.as_str() {
        _ if said.secret.is_empty() => None,
        "<token>" => Some(Credentials::IdentityToken { token: said.secret, source }),
        _ => Some(Credentials::Password { username: said.username, password: said.secret, source }),
    })
}

/// Runs a program with a line on its standard input: whether it succeeds, and its standard output.
fn run(program: &str, input: &str, limit: Duration) -> Result<(bool, Vec<u8>), String> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{program} does not start: {error}"))?;
    let ended = Instant::now().checked_add(limit);
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input may still answer.
        _ = stdin.write_all(input.as_bytes());
    }
    let (sender, answer) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(MAX_TOKEN_ANSWER_BYTES.saturating_add(1)).read_to_end(&mut bytes);
            _ = sender.send(read.map(|_| bytes));
        });
    }
    let said = answer.recv_timeout(limit);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if said.is_ok() && ended.is_some_and(|ended| Instant::now() < ended) => {
                std::thread::sleep(POLL);
            }
            Ok(None) => {
                _ = child.kill();
                _ = child.wait();
                break Err(format!("it did not answer within {} s", limit.as_secs_f64()));
            }
            Err(error) => break Err(error.to_string()),
        }
    }?;
    let said = said.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    if u64::try_from(said.len()).unwrap_or(u64::MAX) > MAX_TOKEN_ANSWER_BYTES {
        return Err(format!("it says more than {MAX_TOKEN_ANSWER_BYTES} bytes"));
    }
    Ok((status.success(), said))
}

/// How long a helper may take; it may ask the user something.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(5);

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[test]
    fn a_helper_is_asked_and_bounded() {
        let second = Duration::from_secs(5);
        let (_folder, path) = script("[ $1 = get ] && read name; echo \"{\\\"for\\\":\\\"$name\\\"}\"");
        let (success, said) = run(&path, "r.example", second).unwrap();
        assert!(success && said == b"{\"for\":\"r.example\"}\n", "{}", String::from_utf8_lossy(&said));

        let (_folder, path) = script("echo 'credentials not found in native keychain'; exit 1");
        let (success, said) = run(&path, "r.example", second).unwrap();
        assert!(!success && said.starts_with(b"credentials not found"));

        let (_folder, path) = script("exec cat /dev/zero");
        let error = run(&path, "r.example", second).unwrap_err();
        assert!(error.contains("more than 65536 bytes") || error.contains("did not answer"), "{error}");

        let (_folder, path) = script("exec sleep 60");
        let started = Instant::now();
        let error = run(&path, "r.example", Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("within 0.2 s") && started.elapsed() < second, "{error}");
    }

    #[test]
    fn a_path_is_no_helper() {
        for name in ["", "../../bin/sh", "a b", "/bin/sh", "$(x)"] {
            let error = get(Path::new("config.json"), name, "r.example").unwrap_err().to_string();
            assert!(error.contains("this is no name of a helper"), "{error}");
        }
        let error = get(Path::new("config.json"), "no-such-helper-of-ours", "r.example").unwrap_err().to_string();
        assert!(error.contains("does not start") && error.contains("config.json"), "{error}");
    }
}
