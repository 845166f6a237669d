//! A folder with policy sets and a ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use portcullis::{
    CompileIn, DecideOptions, Engine, EngineOptions, Gate, GateOptions, Ledger, LedgerOptions, Outcome, Permission,
    PolicySet, Reader, Recorded, Request,
};
use portcullis_ledger::store::Entry;
use portcullis_ledger::{Body, ErasedPart, ErasureReason, Event, RequestErased, Time};
use portcullis_tests::find;
use uuid::Uuid;

/// One engine for all tests of the process.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&options().engine).unwrap())
}

/// The defaults, but for the compiler: the program of the tests cannot be started as one.
pub fn options() -> GateOptions {
    let engine = EngineOptions { compile_in: CompileIn::ThisProcess, ..EngineOptions::default() };
    GateOptions { engine, ..GateOptions::default() }
}

/// A policy of a set: its name, its module, and more lines of its table.
pub struct Policy {
    pub name: &'static str,
    pub module: Vec<u8>,
    pub more: String,
}

/// A policy whose module is a guest of `guests/`, with the guest's limits.
pub fn guest(name: &'static str, guest: &str, more: &str) -> Policy {
    let found = find(guest);
    let limits: Vec<String> = found.limits.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let limits = if limits.is_empty() { String::new() } else { format!("limits = {{ {} }}\n", limits.join(", ")) };
    Policy { name, module: found.bytes, more: format!("{more}\n{limits}") }
}

/// At most `at_most` decisions that proceed about one resource in an hour.
pub fn rate(at_most: u32) -> Policy {
    let more = format!("settings = {{ limits = [{{ at_most = {at_most}, per_minutes = 60 }}] }}\n");
    Policy { name: "rate", module: built("deploy-rate"), more }
}

/// What is decided is `outcome`.
pub fn says(outcome: Outcome) -> Vec<Policy> {
    vec![guest("yes", "00-allow", ""), guest("no", "00-deny-by-zero", &format!("enforce = \"{outcome}\""))]
}

/// The component of a sample policy.
pub fn built(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/policies").join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: build it with `make policies`", path.display()))
}

pub struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(site.ledger_folder()).unwrap();
        site
    }

    /// A site with one set, and its gate.
    pub fn with(policies: &[Policy]) -> (Site, Gate) {
        let site = Site::new();
        let set = site.set("set", "", policies);
        let gate = site.gate(set);
        (site, gate)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing but the ledger's files is in it.
    pub fn ledger_folder(&self) -> PathBuf {
        self.path().join("ledger")
    }

    pub fn ledger_file(&self) -> PathBuf {
        self.ledger_folder().join("decisions.ledger")
    }

    /// Writes and locks a set in the folder `name`.
    pub fn write_set(&self, name: &str, head: &str, policies: &[Policy]) -> PathBuf {
        let folder = self.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut manifest = format!("portcullis = 1\nname = \"{name}\"\n{head}\n[limits]\ntime-ms = 20_000\n");
        for Policy { name, module, more } in policies {
            fs::write(folder.join(format!("{name}.wasm")), module).unwrap();
            manifest += &format!("[[policy]]\nname = \"{name}\"\nmodule = \"{name}.wasm\"\n{more}\n");
        }
        fs::write(folder.join("portcullis.toml"), manifest).unwrap();
        let locked = PolicySet::lock(&folder, engine()).unwrap();
        fs::write(folder.join("portcullis.lock"), locked.lock.render()).unwrap();
        folder
    }

    pub fn set(&self, name: &str, head: &str, policies: &[Policy]) -> PolicySet {
        PolicySet::open(&self.write_set(name, head, policies), engine()).unwrap()
    }

    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::new(Ledger::open(&self.ledger_file(), &LedgerOptions::default()).unwrap())
    }

    pub fn gate(&self, set: PolicySet) -> Gate {
        Gate::new(set, self.ledger(), 1024).unwrap()
    }

    /// Reads the file as another process would.
    pub fn reader(&self) -> Reader {
        Reader::open(&self.ledger_file()).unwrap()
    }

    /// Whether the bytes stand in any file of the ledger's folder.
    pub fn ledger_holds(&self, needle: &[u8]) -> bool {
        let files = fs::read_dir(self.ledger_folder()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.is_file()).any(|file| contains(&fs::read(file).unwrap(), needle))
    }
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Deploying the service `id`, now.
pub fn request(id: &str) -> Request {
    request_at(id, portcullis::now())
}

pub fn request_at(id: &str, now: jiff::Timestamp) -> Request {
    Request::parse(text(id).as_bytes(), now).unwrap()
}

pub fn text(id: &str) -> String {
    format!(
        r#"{{"subject":{{"type":"user","id":"ann"}},"action":{{"name":"deploy"}},"resource":{{"type":"service","id":"{id}"}},"context":{{"environment":"staging"}}}}"#
    )
}

pub fn decide(gate: &Gate, id: &str) -> Recorded {
    gate.decide(request(id), &DecideOptions::default()).unwrap()
}

/// What has effects asks for permission.
pub fn act(_: Permission<'_>) {}

/// The codes of a decision's findings, the strictest first.
pub fn codes(recorded: &Recorded) -> Vec<String> {
    recorded.view().unwrap().findings.iter().map(|finding| finding.code.to_string()).collect()
}

/// How many events the ledger has.
pub fn size(gate: &Gate) -> u64 {
    gate.ledger().unwrap().reader().unwrap().size().unwrap()
}

/// Erases what is stored of a decision.
pub fn erase(ledger: &Ledger, decision: Uuid) {
    let (index, _) = ledger.reader().unwrap().find(decision).unwrap().unwrap();
    let parts = vec![ErasedPart::Request, ErasedPart::Decision];
    let reason = ErasureReason::DataSubject;
    let body = Body::RequestErased(RequestErased { decision, index, parts, reason, reference: None });
    let event = Event { id: Uuid::now_v7(), time: Time::new(portcullis::now()).unwrap(), body };
    ledger.append(Entry::new(&event).unwrap()).unwrap();
}
