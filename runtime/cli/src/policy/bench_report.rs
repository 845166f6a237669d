//! The figures of a measurement, for people and as JSON, with what was measured and by which build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use portcullis_gate::{Fault, Sha256};
use serde::Serialize;

use super::bench::{Measured, MeasuredSubject, percentile};
use crate::each::processors;
use crate::text::{counted, shown};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// What is measured, in one sentence.
const WHAT: &str = "a whole evaluation: a fresh sandbox, the declared inputs of a request that is already parsed, the \
                    call, the checked answer, the sandbox dropped; one after the other on one thread, after one round \
                    to warm up";

/// Most requests listed.
const MAX_DEAREST: usize = 5;

#[derive(Serialize)]
struct Figures<'a> {
    policy: &'a str,
    module_sha256: Sha256,
    measured: &'static str,
    build: Build,
    source: &'static str,
    requests: usize,
    settings: usize,
    iterations: u32,
    evaluations: usize,
    left_out: &'a BTreeMap<&'static str, usize>,
    faults: BTreeMap<&'static str, usize>,
    time_us: Spread<f64>,
    fuel: Spread<u64>,
    memory_bytes: Spread<u64>,
    load_ms: Load,
    dearest: Vec<Dearest<'a>>,
}

/// What measured.
#[derive(Serialize)]
struct Build {
    version: &'static str,
    /// `release` or `debug`, by its assertions.
    profile: &'static str,
    /// Of the engine; 3 is what releases have.
    opt_level: &'static str,
    system: &'static str,
    architecture: &'static str,
    processors: u8,
}

/// Nearest-rank percentiles.
#[derive(Serialize)]
struct Spread<T> {
    p50: T,
    p99: T,
    max: T,
    limit: T,
}

/// In milliseconds.
#[derive(Serialize)]
struct Load {
    /// As a host loads it, compiling everything.
    cold: f64,
    /// As a host loads it, from the compile cache.
    cached: f64,
    inspect: f64,
    compile_for_configure: f64,
    configure: f64,
    configure_fuel: u64,
    /// Absent where the module allows no snapshot, and `configure` runs in every sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<f64>,
    compile: f64,
    evaluated_bytes: usize,
}

#[derive(Serialize)]
struct Dearest<'a> {
    name: &'a str,
    said: &'a str,
    fuel: u64,
    p50_us: f64,
}

impl Build {
    fn this() -> Build {
        Build {
            version: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            opt_level: portcullis_engine::OPT_LEVEL,
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            processors: processors(),
        }
    }

    fn is_of_a_release(&self) -> bool {
        self.profile == "release" && self.opt_level == "3"
    }
}

impl<'a> Figures<'a> {
    fn of(policy: &'a str, measured: &'a Measured) -> Figures<'a> {
        let ascending = |figure: fn(&MeasuredSubject) -> u64| {
            let mut figures: Vec<u64> = measured.subjects.iter().map(figure).collect();
            figures.sort_unstable();
            figures
        };
        let spread = |figures: &[u64], limit| Spread {
            p50: percentile(figures, 50),
            p99: percentile(figures, 99),
            max: percentile(figures, 100),
            limit,
        };
        let micros = |percent| microseconds(percentile(&measured.times_ns, percent));
        let (limits, load) = (&measured.limits, &measured.load);
        let mut faults: BTreeMap<&'static str, usize> = BTreeMap::new();
        for subject in measured.subjects.iter().filter(|subject| Fault::from_code(subject.said).is_some()) {
            let count = faults.entry(subject.said).or_default();
            *count = count.saturating_add(1);
        }
        let mut dearest: Vec<_> = measured.subjects.iter().collect();
        dearest.sort_by(|a, b| b.p50_ns.cmp(&a.p50_ns).then_with(|| a.name.cmp(&b.name)));
        Figures {
            policy,
            module_sha256: measured.module_sha256,
            measured: WHAT,
            build: Build::this(),
            source: measured.source,
            requests: measured.subjects.len(),
            settings: measured.settings,
            iterations: measured.iterations,
            evaluations: measured.times_ns.len(),
            left_out: &measured.left_out,
            faults,
            time_us: Spread {
                p50: micros(50),
                p99: micros(99),
                max: micros(100),
                limit: limits.time_ms.saturating_mul(1000) as f64,
            },
            fuel: spread(&ascending(|subject| subject.fuel), limits.fuel),
            memory_bytes: spread(&ascending(|subject| subject.memory_bytes), limits.memory_bytes),
            load_ms: Load {
                cold: milliseconds(measured.load_cold),
                cached: milliseconds(measured.load_cached),
                inspect: milliseconds(load.inspect),
                compile_for_configure: milliseconds(load.compile_for_configure),
                configure: milliseconds(load.configure),
                configure_fuel: load.configure_fuel,
                snapshot: load.snapshot.map(milliseconds),
                compile: milliseconds(load.compile),
                evaluated_bytes: load.evaluated_bytes,
            },
            dearest: dearest
                .into_iter()
                .take(MAX_DEAREST)
                .map(|subject| Dearest {
                    name: &subject.name,
                    said: subject.said,
                    fuel: subject.fuel,
                    p50_us: microseconds(subject.p50_ns),
                })
                .collect(),
        }
    }
}

