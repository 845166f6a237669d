//! What it costs to record: five sample policies, decided with and without a ledger, by one caller and by 256; and what is
//! done with a ledger afterwards.
//!
//! A rate is shown as the time for one decision: the time of a round divided by its decisions. p50 is the median over
//! the rounds, p99 the slowest round; cases take turns, round by round.

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use portcullis::{
    CacheOptions, DecideOptions, Engine, EngineOptions, Gate, Ledger, LedgerOptions, Place, PolicySet, Reader,
    Replayer, Request,
};
use portcullis_bench::Figure;
use portcullis_ledger::store::ListFilter;
use portcullis_ledger::verify_file;

/// Callers at once.
const CALLERS: usize = 256;

/// The policies that a major change of a service in production meets, without the one that checks a signature: it would hide
/// what the ledger costs.
const POLICIES: [(&str, &str); 5] = [
    ("environment-gate", ""),
    ("separation-of-duties", ""),
    ("rules", "settings-file = \"rct-defaults.json\"\n"),
    (
        "change-window",
        "settings = { incident_roles = [\"incident-commander\"] }\ndata = { calendar = \"calendar.json\" }\n",
    ),
    ("cost-cap", "settings = { cap = 500 }\n"),
];

pub fn figures(root: &Path, quick: bool) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(root.join("target"))?;
    let cache = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("cache-key") };
    let engine = Engine::new(&EngineOptions { instances: 512, cache: Some(cache), ..EngineOptions::default() })?;
    write_set(root, folder.path(), &engine)?;
    let set = || PolicySet::open(folder.path(), &engine);
    let bytes = std::fs::read(root.join("sample-policies/requests/production-major.json"))?;
    let request = || Request::parse(&bytes, portcullis::now());
    let open = |name: &str, options: LedgerOptions| -> anyhow::Result<Gate> {
        let ledger = Ledger::open(&folder.path().join(name), &options)?;
        Ok(Gate::new(set()?, Arc::new(ledger), 2 * CALLERS)?)
    };
    let without = Gate::dry_run(set()?, 2 * CALLERS);
    let batched = open("batched.ledger", LedgerOptions::default())?;
    let single = open("single.ledger", LedgerOptions { max_batch: 1, ..LedgerOptions::default() })?;

    // Light load: one caller; one sync of a file beside it.
    let mut file = File::create(folder.path().join("sync"))?;
    let (mut alone, mut durable, mut sync) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if quick { 50 } else { 1000 } {
        alone.push(timed(|| decide(&without, &request()?, false))?);
        durable.push(timed(|| decide(&batched, &request()?, true))?);
        sync.push(timed(|| {
            file.write_all(&[7; 4096])?;
            Ok(file.sync_data()?)
        })?);
    }
    let mut figures = vec![
        figure("one caller: no ledger", &mut alone),
        figure("one caller: durable", &mut durable),
        figure("one write and sync of 4 KiB", &mut sync),
    ];

    // 256 callers.
    let rounds = if quick { 2 } else { 8 };
    let cases: [(&str, &Gate, bool, usize); 3] = [
        ("256 callers: no ledger", &without, false, 8192),
        ("256 callers: durable", &batched, true, 8192),
        ("256 callers: one commit each", &single, true, 512),
    ];
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, gate, recorded, count), rates) in cases.iter().zip(&mut rates) {
            rates.push(together(gate, *count, *recorded, &bytes)?);
        }
    }
    for ((name, ..), mut rates) in cases.into_iter().zip(rates) {
        figures.push(figure(name, &mut rates));
    }

    // Afterwards.
    drop((batched, single));
    let path = folder.path().join("batched.ledger");
    let (mut opened, mut verified) = (Vec::new(), Vec::new());
    let mut events = 0;
    for _ in 0..if quick { 1 } else { 5 } {
        opened.push(timed(|| {
            drop(Ledger::open(&path, &LedgerOptions::default())?);
            Ok(())
        })?);
        let started = Instant::now();
        let found = verify_file(&path, &[], None)?;
        anyhow::ensure!(found.is_sound(), "{:?}", found.problems);
        events = found.size;
        verified.push(per(started.elapsed(), usize::try_from(found.size)?));
    }
    figures.push(figure(&format!("open a ledger of {events} events"), &mut opened));
    figures.push(figure("verify, for one event", &mut verified));
    let reader = Reader::open(&path)?;
    let limit = if quick { 500 } else { 10_000 };
    let listed = reader.list(&ListFilter::default(), limit)?;
    let ids: Vec<_> = listed
        .iter()
        .map(|one| Ok(reader.events(one.index..one.index + 1)?.into_iter().next().context("an event")?.1.id))
        .collect::<anyhow::Result<_>>()?;
    let replayer = Replayer::new(&reader, engine.clone());
    let (next, identical) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let same = replayer.replay(*id).is_ok_and(|one| one.result == portcullis::ReplayResult::Match);
                    identical.fetch_add(usize::from(same), Ordering::Relaxed);
                }
            });
        }
    });
    let mut replayed = vec![per(started.elapsed(), ids.len())];
    anyhow::ensure!(identical.into_inner() == ids.len(), "not every replay is identical");
    figures.push(figure("replay, for one decision, on all processors", &mut replayed));
    Ok(figures)
}

