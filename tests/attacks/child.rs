//! Compiling in a child: the guests again, bombs that inspection admits, and whatever a child can do to its parent.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_engine::{
    CacheOptions, CacheUse, CompileIn, CompileLimits, Engine, EngineError, EngineOptions, LoadError, Policy,
    PolicySource, compile_worker,
};
use portcullis_gate::Limits;
use portcullis_skip::skip;
use portcullis_tests::{find, sources};
use serde_json::Value;

use super::meet::{load, meets_on, options, request, said, with_source};

/// A program that embeds the engine; see there.
const EMBEDDER: &str = env!("CARGO_BIN_EXE_portcullis-embedder");

fn in_child() -> CompileIn {
    CompileIn::Program { program: EMBEDDER.into(), args: vec![compile_worker::ARGUMENT.into()] }
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineOptions { compile_in: in_child(), ..options() }).expect("an engine"))
}

/// Rows 5, 6, 8, 14, and every other: the code, the verdict, the fuel and the mode are those of a load in this process.
#[test]
fn every_guest_meets_the_same_through_a_child() {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(source) = sources::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            meets_on(engine(), source);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    for row in ["05-", "06-", "08-", "14-"] {
        assert!(sources::ALL.iter().any(|source| source.name.starts_with(row)), "{row}");
    }
}

#[test]
fn a_refusal_says_the_same_in_a_child() {
    for name in ["15-wasi-sockets", "14-br-table", "25-problems", "25-configure-loops", "18-threads-wait", "17-text"] {
        let here = load(super::meet::engine(), &find(name)).unwrap_err();
        assert_eq!(load(engine(), &find(name)).unwrap_err(), here, "{name}");
    }
}

/// Code that is made in a child is, byte for byte, what this process makes: the entries are the same files.
#[test]
fn a_child_makes_the_same_entries() {
    let place = tempfile::tempdir().unwrap();
    let cache =
        |name: &str| CacheOptions { folder: place.path().join(name), key_file: place.path().join("key/cache.key") };
    let here = Engine::new(&EngineOptions { cache: Some(cache("here")), ..options() }).unwrap();
    let child = EngineOptions { cache: Some(cache("child")), compile_in: in_child(), ..options() };
    let child = Engine::new(&child).unwrap();
    for name in ["00-allow", "00-every-import", "26-table-set"] {
        load(&here, &find(name)).unwrap();
        load(&child, &find(name)).unwrap();
    }
    let files = |name: &str| {
        let entries = fs::read_dir(place.path().join(name)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap())).collect();
        files.sort();
        files
    };
    let (ours, childs) = (files("here"), files("child"));
    assert_eq!(ours.len(), 3);
    assert!(ours == childs);
}

/// A warm start starts no child: there is no program that could be one.
#[test]
fn what_is_in_the_cache_needs_no_child_and_what_is_damaged_does() {
    let place = tempfile::tempdir().unwrap();
    let cache = || CacheOptions { folder: place.path().join("cache"), key_file: place.path().join("key/cache.key") };
    let with = |compile_in| EngineOptions { cache: Some(cache()), compile_in, ..options() };
    let able = || Engine::new(&with(in_child())).unwrap();
    let unable = || {
        Engine::new(&with(CompileIn::Program { program: "/nonexistent/compiler".into(), args: Vec::new() })).unwrap()
    };
    let guest = find("00-allow");
    let fails = || {
        let error = load(&unable(), &guest).unwrap_err();
        assert_eq!(error.fault.code(), "load.compiler", "{error}");
        assert!(error.detail.contains("/nonexistent/compiler"), "{error}");
    };
    fails();
    assert_eq!(fs::read_dir(place.path().join("cache")).unwrap().count(), 0);

    assert_eq!(*load(&able(), &guest).unwrap().cache_use(), CacheUse::Stored);
    let warm = load(&unable(), &guest).unwrap();
    assert_eq!(*warm.cache_use(), CacheUse::Hit);
    assert_eq!(said(&warm.evaluate(&request())), "allow");

    let entry = fs::read_dir(place.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&entry).unwrap();
    for at in [0, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&entry, bad).unwrap();
        fails();
        let policy = load(&able(), &guest).unwrap();
        assert_eq!(*policy.cache_use(), CacheUse::Refused, "byte {at}");
        assert_eq!(fs::read(&entry).unwrap(), good, "byte {at}");
    }
}

