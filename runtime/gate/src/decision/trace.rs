//! The parts of a decision as others see them: borrowed, and in the order in which people read them as JSON.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Evaluated, PolicySaid, WaiverStatus};
use crate::answer::Requirement;
use crate::digest::Sha256;
use crate::history::HistoryCall;
use crate::outcome::Outcome;
use crate::set::EngineIdentity;

/// A finding in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionFinding<'d> {
    /// What it counts as.
    pub outcome: Outcome,
    /// What the policy said; for a fault, the policy's enforcement level.
    pub said: Outcome,
    /// `team.policy.reason`, a fault's code, or `portcullis...`.
    pub code: &'d str,
    /// For people.
    pub message: &'d str,
    /// Who said it; `portcullis` for the host. `None` inside the trace of a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<&'d str>,
    /// The request field that it is about, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<&'d str>,
    /// What would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<&'d Requirement>,
    /// The waiver that relaxed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived<'d>>,
}

/// Who relaxed a finding, why, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Waived<'d> {
    /// Who answers for it.
    pub owner: &'d str,
    /// Why.
    pub reason: &'d str,
    /// When it ends.
    pub until: Timestamp,
}

/// What the host must do, and which policy asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DecisionObligation<'d> {
    /// `notify`, `tag`, `review` ...
    pub kind: &'d str,
    /// A JSON object.
    pub params: &'d serde_json::Value,
    /// Who asks.
    pub policy: &'d str,
}

/// One policy in a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyTrace<'d> {
    /// Its name in the set.
    pub name: &'d str,
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
    pub findings: Vec<DecisionFinding<'d>>,
    /// Fuel used.
    pub fuel: u64,
    /// Wall time, in microseconds; `None` in [`replay_bytes`](crate::Decision::replay_bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What it asked of the ledger's history, in order, with the answers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub history: &'d [HistoryCall],
    /// The fault, with its detail for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultTrace<'d>>,
}

/// A fault in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultTrace<'d> {
    /// `fault.fuel`, `load.world` ...
    pub code: &'d str,
    /// For the operator. Servers do not show it to callers.
    pub detail: &'d str,
}

/// One waiver of the set in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaiverTrace<'d> {
    /// The policy that it names.
    pub policy: &'d str,
    /// The code that it names.
    pub code: &'d str,
    /// What became of it.
    pub status: WaiverStatus,
    /// When it ends.
    pub until: Timestamp,
    /// Who answers for it.
    pub owner: &'d str,
}

/// A decision as JSON. The order of the members is the order in which people read it.
#[derive(Serialize)]
pub(super) struct Shown<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub outcome: Outcome,
    pub proceed: bool,
    pub degraded: bool,
    pub findings: Vec<DecisionFinding<'d>>,
    pub requirements: Vec<&'d Requirement>,
    pub obligations: Vec<DecisionObligation<'d>>,
    pub evaluated: Evaluated,
    pub policies: Vec<PolicyTrace<'d>>,
    pub waivers: Vec<WaiverTrace<'d>>,
    pub policy_set: SetShown<'d>,
    pub request_sha256: Sha256,
    pub engine: &'d EngineIdentity,
    pub now: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
}

#[derive(Serialize)]
pub(super) struct SetShown<'d> {
    pub name: &'d str,
    pub sha256: Sha256,
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