fn write_set(root: &Path, folder: &Path, engine: &Engine) -> anyhow::Result<()> {
    let mut manifest = String::from("portcullis = 1\nname = \"bench\"\nlimits = { time-ms = 2_000 }\n");
    for (name, more) in POLICIES {
        let module = root.join("target/policies").join(name).with_extension("wasm");
        _ = write!(manifest, "[[policy]]\nname = \"{name}\"\nmodule = {module:?}\n{more}");
    }
    std::fs::write(folder.join("portcullis.toml"), manifest)?;
    std::fs::copy(root.join("sample-policies/rules/rct-defaults.json"), folder.join("rct-defaults.json"))?;
    std::fs::copy(root.join("sample-policies/calendar.json"), folder.join("calendar.json"))?;
    let locked = PolicySet::lock(folder, engine)?;
    anyhow::ensure!(locked.not_loaded.is_empty(), "{:?}", locked.not_loaded);
    Ok(std::fs::write(folder.join("portcullis.lock"), locked.lock.render())?)
}

/// One decision; an error where it is not what the bench says that it is.
fn decide(gate: &Gate, request: &Request, recorded: bool) -> anyhow::Result<()> {
    let decided = gate.decide(request.clone(), &DecideOptions::default())?;
    anyhow::ensure!(matches!(decided.place(), Place::Ledger { .. }) == recorded, "{:?}", decided.place());
    black_box(decided);
    Ok(())
}

/// `count` decisions by all callers together: nanoseconds for one.
fn together(gate: &Gate, count: usize, recorded: bool, bytes: &[u8]) -> anyhow::Result<u64> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    while next.fetch_add(1, Ordering::Relaxed) < count {
                        decide(gate, &Request::parse(bytes, portcullis::now())?, recorded)?;
                    }
                    Ok(())
                })
            })
            .collect();
        callers.into_iter().try_for_each(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?)
    })?;
    Ok(per(started.elapsed(), count))
}

fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let started = Instant::now();
    work()?;
    Ok(per(started.elapsed(), 1))
}

fn per(elapsed: Duration, count: usize) -> u64 {
    u64::try_from(elapsed.as_nanos() / count.max(1) as u128).unwrap_or(u64::MAX)
}

fn figure(name: &str, samples: &mut [u64]) -> Figure {
    samples.sort_unstable();
    let at =
        |percent: usize| samples.get((samples.len().saturating_sub(1) * percent).div_ceil(100)).copied().unwrap_or(0);
    Figure { name: name.into(), group: "ledger".into(), p50_ns: at(50), p99_ns: at(99) }
}
