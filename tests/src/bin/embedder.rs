//! A program that embeds the engine as a platform does: its `main` asks first whether it was started to compile. The tests
//! start it, as an embedding process to be watched and as a compiler. What it finds, it prints as one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is part of the tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use portcullis_engine::{
    CacheOptions, CompileIn, CompileLimits, Engine, EngineOptions, LoadError, Policy, PolicySource,
};
use portcullis_gate::{Document, Limits, Request, Said};
use portcullis_tests::{bombs, find};
use serde_json::json;

fn main() {
    portcullis_engine::compile_worker::run_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let found = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bomb", name, cpu_s, memory_mib] => bomb(name, cpu_s.parse().unwrap(), memory_mib.parse().unwrap()),
        ["wait", name] => bomb(name, 10_000, 8_000),
        ["leaks", loads] => leaks(loads.parse().unwrap()),
        ["confined"] => confined(),
        _ => panic!("bomb NAME CPU-S MEMORY-MIB | wait NAME | leaks LOADS | confined"),
    };
    println!("{found}");
}

fn options(cache: Option<CacheOptions>, compile_limits: CompileLimits) -> EngineOptions {
    let compile_in = CompileIn::OwnExecutable;
    EngineOptions {
        instances: 24,
        max_memory_bytes: 32 << 20,
        cache,
        compile_in,
        compile_limits,
        ..EngineOptions::default()
    }
}

fn load(engine: &Engine, module: &[u8]) -> Result<Policy, LoadError> {
    let source = PolicySource {
        name: "a policy",
        settings: "{}",
        limits: Limits { configure_time_ms: 500, ..Limits::default() },
        data: Arc::new(BTreeMap::<String, Document>::new()),
        expected_sha256: None,
    };
    engine.load(module, &source)
}

fn decides(policy: &Policy) -> bool {
    let text = br#"{"subject":{"type":"user","id":"ann"},"action":{"name":"deploy"},
        "resource":{"type":"service","id":"payment-api"},"context":{}}"#;
    let request = Request::parse(text, "2026-03-14T09:30:00Z".parse().unwrap()).unwrap();
    matches!(policy.evaluate(&request).said, Said::Answer(_))
}

/// Loads a bomb; says what came of it, what it cost this process, and whether this process still decides.
fn bomb(name: &str, cpu_s: u64, memory_mib: u64) -> serde_json::Value {
    let limits = CompileLimits { cpu_s, cpu_s_per_mib: 0, memory_bytes: memory_mib << 20, ..CompileLimits::default() };
    let engine = Engine::new(&options(None, limits)).unwrap();
    let honest = load(&engine, &find("00-allow").bytes).unwrap();
    let module = bombs::find(name).unwrap();
    // The peak so far was that of making the bomb.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started) = (status_kib("VmRSS"), Instant::now());
    let loaded = load(&engine, &module);
    let ms = started.elapsed().as_millis();
    json!({
        "module_kib": module.len() >> 10,
        "code": loaded.as_ref().err().map(|error| error.fault.code()),
        "detail": loaded.as_ref().err().map(|error| &error.detail),
        "ms": u64::try_from(ms).unwrap(),
        "grown_kib": status_kib("VmHWM").saturating_sub(before),
        "decides": decides(&honest) && load(&engine, &find("00-allow").bytes).is_ok(),
    })
}

/// Loads again and again, what is well and what is not; says what there is of each kind of thing before and after.
fn leaks(loads: usize) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("key/cache.key") };
    let engine = Engine::new(&options(Some(cache), CompileLimits::default())).unwrap();
    let little = CompileLimits { cpu_s: 10_000, memory_bytes: 64 << 20, ..CompileLimits::default() };
    let starved = Engine::new(&options(None, little)).unwrap();
    let well = find("00-allow").bytes;
    let looping = find("25-configure-traps").bytes;
    let huge = bombs::find("arithmetic").unwrap();
    let round = |n: usize| {
        // The folder is emptied, so that each load compiles.
        for entry in fs::read_dir(folder.path().join("cache")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let codes = match n % 4 {
            0 | 1 => load(&engine, &well),
            2 => load(&engine, &looping),
            _ => load(&starved, &huge),
        };
        codes.err().map(|error| error.fault.code())
    };
    let first: Vec<_> = (0..4).map(round).collect();
    let before = things(folder.path());
    for n in 0..loads {
        assert_eq!(round(n), first[n % 4], "{n}");
    }
    json!({ "codes": first, "before": before, "after": things(folder.path()) })
}

