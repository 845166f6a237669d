//! The one answer for one request, with everything that explains it.

mod trace;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::answer::{Faulted, Finding, Obligation, Requirement};
use crate::decide::Call;
use crate::history::HistoryCall;
use crate::outcome::Outcome;
use crate::request::Request;
use crate::set::{HOST_NAME, PinnedSet};

pub use trace::{
    DecisionFinding, DecisionObligation, DecisionView, FaultTrace, PolicyTrace, SetTrace, Waived, WaiverTrace,
};

/// A decision. Only [`decide`](crate::decide()) makes one; it can be written as JSON, and not be read back.
///
/// ```compile_fail,E0277
/// let forged: portcullis_gate::Decision = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Decision {
    pub(crate) call: Call,
    pub(crate) outcome: Outcome,
    pub(crate) degraded: bool,
    pub(crate) host_findings: Vec<Finding>,
    pub(crate) policies: Vec<PolicyRecord>,
    pub(crate) waivers: Vec<WaiverStatus>,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) request: Request,
    pub(crate) set: Arc<PinnedSet>,
}

/// How many policies ran and what became of them. `ran + skipped` is the number of policies; `abstained` and
/// `faulted` are among those that ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// Were asked, or could not be loaded.
    pub ran: usize,
    /// Said that the request is not their business.
    pub abstained: usize,
    /// Were not asked: `when` did not match.
    pub skipped: usize,
    /// Gave no well-formed answer.
    pub faulted: usize,
}

/// What a policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySaid {
    /// Findings; the strictest of them, before its enforcement level and waivers.
    Outcome(Outcome),
    /// Not its business.
    Abstain,
    /// It was not asked.
    Skipped,
    /// Nothing well-formed.
    Fault,
}

/// What became of a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverStatus {
    /// It made a finding or a fault count as less.
    Applied,
    /// It has ended, so it was not looked at.
    Expired,
    /// It made no difference.
    Unused,
}

/// What a decision keeps of one policy.
#[derive(Clone, Debug)]
pub(crate) struct PolicyRecord {
    pub said: PolicySaid,
    pub counted_as: Option<Outcome>,
    pub contributes: bool,
    pub findings: Vec<Counted>,
    pub obligations: Vec<Obligation>,
    pub fuel: u64,
    pub duration_us: u64,
    pub history: Vec<HistoryCall>,
    pub fault: Option<Faulted>,
}

/// A finding as said, what it counts as, and the place of the waiver that relaxed it.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub outcome: Outcome,
    pub waiver: Option<usize>,
    pub finding: Finding,
}

impl PolicyRecord {
    pub(crate) fn skipped() -> PolicyRecord {
        PolicyRecord {
            said: PolicySaid::Skipped,
            counted_as: None,
            contributes: false,
            findings: Vec::new(),
            obligations: Vec::new(),
            fuel: 0,
            duration_us: 0,
            history: Vec::new(),
            fault: None,
        }
    }
}

