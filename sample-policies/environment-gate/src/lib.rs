//! Decides a change by a matrix: the first row for its environment, kind of change and action says what it takes.
//!
//! A row may look at further fields (`where`) and may demand fields (`needs`). A field that a row has to look at and the
//! request lacks is a defer: no row is passed over because something is missing. What the caller says about approvals is
//! not read at all.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod matrix;
mod settings;

use portcullis_policy::prelude::*;

use matrix::{CHANGE, ENVIRONMENT, Matrix, Search};
use settings::Stop;

#[policy(
    name = "sample.environment-gate",
    summary = "Decides a change by the row of a matrix of environments, kinds of change and actions.",
    codes(
        FIELD_MISSING = "sample.environment-gate.field-missing": "The matrix needs a field that the request lacks.",
        FIELD_MALFORMED = "sample.environment-gate.field-malformed": "A field of the matrix is not a text.",
        ENVIRONMENT_UNKNOWN = "sample.environment-gate.environment-unknown": "The environment is not in the settings.",
        CHANGE_UNKNOWN = "sample.environment-gate.change-unknown": "No row names this kind of change.",
        NO_ROW = "sample.environment-gate.no-row": "No row fits this change.",
        _ = "sample.environment-gate.*": "The row of that name decided.",
    )
)]
fn evaluate(matrix: &Matrix, input: &Fields) -> Answer {
    match matrix.search(input) {
        Search::NotOurs => abstain(),
        Search::Row(row) => {
            let mut answer = Answer::from(row.findings());
            for obligation in &row.obligations {
                let params = obligation.params.iter();
                let params = params.fold(Params::new(), |params, (key, value)| params.text(key, value));
                answer = answer.oblige(&obligation.kind, params);
            }
            answer
        }
        Search::Needs(pointers) => Answer::from(
            pointers
                .into_iter()
                .map(|pointer| {
                    let message = format!("the change cannot be judged without {pointer}");
                    stop(matrix.missing(), FIELD_MISSING, message).at(pointer).provide(pointer)
                })
                .collect::<Vec<_>>(),
        ),
        Search::Malformed(pointer) => {
            Answer::from(deny(FIELD_MALFORMED, format!("{pointer} is not a text")).at(pointer))
        }
        Search::UnknownEnvironment(name) => {
            let message = format!("the environment {} is not known; known are {}", quote(name), matrix.environments());
            Answer::from(stop(matrix.unknown(), ENVIRONMENT_UNKNOWN, message).at(ENVIRONMENT))
        }
        Search::UnknownChange(name) => {
            let message = format!("no row of the matrix names the kind of change {}", quote(name));
            Answer::from(stop(matrix.unknown(), CHANGE_UNKNOWN, message).at(CHANGE))
        }
        Search::NoRow => {
            let message = "no row of the matrix fits this environment, kind of change and action".to_owned();
            Answer::from(stop(matrix.unknown(), NO_ROW, message).at(CHANGE))
        }
    }
}

fn stop(stop: Stop, code: Code, message: String) -> Finding {
    match stop {
        Stop::Defer => defer(code, message),
        Stop::Deny => deny(code, message),
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
