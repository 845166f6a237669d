//! What recorded decisions would have been with another module in the place of one of theirs.
//!
//! Everything else is as it was: the request, the settings, documents, limits, levels and waivers of the set, the time, and
//! what the policies were told of the past. What the new module reads and the recorded request lacks is missing, as it would
//! have been then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_engine::Engine;
use portcullis_gate::{DecisionView, Outcome, PolicySaid, PolicyTrace, Request, Sha256};
use portcullis_ledger::{Body, Event, Reader};
use serde::Serialize;
use uuid::Uuid;

use crate::activation::{NotStored, activation_of, stored_set};
use crate::kept::Kept;
use crate::replay::{KEPT_SETS, ReplayError, Stored};
use crate::{Change, DecideOptions, HistorySource, Percentiles, PolicySet, RequirementsChange};

/// Makes recorded decisions again with a module in the place of another. Sets are loaded once; shared by any number of
/// threads.
pub struct Substitution<'r> {
    reader: &'r Reader,
    engine: Engine,
    old: Sha256,
    new: Arc<[u8]>,
    /// By their digest; `None` for sets without the old module.
    sets: Kept<Sha256, Option<Arc<Loaded>>>,
    /// What went wrong with sets, of all that were looked at.
    reports: Mutex<BTreeMap<Sha256, Report>>,
}

/// A set with the new module; `None` where it could not be loaded.
struct Loaded {
    set: Option<PolicySet>,
}

/// What went wrong with a set.
#[derive(Default)]
struct Report {
    problem: Option<String>,
    not_loaded: Vec<UnloadedPolicy>,
}

/// What came of one decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Substituted {
    /// The set that decided does not have the old module.
    Unconcerned,
    /// The set has it, and did not ask it: its `when` did not match.
    NotAsked,
    /// The decision cannot be made again.
    Unknowable(Unknowable),
    /// It was made again.
    Decided(Box<Redecided>),
}

/// Why a decision cannot be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknowable {
    /// The request was erased.
    Erased,
    /// The ledger lacks the set, its modules or its documents, or they are not those of its lock.
    SetNotInLedger,
    /// The new module asks the ledger's history otherwise than the old one did; what it would have been told is not
    /// recorded.
    HistoryAskedOtherwise,
    /// Then or now a policy ran into its limit on wall time, which nothing can repeat.
    WallTime,
    /// Then or now the host failed (a full disk, a process that could not be started), which nothing can repeat.
    HostFailure,
}

/// A recorded decision beside the one with the new module.
#[derive(Clone, Debug, PartialEq)]
pub struct Redecided {
    /// What differs for whoever asked.
    pub change: Change,
    /// Whether what the module said differs, though the decision may be the same.
    pub said: bool,
    /// The strictest finding's code, recorded and now.
    pub codes: (Option<String>, Option<String>),
    /// Faults of the new module, by their codes.
    pub faults: Vec<String>,
    /// Fuel of the old and of the new module; empty where the decision was made by another engine, which counts otherwise.
    pub fuel: Vec<(u64, u64)>,
    /// Whether it was decided by an engine of another configuration than this one's.
    pub other_engine: bool,
}

/// A policy that cannot be loaded with the new module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnloadedPolicy {
    /// The policy's name.
    pub policy: String,
    /// The set, by its digest.
    pub set: Sha256,
    /// The code: `load.settings` ...
    pub code: String,
    /// Why.
    pub detail: String,
}

