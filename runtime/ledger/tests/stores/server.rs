//! A PostgreSQL server for one test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A server in a folder of its own, reached over a Unix socket there.
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    as_root: bool,
}

impl Server {
    pub fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            portcullis_skip::skip(
                "postgresql",
                "what is kept in PostgreSQL was not tested: apt-get install postgresql",
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let as_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if as_root {
            let chown = Command::new("chown").arg("nobody").arg(folder.path()).status().unwrap();
            assert!(chown.success());
        }
        let server = Server { folder, programs, as_root };
        let data = server.folder.path().join("data");
        server.run("initdb", &["-D", path(&data), "-A", "trust", "-U", "gate", "-E", "UTF8", "--locale=C"]);
        server.begin();
        Some(server)
    }

    #[allow(dead_code, reason = "where servers are killed")]
    pub fn begin(&self) {
        self.begin_with("");
    }

    /// Starts it with more options, which count more than its own.
    #[allow(dead_code, reason = "where servers are reached over TCP")]
    pub fn begin_with(&self, more: &str) {
        let data = self.folder.path().join("data");
        let options = format!("-k {} -c listen_addresses='' {more}", self.folder.path().display());
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["-D", path(&data), "-l", path(&log), "-o", &options, "-w", "start"]);
    }

    /// Changes a setting of the server, which is started anew with it.
    #[allow(dead_code, reason = "where servers are told something")]
    pub fn set(&self, name: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.kill();
        self.begin();
    }

    /// Writes each statement to the log from now on, or not.
    #[allow(dead_code, reason = "where statements are counted")]
    pub fn log_statements(&self, on: bool) {
        self.sql(&format!("ALTER SYSTEM SET log_statement = '{}'", if on { "all" } else { "none" }));
        self.sql("SELECT pg_reload_conf()");
        // Each process of the server reads it when it is idle next.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// How many lines of the log have a text.
    #[allow(dead_code, reason = "where statements are counted")]
    pub fn logged(&self, text: &str) -> usize {
        let log = std::fs::read(self.folder.path().join("log")).unwrap();
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count()
    }

    /// How many connections were made since `log_connections` is on.
    #[allow(dead_code, reason = "where connections are counted")]
    pub fn connections_made(&self) -> usize {
        self.logged("connection authorized")
    }

    /// The same place as a URL.
    #[allow(dead_code, reason = "where command lines are tested")]
    pub fn url(&self) -> String {
        format!("postgresql://gate@/postgres?host={}", self.folder.path().display())
    }

    /// As for libpq.
    #[allow(dead_code, reason = "where no command lines are tested")]
    pub fn connection(&self) -> String {
        format!("host={} user=gate dbname=postgres", self.folder.path().display())
    }

    /// A file that only the server reads.
    #[allow(dead_code, reason = "where servers have certificates")]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        if self.as_root {
            assert!(Command::new("chown").arg("nobody").arg(&file).status().unwrap().success());
        }
        file
    }

    #[allow(dead_code, reason = "where servers are told something")]
    pub fn sql(&self, text: &str) {
        self.run("psql", &["-q", "-h", path(self.folder.path()), "-U", "gate", "-d", "postgres", "-c", text]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if self.as_root {
            // PostgreSQL refuses to be run by root.
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // Not a pipe: the server would keep it open.
        let status = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{}: {status}", program.display());
    }

    /// SIGKILL to the server and all its processes, as in a crash of the machine's software.
    pub fn kill(&self) {
        self.signal("KILL");
        std::thread::sleep(Duration::from_millis(300));
        // Where nobody reaps it, a dead process still has its number, and the next server would take it for alive.
        for left in ["data/postmaster.pid", ".s.PGSQL.5432.lock"] {
            let _ = std::fs::remove_file(self.folder.path().join(left));
        }
    }

    /// A signal to the server and all its processes.
    pub fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", pid]).output().unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        let all: Vec<&str> = std::iter::once(pid).chain(children.split_whitespace()).collect();
        // Some children may be gone before their turn.
        let _ = Command::new("kill").args(["-s", signal]).args(all).stderr(Stdio::null()).status().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.kill();
        }
    }
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
