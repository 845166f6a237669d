//! Portcullis beside its peers on the same policy and the same requests, interleaved in one run.
//! Writes `target/bench.json` and prints the table that the README quotes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

mod cedar;
mod documents;
mod engines;
mod floor;
mod ledger;
mod neighbour;
mod ours;
mod rego;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use portcullis_bench::{Case, measure, table};
use portcullis_gate::Request;

/// Turns of each case, and how long one is. Shorter with PORTCULLIS_BENCH=quick.
const ROUNDS: usize = 30;
const TURN: Duration = Duration::from_millis(25);

/// What a module that never returns costs the honest ones, on another processor.
const NEIGHBOUR: &str = "a hostile neighbour";
const HONEST: &str = "49 policies, nothing beside them";

fn main() -> anyhow::Result<()> {
    portcullis::compile_worker::run_if_asked();
    let quick = std::env::var_os("PORTCULLIS_BENCH").is_some_and(|value| value == "quick");
    let rounds = if quick { 3 } else { ROUNDS };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let built = root.join("target/policies");
    let now = "2026-03-14T09:30:00Z".parse()?;

    let only = std::env::var("PORTCULLIS_BENCH_ONLY").ok();
    if only.as_deref() == Some(engines::GROUP) {
        println!("{}", table(&engines::figures(&root, quick)?, |figure| base(&figure.group, &figure.name)));
        return Ok(());
    }

    let documents = documents::all(&root)?;
    let small = documents.first().context("no documents")?;
    let floor = floor::Floor::new()?;
    let sets = ours::Sets::open(&built)?;
    let rules = ours::Sets::rules(&root)?;
    let cedar = cedar::Cedar::new(include_str!("../../peers/deploy.cedar"))?;
    let rego = rego::Rego::new(include_str!("../../peers/deploy.rego"))?;
    let manifest = extism::Manifest::new([extism::Wasm::data(std::fs::read(built.join("bench-extism.wasm"))?)]);
    let plugin = extism::PluginBuilder::new(&manifest).with_wasi(false);
    let compiled = plugin.compile()?;
    let mut reused = extism::Plugin::new_from_compiled(&compiled)?;

    // Every engine must say the same of every document, or the figures compare nothing.
    for document in &documents {
        let expected = "deny bench.deploy.role developer may not deploy payment-api to production";
        let ours = sets.one.said(&Request::parse(document.text.as_bytes(), now)?);
        anyhow::ensure!(ours == expected, "portcullis says {ours}");
        anyhow::ensure!(rego.said(&document.text)? == expected, "regorus says {}", rego.said(&document.text)?);
        anyhow::ensure!(cedar.denies(&document.text)?, "cedar-policy allows");
        let extism: String = reused.call("evaluate", document.text.as_str())?;
        anyhow::ensure!(extism.contains("bench.deploy.role"), "extism says {extism}");
    }

    let requests: Vec<Request> =
        documents.iter().map(|document| Request::parse(document.text.as_bytes(), now)).collect::<Result<_, _>>()?;
    let rules_request = Request::parse(ours::RULES_REQUEST.as_bytes(), now)?;
    let text = small.text.as_str();
    let cedar_parsed = cedar.parse(&small.text)?;
    let rego_parsed = rego.parse(&small.text)?;
    let fault = sets.hostile.decide(&rules_request).outcome();
    anyhow::ensure!(fault == portcullis_gate::Outcome::Deny, "the hostile policy's decision is {fault}");
    let neighbour = neighbour::Neighbour::start(sets.hostile, rules_request.clone());
    let mut cases = vec![Case::new("floor", "wasmtime: fresh store, instance, call", || floor.call())];
    for (document, request) in documents.iter().zip(&requests) {
        cases.push(Case::new("parsed request", &format!("portcullis {}", document.label), || {
            black_box(sets.one.decide(request));
        }));
    }
    cases.push(Case::new("parsed request", "cedar-policy 1 KB", || {
        black_box(cedar.decide(&cedar_parsed));
    }));
    cases.push(Case::new("parsed request", "regorus 1 KB", || {
        black_box(rego.decide(rego_parsed.clone()).ok());
    }));
    for document in &documents {
        let text = document.text.as_str();
        let label = document.label;
        cases.push(Case::new("JSON text", &format!("portcullis {label} text"), || {
            let request = Request::parse(text.as_bytes(), now);
            black_box(request.map(|request| sets.one.decide(&request)).ok());
        }));
        cases.push(Case::new("JSON text", &format!("cedar-policy {label} text"), || {
            black_box(cedar.parse(text).map(|parsed| cedar.decide(&parsed)).ok());
        }));
        cases.push(Case::new("JSON text", &format!("regorus {label} text"), || {
            black_box(rego.parse(text).map(|parsed| rego.decide(parsed)).ok());
        }));
        cases.push(Case::new("host parse alone", &format!("parse {label}"), || {
            black_box(Request::parse(text.as_bytes(), now).ok());
        }));
    }
    cases.push(Case::new("JSON text", "portcullis 1 KB text to decision JSON", || {
        let request = Request::parse(text.as_bytes(), now);
        black_box(request.ok().and_then(|request| serde_json::to_vec(&sets.one.decide(&request)).ok()));
    }));
    cases.push(Case::new("JSON text", "extism 1 KB text, instance reused", || {
        black_box(reused.call::<_, String>("evaluate", text).ok());
    }));
    cases.push(Case::new("JSON text", "extism 1 KB text, fresh instance", || {
        let plugin = extism::Plugin::new_from_compiled(&compiled);
        black_box(plugin.and_then(|mut plugin| plugin.call::<_, String>("evaluate", text)).ok());
    }));
    if let Some(request) = requests.first() {
        for (name, set) in [("5 policies", &sets.five), ("20 policies", &sets.twenty), ("50 policies", &sets.fifty)] {
            cases.push(Case::new("several policies", name, move || {
                black_box(set.decide(request));
            }));
        }
    }
    if let Some(request) = requests.first() {
        let (neighbour, honest) = (&neighbour, &sets.honest);
        cases.push(Case::new(NEIGHBOUR, HONEST, move || {
            black_box(honest.decide(request));
        }));
        let beside = Case::new(NEIGHBOUR, "49 policies, a hostile one beside them", move || {
            neighbour.ask(true);
            black_box(honest.decide(request));
        });
        cases.push(beside.after_turn(move || neighbour.ask(false)));
    }
    for (name, set) in &rules {
        cases.push(Case::new("settings bound at load", name, || {
            black_box(set.decide(&rules_request));
        }));
    }

    // For profiling: PORTCULLIS_BENCH_ONLY='portcullis 1 KB', or a group's name; `ledger` and `engines` for theirs.
    if let Some(only) = only {
        if only == "ledger" {
            println!("{}", table(&ledger::figures(&root, quick)?, |figure| base(&figure.group, &figure.name)));
            return Ok(());
        }
        cases.retain(|case| case.name == only || case.group == only);
        let figures = measure(cases, rounds.saturating_mul(10), TURN, |_| ());
        println!("{}", table(&figures, |_| None));
        return Ok(());
    }
    let mut figures = measure(cases, rounds, TURN, |round| eprint!("\rround {round} of {rounds}"));
    eprintln!();
    figures.extend(engines::figures(&root, quick)?);
    figures.extend(ledger::figures(&root, quick)?);
    println!("{}", table(&figures, |figure| base(&figure.group, &figure.name)));
    let out = root.join("target/bench.json");
    std::fs::write(&out, serde_json::to_string_pretty(&figures)?)?;
    println!("written: target/bench.json");
    Ok(())
}

/// What a case is compared with.
fn base(group: &str, name: &str) -> Option<String> {
    let base = match group {
        "parsed request" if name == "portcullis 1 KB" => "wasmtime: fresh store, instance, call".into(),
        "parsed request" | "several policies" => "portcullis 1 KB".into(),
        "JSON text" => {
            let size = ["1 KB", "10 KB", "240 KB"].into_iter().find(|size| name.contains(&format!(" {size} ")))?;
            format!("portcullis {size} text")
        }
        engines::GROUP => engines::base(name).into(),
        "settings bound at load" => "3 rules".into(),
        NEIGHBOUR => HONEST.into(),
        "ledger" if name.starts_with("256 callers") => "256 callers: no ledger".into(),
        "ledger" if name.starts_with("one ") => "one caller: no ledger".into(),
        _ => return None,
    };
    (base != name).then_some(base)
}
