//! From a request and what its policies said to the one decision.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::answer::{Answer, Faulted, Finding, Said, Verdict};
use crate::combine::{Combined, Leaf, combine};
use crate::decision::{Counted, Decision, PolicyRecord, PolicySaid, WaiverStatus};
use crate::fault::Fault;
use crate::history::HistoryCall;
use crate::outcome::Outcome;
use crate::request::Request;
use crate::set::{Member, Node, PinnedSet, PolicySpec, SetDefinition};

/// The policies that a request concerns: the ones to run. Made by [`select`], spent by [`decide`].
#[derive(Clone, Debug)]
pub struct Selection {
    set: Arc<PinnedSet>,
    request: Request,
    selected: Vec<bool>,
}

/// What came back from one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRun {
    /// Its answer, or its fault.
    pub said: Said,
    /// Fuel used.
    pub fuel: u64,
    /// Wall time, in microseconds. Shown; decides nothing.
    pub duration_us: u64,
    /// What it asked of the ledger's history, in order, with the answers.
    pub history: Vec<HistoryCall>,
}

/// What names one decision. None of it can change an outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The decision's id, a UUIDv7.
    pub id: Uuid,
    /// The caller's id for the change that this decision is about.
    pub correlation_id: Option<String>,
    /// The decision that this one takes the place of.
    pub supersedes: Option<Uuid>,
}

/// Which policies of the set a request concerns: those whose `when` matches, and that of every node above them.
#[must_use]
pub fn select(set: &Arc<PinnedSet>, request: &Request) -> Selection {
    let definition = &set.definition;
    let mut selected = vec![false; definition.policies().len()];
    select_below(definition.root(), definition, request, &mut selected);
    Selection { set: Arc::clone(set), request: request.clone(), selected }
}

fn select_below(node: &Node, definition: &SetDefinition, request: &Request, selected: &mut [bool]) {
    if !node.when.matches(request, definition.absent()) {
        return;
    }
    for member in &node.members {
        match member {
            Member::Node(inner) => select_below(inner, definition, request, selected),
            Member::Policy(policy) => {
                if let (Some(spec), Some(slot)) = (definition.policies().get(*policy), selected.get_mut(*policy)) {
                    *slot = spec.when.matches(request, definition.absent());
                }
            }
        }
    }
}

impl Selection {
    /// The set.
    #[must_use]
    pub fn set(&self) -> &Arc<PinnedSet> {
        &self.set
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether the policy at that place is to run; the others are skipped.
    #[must_use]
    pub fn runs(&self, policy: usize) -> bool {
        self.selected.get(policy).copied().unwrap_or(false)
    }

    /// The places of the policies that are to run, in the manifest's order.
    pub fn policies(&self) -> impl Iterator<Item = usize> + '_ {
        self.selected.iter().enumerate().filter_map(|(place, selected)| selected.then_some(place))
    }
}

/// Decides. `runs` holds one entry for each policy of the set, in the manifest's order: `None` for the skipped ones. A
/// selected policy without a result is a [`Fault::Host`]; a result of a skipped policy is not looked at.
///
/// A function of the set, the request (with its `now`), the results and the call: same in, same out.
#[must_use]
pub fn decide(selection: Selection, call: Call, runs: Vec<Option<PolicyRun>>) -> Decision {
    let Selection { set, request, selected } = selection;
    let definition = &set.definition;
    let mut waivers = Waivers::new(definition, &request);

    let mut policies = Vec::with_capacity(selected.len());
    let mut leaves = Vec::with_capacity(selected.len());
    let mut runs = runs.into_iter();
    for (place, (spec, selected)) in definition.policies().iter().zip(&selected).enumerate() {
        let run = runs.next().flatten();
        let record = if *selected { count(place, spec, run, &mut waivers) } else { PolicyRecord::skipped() };
        leaves.push(Leaf { counted: record.counted_as, advisory: spec.is_advisory() });
        policies.push(record);
    }

    let combined = combine(definition.root(), &leaves);
    let outcome = combined.outcome.unwrap_or(Outcome::Deny);
    let host_findings = host_findings(&combined, &leaves);
    for (record, contributes) in policies.iter_mut().zip(&combined.contributes) {
        record.contributes = *contributes;
    }
    let fault_relaxed = policies
        .iter()
        .any(|record| record.fault.is_some() && record.counted_as.is_some_and(|counted| counted < Outcome::Deny));
    let degraded = fault_relaxed || waivers.any_applied();
    let valid_until = outcome.proceeds().then(|| waivers.valid_until());
    let waivers = waivers.statuses;
    Decision { call, outcome, degraded, host_findings, policies, waivers, valid_until, request, set }
}

