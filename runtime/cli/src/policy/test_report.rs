//! What came of cases, for people and as JUnit.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::coverage::Coverage;
use super::fuel::{Compared, Difference, FUEL_FILE};
use super::suite::Suite;
use super::test::{Tested, TestedPolicy};
use crate::args::TestArgs;
use crate::text::{counted, shown};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Most failing cases, and most changes of fuel, shown of one policy.
const MAX_SHOWN: usize = 20;

/// One policy, for people.
#[must_use]
pub fn policy(tested: &TestedPolicy, suite: &Suite, args: &TestArgs) -> String {
    let mut out = String::new();
    let name = shown(&tested.name);
    if let Some(reason) = &tested.refused {
        let cases = counted(tested.cases.len(), "case was", "cases were");
        _ = writeln!(out, "{BAD}✖ {name}{BAD:#}: the component is refused, so its {cases} not run");
        _ = writeln!(out, "  {}", shown(reason));
        return out;
    }
    let passed = tested.cases.iter().filter(|case| case.passed).count();
    let good = passed == tested.cases.len() && tested.denied.is_empty();
    let (style, symbol) = if good { (GOOD, '✔') } else { (BAD, '✖') };
    let of = counted(tested.cases.len(), "case passes", "cases pass");
    _ = writeln!(out, "{style}{symbol} {name}{style:#}: {passed} of {of}");
    push_failures(&mut out, tested);
    for denied in &tested.denied {
        _ = writeln!(out, "  {BAD}✖ {}{BAD:#}", denied.what);
    }
    if let Some(coverage) = &tested.coverage {
        push_coverage(&mut out, coverage, args.deny_uncovered);
    }
    match &tested.fuel {
        Compared::Absent if args.deny_fuel_change => {
            let folder = suite.dir.display().to_string();
            _ = writeln!(out, "  there is no {FUEL_FILE} in {}; write it with --update-fuel", shown(&folder));
        }
        Compared::Absent => {}
        Compared::Written { cases } => {
            let cases = counted(*cases, "case", "cases");
            _ = writeln!(out, "  {FAINT}fuel of {cases} kept in {FUEL_FILE}{FAINT:#}");
        }
        Compared::Present(difference) => push_fuel(&mut out, difference, args),
    }
    out
}

fn push_failures(out: &mut String, tested: &TestedPolicy) {
    let failed = || tested.cases.iter().filter(|case| !case.passed);
    for case in failed().take(MAX_SHOWN) {
        _ = writeln!(out, "  {BAD}✖ {}{BAD:#}", shown(&case.name));
        _ = writeln!(out, "    {FAINT}{}; - is expected, + is what came{FAINT:#}", shown(&case.file));
        for line in case.difference.iter().flat_map(|difference| difference.lines()) {
            let style = match line.as_bytes().first() {
                Some(b'-') => AnsiColor::Red.on_default(),
                Some(b'+') => AnsiColor::Green.on_default(),
                _ => FAINT,
            };
            _ = writeln!(out, "    {style}{line}{style:#}");
        }
    }
    if let Some(more @ 1..) = failed().count().checked_sub(MAX_SHOWN) {
        _ = writeln!(out, "  {BAD}✖ and {} more{BAD:#}", counted(more, "case", "cases"));
    }
}

fn push_coverage(out: &mut String, coverage: &Coverage, denied: bool) {
    let (style, word) = if denied { (BAD, "✖") } else { (FAINT, "note:") };
    if coverage.declared.is_none() {
        _ = writeln!(out, "  {style}{word} it has no description, so nothing says which codes it has{style:#}");
    }
    for code in &coverage.unreached {
        _ = writeln!(out, "  {style}{word} no case reaches {}{style:#}", shown(code));
    }
    let (style, word) = if denied { (BAD, "✖") } else { (WARNING, "warning:") };
    for code in &coverage.undeclared {
        _ = writeln!(out, "  {style}{word}{style:#} the description does not declare {}", shown(code));
    }
}

fn push_fuel(out: &mut String, fuel: &Difference, args: &TestArgs) {
    let tolerance = args.fuel_tolerance;
    let (style, word) = if args.deny_fuel_change { (BAD, "✖") } else { (WARNING, "warning:") };
    if !fuel.changes.is_empty() {
        let cases = counted(fuel.compared, "case", "cases");
        let why = match (fuel.same_module, fuel.same_engine) {
            (false, _) => "the component has other bytes: other code, or another toolchain",
            (true, false) => "the component is the same, the engine is another",
            (true, true) => "the component is the same: the cases are others",
        };
        let changed = fuel.changes.len();
        _ = writeln!(
            out,
            "  {style}{word}{style:#} fuel changed by more than {tolerance} % in {changed} of {cases}; {why}"
        );
        for change in fuel.changes.iter().take(MAX_SHOWN) {
            let (from, to, percent) = (change.from, change.to, change.percent());
            _ = writeln!(out, "    {percent:+.1} %  {from} → {to}  {}", shown(&change.case));
        }
        if let Some(more @ 1..) = changed.checked_sub(MAX_SHOWN) {
            _ = writeln!(out, "    and {} more", counted(more, "case", "cases"));
        }
    }
    let (style, word) = if args.deny_fuel_change { (BAD, "✖") } else { (FAINT, "note:") };
    for (cases, what) in [(&fuel.unknown, "not in"), (&fuel.gone, "only in")] {
        if let Some(first) = cases.first() {
            let count = counted(cases.len(), "case is", "cases are");
            _ = writeln!(out, "  {style}{word} {count} {what} {FUEL_FILE}, as {:?}{style:#}", shown(first));
        }
    }
}

/// The last line, for people.
#[must_use]
pub fn total(tested: &Tested) -> String {
    let style = if tested.ok { GOOD } else { BAD };
    format!("{style}{} passed, {} failed{style:#}\n", tested.passed, tested.failed)
}

/// A suite for each policy, with a test for each case. What is denied fails a test of its own.
///
/// # Errors
/// None in practice: the text is written to memory.
pub fn junit(tested: &Tested) -> anyhow::Result<String> {
    let mut report = Report::new("portcullis policy test");
    for policy in &tested.policies {
        let mut suite = TestSuite::new(shown(&policy.name));
        suite.add_property(Property::new("module-sha256", policy.module_sha256.to_string()));
        for case in &policy.cases {
            let status = match case.passed {
                true => TestCaseStatus::success(),
                false => {
                    let description = case.difference.clone().or_else(|| policy.refused.as_deref().map(shown));
                    failure(&case.said, "the policy says otherwise than expected", &description.unwrap_or_default())
                }
            };
            let mut test = TestCase::new(shown(&case.name), status);
            test.set_classname(shown(&policy.name));
            test.add_property(Property::new("file", shown(&case.file)));
            test.add_property(Property::new("said", case.said.as_str()));
            if let Some(fuel) = case.fuel {
                test.add_property(Property::new("fuel", fuel.to_string()));
            }
            if let Some(duration) = case.duration_us {
                test.set_time(Duration::from_micros(duration));
            }
            suite.add_test_case(test);
        }
        for denied in &policy.denied {
            let lines: Vec<String> = denied.because.iter().map(|line| shown(line)).collect();
            let mut test = TestCase::new(denied.what, failure("denied", denied.what, &lines.join("\n")));
            test.set_classname(shown(&policy.name));
            suite.add_test_case(test);
        }
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn failure(kind: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(message).set_description(description);
    status
}
