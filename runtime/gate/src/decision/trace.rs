//! A decision as others see it, borrowed: written as JSON in the order in which people read it, and read back from it.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{Evaluated, PolicySaid, WaiverStatus};
use crate::answer::Requirement;
use crate::digest::Sha256;
use crate::history::HistoryCall;
use crate::outcome::Outcome;
use crate::set::EngineIdentity;

/// A finding in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionFinding<'d> {
    /// What it counts as.
    pub outcome: Outcome,
    /// What the policy said; for a fault, the policy's enforcement level.
    pub said: Outcome,
    /// `team.policy.reason`, a fault's code, or `portcullis...`.
    #[serde(borrow)]
    pub code: Cow<'d, str>,
    /// For people.
    #[serde(borrow)]
    pub message: Cow<'d, str>,
    /// Who said it; `portcullis` for the host. `None` inside the trace of a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Cow<'d, str>>,
    /// The request field that it is about, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Cow<'d, str>>,
    /// What would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Cow<'d, Requirement>>,
    /// The waiver that relaxed it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub waived: Option<Waived<'d>>,
}

/// Who relaxed a finding, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waived<'d> {
    /// Who answers for it.
    #[serde(borrow)]
    pub owner: Cow<'d, str>,
    /// Why.
    #[serde(borrow)]
    pub reason: Cow<'d, str>,
    /// When it ends.
    pub until: Timestamp,
}

/// What the host must do, and which policy asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionObligation<'d> {
    /// `notify`, `tag`, `review` ...
    #[serde(borrow)]
    pub kind: Cow<'d, str>,
    /// A JSON object.
    pub params: Cow<'d, serde_json::Value>,
    /// Who asks.
    #[serde(borrow)]
    pub policy: Cow<'d, str>,
}

/// One policy in a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTrace<'d> {
    /// Its name in the set.
    #[serde(borrow)]
    pub name: Cow<'d, str>,
    /// The component's digest; `None` where its file could not be read.
    pub module_sha256: Option<Sha256>,
    /// The settings' digest; `None` where their file could not be read.
    pub settings_sha256: Option<Sha256>,
    /// The strongest outcome that it may cause.
    pub enforce: Outcome,
    /// What it said.
    pub said: PolicySaid,
    /// What it counts as; `None` where it abstained or was skipped.
    pub counted_as: Option<Outcome>,
    /// Whether the decision's outcome rests on it.
    pub contributes: bool,
    /// Its findings, in its own order.
    #[serde(borrow)]
    pub findings: Vec<DecisionFinding<'d>>,
    /// Fuel used.
    pub fuel: u64,
    /// Wall time, in microseconds; `None` in [`replay_bytes`](crate::Decision::replay_bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What it asked of the ledger's history, in order, with the answers.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub history: Cow<'d, [HistoryCall]>,
    /// The fault, with its detail for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(borrow)]
    pub fault: Option<FaultTrace<'d>>,
}

/// A fault in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTrace<'d> {
    /// `fault.fuel`, `load.world` ...
    #[serde(borrow)]
    pub code: Cow<'d, str>,
    /// For the operator. Servers do not show it to callers.
    #[serde(borrow)]
    pub detail: Cow<'d, str>,
}

/// One waiver of the set in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverTrace<'d> {
    /// The policy that it names.
    #[serde(borrow)]
    pub policy: Cow<'d, str>,
    /// The code that it names.
    #[serde(borrow)]
    pub code: Cow<'d, str>,
    /// What became of it.
    pub status: WaiverStatus,
    /// When it ends.
    pub until: Timestamp,
    /// Who answers for it.
    #[serde(borrow)]
    pub owner: Cow<'d, str>,
}

/// A decision. The order of the members is the order in which people read it as JSON. Reading one back shows what was
/// decided; nothing proceeds because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionView<'d> {
    /// The decision's id; `None` in [`replay_bytes`](crate::Decision::replay_bytes), like the other members that differ
    /// between two runs of the same request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The outcome.
    pub outcome: Outcome,
    /// Whether the request may go on.
    pub proceed: bool,
    /// Whether a fault counted as less than deny, or a waiver applied.
    pub degraded: bool,
    /// The findings of what contributes, the strictest first.
    #[serde(borrow)]
    pub findings: Vec<DecisionFinding<'d>>,
    /// What would change the findings that stand in the way, each once.
    pub requirements: Vec<Cow<'d, Requirement>>,
    /// What the host must do if it goes on.
    #[serde(borrow)]
    pub obligations: Vec<DecisionObligation<'d>>,
    /// How many policies ran and what became of them.
    pub evaluated: Evaluated,
    /// Every policy of the set, in the manifest's order.
    #[serde(borrow)]
    pub policies: Vec<PolicyTrace<'d>>,
    /// Every waiver of the set, in the manifest's order.
    #[serde(borrow)]
    pub waivers: Vec<WaiverTrace<'d>>,
    /// The set that decided.
    #[serde(borrow)]
    pub policy_set: SetTrace<'d>,
    /// Digest of the request's bytes as they were decided.
    pub request_sha256: Sha256,
    /// What evaluated the policies.
    pub engine: Cow<'d, EngineIdentity>,
    /// The host's clock as policies saw it: RFC 3339, UTC, milliseconds.
    #[serde(borrow)]
    pub now: Cow<'d, str>,
    /// The caller's id for the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'d, str>>,
    /// Until when a proceeding decision holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// The decision that this one takes the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
}