impl<'r> Substitution<'r> {
    /// Puts the module `new` in the place of that with the digest `old`.
    #[must_use]
    pub fn new(reader: &'r Reader, engine: Engine, old: Sha256, new: Arc<[u8]>) -> Substitution<'r> {
        Substitution { reader, engine, old, new, sets: Kept::new(KEPT_SETS), reports: Mutex::default() }
    }

    /// Makes one decision again.
    ///
    /// # Errors
    /// [`ReplayError`]: there is no such decision, or the ledger is damaged.
    pub fn decide(&self, id: Uuid) -> Result<Substituted, ReplayError> {
        let Some((index, leaf)) = self.reader.find(id)? else { return Err(ReplayError::Unknown { id }) };
        let damaged = |problem: String| ReplayError::Damaged { index, problem };
        let event = Event::decode(&leaf).map_err(|error| damaged(error.to_string()))?;
        let Body::Decision(body) = event.body else { return Err(ReplayError::Unknown { id }) };
        let asked = body.policies.iter().any(|policy| policy.module_sha256 == Some(self.old));
        let Some(loaded) = self.set(body.policy_set.sha256, index, body.now.timestamp())? else {
            return Ok(Substituted::Unconcerned);
        };
        if !asked && body.left_out.policies == 0 {
            return Ok(Substituted::NotAsked);
        }
        let stored = Stored::read(self.reader, id)?;
        let (Some(request), Some(decision)) = (&stored.request, &stored.decision) else {
            return Ok(Substituted::Unknowable(Unknowable::Erased));
        };
        let recorded = DecisionView::parse(decision).map_err(|error| damaged(error.to_string()))?;
        if !mine(&recorded, self.old).any(|trace| trace.said != PolicySaid::Skipped) {
            return Ok(Substituted::NotAsked);
        }
        let Some(set) = &loaded.set else { return Ok(Substituted::Unknowable(Unknowable::SetNotInLedger)) };
        let now = recorded.now.parse::<Timestamp>().map_err(|error| damaged(error.to_string()))?;
        let request = Request::parse(request, now).map_err(|error| damaged(error.to_string()))?;
        let again = set.decide(&request, &DecideOptions::default(), &HistorySource::recorded(&recorded));
        let again = again.view();
        // The set is the same but for the module, so that the traces stand side by side.
        let pairs: Vec<(&PolicyTrace<'_>, &PolicyTrace<'_>)> = recorded
            .policies
            .iter()
            .zip(&again.policies)
            .filter(|(before, _)| before.module_sha256 == Some(self.old) && before.said != PolicySaid::Skipped)
            .collect();
        if pairs.iter().any(|(before, after)| asks_otherwise(before, after)) {
            return Ok(Substituted::Unknowable(Unknowable::HistoryAskedOtherwise));
        }
        if [&recorded, &again].iter().any(|view| view.policies.iter().any(|trace| fault(trace) == Some("fault.time"))) {
            return Ok(Substituted::Unknowable(Unknowable::WallTime));
        }
        // A new module that needs more of the compiler than it may is a finding about it, not about the host.
        let host = |view: &DecisionView<'_>, codes: &[&str]| {
            view.policies.iter().filter_map(fault).any(|fault| codes.contains(&fault))
        };
        if host(&recorded, &["fault.host", "load.compiler", "load.compile-limit"])
            || host(&again, &["fault.host", "load.compiler"])
        {
            return Ok(Substituted::Unknowable(Unknowable::HostFailure));
        }
        let other_engine = recorded.engine.configuration_sha256 != self.engine.configuration_sha256();
        let strictest = |view: &DecisionView<'_>| view.findings.first().map(|finding| finding.code.to_string());
        let fuel = pairs.iter().filter(|_| !other_engine).map(|(before, after)| (before.fuel, after.fuel));
        Ok(Substituted::Decided(Box::new(Redecided {
            change: Change::between(&recorded, &again),
            said: pairs.iter().any(|(before, after)| {
                before.said != after.said || before.findings != after.findings || fault(before) != fault(after)
            }),
            codes: (strictest(&recorded), strictest(&again)),
            faults: pairs.iter().filter_map(|(_, after)| fault(after)).map(str::to_owned).collect(),
            fuel: fuel.collect(),
            other_engine,
        })))
    }

    /// The policies that could not be loaded with the new module, of all sets that were looked at so far.
    #[must_use]
    pub fn not_loaded(&self) -> Vec<UnloadedPolicy> {
        let mut all: Vec<_> = self.reports().values().flat_map(|report| report.not_loaded.clone()).collect();
        all.sort();
        all
    }