/// What one policy counts as: its findings, or its fault, at most at its enforcement level, relaxed by waivers.
fn count(place: usize, spec: &PolicySpec, run: Option<PolicyRun>, waivers: &mut Waivers<'_>) -> PolicyRecord {
    let no_result = || PolicyRun {
        said: fault(Fault::Host, "the host gave no result for this policy"),
        fuel: 0,
        duration_us: 0,
        history: Vec::new(),
    };
    let PolicyRun { said, fuel, duration_us, history } = run.unwrap_or_else(no_result);
    let record = PolicyRecord { fuel, duration_us, history, ..PolicyRecord::skipped() };
    let (findings, obligations) = match said {
        Said::Fault(faulted) => return count_fault(place, spec, faulted, record, waivers),
        Said::Answer(Answer { verdict: Verdict::Abstain, .. }) => {
            return PolicyRecord { said: PolicySaid::Abstain, ..record };
        }
        Said::Answer(Answer { verdict: Verdict::Findings(findings), obligations }) => (findings, obligations),
    };
    let Some(said) = findings.iter().map(|finding| finding.outcome).max() else {
        let faulted = Faulted { fault: Fault::Answer, detail: "the list of findings is empty".into() };
        return count_fault(place, spec, faulted, record, waivers);
    };
    let findings: Vec<Counted> =
        findings.into_iter().map(|finding| waivers.apply(place, finding.outcome.min(spec.enforce), finding)).collect();
    let counted_as = findings.iter().map(|finding| finding.outcome).max();
    PolicyRecord { said: PolicySaid::Outcome(said), counted_as, findings, obligations, ..record }
}

fn count_fault(
    place: usize,
    spec: &PolicySpec,
    faulted: Faulted,
    record: PolicyRecord,
    waivers: &mut Waivers<'_>,
) -> PolicyRecord {
    let finding = Finding {
        outcome: spec.enforce,
        code: faulted.fault.code().into(),
        message: faulted.fault.explain().into(),
        at: None,
        requirement: None,
    };
    let counted = waivers.apply(place, spec.enforce, finding);
    PolicyRecord {
        said: PolicySaid::Fault,
        counted_as: Some(counted.outcome),
        findings: vec![counted],
        fault: Some(faulted),
        ..record
    }
}

fn fault(fault: Fault, detail: &str) -> Said {
    Said::Fault(Faulted { fault, detail: detail.into() })
}

/// What the tree itself has to say: why nothing that a policy said explains the outcome.
fn host_findings(combined: &Combined<'_>, leaves: &[Leaf]) -> Vec<Finding> {
    let deny = |code: &str, message: String| Finding {
        outcome: Outcome::Deny,
        code: code.into(),
        message,
        at: None,
        requirement: None,
    };
    if combined.outcome.is_none() {
        let advisory = leaves.iter().any(|leaf| leaf.counted.is_some());
        let message = if advisory {
            "only advisory policies applied to this request; nothing proceeds without a policy that could stop it"
        } else {
            "no policy applied to this request; nothing proceeds without one"
        };
        return vec![deny(NO_POLICY_APPLIED, message.into())];
    }
    let too_few = |few: &crate::combine::TooFew<'_>| {
        let (label, members) = (few.node.label(), few.node.members.len());
        let message = format!("{label} needs {} of its {members} members; only {} applied", few.needed, few.applied);
        deny(TOO_FEW_APPLIED, message)
    };
    combined.too_few.iter().map(too_few).collect()
}

/// The set's waivers, as they apply to one request.
struct Waivers<'s> {
    definition: &'s SetDefinition,
    request: &'s Request,
    statuses: Vec<WaiverStatus>,
}

impl<'s> Waivers<'s> {
    fn new(definition: &'s SetDefinition, request: &'s Request) -> Self {
        let status = |waiver: &crate::set::Waiver| {
            if waiver.is_expired(request.now()) { WaiverStatus::Expired } else { WaiverStatus::Unused }
        };
        Waivers { definition, request, statuses: definition.waivers().iter().map(status).collect() }
    }

    /// Relaxes a finding of a policy by the waiver that makes it the most lenient, if any makes it more lenient.
    fn apply(&mut self, policy: usize, level: Outcome, finding: Finding) -> Counted {
        let mut counted = Counted { outcome: level, waiver: None, finding };
        for (place, waiver) in self.definition.waivers_of(policy) {
            let relaxes = waiver.becomes < counted.outcome && waiver.code == counted.finding.code;
            if relaxes && waiver.concerns(self.request) {
                counted.outcome = waiver.becomes;
                counted.waiver = Some(place);
            }
        }
        if let Some(status) = counted.waiver.and_then(|place| self.statuses.get_mut(place)) {
            *status = WaiverStatus::Applied;
        }
        counted
    }

    fn any_applied(&self) -> bool {
        self.statuses.contains(&WaiverStatus::Applied)
    }

    /// How long a proceeding decision holds: as long as the set says, and not past the end of an applied waiver.
    fn valid_until(&self) -> Timestamp {
        let holds = SignedDuration::from_secs(self.definition.valid_for_seconds().into());
        let until = self.request.now().checked_add(holds).unwrap_or(Timestamp::MAX);
        let applied = self.definition.waivers().iter().zip(&self.statuses);
        let ends = applied.filter(|(_, status)| **status == WaiverStatus::Applied).map(|(waiver, _)| waiver.until);
        ends.fold(until, Ord::min)
    }
}

/// The code of the deny where no policy applied.
pub const NO_POLICY_APPLIED: &str = "portcullis.no-policy-applied";
/// The code of the deny where fewer members of an `at-least` applied than it needs.
pub const TOO_FEW_APPLIED: &str = "portcullis.too-few-applied";

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