/// What `configure` of a large module runs in is compiled once, whatever the settings, and believed no more than any entry.
#[test]
fn a_large_module_is_prepared_once_for_all_settings() {
    let mut guest = find("00-allow");
    // A custom section at the end: its kind, the length of the rest, the length of its name, no name, padding.
    let padding = vec![0; 1 << 20];
    guest.bytes.extend([0, 0x81, 0x80, 0x40, 0].into_iter().chain(padding));
    for compile_in in [in_child(), CompileIn::ThisProcess] {
        let place = tempfile::tempdir().unwrap();
        let cache = CacheOptions { folder: place.path().join("cache"), key_file: place.path().join("key/cache.key") };
        let entries = || -> Vec<(u64, std::path::PathBuf)> {
            let entries = fs::read_dir(place.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| (std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap()), path)).collect()
        };
        let mut load_with = |settings: &str| {
            let options = EngineOptions { cache: Some(cache.clone()), compile_in: compile_in.clone(), ..options() };
            guest.settings = settings.to_owned();
            let policy = load(&Engine::new(&options).unwrap(), &guest).unwrap();
            assert_eq!(said(&policy.evaluate(&request())), "allow");
            policy.cache_use().clone()
        };
        assert_eq!(load_with("{}"), CacheUse::Stored);
        let first = entries();
        assert_eq!(first.len(), 2, "the policy, and what configure runs in");
        assert_eq!(load_with("{\"a\":1}"), CacheUse::Stored);
        let second = entries();
        assert_eq!(second.len(), 3);
        assert!(first.iter().all(|entry| second.contains(entry)), "neither was made again");

        // The one that both have in common: every other is a policy's.
        for (_, path) in &first {
            let mut bad = fs::read(path).unwrap();
            let middle = bad.len() / 2;
            bad[middle] ^= 1;
            fs::write(path, bad).unwrap();
        }
        assert_eq!(load_with("{\"a\":2}"), CacheUse::Refused);
        assert_eq!(load_with("{\"a\":3}"), CacheUse::Stored, "it was mended");
    }
}

/// A module that is refused leaves nothing in the cache.
#[test]
fn a_refused_module_has_no_entry() {
    let place = tempfile::tempdir().unwrap();
    let cache = CacheOptions { folder: place.path().join("cache"), key_file: place.path().join("key/cache.key") };
    let options = EngineOptions { cache: Some(cache), compile_in: in_child(), ..options() };
    let engine = Engine::new(&options).unwrap();
    for name in ["25-configure-traps", "15-wasi-sockets", "25-inputs-1025"] {
        load(&engine, &find(name)).unwrap_err();
        assert_eq!(fs::read_dir(place.path().join("cache")).unwrap().count(), 0, "{name}");
    }
}