/// Descriptors, threads, children that run or wait to be buried, files beside the cache's entries.
fn things(folder: &Path) -> BTreeMap<&'static str, usize> {
    let count = |path: &str| fs::read_dir(path).unwrap().count();
    let mut children = 0;
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        children += fs::read_to_string(thread.unwrap().path().join("children")).unwrap().split_whitespace().count();
    }
    let is_entry = |name: &str| name.ends_with(".cwasm");
    let cache = fs::read_dir(folder.join("cache")).unwrap();
    let drafts = cache.filter(|entry| !is_entry(entry.as_ref().unwrap().file_name().to_str().unwrap())).count();
    BTreeMap::from([
        ("descriptors", count("/proc/self/fd")),
        ("threads", count("/proc/self/task")),
        ("children", children),
        ("drafts", drafts),
    ])
}

/// Whether it succeeds.
type Attempt<'a> = Box<dyn Fn() -> bool + 'a>;

/// Tries what a compiler has no business with, before and after confining itself: how many of it succeed.
fn confined() -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let new = folder.path().join("new");
    let parent = std::os::unix::process::parent_id().to_string();
    let open = fs::File::options().read(true).write(true).open("/dev/zero").unwrap();
    let attempts: [(&str, Attempt<'_>); 12] = [
        ("reads what is open", Box::new(|| (&open).read_exact(&mut [0]).is_ok())),
        ("writes to what is open", Box::new(|| (&open).write_all(&[0]).is_ok())),
        ("reads a file", Box::new(|| fs::read(&secret).is_ok())),
        ("reads its memory's map", Box::new(|| fs::read("/proc/self/maps").is_ok())),
        ("writes a file", Box::new(|| fs::write(&new, "x").is_ok())),
        ("removes a file", Box::new(|| fs::write(&secret, "secret").and_then(|()| fs::remove_file(&secret)).is_ok())),
        ("lists a folder", Box::new(|| fs::read_dir("/").is_ok())),
        ("connects", Box::new(|| std::net::TcpStream::connect(address).is_ok())),
        ("listens", Box::new(|| std::os::unix::net::UnixListener::bind(folder.path().join("socket")).is_ok())),
        ("sends a datagram", Box::new(|| std::net::UdpSocket::bind("127.0.0.1:0").is_ok())),
        ("starts a program", Box::new(|| std::process::Command::new("/bin/true").status().is_ok())),
        (
            "signals its parent",
            Box::new(move || {
                let pid = rustix::process::Pid::from_raw(parent.parse().unwrap()).unwrap();
                rustix::process::test_kill_process(pid).is_ok()
            }),
        ),
    ];
    let limit = || {
        let resource = rustix::process::Resource::Nofile;
        rustix::process::setrlimit(resource, rustix::process::getrlimit(resource)).is_ok()
    };
    let tries = || -> BTreeMap<&str, bool> {
        let found = attempts.iter().map(|(what, attempt)| (*what, attempt()));
        found.chain([("sets its limits", limit())]).collect()
    };
    let before = tries();
    // The secret was removed by the attempt to do so.
    fs::write(&secret, "secret").unwrap();
    let confinement = portcullis_engine::compile_worker::confine();
    let after = tries();
    let still = std::thread::spawn(|| 1 + 1).join().unwrap() == 2;
    let found = json!({
        "landlock": confinement.landlock, "seccomp": confinement.seccomp && confinement.descriptors, "before": before, "after": after, "threads": still,
    });
    println!("{found}");
    // The folder cannot be removed any more.
    std::process::exit(0)
}

fn status_kib(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
