//! How one decision of a request differs from another: what whoever asked would notice.

use jiff::Timestamp;
use portcullis_gate::{DecisionView, Outcome, Requirement};
use serde::Serialize;

/// What differs between two decisions of one request. Fuel, durations and what is inside the trace do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The outcome before.
    pub from: Outcome,
    /// The outcome after.
    pub to: Outcome,
    /// What is asked for before the request may go on.
    pub requirements: RequirementsChange,
    /// Whether the codes of the findings differ, or their order.
    pub codes: bool,
    /// Whether the messages of the findings differ, or the fields that they point at.
    pub messages: bool,
    /// Whether what the host must do differs.
    pub obligations: bool,
}

/// How the open requirements of two decisions compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequirementsChange {
    /// The same.
    Same,
    /// Everything that was asked for before is still asked for, or more of it.
    Stricter,
    /// Something that was asked for before is asked for no more, or less of it: fewer approvals, more roles that may give
    /// them, an earlier time.
    Relaxed,
}

impl Change {
    /// Compares the decision `before` with the decision `after` of the same request.
    #[must_use]
    pub fn between(before: &DecisionView<'_>, after: &DecisionView<'_>) -> Change {
        let codes =
            |view: &DecisionView<'_>| view.findings.iter().map(|finding| finding.code.to_string()).collect::<Vec<_>>();
        let messages = |view: &DecisionView<'_>| {
            let said = view.findings.iter().map(|one| (one.message.to_string(), one.at.clone().map(String::from)));
            said.collect::<Vec<_>>()
        };
        Change {
            from: before.outcome,
            to: after.outcome,
            requirements: requirements(&before.requirements, &after.requirements),
            codes: codes(before) != codes(after),
            messages: messages(before) != messages(after),
            obligations: before.obligations != after.obligations,
        }
    }

    /// Whether whoever asked gets on more easily: by a more lenient outcome, or under the same outcome by relaxed
    /// requirements.
    #[must_use]
    pub fn is_more_lenient(&self) -> bool {
        match self.to.cmp(&self.from) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => self.requirements == RequirementsChange::Relaxed,
            std::cmp::Ordering::Greater => false,
        }
    }

    /// Whether anything differs.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.from != self.to
            || self.requirements != RequirementsChange::Same
            || self.codes
            || self.messages
            || self.obligations
    }
}

fn requirements<R: std::borrow::Borrow<Requirement>>(before: &[R], after: &[R]) -> RequirementsChange {
    let holds = |wanted: &[R], given: &[R]| {
        wanted.iter().all(|wanted| given.iter().any(|given| covers(given.borrow(), wanted.borrow())))
    };
    match (holds(before, after), holds(after, before)) {
        (true, true) => RequirementsChange::Same,
        (true, false) => RequirementsChange::Stricter,
        (false, _) => RequirementsChange::Relaxed,
    }
}

/// Whether whoever fulfils `given` has fulfilled `wanted` too. How a statement is worded is not compared.
fn covers(given: &Requirement, wanted: &Requirement) -> bool {
    match (given, wanted) {
        (Requirement::Acknowledge { .. }, Requirement::Acknowledge { .. }) => true,
        (
            Requirement::Approve { roles, count, within_minutes },
            Requirement::Approve { roles: wanted_roles, count: wanted_count, within_minutes: wanted_within },
        ) => {
            let within = |minutes: &Option<u32>| minutes.unwrap_or(u32::MAX);
            roles.iter().all(|role| wanted_roles.contains(role))
                && count >= wanted_count
                && within(within_minutes) <= within(wanted_within)
        }
        (Requirement::Provide { pointer }, Requirement::Provide { pointer: wanted }) => pointer == wanted,
        (Requirement::WaitUntil { time }, Requirement::WaitUntil { time: wanted }) => {
            match (time.parse::<Timestamp>(), wanted.parse::<Timestamp>()) {
                (Ok(time), Ok(wanted)) => time >= wanted,
                _ => time == wanted,
            }
        }
        (
            Requirement::Acknowledge { .. }
            | Requirement::Approve { .. }
            | Requirement::Provide { .. }
            | Requirement::WaitUntil { .. },
            _,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approve(roles: &[&str], count: u32, within_minutes: Option<u32>) -> Requirement {
        Requirement::Approve { roles: roles.iter().map(|&role| role.into()).collect(), count, within_minutes }
    }

    fn wait(time: &str) -> Requirement {
        Requirement::WaitUntil { time: time.into() }
    }

    #[test]
    fn fewer_approvals_more_roles_a_longer_window_an_earlier_time_are_relaxed() {
        use RequirementsChange::{Relaxed, Same, Stricter};
        let acknowledge = |text: &str| Requirement::Acknowledge { statement: text.into() };
        let provide = |pointer: &str| Requirement::Provide { pointer: pointer.into() };
        for (before, after, expected) in [
            (vec![], vec![], Same),
            (vec![approve(&["a"], 2, None)], vec![approve(&["a"], 1, None)], Relaxed),
            (vec![approve(&["a"], 1, None)], vec![approve(&["a"], 2, None)], Stricter),
            (vec![approve(&["a"], 1, None)], vec![approve(&["a", "b"], 1, None)], Relaxed),
            (vec![approve(&["a", "b"], 1, None)], vec![approve(&["b"], 1, None)], Stricter),
            (vec![approve(&["a", "b"], 1, None)], vec![approve(&["b", "a"], 1, None)], Same),
            (vec![approve(&["a"], 1, Some(5))], vec![approve(&["a"], 1, None)], Relaxed),
            (vec![approve(&["a"], 1, None)], vec![approve(&["a"], 1, Some(5))], Stricter),
            // More people, of more roles: neither covers the other.
            (vec![approve(&["a"], 1, None)], vec![approve(&["a", "b"], 2, None)], Relaxed),
            (vec![acknowledge("x")], vec![acknowledge("y")], Same),
            (vec![acknowledge("x")], vec![approve(&["a"], 1, None)], Relaxed),
            (vec![acknowledge("x")], vec![], Relaxed),
            (vec![], vec![provide("/a")], Stricter),
            (vec![provide("/a")], vec![provide("/b")], Relaxed),
            (vec![wait("2026-01-02T00:00:00Z")], vec![wait("2026-01-01T00:00:00Z")], Relaxed),
            (vec![wait("2026-01-01T00:00:00Z")], vec![wait("2026-01-02T00:00:00Z")], Stricter),
            (vec![wait("soon")], vec![wait("later")], Relaxed),
        ] {
            assert_eq!(requirements(&before, &after), expected, "{before:?} {after:?}");
        }
    }
}