/// The set of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTrace<'d> {
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'d, str>,
    /// Its digest.
    pub sha256: Sha256,
}

impl<'d> DecisionView<'d> {
    /// Reads a decision that was written as JSON.
    ///
    /// # Errors
    /// It is no decision, or has members that this version does not know.
    pub fn parse(json: &'d [u8]) -> Result<DecisionView<'d>, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The same, with text of its own.
    #[must_use]
    pub fn into_owned(self) -> DecisionView<'static> {
        DecisionView {
            id: self.id,
            outcome: self.outcome,
            proceed: self.proceed,
            degraded: self.degraded,
            findings: self.findings.into_iter().map(DecisionFinding::into_owned).collect(),
            requirements: self.requirements.into_iter().map(own).collect(),
            obligations: self.obligations.into_iter().map(DecisionObligation::into_owned).collect(),
            evaluated: self.evaluated,
            policies: self.policies.into_iter().map(PolicyTrace::into_owned).collect(),
            waivers: self.waivers.into_iter().map(WaiverTrace::into_owned).collect(),
            policy_set: SetTrace { name: own(self.policy_set.name), sha256: self.policy_set.sha256 },
            request_sha256: self.request_sha256,
            engine: own(self.engine),
            now: own(self.now),
            correlation_id: self.correlation_id.map(own),
            valid_until: self.valid_until,
            supersedes: self.supersedes,
        }
    }
}

fn own<T: ToOwned + ?Sized>(text: Cow<'_, T>) -> Cow<'static, T> {
    Cow::Owned(text.into_owned())
}

impl DecisionFinding<'_> {
    fn into_owned(self) -> DecisionFinding<'static> {
        DecisionFinding {
            outcome: self.outcome,
            said: self.said,
            code: own(self.code),
            message: own(self.message),
            policy: self.policy.map(own),
            at: self.at.map(own),
            requirement: self.requirement.map(own),
            waived: self.waived.map(|waived| Waived {
                owner: own(waived.owner),
                reason: own(waived.reason),
                until: waived.until,
            }),
        }
    }
}

impl DecisionObligation<'_> {
    fn into_owned(self) -> DecisionObligation<'static> {
        DecisionObligation { kind: own(self.kind), params: own(self.params), policy: own(self.policy) }
    }
}

impl PolicyTrace<'_> {
    fn into_owned(self) -> PolicyTrace<'static> {
        PolicyTrace {
            name: own(self.name),
            module_sha256: self.module_sha256,
            settings_sha256: self.settings_sha256,
            enforce: self.enforce,
            said: self.said,
            counted_as: self.counted_as,
            contributes: self.contributes,
            findings: self.findings.into_iter().map(DecisionFinding::into_owned).collect(),
            fuel: self.fuel,
            duration_us: self.duration_us,
            history: own(self.history),
            fault: self.fault.map(|fault| FaultTrace { code: own(fault.code), detail: own(fault.detail) }),
        }
    }
}

impl WaiverTrace<'_> {
    fn into_owned(self) -> WaiverTrace<'static> {
        WaiverTrace {
            policy: own(self.policy),
            code: own(self.code),
            status: self.status,
            until: self.until,
            owner: own(self.owner),
        }
    }
}

impl PolicySaid {
    /// The outcome's name, `abstain`, `skipped` or `fault`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PolicySaid::Outcome(outcome) => outcome.as_str(),
            PolicySaid::Abstain => "abstain",
            PolicySaid::Skipped => "skipped",
            PolicySaid::Fault => "fault",
        }
    }
}

impl Serialize for PolicySaid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PolicySaid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PolicySaid, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.as_str() {
            "abstain" => Ok(PolicySaid::Abstain),
            "skipped" => Ok(PolicySaid::Skipped),
            "fault" => Ok(PolicySaid::Fault),
            other => Outcome::from_name(other).map(PolicySaid::Outcome).ok_or_else(|| D::Error::custom("no verdict")),
        }
    }
}
