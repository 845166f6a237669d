use crate::Outcome;
use crate::bindings::{HistoryAnswer, HistoryQuery};
use crate::time::Time;

/// A question about past decisions: those for which everything that is said here holds.
///
/// ```
/// # use portcullis_policy::prelude::*;
/// let query = Query::within_minutes(60).action("deploy").resource("service", "payment-api").outcome(Outcome::Allow);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    query: HistoryQuery,
}

/// How many past decisions there are, and when the first and the last of them were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// How many.
    pub count: u64,
    /// When the first of them was made; `None` where there are none.
    pub oldest: Option<Time>,
    /// When the last of them was made; `None` where there are none.
    pub latest: Option<Time>,
}

/// Counts past decisions in the host's ledger; announce it with `#[policy(history = "What for.")]`. The decision that is
/// being made is not counted. Where the ledger cannot be read, the policy faults and this does not return.
#[must_use]
pub fn history(query: &Query) -> Past {
    let HistoryAnswer { count, oldest, latest } = host::history(&query.query);
    let time = |text: Option<String>| text.and_then(|text| Time::parse(&text));
    Past { count, oldest: time(oldest), latest: time(latest) }
}

impl Query {
    /// Any decision made less than that many minutes before `/now`: 1 to 527,040 (366 days). Other numbers are a fault.
    #[must_use]
    pub fn within_minutes(minutes: u32) -> Query {
        let query = HistoryQuery {
            action: None,
            resource_type: None,
            resource_id: None,
            outcomes: Vec::new(),
            within_minutes: minutes,
        };
        Query { query }
    }

    /// Only decisions about the action of that name.
    #[must_use]
    pub fn action(mut self, name: impl Into<String>) -> Query {
        self.query.action = Some(name.into());
        self
    }

    /// Only decisions about resources of that type.
    #[must_use]
    pub fn resource_type(mut self, kind: impl Into<String>) -> Query {
        self.query.resource_type = Some(kind.into());
        self
    }

    /// Only decisions about that resource.
    #[must_use]
    pub fn resource(mut self, kind: impl Into<String>, id: impl Into<String>) -> Query {
        self.query.resource_id = Some(id.into());
        self.resource_type(kind)
    }

    /// Also decisions of that outcome; without any, decisions of every outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Query {
        if !self.query.outcomes.contains(&outcome) {
            self.query.outcomes.push(outcome);
        }
        self
    }

    /// Only decisions that proceeded: `allow` and `warn`.
    #[must_use]
    pub fn proceeded(self) -> Query {
        self.outcome(Outcome::Allow).outcome(Outcome::Warn)
    }
}

#[cfg(target_arch = "wasm32")]
use crate::bindings as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::host;
