//! `portcullis audit`: one decision in one page.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use portcullis::{Reader, RecordedEvidence, ReplayResult, Replayed, Replayer, Stored, recorded_evidence};
use portcullis_ledger::{leaf_hash, verify_consistency, verify_inclusion};
use serde::Serialize;
use serde_json::json;

use crate::args::{AuditArgs, ReportFormat};
use crate::decide::{Line, printable, push_decision};
use crate::exit::Exit;
use crate::text::shown;
use crate::{cache, ledger, report};

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// One thing that was checked.
#[derive(Serialize)]
struct Check {
    what: String,
    /// `None`: it holds.
    problem: Option<String>,
}

/// Shows a decision, and checks what proves it.
///
/// # Errors
/// The ledger cannot be read.
pub fn run(args: &AuditArgs) -> anyhow::Result<Exit> {
    let reader = ledger::reader(&args.ledger)?;
    let stored = Stored::read(&reader, ledger::id(&reader, &args.id)?)?;
    let decided = ledger::decided(&stored)?;
    let evidence = recorded_evidence(&reader, stored.body()?.policy_set.sha256, stored.index);
    let mut checks = if args.verify { checks(args, &reader, &stored)? } else { Vec::new() };
    if args.verify {
        checks.extend(evidence_checks(&stored, &evidence)?);
    }
    let sound = checks.iter().all(|check| check.problem.is_none());
    let text = match args.format {
        ReportFormat::Json => {
            let event: serde_json::Value = serde_json::from_slice(&stored.event.encode()?)?;
            let decision = decided.as_ref().map(|decided| Line::new(None, decided));
            let shown = json!({ "id": stored.event.id, "index": stored.index, "event": event, "decision": decision, "verified": args.verify.then_some(sound), "checks": checks, "evidence": evidence_json(&evidence) });
            printable(&serde_json::to_string_pretty(&shown)?) + "\n"
        }
        ReportFormat::Human => {
            let mut out = String::new();
            match &decided {
                Some(decided) => push_decision(&mut out, "", decided),
                None => _ = writeln!(out, "{} (what was stored of it was erased)", ledger::of_event(&stored.event)),
            }
            let body = stored.body()?;
            _ = writeln!(out, "\n  {HEADING}In the ledger{HEADING:#}");
            _ = writeln!(
                out,
                "    event {} of {}, written at {}",
                stored.index,
                shown(&reader.identity()?.origin),
                stored.event.time
            );
            for policy in &body.policies {
                let digest = policy.module_sha256.map_or_else(|| "unreadable".to_owned(), |digest| digest.to_string());
                _ = writeln!(out, "    module {digest}  {}", shown(&policy.name));
                push_evidence(&mut out, &policy.name, &evidence);
            }
            if let Err(problem) = &evidence {
                _ = writeln!(out, "    {BAD}✖{BAD:#} who signed and reviewed the modules: {}", shown(problem));
            }
            if args.verify {
                _ = writeln!(out, "\n  {HEADING}Verified{HEADING:#}");
            }
            for check in &checks {
                match &check.problem {
                    None => _ = writeln!(out, "    {GOOD}✔{GOOD:#} {}", check.what),
                    Some(problem) => {
                        let lines: Vec<String> = problem.lines().map(|line| shown(line.trim())).collect();
                        _ = writeln!(out, "    {BAD}✖{BAD:#} {}: {}", check.what, lines.join("\n      "));
                    }
                }
            }
            out
        }
    };
    report::out(&text)?;
    Ok(if sound { Exit::Done } else { Exit::Unsound })
}

/// Who signed and who reviewed the modules of the set, as it was recorded; or what is wrong with the record.
type Recorded = Result<RecordedEvidence, String>;

fn push_evidence(out: &mut String, policy: &str, evidence: &Recorded) {
    let Some(found) = evidence.as_ref().ok().and_then(|evidence| evidence.policies.get(policy)) else { return };
    for (key, one) in &found.evidence {
        let time = one.time().map(|time| format!(", at {time} as it says")).unwrap_or_default();
        _ = match one.review() {
            None => writeln!(out, "      signed by {} (key {}){time}", shown(key), one.key().id().short()),
            Some(review) => writeln!(
                out,
                "      reviewed by {} (key {}, {}){time}",
                shown(key),
                one.key().id().short(),
                shown(&review.reviewer)
            ),
        };
    }
}

fn evidence_json(evidence: &Recorded) -> serde_json::Value {
    let Ok(evidence) = evidence else { return serde_json::Value::Null };
    let policies = evidence.policies.iter().map(|(policy, found)| {
        let evidence = found.evidence.iter().map(|(key, one)| {
            json!({
                "kind": one.kind(), "key": key, "key_sha256": one.key().id(), "bundle_sha256": one.bundle(),
                "module_sha256": one.module(), "time": one.time(), "review": one.review(),
            })
        });
        (policy.clone(), evidence.collect::<serde_json::Value>())
    });
    policies.collect::<serde_json::Map<_, _>>().into()
}

