//! Conditions on the index of decisions, in the SQL that both databases understand.

use jiff::Timestamp;
use portcullis_gate::Outcome;

use super::{HistoryAnswer, HistoryQuery, ListFilter, MAX_HISTORY_ROWS};
use crate::store_error::StoreError;

/// A value of a condition.
#[derive(Clone, Debug)]
pub(super) enum Parameter {
    Text(String),
    Integer(i64),
}

/// Conditions joined by `AND`, with `$1`, `$2` ... for the parameters, each used once and in order.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    text: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Conditions {
    /// The statement that counts what a question is about, and how many decisions were looked at, which are those of the
    /// index that is nearest to it: one more than [`MAX_HISTORY_ROWS`] where there are more than these.
    pub(super) fn of_history(query: &HistoryQuery) -> (String, Conditions) {
        let by_resource = query.resource_type.is_some() && query.resource_id.is_some();
        let by_action = !by_resource && query.action.is_some();
        let part = |wanted: &Option<String>, taken: bool| if taken { wanted.clone() } else { None };
        let mut all = Conditions::default();
        // What is left over is asked of each row. Parameters are numbered in the order in which the statement names them.
        let (action, kind) = (part(&query.action, !by_action), part(&query.resource_type, !by_resource));
        let id = part(&query.resource_id, !by_resource);
        let mut read = String::from("time");
        for (name, is_read) in [
            (", action", action.is_some()),
            (", resource_type", kind.is_some()),
            (", resource_id", id.is_some()),
            (", outcome", !query.outcomes.is_empty()),
        ] {
            read.push_str(if is_read { name } else { "" });
        }
        all.columns(&action, &kind, &id, &query.outcomes);
        let left = std::mem::take(&mut all.text);
        let filter = if left.is_empty() { left } else { format!(" FILTER ({})", left.trim_start()) };
        all.columns(
            &part(&query.action, by_action),
            &part(&query.resource_type, by_resource),
            &part(&query.resource_id, by_resource),
            &[],
        );
        all.add("time >=", Parameter::Integer(query.since.as_millisecond()));
        all.add("time <", Parameter::Integer(query.until.as_millisecond()));
        let most = i64::try_from(MAX_HISTORY_ROWS).unwrap_or(i64::MAX);
        all.parameters.push(Parameter::Integer(most.saturating_add(1)));
        let (clause, limit) = (all.clause(), all.last());
        let text = format!(
            "SELECT count(*){filter}, min(time){filter}, max(time){filter}, count(*) \
             FROM (SELECT {read} FROM decisions{clause} LIMIT {limit}) AS looked_at"
        );
        (text, all)
    }

    pub(super) fn of_list(filter: &ListFilter, limit: u32) -> Conditions {
        let mut all = Conditions::default();
        all.columns(&filter.action, &filter.resource_type, &filter.resource_id, &filter.outcomes);
        if let Some(since) = filter.since {
            all.add("time >=", Parameter::Integer(since.as_millisecond()));
        }
        if let Some(until) = filter.until {
            all.add("time <", Parameter::Integer(until.as_millisecond()));
        }
        if let Some(before) = filter.before {
            all.add("no <", Parameter::Integer(i64::try_from(before).unwrap_or(i64::MAX)));
        }
        all.parameters.push(Parameter::Integer(i64::from(limit)));
        all
    }

    /// ` WHERE ...`, or nothing.
    pub(super) fn clause(&self) -> &str {
        &self.text
    }

    /// The last parameter's placeholder.
    pub(super) fn last(&self) -> String {
        format!("${}", self.parameters.len())
    }

    fn columns(
        &mut self,
        action: &Option<String>,
        resource_type: &Option<String>,
        resource_id: &Option<String>,
        outcomes: &[Outcome],
    ) {
        for (column, wanted) in
            [("action =", action), ("resource_type =", resource_type), ("resource_id =", resource_id)]
        {
            if let Some(wanted) = wanted {
                self.add(column, Parameter::Text(wanted.clone()));
            }
        }
        if !outcomes.is_empty() {
            let numbers: Vec<String> = outcomes.iter().map(|outcome| outcome_number(*outcome).to_string()).collect();
            self.join();
            self.text.push_str(&format!("outcome IN ({})", numbers.join(", ")));
        }
    }

    fn add(&mut self, column: &str, parameter: Parameter) {
        self.parameters.push(parameter);
        self.join();
        self.text.push_str(&format!("{column} {}", self.last()));
    }

    fn join(&mut self) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
    }
}

/// The row of a [`Conditions::of_history`] statement.
pub(super) fn history_of(
    (count, oldest, latest, looked_at): (i64, Option<i64>, Option<i64>, i64),
) -> Result<HistoryAnswer, StoreError> {
    if index_of(looked_at)? > MAX_HISTORY_ROWS {
        return Err(StoreError::TooMuchHistory { most: MAX_HISTORY_ROWS });
    }
    Ok(HistoryAnswer {
        count: index_of(count)?,
        oldest: oldest.map(time_of).transpose()?,
        latest: latest.map(time_of).transpose()?,
    })
}

pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Allow => 0,
        Outcome::Warn => 1,
        Outcome::Defer => 2,
        Outcome::Acknowledge => 3,
        Outcome::Escalate => 4,
        Outcome::Deny => 5,
    }
}

pub(super) fn outcome_of(number: i64) -> Result<Outcome, StoreError> {
    Outcome::ALL
        .into_iter()
        .find(|outcome| outcome_number(*outcome) == number)
        .ok_or_else(|| StoreError::damaged(format!("{number} is no outcome")))
}

pub(super) fn time_of(milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| StoreError::damaged(format!("{milliseconds} ms is no time")))
}

pub(super) fn index_of(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::damaged(format!("{number} is no index")))
}

/// An index as the databases' signed integer. Larger ones than these have, which no ledger reaches, find nothing.
pub(super) fn number_of(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
