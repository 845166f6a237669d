use jiff::Timestamp;
use portcullis_gate::Outcome;

/// A question about earlier decisions: how many, and when. A field that is `None` restricts nothing.
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