    /// Why sets could not be loaded from the ledger, of all that were looked at so far.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut all: Vec<_> = self.reports().values().filter_map(|report| report.problem.clone()).collect();
        all.sort();
        all
    }

    /// The set with the new module; `None` where it does not have the old one.
    fn set(&self, sha256: Sha256, index: u64, now: Timestamp) -> Result<Option<Arc<Loaded>>, ReplayError> {
        self.sets.get(&sha256, || {
            let Some((set, report)) = self.load(sha256, index, now)? else { return Ok(None) };
            self.reports().insert(sha256, report);
            Ok(Some(Arc::new(Loaded { set })))
        })
    }

    fn reports(&self) -> MutexGuard<'_, BTreeMap<Sha256, Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(
        &self,
        sha256: Sha256,
        index: u64,
        now: Timestamp,
    ) -> Result<Option<(Option<PolicySet>, Report)>, ReplayError> {
        let unloaded = |problem: String| (None, Report { problem: Some(problem), not_loaded: Vec::new() });
        let activation = match activation_of(self.reader, sha256, index) {
            Ok(activation) => activation,
            Err(NotStored::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Some(unloaded(error.to_string()))),
        };
        let has_old = activation.policies.iter().any(|policy| policy.module_sha256 == Some(self.old));
        if !has_old && activation.policies_left_out == 0 {
            return Ok(None);
        }
        let (set, files) = match stored_set(self.reader, &activation, now, &self.engine) {
            Ok(found) => found,
            Err(NotStored::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Some(unloaded(error.to_string()))),
        };
        if !set.pinned().pins.iter().any(|pin| pin.module_sha256 == Some(self.old)) {
            return Ok(None);
        }
        let (set, not_loaded) = set.with_module(&self.old, &self.new, &files, &self.engine);
        let unloaded = not_loaded.into_iter().map(|policy| UnloadedPolicy {
            policy: policy.name,
            set: sha256,
            code: policy.error.cause.map_or_else(|| policy.error.fault.code(), |cause| cause.code()).to_owned(),
            detail: policy.error.detail,
        });
        Ok(Some((Some(set), Report { problem: None, not_loaded: unloaded.collect() })))
    }
}

/// What the policies of that module said.
fn mine<'v>(view: &'v DecisionView<'_>, module: Sha256) -> impl Iterator<Item = &'v PolicyTrace<'v>> {
    view.policies.iter().filter(move |policy| policy.module_sha256 == Some(module))
}

fn fault<'t>(trace: &'t PolicyTrace<'_>) -> Option<&'t str> {
    trace.fault.as_ref().map(|fault| &*fault.code)
}

/// Whether the new module asks something that the old one did not ask at that point. Asking less is no matter.
fn asks_otherwise(before: &PolicyTrace<'_>, after: &PolicyTrace<'_>) -> bool {
    let told = before.history.iter().map(|call| Some(&call.query)).chain(std::iter::repeat(None));
    after.history.iter().zip(told).any(|(call, told)| Some(&call.query) != told)
}

/// What the new module changes, over many decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SubstitutionSummary {
    /// Decisions that were looked at.
    pub decisions: u64,
    /// Those whose set has the old module.
    pub concerned: u64,
    /// Of these, those that did not ask it, so that nothing changes.
    pub not_asked: u64,
    /// Of these, those that were made again.
    pub decided: u64,
    /// Of these, those that cannot be made again, by reason.
    pub unknown: BTreeMap<Unknowable, u64>,
    /// Of those made again: nothing changes that whoever asked would notice.
    pub unchanged: u64,
    /// Of those made again: the module says something else, whether or not the decision changes.
    pub said_otherwise: u64,
    /// Of those made again: decided by an engine of another configuration, so that not every change need be the module's.
    pub other_engine: u64,
    /// Faults of the new module, by their codes.
    pub faults: BTreeMap<String, u64>,
    /// Where decisions go: the more lenient first, then the stricter, then those with the same outcome.
    pub transitions: Vec<SubstitutedTransition>,
    /// Fuel of the old module in those made again.
    pub fuel_before: Option<Percentiles>,
    /// Fuel of the new one.
    pub fuel_after: Option<Percentiles>,
    /// Policies that cannot be loaded with the new module: they fault in each decision that concerns them.
    pub not_loaded: Vec<UnloadedPolicy>,
    /// Why sets could not be loaded from the ledger.
    pub problems: Vec<String>,
}

/// How many decisions go from one outcome to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubstitutedTransition {
    /// The recorded outcome.
    pub from: Outcome,
    /// The outcome with the new module.
    pub to: Outcome,
    /// Which way this goes.
    pub kind: ChangeKind,
    /// How many.
    pub count: u64,
    /// How many of them have other codes.
    pub codes: u64,
    /// How many of them have other messages.
    pub messages: u64,
    /// How many of them have other obligations.
    pub obligations: u64,
    /// The first of them.
    pub examples: Vec<SubstitutionExample>,
}

