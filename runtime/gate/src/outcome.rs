use serde::{Deserialize, Serialize};

/// What a finding, a policy, a node or a decision says, from the most lenient to the strictest. The order of the
/// variants is the order of ranks: `Allow < Deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing stands in the way.
    Allow,
    /// May go on; the warning is recorded and shown.
    Warn,
    /// Not now: something is missing, or the time is wrong; ask again.
    Defer,
    /// The requester must take responsibility first.
    Acknowledge,
    /// Someone with the named authority must approve first.
    Escalate,
    /// Stop.
    Deny,
}

impl Outcome {
    /// Every outcome, by rank.
    pub const ALL: [Outcome; 6] =
        [Outcome::Allow, Outcome::Warn, Outcome::Defer, Outcome::Acknowledge, Outcome::Escalate, Outcome::Deny];

    /// Whether a decision of this outcome lets the request go on. True for `Allow` and `Warn`, and nothing else.
    #[must_use]
    pub const fn proceeds(self) -> bool {
        match self {
            Outcome::Allow | Outcome::Warn => true,
            Outcome::Defer | Outcome::Acknowledge | Outcome::Escalate | Outcome::Deny => false,
        }
    }

    /// The outcome's name in manifests, JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::Warn => "warn",
            Outcome::Defer => "defer",
            Outcome::Acknowledge => "acknowledge",
            Outcome::Escalate => "escalate",
            Outcome::Deny => "deny",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
