//! What policies ask of the ledger's history, what they were answered, and the record of both.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Most questions that a policy may ask in one evaluation.
pub const MAX_HISTORY_QUERIES: usize = 32;
/// Longest window of a question, in minutes: 366 days.
pub const MAX_HISTORY_MINUTES: u32 = 366 * 24 * 60;
/// Longest action, resource type and resource id of a question, in bytes each.
pub const MAX_HISTORY_TEXT_BYTES: usize = 1024;

/// Which past decisions a policy asks about: those for which everything that is given here holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// The action's name; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The resource's type; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// The resource's id; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// The decision's outcome is one of these; empty: any.
    pub outcomes: Vec<Outcome>,
    /// Length of the window, in minutes: 1 to [`MAX_HISTORY_MINUTES`].
    pub within_minutes: u32,
    /// The end of the window: the `now` of the decision that is being made.
    #[serde(with = "milliseconds")]
    pub until: Timestamp,
}

/// How many past decisions there are, and when the first and the last of them were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryAnswer {
    /// How many.
    pub count: u64,
    /// The `now` of the earliest of them, to the millisecond; `None` where there are none.
    #[serde(default, with = "milliseconds::optional", skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// The `now` of the latest of them, to the millisecond; `None` where there are none.
    #[serde(default, with = "milliseconds::optional", skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
}

/// The history could not be read. A policy that asked for it faults: [`Fault::History`](crate::Fault::History).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's history cannot be read: {reason}")]
pub struct HistoryUnavailable {
    /// Why, for the operator.
    pub reason: String,
}

/// One question of a policy, with what came of it. As JSON `{"query", "answer"}`, or `{"query", "unavailable"}` with the
/// reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct HistoryCall {
    /// What was asked.
    pub query: HistoryQuery,
    /// What the policy was answered; the error ended its evaluation.
    pub answer: Result<HistoryAnswer, HistoryUnavailable>,
}

/// A past decision, as far as questions about the history look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastDecision {
    /// Its `now`.
    pub now: Timestamp,
    /// The action's name.
    pub action: String,
    /// The resource's type.
    pub resource_type: String,
    /// The resource's id.
    pub resource_id: String,
    /// What was decided.
    pub outcome: Outcome,
}

impl HistoryQuery {
    /// Checks what the types cannot say: the window and the lengths.
    ///
    /// # Errors
    /// What is out of bounds, for the policy's author.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_HISTORY_MINUTES).contains(&self.within_minutes) {
            return Err(format!("the window has {} minutes, not 1 to {MAX_HISTORY_MINUTES}", self.within_minutes));
        }
        if self.outcomes.len() > Outcome::ALL.len() {
            return Err(format!("{} outcomes, more than there are", self.outcomes.len()));
        }
        let texts = [&self.action, &self.resource_type, &self.resource_id];
        if let Some(text) = texts.into_iter().flatten().find(|text| text.len() > MAX_HISTORY_TEXT_BYTES) {
            return Err(format!("a text of {} bytes, more than {MAX_HISTORY_TEXT_BYTES}", text.len()));
        }
        Ok(())
    }

    /// The start of the window. A decision of this very instant is no longer in it.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        let window = SignedDuration::from_mins(self.within_minutes.into());
        self.until.checked_sub(window).unwrap_or(Timestamp::MIN)
    }

    /// Whether a decision is one of those asked about.
    #[must_use]
    pub fn concerns(&self, decision: &PastDecision) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        self.since() < decision.now
            && decision.now <= self.until
            && is(&self.action, &decision.action)
            && is(&self.resource_type, &decision.resource_type)
            && is(&self.resource_id, &decision.resource_id)
            && (self.outcomes.is_empty() || self.outcomes.contains(&decision.outcome))
    }

    /// The answer of a ledger that holds just these decisions, in any order: what every ledger has to answer.
    #[must_use]
    pub fn answer_from(&self, decisions: &[PastDecision]) -> HistoryAnswer {
        decisions.iter().filter(|decision| self.concerns(decision)).fold(
            HistoryAnswer::default(),
            |answer, decision| HistoryAnswer {
                count: answer.count.saturating_add(1),
                oldest: Some(answer.oldest.map_or(decision.now, |oldest| oldest.min(decision.now))),
                latest: answer.latest.max(Some(decision.now)),
            },
        )
    }
}

impl HistoryAnswer {
    /// Checks that this can be an answer to `query`: a host's mistake must not become a policy's premise.
    ///
    /// # Errors
    /// What contradicts the query or itself.
    pub fn check(&self, query: &HistoryQuery) -> Result<(), HistoryUnavailable> {
        let wrong = |reason: &str| Err(HistoryUnavailable { reason: reason.into() });
        let (oldest, latest) = match (self.count, self.oldest, self.latest) {
            (0, None, None) => return Ok(()),
            (1.., Some(oldest), Some(latest)) => (oldest, latest),
            _ => return wrong("its answer has times without decisions, or decisions without times"),
        };
        if [oldest, latest].iter().any(|time| time.subsec_nanosecond() % 1_000_000 != 0) {
            return wrong("its answer has times that are not whole milliseconds");
        }
        if oldest > latest || (self.count == 1 && oldest != latest) {
            return wrong("its answer has an oldest decision that is not the oldest");
        }
        if oldest <= query.since() || latest > query.until {
            return wrong("its answer has decisions outside the window");
        }
        Ok(())
    }

    /// The oldest and the latest time as policies see them: RFC 3339, UTC, milliseconds.
    #[must_use]
    pub fn texts(&self) -> (Option<String>, Option<String>) {
        let text = |time: Option<Timestamp>| time.map(milliseconds::text);
        (text(self.oldest), text(self.latest))
    }
}

/// A call as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    query: HistoryQuery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<HistoryAnswer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unavailable: Option<String>,
}

impl From<HistoryCall> for Written {
    fn from(HistoryCall { query, answer }: HistoryCall) -> Written {
        match answer {
            Ok(answer) => Written { query, answer: Some(answer), unavailable: None },
            Err(HistoryUnavailable { reason }) => Written { query, answer: None, unavailable: Some(reason) },
        }
    }
}

impl TryFrom<Written> for HistoryCall {
    type Error = &'static str;

    fn try_from(Written { query, answer, unavailable }: Written) -> Result<HistoryCall, &'static str> {
        let answer = match (answer, unavailable) {
            (Some(answer), None) => Ok(answer),
            (None, Some(reason)) => Err(HistoryUnavailable { reason }),
            (Some(_), Some(_)) | (None, None) => return Err("expected either `answer` or `unavailable`"),
        };
        Ok(HistoryCall { query, answer })
    }
}

/// Times as RFC 3339 in UTC with milliseconds, as `/now`.
mod milliseconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn text(time: Timestamp) -> String {
        format!("{time:.3}")
    }

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    pub(super) mod optional {
        use super::{Deserialize, Deserializer, Serializer, Timestamp};

        pub(in super::super) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests;
