//! Requests of recorded decisions, as a policy was given them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::{MANIFEST_FILE, Reader, Stored};
use portcullis_gate::{DecisionView, Limits, Manifest, PolicySaid, PolicyTrace, Request, Sha256};
use portcullis_ledger::{Body, Event, PolicySetActivated};

use super::bench::{Past, Subject, Subjects};
use crate::args::{BenchArgs, LedgerArgs};
use crate::{ledger, progress, replay};

/// A policy set as the ledger has it.
struct Set {
    activated: PolicySetActivated,
    /// By the policy's name.
    limits: BTreeMap<String, Limits>,
}

/// What the policy judged, in every decision that the arguments choose. What cannot be judged again is counted.
///
/// # Errors
/// The ledger cannot be read, or is damaged.
pub fn subjects(file: &Path, args: &BenchArgs, module: &Sha256) -> anyhow::Result<Subjects> {
    let file = LedgerArgs { ledger: Some(file.to_owned()), ledger_key: None, checkpoint: Vec::new() };
    let reader = ledger::reader(&file)?;
    let ids = replay::decisions(&reader, args.since)?;
    let mut subjects = Subjects { source: "recorded decisions", ..Subjects::default() };
    let mut sets = BTreeMap::new();
    let bar = progress::bar(ids.len());
    bar.set_message("reading the ledger");
    for id in ids {
        bar.inc(1);
        let stored = Stored::read(&reader, id)?;
        let (Some(request), Some(decision)) = (&stored.request, &stored.decision) else {
            subjects.leave_out("erased");
            continue;
        };
        let view = DecisionView::parse(decision).with_context(|| format!("event {}", stored.index))?;
        let concerned = |policy: &&PolicyTrace<'_>| {
            let is_it = match &args.policy_name {
                Some(name) => policy.name == *name,
                None => policy.module_sha256.as_ref() == Some(module),
            };
            is_it && policy.said != PolicySaid::Skipped
        };
        let traces: Vec<_> = view.policies.iter().filter(concerned).collect();
        if traces.is_empty() {
            subjects.leave_out("of other policies");
            continue;
        }
        let request = Request::parse(request, view.now.parse()?).with_context(|| format!("event {}", stored.index))?;
        let sha256 = view.policy_set.sha256;
        let set = match sets.entry(sha256) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(set(&reader, &sha256)?),
        };
        for trace in traces {
            match set.as_ref().map(|set| given(&reader, set, trace)).transpose()?.flatten() {
                None => subjects.leave_out("of a policy set that the ledger does not have whole"),
                Some((settings, data, limits)) => {
                    let past = Past::Recorded(trace.history.to_vec());
                    subjects.add(
                        settings,
                        data,
                        limits,
                        Subject { name: id.to_string(), request: request.clone(), past },
                    );
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(subjects)
}

impl Subjects {
    fn leave_out(&mut self, reason: &'static str) {
        let count = self.left_out.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

/// The set of that digest; `None` where the ledger does not have it.
fn set(reader: &Reader, sha256: &Sha256) -> anyhow::Result<Option<Set>> {
    const PAGE: u32 = 64;
    let mut before = u64::MAX;
    let activated = loop {
        let page = reader.of_kind("policy-set.activated", before, PAGE)?;
        let Some((oldest, _)) = page.last() else { return Ok(None) };
        before = *oldest;
        let mut found = None;
        for (index, leaf) in &page {
            match Event::decode(leaf).with_context(|| format!("event {index}"))?.body {
                Body::PolicySetActivated(body) if body.sha256 == *sha256 => found = Some(body),
                _ => {}
            }
        }
        if let Some(found) = found {
            break found;
        }
    };
    let Some(manifest) = reader.blob(&activated.manifest_sha256)? else { return Ok(None) };
    let manifest = Manifest::parse(MANIFEST_FILE, &manifest, Timestamp::now())?;
    let limits = manifest.definition.policies().iter().map(|spec| (spec.name.clone(), spec.limits)).collect();
    Ok(Some(Set { activated, limits }))
}

/// Settings, documents and limits of one policy of a recorded decision.
type Given = (String, BTreeMap<String, String>, Limits);

fn given(reader: &Reader, set: &Set, trace: &PolicyTrace<'_>) -> anyhow::Result<Option<Given>> {
    let files = set.activated.policies.iter().find(|files| files.name == trace.name);
    let (Some(files), Some(settings)) = (files, &trace.settings_sha256) else { return Ok(None) };
    let text = |sha256: &Sha256| -> anyhow::Result<Option<String>> {
        Ok(reader.blob(sha256)?.and_then(|bytes| String::from_utf8(bytes).ok()))
    };
    let Some(settings) = text(settings)? else { return Ok(None) };
    let mut data = BTreeMap::new();
    for (name, sha256) in &files.data {
        let Some(document) = text(sha256)? else { return Ok(None) };
        data.insert(name.clone(), document);
    }
    Ok(set.limits.get(&*trace.name).map(|limits| (settings, data, *limits)))
}
