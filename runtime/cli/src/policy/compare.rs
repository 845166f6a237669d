//! What a case expects against what the policy said, as two texts that can be compared line by line.

use portcullis_gate::{Answer, Said, Verdict};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::cases::Expect;
use crate::text::shown;

/// What the policy said that the case did not expect, as a diff; `None` where it is as expected.
#[must_use]
pub fn difference(expect: &Expect, said: &Said) -> Option<String> {
    let (expected, got) = (expected(expect), got(expect, said));
    if expected == got {
        return None;
    }
    let mut out = String::new();
    for change in TextDiff::from_lines(lines(&expected), lines(&got)).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        out.push(sign);
        out.push(' ');
        out.push_str(&shown(change.value().trim_end_matches('\n')));
        out.push('\n');
    }
    match said {
        Said::Fault(faulted) => out.push_str(&format!("  {}: {}\n", faulted.fault, shown(&faulted.detail))),
        Said::Answer(Answer { verdict: Verdict::Findings(findings), .. }) => {
            for finding in findings {
                out.push_str(&format!("  {}: {}\n", finding.code, shown(&finding.message)));
            }
        }
        Said::Answer(_) => {}
    }
    Some(out)
}

/// The codes of what the policy said.
pub fn codes(said: &Said) -> impl Iterator<Item = &str> {
    let findings = match said {
        Said::Answer(Answer { verdict: Verdict::Findings(findings), .. }) => findings.as_slice(),
        Said::Answer(_) | Said::Fault(_) => &[],
    };
    findings.iter().map(|finding| finding.code.as_str())
}

fn expected(expect: &Expect) -> Value {
    let mut expected = json!({"outcome": expect.outcome, "codes": expect.codes});
    if let Some(members) = expected.as_object_mut() {
        if let Some(requirements) = &expect.requirements {
            members.insert("requirements".into(), json!(requirements));
        }
        if let Some(obligations) = &expect.obligations {
            members.insert("obligations".into(), json!(obligations));
        }
    }
    expected
}

fn got(expect: &Expect, said: &Said) -> Value {
    let (outcome, findings, obligations) = match said {
        Said::Fault(faulted) => (faulted.fault.code(), [].as_slice(), [].as_slice()),
        Said::Answer(Answer { verdict, obligations }) => match verdict {
            Verdict::Abstain => ("abstain", [].as_slice(), obligations.as_slice()),
            Verdict::Findings(findings) => {
                let strictest = findings.iter().map(|finding| finding.outcome).max();
                (
                    strictest.map_or("no findings", |outcome| outcome.as_str()),
                    findings.as_slice(),
                    obligations.as_slice(),
                )
            }
        },
    };
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    let mut got = json!({"outcome": outcome, "codes": codes});
    if let Some(members) = got.as_object_mut() {
        if expect.requirements.is_some() {
            let requirements: Vec<_> = findings.iter().filter_map(|finding| finding.requirement.as_ref()).collect();
            members.insert("requirements".into(), json!(requirements));
        }
        if expect.obligations.is_some() {
            let kinds: Vec<&str> = obligations.iter().map(|obligation| obligation.kind.as_str()).collect();
            members.insert("obligations".into(), json!(kinds));
        }
    }
    got
}

/// One line for each thing expected, in an order that reads well.
fn lines(value: &Value) -> String {
    let mut out = String::new();
    for member in ["outcome", "codes", "requirements", "obligations"] {
        match value.get(member) {
            Some(Value::Array(items)) if items.is_empty() => out.push_str(&format!("{member}: none\n")),
            Some(Value::Array(items)) => {
                for item in items {
                    let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                    out.push_str(&format!("{member}: {item}\n"));
                }
            }
            Some(Value::String(text)) => out.push_str(&format!("{member}: {text}\n")),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::{Fault, Faulted, Finding, Obligation, Outcome, Requirement};

    fn expect(json: Value) -> Expect {
        serde_json::from_value(json).unwrap()
    }

    fn answer() -> Said {
        let finding = |outcome, code: &str, requirement| Finding {
            outcome,
            code: code.into(),
            message: "because".into(),
            at: None,
            requirement,
        };
        Said::Answer(Answer {
            verdict: Verdict::Findings(vec![
                finding(Outcome::Defer, "t.p.late", Some(Requirement::Provide { pointer: "/x".into() })),
                finding(Outcome::Deny, "t.p.never", None),
            ]),
            obligations: vec![Obligation { kind: "notify".into(), params: json!({}) }],
        })
    }

    #[test]
    fn what_is_expected_is_no_difference() {
        let full = expect(json!({
            "outcome": "deny", "codes": ["t.p.late", "t.p.never"],
            "requirements": [{"kind": "provide", "pointer": "/x"}], "obligations": ["notify"]
        }));
        assert_eq!(difference(&full, &answer()), None);
        assert_eq!(
            difference(&expect(json!({"outcome": "deny", "codes": ["t.p.late", "t.p.never"]})), &answer()),
            None
        );
        let abstain = Said::Answer(Answer { verdict: Verdict::Abstain, obligations: vec![] });
        assert_eq!(difference(&expect(json!({"outcome": "abstain"})), &abstain), None);
        let fault = Said::Fault(Faulted { fault: Fault::Fuel, detail: String::new() });
        assert_eq!(difference(&expect(json!({"outcome": "fault.fuel"})), &fault), None);
        assert_eq!(codes(&answer()).collect::<Vec<_>>(), ["t.p.late", "t.p.never"]);
    }

    #[test]
    fn each_thing_that_differs_is_a_line() {
        for other in [
            json!({"outcome": "defer", "codes": ["t.p.late", "t.p.never"]}),
            json!({"outcome": "deny", "codes": ["t.p.never", "t.p.late"]}),
            json!({"outcome": "deny", "codes": ["t.p.late"]}),
            json!({"outcome": "deny", "codes": ["t.p.late", "t.p.never"], "requirements": []}),
            json!({"outcome": "deny", "codes": ["t.p.late", "t.p.never"], "obligations": ["tag"]}),
            json!({"outcome": "abstain"}),
        ] {
            assert!(difference(&expect(other.clone()), &answer()).is_some(), "{other}");
        }
        let expected = expect(json!({"outcome": "defer", "codes": ["t.p.late"], "obligations": ["notify"]}));
        insta::assert_snapshot!(difference(&expected, &answer()).unwrap(), @r"
        - outcome: defer
        + outcome: deny
          codes: t.p.late
        + codes: t.p.never
          obligations: notify
          t.p.late: because
          t.p.never: because
        ");
    }
}
