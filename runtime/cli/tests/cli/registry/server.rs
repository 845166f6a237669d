//! The registry, with and without a password, with and without TLS.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::site::Site;

/// A running registry; it ends when this is dropped.
pub struct Registry {
    child: Child,
    folder: tempfile::TempDir,
    /// Host and port.
    pub address: String,
    /// The certificate, in PEM, where it speaks https.
    pub certificate: Option<PathBuf>,
}

/// A name that its certificate has too, and that leads nowhere. It ends where nobody can register one.
pub const NAME: &str = "registry.portcullis-test.invalid";

/// How it is to be spoken to.
#[derive(Default)]
pub struct Settings {
    /// Only with user `user` and password `secret`.
    pub password: bool,
    pub tls: bool,
}

/// Whether a program is there; where it is not, the test that asks is skipped.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        portcullis_skip::skip(program, &format!("a registry's side was not tested: apt-get install {program}"));
    }
    found
}

impl Registry {
    /// `None` where it is not installed.
    pub fn start(settings: &Settings) -> Option<Registry> {
        if !installed("docker-registry") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Another process could take the port in between: then this one does not start, and another is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut config = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
                at("data").display()
            );
            let mut certificate = None;
            if settings.tls {
                let made =
                    rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into(), NAME.into()])
                        .unwrap();
                std::fs::write(at("tls.pem"), made.cert.pem()).unwrap();
                std::fs::write(at("tls.key"), made.signing_key.serialize_pem()).unwrap();
                config += &format!(
                    "  tls:\n    certificate: {}\n    key: {}\n",
                    at("tls.pem").display(),
                    at("tls.key").display()
                );
                certificate = Some(at("tls.pem"));
            }
            if settings.password {
                // bcrypt of "secret", cheaply.
                std::fs::write(at("htpasswd"), "user:$2b$04$BM6wXwnJ9qJFVctCJMa2Ue9ilalDlAz96gHbbbbmX6g3D0NcUH.r6\n")
                    .unwrap();
                config +=
                    &format!("auth:\n  htpasswd:\n    realm: a registry\n    path: {}\n", at("htpasswd").display());
            }
            std::fs::write(at("config.yml"), config).unwrap();
            let log = std::fs::File::create(at("log")).unwrap();
            let mut command = Command::new("docker-registry");
            command.arg("serve").arg(at("config.yml")).env_clear();
            let mut child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            let until = Instant::now() + Duration::from_secs(20);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(Registry { child, folder, address: format!("127.0.0.1:{port}"), certificate });
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            _ = child.kill();
            _ = child.wait();
        }
        panic!("docker-registry does not start: {}", std::fs::read_to_string(at("log")).unwrap());
    }

    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Nothing answers any more; what it holds stays.
    pub fn stop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        assert!(TcpStream::connect(&self.address).is_err());
    }

    /// Where it keeps what it holds.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The digests that `policy push` and `policy pull` print.
pub struct Digests {
    pub manifest: String,
    pub module: String,
}

/// Pushes `file` of the site.
pub fn push(site: &Site, file: &str, reference: &str, environment: &[(&str, &Path)]) -> Digests {
    let run = site.run_with(&["policy", "push", file, reference, "--format", "json"], "", environment);
    assert_eq!(run.code, 0, "{}", run.stderr);
    digests(&run.json())
}

pub fn digests(json: &serde_json::Value) -> Digests {
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    Digests { manifest: text("manifest_sha256"), module: text("module_sha256") }
}

/// Adds a custom section: the same policy, other bytes.
pub fn padded(site: &Site, file: &str) {
    let mut module = std::fs::read(site.path().join(file)).unwrap();
    module.extend([0, 3, 1, b'x', b'y']);
    site.write(file, &module);
}
