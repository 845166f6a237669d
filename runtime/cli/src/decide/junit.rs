//! Decisions as a JUnit report: a test suite with one test case for each payload, which passes where it proceeds.

use portcullis_gate::Decision;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Payload, words};
use crate::text::shown;

/// The report as XML.
///
/// # Errors
/// None in practice: the text is written to memory.
pub fn render(payloads: &[Payload]) -> anyhow::Result<String> {
    let mut suite = TestSuite::new("portcullis");
    for payload in payloads {
        let mut case = match &payload.decided {
            Ok(decision) => case(payload, decision),
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

fn case(payload: &Payload, decision: &Decision) -> TestCase {
    let lines: Vec<String> = decision
        .findings()
        .map(|finding| format!("{}: {} ({})", finding.outcome, shown(finding.message), words::origin(&finding)))
        .chain(words::changes(decision).into_iter().map(|change| format!("what would change it: {change}")))
        .collect();
    let status = if decision.proceeds() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let outcome = decision.outcome();
        status.set_type(outcome.as_str());
        status.set_message(format!("{outcome}: {}; {}", words::meaning(outcome), words::asked(decision)));
        status.set_description(lines.join("\n"));
        status
    };
    let mut case = TestCase::new(shown(&payload.source), status);
    if decision.proceeds() {
        case.set_system_out(lines.join("\n"));
    }
    let set = decision.set();
    for (name, value) in [
        ("outcome", decision.outcome().to_string()),
        ("degraded", decision.degraded().to_string()),
        ("decision", decision.id().to_string()),
        ("policy-set", format!("{} {}", shown(set.definition.name()), set.sha256)),
        ("request", decision.request().sha256().to_string()),
    ] {
        case.add_property(Property::new(name, value));
    }
    case
}