/// What a lock needs to know of a module comes without its code, and its code is ready when the set is opened.
#[test]
fn inputs_are_those_of_the_policy_and_the_code_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let cache = CacheOptions { folder: place.path().join("cache"), key_file: place.path().join("key/cache.key") };
    for compile_in in [in_child(), CompileIn::ThisProcess] {
        let cache =
            CacheOptions { folder: place.path().join(format!("{compile_in:?}").len().to_string()), ..cache.clone() };
        let engine = Engine::new(&EngineOptions { cache: Some(cache), compile_in, ..options() }).unwrap();
        for name in ["00-allow", "27-description-inputs", "25-inputs-1024", "25-inputs-1025", "27-description-data"] {
            let guest = find(name);
            let inputs = with_source(&guest, |source| engine.inputs(&guest.bytes, source));
            let again = with_source(&guest, |source| engine.inputs(&guest.bytes, source));
            let loaded = load(&engine, &guest);
            assert_eq!(inputs, again, "{name}");
            match (&inputs, &loaded) {
                (Ok(inputs), Ok(policy)) => {
                    assert_eq!(inputs.as_ref(), policy.inputs(), "{name}");
                    assert_eq!(*policy.cache_use(), CacheUse::Hit, "{name}");
                }
                (Err(one), Err(other)) => assert_eq!(one, other, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// What takes a child's place, and what must come of it. Each is a shell script with the child's descriptors: 0 is the
/// socket, 1 the file of the entry. `ANSWER` is how a child says that the entry is there, `LONG` how long it may not last.
#[test]
fn whatever_a_child_does_is_an_error_with_a_code() {
    let cases = [
        ("exit 0", "load.compiler", "without an answer"),
        ("echo oh no >&2; exit 3", "load.compiler", "oh no"),
        ("printf '\\033[2J' >&2; exit 3", "load.compiler", "\\u{1b}[2J"),
        ("exit 101", "load.compile", "panicked"),
        ("kill -KILL $$", "load.compiler", "killed from outside"),
        ("kill -SEGV $$", "load.compile", "crashed"),
        ("kill -XCPU $$", "load.compile-limit", "CPU time"),
        ("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", "load.compile-limit", "MiB of memory"),
        ("kill -ABRT $$", "load.compile", "crashed"),
        ("printf '\\017\\0\\0\\0{\"compi' >&0", "load.compiler", "without an answer"),
        ("ANSWER", "load.compiler", "not authentic"),
        ("head -c 100000 /dev/zero; ANSWER", "load.compiler", "not authentic"),
        ("ANSWER; ANSWER", "load.compiler", "nonsense"),
        ("printf '\\002\\0\\0\\0{}' >&0", "load.compiler", "nonsense"),
        ("while :; do echo too much; done >&0", "load.compiler", "nonsense"),
        ("cat /dev/zero >&0", "load.compiler", "nonsense"),
        ("exec /bin/cat /dev/zero", "load.compile-limit", "bytes for the code"),
        ("sleep LONG", "load.compile-limit", "more than 2 s"),
        ("trap '' TERM INT HUP; sleep LONG", "load.compile-limit", "more than 2 s"),
        ("sleep LONG & sleep LONG & wait", "load.compile-limit", "more than 2 s"),
        ("sleep LONG & exit 0", "load.compiler", "without an answer"),
        ("exec 3<&0; sleep LONG <&3 & exit 0", "load.compile-limit", "more than 2 s"),
        ("ANSWER; sleep LONG", "load.compile-limit", "more than 2 s"),
        ("head -c 1000 <&0 >/dev/null; sleep LONG", "load.compile-limit", "more than 2 s"),
        ("kill -STOP $$", "load.compile-limit", "more than 2 s"),
        ("exec 0<&-; sleep LONG", "load.compiler", "silent"),
    ];
    std::thread::scope(|scope| {
        for (script, code, words) in cases {
            scope.spawn(move || {
                let started = Instant::now();
                let error = load_by(script).unwrap_err();
                assert_eq!(error.fault.code(), code, "{script}: {error}");
                assert!(error.detail.contains(words), "{script}: {error}");
                assert!(started.elapsed() < Duration::from_secs(60), "{script}: {:?}", started.elapsed());
            });
        }
    });
    // Of these children, not of those that another run of this test has on the same machine.
    let running = || {
        let entries = fs::read_dir("/proc").unwrap();
        let lines = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
        lines.filter(|line| line.contains("sleep") && line.contains(&long())).count()
    };
    // What was killed may take a moment to be gone.
    eventually("every process that a child started is gone", || (running() == 0).then_some(()));
}

/// What a child finds when it starts. Its limits are set from outside: this one does nothing about them.
#[test]
fn a_child_starts_with_nothing() {
    assert!(std::env::var_os("PATH").is_some(), "so that there is something to clear");
    for (what, check) in [
        ("no environment", "! /usr/bin/env | /bin/grep -q ^PATH="),
        ("its folder", "[ \"$(pwd)\" = / ]"),
        ("private memory", "[ \"$(ulimit -d)\" -gt 131072 ] && [ \"$(ulimit -d)\" -lt 131080 ]"),
        ("file size", "[ \"$(ulimit -f)\" -le 2048 ]"),
        ("descriptors", "[ \"$(ulimit -n)\" = 64 ]"),
        ("core files", "[ \"$(ulimit -c)\" = 0 ]"),
        ("CPU time", "[ \"$(ulimit -t)\" -lt 20 ]"),
        ("a group of its own", "[ \"$(/bin/ps -o pgid= -p $$ | /usr/bin/tr -d ' ')\" = $$ ]"),
    ] {
        let error = load_by(&format!("sleep 0.5; if {check}; then exit 42; else exit 43; fi")).unwrap_err();
        assert!(error.detail.contains("exit status: 42"), "{what}: {error}");
    }
}

#[test]
fn without_a_program_there_is_no_engine() {
    // The program of the tests does not ask what it was started for.
    let refused = |compile_in| match Engine::new(&EngineOptions { compile_in, ..options() }) {
        Err(EngineError::Compiler(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(CompileIn::default()).contains("run_if_asked"));
    assert!(refused(CompileIn::OwnExecutable).contains("run_if_asked"));
    let relative = CompileIn::Program { program: "bin/portcullis".into(), args: Vec::new() };
    assert!(refused(relative).contains("absolute"));
}

/// Bombs that inspection admits: refused for the time or the memory that compiling them takes, in a child, while the
/// embedding process neither grows nor stops deciding. `PORTCULLIS_BOMBS=all` tries every one.
#[test]
fn a_bomb_costs_the_embedding_process_nothing() {
    let all = std::env::var("PORTCULLIS_BOMBS").is_ok_and(|value| value == "all");
    for (name, cpu_s, memory_mib, words) in BOMBS {
        if !all && !OFTEN.contains(&name) {
            continue;
        }
        let found = embedder(&["bomb", name, &cpu_s.to_string(), &memory_mib.to_string()]);
        assert_eq!(found["code"], "load.compile-limit", "{name}: {found}");
        assert!(found["detail"].as_str().unwrap().contains(words), "{name}: {found}");
        assert_eq!(found["decides"], true, "{name}: {found}");
        assert!(found["grown_kib"].as_u64().unwrap() < MOST_GROWTH_KIB, "{name}: {found}");
    }
    for (name, _) in portcullis_tests::bombs::ALL {
        assert!(BOMBS.iter().any(|bomb| bomb.0 == name), "{name} is not tried");
    }
}

/// Each bomb, with limits that it meets: CPU time in seconds, memory in MiB.
const BOMBS: [(&str, u64, u64, &str); 8] = [
    ("arithmetic", 1, 2048, "CPU time"),
    ("functions", 60, 128, "memory"),
    ("branch-tables", 60, 64, "memory"),
    ("joins", 1, 2048, "memory"),
    ("nested-blocks", 1, 2048, "CPU time"),
    ("nested-loops", 1, 2048, "CPU time"),
    ("block-parameters", 1, 2048, "memory"),
    ("live-values", 60, 64, "memory"),
];

/// Those that are tried always: one for each limit.
const OFTEN: [&str; 2] = ["functions", "nested-loops"];

/// Most that an embedding process may grow while a bomb is refused. The bombs themselves are up to 27 MiB, and in its memory
/// before.
const MOST_GROWTH_KIB: u64 = 16 * 1024;

#[test]
fn a_hundred_loads_leave_nothing_behind() {
    let found = embedder(&["leaks", "100"]);
    let expected: Value = serde_json::json!([null, null, "load.configure", "load.compile-limit"]);
    assert_eq!(found["codes"], expected, "{found}");
    assert_eq!(found["before"], found["after"], "{found}");
    assert_eq!(found["after"]["children"], 0, "{found}");
    assert_eq!(found["after"]["drafts"], 0, "{found}");
}

/// What the child that compiles gives up, tried by a process that gives it up.
#[test]
fn a_confined_process_has_no_files_network_or_programs() {
    let found = embedder(&["confined"]);
    for (what, succeeded) in found["before"].as_object().unwrap() {
        assert_eq!(succeeded, true, "{what} is no attempt: {found}");
    }
    if found["landlock"] == false || found["seccomp"] == false {
        skip("confinement", &format!("what a child gave up was not tried: this kernel does not confine: {found}"));
        return;
    }
    assert_eq!(found["after"].as_object().unwrap().len(), 13);
    for (what, succeeded) in found["after"].as_object().unwrap() {
        assert_eq!(succeeded, false, "{what}: {found}");
    }
    assert_eq!(found["threads"], true, "{found}");
}

/// The child that compiles has given it up: what the kernel says of it.
#[test]
fn a_compiling_child_is_confined_and_limited() {
    let mut embedder = Command::new(EMBEDDER).args(["wait", "arithmetic"]).stdout(Stdio::null()).spawn().unwrap();
    let child = lasting_child(embedder.id());
    let read = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}")).unwrap();
    let (status, limits, environment) = (read("status"), read("limits"), read("environ"));
    let open = fs::read_dir(format!("/proc/{child}/fd")).unwrap().count();
    let ours = fs::read_to_string("/proc/self/status").unwrap();
    embedder.kill().unwrap();
    embedder.wait().unwrap();
    let field = |status: &str, key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim));
        line.unwrap_or_else(|| panic!("{key}: {status}")).to_owned()
    };
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    if fs::exists("/proc/sys/kernel/seccomp").unwrap() {
        assert_eq!(field(&status, "Seccomp"), "2");
        let filters = |status: &str| field(status, "Seccomp_filters").parse::<u32>().unwrap();
        assert_eq!(filters(&status), filters(&ours) + 1);
    } else {
        skip("confinement", "what a child gave up was not tried: this kernel has no seccomp");
    }
    for (name, soft) in [("Max core file size", 0), ("Max open files", 64), ("Max file size", 512 << 20)] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(line.split_whitespace().next().unwrap().parse::<u64>().unwrap(), soft, "{name}: {line}");
    }
    assert_eq!(environment, "");
    let threads: u32 = field(&status, "Threads").parse().unwrap();
    assert!(open <= 16 && threads <= 16, "{open} descriptors, {threads} threads");
}

/// The system's killer, or an operator: the load fails, and the process decides on.
#[test]
fn a_child_that_is_killed_from_outside_is_an_error_with_a_code() {
    let embedder = Command::new(EMBEDDER).args(["wait", "arithmetic"]).stdout(Stdio::piped()).spawn().unwrap();
    let child = lasting_child(embedder.id());
    assert!(Command::new("kill").args(["-KILL", &child.to_string()]).status().unwrap().success());
    let found = json(&embedder.wait_with_output().unwrap());
    assert_eq!(found["code"], "load.compiler", "{found}");
    assert!(found["detail"].as_str().unwrap().contains("killed from outside"), "{found}");
    assert_eq!(found["decides"], true, "{found}");
}

/// A child does not outlive its parent, however that one ends.
#[test]
fn a_child_dies_with_its_parent() {
    let mut embedder = Command::new(EMBEDDER).args(["wait", "arithmetic"]).stdout(Stdio::null()).spawn().unwrap();
    let child = lasting_child(embedder.id());
    embedder.kill().unwrap();
    embedder.wait().unwrap();
    let gone = || {
        let status = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // Whoever adopts it may be slow to bury it.
        status.is_empty() || status.contains(") Z ")
    };
    eventually("the child is gone", || gone().then_some(()));
}

/// A child of the process that has lived for a while: the one that compiles the bomb.
fn lasting_child(pid: u32) -> u32 {
    let children = || -> Vec<u32> {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
        let lists = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
    };
    eventually("a child that compiles the bomb", || {
        let before = children();
        std::thread::sleep(Duration::from_millis(1500));
        children().into_iter().find(|child| before.contains(child))
    })
}

fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn embedder(args: &[&str]) -> Value {
    json(&Command::new(EMBEDDER).args(args).stderr(Stdio::inherit()).output().unwrap())
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Seconds that no other process sleeps, longer than any test waits: this one's number is in it.
fn long() -> String {
    format!("1{:010}", std::process::id())
}

/// Loads the honest guest with a script in the child's place, two seconds for it and 2 MiB of code.
fn load_by(script: &str) -> Result<Policy, LoadError> {
    let script = script.replace("LONG", &long()).replace("ANSWER", "printf '\\017\\0\\0\\0{\"compiled\":{}}' >&0");
    let compile_in = CompileIn::Program { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
    let compile_limits =
        CompileLimits { cpu_s: 10, cpu_s_per_mib: 0, wall_s: 1, memory_bytes: 128 << 20, code_bytes: 1 << 20 };
    let engine = Engine::new(&EngineOptions { compile_in, compile_limits, ..options() }).unwrap();
    let guest = find("00-allow");
    with_source(&guest, |source| {
        let limits = Limits { configure_time_ms: 1, time_ms: 1, ..source.limits };
        engine.load(&guest.bytes, &PolicySource { limits, data: source.data.clone(), ..*source })
    })
}
