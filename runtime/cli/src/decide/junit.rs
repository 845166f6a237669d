//! Decisions as a JUnit report: a test suite with one test case for each payload, which passes where it proceeds. A
//! rehearsal that would proceed is skipped; a decision that holds no longer is an error.

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Decided, Payload, Standing, words};
use crate::text::shown;

/// The report as XML.
///
/// # Errors
/// None in practice: the text is written to memory.
pub fn render(payloads: &[Payload]) -> anyhow::Result<String> {
    let mut suite = TestSuite::new("portcullis");
    for payload in payloads {
        let mut case = match &payload.decided {
            Ok(decided) => case(payload, decided),
            Err(undecided) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                status.set_type(undecided.code.as_str()).set_message(shown(&undecided.message));
                TestCase::new(shown(&payload.source), status)
            }
        };
        case.set_classname("portcullis.decide");
        suite.add_test_case(case);
    }
    let mut report = Report::new("portcullis");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn case(payload: &Payload, decided: &Decided) -> TestCase {
    let decision = &decided.view;
    let lines: Vec<String> = decision
        .findings
        .iter()
        .map(|finding| format!("{}: {} ({})", finding.outcome, shown(&finding.message), words::origin(finding)))
        .chain(words::changes(decision).into_iter().map(|change| format!("what would change it: {change}")))
        .collect();
    let standing = words::standing(decided);
    let status = if let Some((_, meaning)) = &standing
        && decided.standing == Standing::Lapsed
    {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("portcullis.holds-no-longer").set_message(format!("{meaning}; {}", decided.asked));
        status
    } else if let Some((title, meaning)) = &standing
        && decision.proceed
    {
        // Neither passed nor failed: nothing was permitted.
        let mut status = TestCaseStatus::skipped();
        status.set_type("dry-run").set_message(format!("{title}: {meaning}; it would be {}", decision.outcome));
        status
    } else if decision.proceed {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let outcome = decision.outcome;
        status.set_type(outcome.as_str());
        let rehearsal = standing.as_ref().map(|(title, _)| format!("{title}: ")).unwrap_or_default();
        status.set_message(format!("{rehearsal}{outcome}: {}; {}", words::meaning(outcome), decided.asked));
        status.set_description(lines.join("\n"));
        status
    };
    let mut case = TestCase::new(shown(&payload.source), status);
    if decision.proceed {
        case.set_system_out(lines.join("\n"));
    }
    for (name, value) in [
        ("dry-run", (decided.standing == Standing::Rehearsal).to_string()),
        ("proceed", decision.proceed.to_string()),
        ("outcome", decision.outcome.to_string()),
        ("degraded", decision.degraded.to_string()),
        ("decision", decision.id.map(|id| id.to_string()).unwrap_or_default()),
        ("policy-set", format!("{} {}", shown(&decision.policy_set.name), decision.policy_set.sha256)),
        ("request", decision.request_sha256.to_string()),
    ] {
        case.add_property(Property::new(name, value));
    }
    case
}