/// The figures as JSON.
///
/// # Errors
/// None in practice: serde_json refuses only maps with other keys than strings.
pub fn json(policy: &str, measured: &Measured) -> anyhow::Result<String> {
    Ok(crate::decide::printable(&serde_json::to_string_pretty(&Figures::of(policy, measured))?) + "\n")
}

/// The figures for people.
#[must_use]
pub fn human(policy: &str, measured: &Measured) -> String {
    let figures = Figures::of(policy, measured);
    let Figures { build, load_ms: load, time_us: time, fuel, memory_bytes: memory, .. } = &figures;
    let mut out = String::new();
    let module = figures.module_sha256.short();
    _ = writeln!(out, "{HEADING}{}{HEADING:#} {FAINT}module {module}{FAINT:#}", shown(policy));
    let settings = counted(figures.settings, "set of settings and documents", "sets of settings and documents");
    let (requests, iterations) = (figures.requests, figures.iterations);
    _ = writeln!(out, "  {requests} {} with {settings}, each judged {iterations} times", figures.source);
    _ = writeln!(out, "  {FAINT}measured is {WHAT}{FAINT:#}");
    _ = writeln!(
        out,
        "  {FAINT}by portcullis {}, {} build, opt-level {}, {} {}, {}{FAINT:#}",
        build.version,
        build.profile,
        build.opt_level,
        build.system,
        build.architecture,
        counted(build.processors.into(), "processor", "processors")
    );
    if !build.is_of_a_release() {
        _ = writeln!(
            out,
            "  {WARNING}warning:{WARNING:#} releases are built with opt-level 3; their figures are others"
        );
    }
    _ = writeln!(out, "\n  {:<12}{:>12}{:>12}{:>12}{:>14}", "", "p50", "p99", "max", "limit");
    let row = |name: &str, figures: [String; 4]| {
        let [p50, p99, max, limit] = figures;
        format!("  {name:<12}{p50:>12}{p99:>12}{max:>12}{limit:>14}\n")
    };
    out += &row("time µs", [time.p50, time.p99, time.max, time.limit].map(|us| format!("{us:.1}")));
    out += &row("fuel", [fuel.p50, fuel.p99, fuel.max, fuel.limit].map(|fuel| fuel.to_string()));
    out += &row("memory KiB", [memory.p50, memory.p99, memory.max, memory.limit].map(|b| (b / 1024).to_string()));

    _ = writeln!(out, "\n  {HEADING}Load, ms{HEADING:#} {FAINT}with the settings of the most requests{FAINT:#}");
    _ = writeln!(out, "    {:>8.1}  everything compiled anew; {:.1} from the compile cache", load.cold, load.cached);
    let snapshot = match load.snapshot {
        Some(snapshot) => format!("snapshot {snapshot:.1}, compile {:.1}", load.compile),
        None => "no snapshot: `configure` runs in every sandbox".to_owned(),
    };
    _ = writeln!(
        out,
        "    {FAINT}in parts: inspect {:.1}, compile for `configure` {:.1}, `configure` {:.1} ({} fuel), {snapshot}; \
         {} bytes evaluated{FAINT:#}",
        load.inspect, load.compile_for_configure, load.configure, load.configure_fuel, load.evaluated_bytes
    );
    _ = writeln!(out, "\n  {HEADING}Dearest{HEADING:#}");
    for one in &figures.dearest {
        _ = writeln!(out, "    {:>8.1} µs  {:>9} fuel  {:<12} {}", one.p50_us, one.fuel, one.said, shown(one.name));
    }
    for (code, count) in &figures.faults {
        let requests = counted(*count, "request ends", "requests end");
        _ = writeln!(out, "  {WARNING}note:{WARNING:#} {requests} in {code}");
    }
    if !figures.left_out.is_empty() {
        _ = writeln!(out, "  {FAINT}not judged{}{FAINT:#}", left_out(figures.left_out));
    }
    out
}

/// `: 3 erased, 2 of other policies`; empty where nothing was left out.
#[must_use]
pub fn left_out(reasons: &BTreeMap<&'static str, usize>) -> String {
    let words: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

fn microseconds(nanoseconds: u64) -> f64 {
    rounded(nanoseconds as f64 / 1e3)
}

/// To three decimals: more are noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
