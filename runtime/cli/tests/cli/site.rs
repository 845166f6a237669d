//! A folder with a policy set, and the command run in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A temporary folder with a home, a cache and a key of its own.
pub struct Site {
    folder: tempfile::TempDir,
}

/// What a run of the command gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The Stage0 check that its documentation prints.
pub const STAGE0: &str = include_str!("../../../portcullis/tests/doors/stage0-deploy.json");
/// A Terraform plan.
pub const PLAN: &str = include_str!("../../../portcullis/tests/doors/terraform-plan.json");

/// A set with one policy, built from `sample-policies`.
pub const STAGE0_SET: &str = "\
portcullis = 1
name = \"acme\"
[[policy]]
name = \"stage0\"
module = \"stage0-constraints.wasm\"
";

impl Site {
    /// A folder with `stage0-constraints.wasm`, the manifest, and its lock.
    pub fn locked(manifest: &str) -> Site {
        let site = Site::new();
        site.add_module("stage0-constraints");
        site.write("portcullis.toml", manifest);
        let run = site.run(&["lock", "--policies", "."]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        site
    }

    pub fn new() -> Site {
        Site { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Copies a component that `make policies` built.
    pub fn add_module(&self, name: &str) {
        std::fs::copy(built(name), self.path().join(format!("{name}.wasm"))).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "", &[])
    }

    /// Runs the command in the folder. Nothing of the caller's environment reaches it but `PATH`.
    pub fn run_with(&self, arguments: &[&str], stdin: &str, environment: &[(&str, &Path)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path().join("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The command may refuse its arguments without reading its input.
        _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().expect("it was not ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The component of a sample policy.
pub fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is not there: build the sample policies with `make policies` first", path.display());
    path
}