fn evidence_checks(stored: &Stored, evidence: &Recorded) -> anyhow::Result<Vec<Check>> {
    let what = "who signed and reviewed the modules is recorded";
    let evidence = match evidence {
        Ok(evidence) => evidence,
        Err(problem) => return Ok(vec![Check { what: what.into(), problem: Some(problem.clone()) }]),
    };
    let mut checks = Vec::new();
    for policy in &stored.body()?.policies {
        let Some(found) = evidence.policies.get(&policy.name) else { continue };
        let mut problems = found.problems.clone();
        let others = found.evidence.iter().filter(|(_, one)| Some(one.module()) != policy.module_sha256).count();
        if others > 0 {
            problems.push(format!("{others} of them are about another module than the one that decided"));
        }
        checks.push(Check {
            what: format!("the module of {} has the signatures and reviews that the set asks for", shown(&policy.name)),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
        });
    }
    Ok(checks)
}

fn checks(args: &AuditArgs, reader: &Reader, stored: &Stored) -> anyhow::Result<Vec<Check>> {
    let check = |what: String, result: Result<(), String>| Check { what, problem: result.err() };
    let mut checks = Vec::new();
    let included = || -> anyhow::Result<String> {
        let (_, checkpoint, key) = ledger::newest(reader)?;
        let proof = ledger::included(reader, stored.index, checkpoint.size())?;
        let leaf = leaf_hash(&stored.event.encode()?);
        verify_inclusion(&leaf, stored.index, checkpoint.size(), &proof, &checkpoint.root())?;
        Ok(format!("it is in the tree of {} events that {} signed", checkpoint.size(), shown(&key.id())))
    };
    checks.push(match included() {
        Ok(what) => check(what, Ok(())),
        Err(error) => check("it is in the signed tree".into(), Err(format!("{error:#}"))),
    });
    let erased = stored.request.is_none() || stored.decision.is_none();
    checks.push(match stored.erasure(reader)? {
        Some((event, _)) if erased => check(format!("what was stored of it was erased, as event {event} says"), Ok(())),
        None if erased => {
            check("what was stored of it was erased".into(), Err("it is gone, and no event says so".to_owned()))
        }
        Some((event, _)) => check(
            "what was stored of it is as it should be".into(),
            Err(format!("event {event} says that it was erased")),
        ),
        None => check("request and decision are what the event commits to".into(), Ok(())),
    });
    for policy in &stored.body()?.policies {
        for (part, digest) in [("module", policy.module_sha256), ("text of the settings", policy.settings_sha256)] {
            let Some(digest) = digest else { continue };
            let found = match reader.blob(&digest) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err("it is not in the ledger".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            checks.push(check(format!("the {part} of {} is stored, with that digest", shown(&policy.name)), found));
        }
    }
    if !erased {
        let replayed = Replayer::new(reader, cache::engine(&args.cache)?).replay(stored.event.id);
        let same = "made again from the stored bytes, it is the same decision, byte for byte";
        checks.push(match replayed {
            Ok(Replayed { result: ReplayResult::Match, .. }) => check(same.into(), Ok(())),
            // Nothing is wrong with the record where it cannot be made again here.
            Ok(Replayed {
                result: ReplayResult::EngineChanged | ReplayResult::HostTimeLimit | ReplayResult::HostFailure,
                reason,
                ..
            }) => check(format!("it cannot be made again here: {}", shown(&reason.unwrap_or_default())), Ok(())),
            Ok(replayed) => {
                check(same.into(), Err(replayed.reason.unwrap_or_else(|| format!("{:?}", replayed.result))))
            }
            Err(error) => check(same.into(), Err(error.to_string())),
        });
    }
    for copy in ledger::copies(&args.ledger)? {
        let result = continues(args, reader, &copy).map_err(|error| format!("{error:#}"));
        checks.push(check(
            format!("the ledger continues the checkpoint in {}", shown(&copy.display().to_string())),
            result,
        ));
    }
    Ok(checks)
}

/// Whether the ledger's newest checkpoint continues one that was kept outside.
fn continues(args: &AuditArgs, reader: &Reader, copy: &Path) -> anyhow::Result<()> {
    let (_, newest, key) = ledger::newest(reader)?;
    if let Some(own) = ledger::own_key(&args.ledger, &ledger::Place::of(&args.ledger)?) {
        anyhow::ensure!(
            own == key,
            "the ledger says that its key is {}, and the key beside it is {}",
            key.id(),
            own.id()
        );
    }
    let note = std::fs::read_to_string(copy).context("it cannot be read")?;
    let kept = reader.keys()?.open(&note)?;
    // What is signed is no proof that the events are still there.
    let size = reader.size()?.min(newest.size());
    anyhow::ensure!(kept.size() <= size, "it is of {} events, and the ledger has {size}", kept.size());
    if kept.size() == 0 {
        return Ok(());
    }
    let proof = reader.prove_consistency(kept.size(), newest.size())?;
    verify_consistency(kept.size(), &kept.root(), newest.size(), &newest.root(), &proof)?;
    Ok(())
}
