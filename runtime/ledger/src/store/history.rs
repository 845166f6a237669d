use jiff::Timestamp;
use portcullis_gate::Outcome;

/// Most decisions that are looked at to answer one question. The writer asks again what an entry rests on, while every
/// other entry waits.
pub const MAX_HISTORY_ROWS: u64 = 20_000;

/// A question about earlier decisions: how many, and when. A field that is `None` restricts nothing.
///
/// Looked at are the decisions of the time on the resource, where its type and id are given; otherwise of the action, where
/// that is given; otherwise all. Where these are more than [`MAX_HISTORY_ROWS`] there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only of this action.
    pub action: Option<String>,
    /// Only on resources of this type.
    pub resource_type: Option<String>,
    /// Only on the resource of this id.
    pub resource_id: Option<String>,
    /// Only of these outcomes; empty means any.
    pub outcomes: Vec<Outcome>,
    /// From this time on, this millisecond included.
    pub since: Timestamp,
    /// Before this time, this millisecond not included.
    pub until: Timestamp,
}

/// The answer to a [`HistoryQuery`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryAnswer {
    /// How many decisions match.
    pub count: u64,
    /// When the first of them was made.
    pub oldest: Option<Timestamp>,
    /// When the last of them was made.
    pub latest: Option<Timestamp>,
}