/// Which way a decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// To a more lenient outcome, or to the same one that asks for less.
    MoreLenient,
    /// To a stricter outcome, or to the same one that asks for more.
    Stricter,
    /// The same outcome with other codes, messages or obligations.
    SameOutcome,
    /// Nothing changes.
    Unchanged,
}

/// A decision that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubstitutionExample {
    /// Its id.
    pub id: Uuid,
    /// The recorded strictest finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_before: Option<String>,
    /// The strictest finding with the new module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_after: Option<String>,
    /// What is asked for.
    pub requirements: RequirementsChange,
}

impl ChangeKind {
    /// Of one decision.
    #[must_use]
    pub fn of(change: &Change) -> ChangeKind {
        match change.to.cmp(&change.from) {
            _ if change.is_more_lenient() => ChangeKind::MoreLenient,
            std::cmp::Ordering::Greater => ChangeKind::Stricter,
            _ if change.requirements == RequirementsChange::Stricter => ChangeKind::Stricter,
            _ if change.is_any() => ChangeKind::SameOutcome,
            _ => ChangeKind::Unchanged,
        }
    }
}

impl SubstitutionSummary {
    /// Sums up, in the order of the decisions.
    #[must_use]
    pub fn of(all: impl IntoIterator<Item = (Uuid, Substituted)>, substitution: &Substitution<'_>) -> Self {
        let mut summary = SubstitutionSummary::default();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut transitions: BTreeMap<(ChangeKind, std::cmp::Reverse<Outcome>, Outcome), SubstitutedTransition> =
            BTreeMap::new();
        for (id, substituted) in all {
            add(&mut summary.decisions, true);
            add(&mut summary.concerned, substituted != Substituted::Unconcerned);
            let redecided = match substituted {
                Substituted::Unconcerned => continue,
                Substituted::NotAsked => {
                    add(&mut summary.not_asked, true);
                    continue;
                }
                Substituted::Unknowable(why) => {
                    add(summary.unknown.entry(why).or_default(), true);
                    continue;
                }
                Substituted::Decided(redecided) => redecided,
            };
            let Redecided { change, said, codes, faults, fuel, other_engine } = *redecided;
            let kind = ChangeKind::of(&change);
            add(&mut summary.decided, true);
            add(&mut summary.unchanged, kind == ChangeKind::Unchanged);
            add(&mut summary.said_otherwise, said);
            add(&mut summary.other_engine, other_engine);
            for code in faults {
                add(summary.faults.entry(code).or_default(), true);
            }
            for (old, new) in fuel {
                before.push(old);
                after.push(new);
            }
            let key = (kind, std::cmp::Reverse(change.from), change.to);
            let transition = transitions.entry(key).or_insert_with(|| SubstitutedTransition {
                from: change.from,
                to: change.to,
                kind,
                count: 0,
                codes: 0,
                messages: 0,
                obligations: 0,
                examples: Vec::new(),
            });
            add(&mut transition.count, true);
            add(&mut transition.codes, change.codes);
            add(&mut transition.messages, change.messages);
            add(&mut transition.obligations, change.obligations);
            if kind != ChangeKind::Unchanged && transition.examples.len() < MAX_EXAMPLES {
                let (code_before, code_after) = codes;
                let requirements = change.requirements;
                transition.examples.push(SubstitutionExample { id, code_before, code_after, requirements });
            }
        }
        summary.transitions = transitions.into_values().collect();
        summary.fuel_before = Percentiles::of(before);
        summary.fuel_after = Percentiles::of(after);
        summary.not_loaded = substitution.not_loaded();
        summary.problems = substitution.problems();
        summary
    }

    /// Whether it says nothing of the new module: no decision that was looked at can tell.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.decided == 0 && self.not_asked == 0
    }

    /// How many decisions become more lenient.
    #[must_use]
    pub fn more_lenient(&self) -> u64 {
        let lenient = self.transitions.iter().filter(|transition| transition.kind == ChangeKind::MoreLenient);
        lenient.fold(0, |sum, transition| sum.saturating_add(transition.count))
    }
}

fn add(count: &mut u64, one: bool) {
    *count = count.saturating_add(u64::from(one));
}

/// Examples that are kept of each transition.
const MAX_EXAMPLES: usize = 5;