impl Decision {
    /// The decision's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.call.id
    }

    /// The outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the request may go on, as far as the policies are concerned. Nothing is done because of it: what has
    /// effects asks for a permission, which only a decision that was recorded gives.
    #[must_use]
    pub fn proceeds(&self) -> bool {
        self.outcome.proceeds()
    }

    /// The same decision, stopped by the host: denied, with that finding first.
    #[must_use]
    pub fn stopped(mut self, code: &'static str, message: String) -> Decision {
        let finding = Finding { outcome: Outcome::Deny, code: code.into(), message, at: None, requirement: None };
        self.outcome = Outcome::Deny;
        self.host_findings.insert(0, finding);
        self.valid_until = None;
        self
    }

    /// Whether a fault counted as less than deny, or a waiver applied.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.degraded
    }

    /// The findings of what contributes, the strictest first; among equals the host's own, then in the manifest's
    /// order.
    pub fn findings(&self) -> impl Iterator<Item = DecisionFinding<'_>> {
        Outcome::ALL.into_iter().rev().flat_map(move |rank| {
            let host = self.host_findings.iter().filter(move |finding| finding.outcome == rank).map(host_finding);
            let said = self.contributing().flat_map(move |(place, record)| {
                let equal = record.findings.iter().filter(move |counted| counted.outcome == rank);
                equal.map(move |counted| self.finding(Some(self.policy_name(place)), counted))
            });
            host.chain(said)
        })
    }

    /// What would change the findings that stand in the way, in their order, each once.
    #[must_use]
    pub fn requirements(&self) -> Vec<&Requirement> {
        let mut seen = HashSet::new();
        let open = self.findings().filter(|finding| !finding.outcome.proceeds());
        open.filter_map(|finding| match finding.requirement {
            Some(Cow::Borrowed(requirement)) => Some(requirement),
            _ => None,
        })
        .filter(|requirement| seen.insert(*requirement))
        .collect()
    }

    /// What the host must do if it goes on; none where the decision does not proceed.
    pub fn obligations(&self) -> impl Iterator<Item = DecisionObligation<'_>> {
        self.contributing().filter(|_| self.proceeds()).flat_map(|(place, record)| {
            let policy = self.policy_name(place);
            record.obligations.iter().map(move |Obligation { kind, params }| DecisionObligation {
                kind: kind.into(),
                params: Cow::Borrowed(params),
                policy: policy.into(),
            })
        })
    }

    /// How many policies ran and what became of them.
    #[must_use]
    pub fn evaluated(&self) -> Evaluated {
        let mut evaluated = Evaluated::default();
        for record in &self.policies {
            let (count, also) = match record.said {
                PolicySaid::Skipped => (&mut evaluated.skipped, None),
                PolicySaid::Outcome(_) => (&mut evaluated.ran, None),
                PolicySaid::Abstain => (&mut evaluated.ran, Some(&mut evaluated.abstained)),
                PolicySaid::Fault => (&mut evaluated.ran, Some(&mut evaluated.faulted)),
            };
            for count in std::iter::once(count).chain(also) {
                *count = count.saturating_add(1);
            }
        }
        evaluated
    }

    /// Every policy of the set, in the manifest's order.
    pub fn policies(&self) -> impl Iterator<Item = PolicyTrace<'_>> {
        let definition = &self.set.definition;
        definition.policies().iter().zip(&self.policies).enumerate().map(|(place, (spec, record))| {
            let pin = self.set.pins.get(place).copied().unwrap_or_default();
            PolicyTrace {
                name: spec.name.as_str().into(),
                module_sha256: pin.module_sha256,
                settings_sha256: pin.settings_sha256,
                enforce: spec.enforce,
                said: record.said,
                counted_as: record.counted_as,
                contributes: record.contributes,
                findings: record.findings.iter().map(|counted| self.finding(None, counted)).collect(),
                fuel: record.fuel,
                duration_us: Some(record.duration_us),
                history: Cow::Borrowed(&record.history),
                fault: record.fault.as_ref().map(|faulted| FaultTrace {
                    code: faulted.fault.code().into(),
                    detail: faulted.detail.as_str().into(),
                }),
            }
        })
    }

    /// Every waiver of the set, in the manifest's order.
    pub fn waivers(&self) -> impl Iterator<Item = WaiverTrace<'_>> {
        self.set.definition.waivers().iter().zip(&self.waivers).map(|(waiver, status)| WaiverTrace {
            policy: self.policy_name(waiver.policy).into(),
            code: waiver.code.as_str().into(),
            status: *status,
            until: waiver.until,
            owner: waiver.owner.as_str().into(),
        })
    }

    /// The set that decided.
    #[must_use]
    pub fn set(&self) -> &Arc<PinnedSet> {
        &self.set
    }

    /// The request that was decided.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The caller's id for the change.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.call.correlation_id.as_deref()
    }

    /// The decision that this one takes the place of.
    #[must_use]
    pub fn supersedes(&self) -> Option<Uuid> {
        self.call.supersedes
    }

    /// Until when a proceeding decision holds; `None` where it does not proceed.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// The decision as JSON without what differs between two runs of the same request: ids and durations. Two runs of
    /// the same set, request (with its `now`) and results, what was asked of the history and answered included, give the
    /// same bytes.
    ///
    /// # Errors
    /// None that is known; it is not papered over, because two decisions without bytes would look alike.
    pub fn replay_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut shown = self.view();
        shown.id = None;
        shown.correlation_id = None;
        shown.supersedes = None;
        for policy in &mut shown.policies {
            policy.duration_us = None;
        }
        serde_json::to_vec(&shown)
    }

    fn contributing(&self) -> impl Iterator<Item = (usize, &PolicyRecord)> {
        self.policies.iter().enumerate().filter(|(_, record)| record.contributes)
    }

    fn policy_name(&self, place: usize) -> &str {
        self.set.definition.policies().get(place).map_or(HOST_NAME, |spec| &spec.name)
    }

    fn finding<'d>(&'d self, policy: Option<&'d str>, counted: &'d Counted) -> DecisionFinding<'d> {
        let waiver = counted.waiver.and_then(|place| self.set.definition.waivers().get(place));
        DecisionFinding {
            outcome: counted.outcome,
            said: counted.finding.outcome,
            code: counted.finding.code.as_str().into(),
            message: counted.finding.message.as_str().into(),
            policy: policy.map(Cow::Borrowed),
            at: counted.finding.at.as_deref().map(Cow::Borrowed),
            requirement: counted.finding.requirement.as_ref().map(Cow::Borrowed),
            waived: waiver.map(|waiver| Waived {
                owner: waiver.owner.as_str().into(),
                reason: waiver.reason.as_str().into(),
                until: waiver.until,
            }),
        }
    }

    /// Everything that explains the decision.
    #[must_use]
    pub fn view(&self) -> DecisionView<'_> {
        DecisionView {
            id: Some(self.call.id),
            outcome: self.outcome,
            proceed: self.proceeds(),
            degraded: self.degraded,
            findings: self.findings().collect(),
            requirements: self.requirements().into_iter().map(Cow::Borrowed).collect(),
            obligations: self.obligations().collect(),
            evaluated: self.evaluated(),
            policies: self.policies().collect(),
            waivers: self.waivers().collect(),
            policy_set: SetTrace { name: self.set.definition.name().into(), sha256: self.set.sha256 },
            request_sha256: self.request.sha256(),
            engine: Cow::Borrowed(&self.set.engine),
            now: self.request.now_text().into(),
            correlation_id: self.correlation_id().map(Cow::Borrowed),
            valid_until: self.valid_until.map(|until| format!("{until:.3}")),
            supersedes: self.call.supersedes,
        }
    }
}

fn host_finding(finding: &Finding) -> DecisionFinding<'_> {
    DecisionFinding {
        outcome: finding.outcome,
        said: finding.outcome,
        code: finding.code.as_str().into(),
        message: finding.message.as_str().into(),
        policy: Some(HOST_NAME.into()),
        at: None,
        requirement: None,
        waived: None,
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
