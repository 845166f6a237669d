//! What one policy says, for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portcullis_gate::{Answer, Outcome, Said, Verdict};

use crate::decide::words;
use crate::text::shown;

const FAULT: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// The strictest outcome, then each finding with what would change it, then the obligations; lines of plain text with
/// styles in it.
#[must_use]
pub fn human(said: &Said) -> String {
    let mut out = String::new();
    let Answer { verdict, obligations } = match said {
        Said::Answer(answer) => answer,
        Said::Fault(faulted) => {
            _ = writeln!(out, "{FAULT}✖ FAULT{FAULT:#}  {}", faulted.fault.explain());
            _ = writeln!(out, "    {} {FAINT}({}){FAINT:#}", shown(&faulted.detail), faulted.fault);
            return out;
        }
    };
    match verdict {
        Verdict::Abstain => _ = writeln!(out, "{FAINT}· ABSTAIN{FAINT:#}  not its business"),
        Verdict::Findings(findings) => {
            let strictest = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Deny);
            let (style, symbol) = (words::style(strictest), words::symbol(strictest));
            let name = strictest.as_str().to_uppercase();
            _ = writeln!(out, "{style}{symbol} {name}{style:#}  {}", words::meaning(strictest));
            for finding in findings {
                let (style, symbol) = (words::style(finding.outcome), words::symbol(finding.outcome));
                _ = writeln!(out, "    {style}{symbol} {:<12}{style:#}{}", finding.outcome, shown(&finding.message));
                let at = match finding.at.as_deref() {
                    None => String::new(),
                    Some("") => " · at the whole request".to_owned(),
                    Some(at) => format!(" · at {}", shown(at)),
                };
                _ = writeln!(out, "                  {FAINT}{}{at}{FAINT:#}", shown(&finding.code));
                if let Some(requirement) = &finding.requirement {
                    _ = writeln!(out, "                  what would change it: {}", words::requirement(requirement));
                }
            }
        }
    }
    for obligation in obligations {
        let params = shown(&obligation.params.to_string());
        _ = writeln!(out, "    to be done when it goes on: {} {params}", shown(&obligation.kind));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use portcullis_gate::{Fault, Faulted, Finding, Obligation, Requirement};

    #[test]
    fn findings_requirements_and_obligations_are_shown() {
        let finding = |outcome, message: &str, at: Option<&str>, requirement| Finding {
            outcome,
            code: "t.p.c".into(),
            message: message.into(),
            at: at.map(Into::into),
            requirement,
        };
        let approve = Requirement::Approve { roles: vec!["cto".into()], count: 2, within_minutes: Some(30) };
        let said = Said::Answer(Answer {
            verdict: Verdict::Findings(vec![
                finding(Outcome::Warn, "late\u{1b}[2J", Some("/context/x"), None),
                finding(Outcome::Escalate, "large", Some(""), Some(approve)),
            ]),
            obligations: vec![Obligation { kind: "notify".into(), params: serde_json::json!({"to": "ops"}) }],
        });
        let abstain = Said::Answer(Answer { verdict: Verdict::Abstain, obligations: vec![] });
        let fault = Said::Fault(Faulted { fault: Fault::Fuel, detail: "10 used".into() });
        let text: String = [said, abstain, fault].iter().map(human).collect();
        insta::assert_snapshot!(strip_str(&text), @r#"
        ⇧ ESCALATE  someone with authority must approve first
            ▲ warn        late\u{1b}[2J
                          t.p.c · at /context/x
            ⇧ escalate    large
                          t.p.c · at the whole request
                          what would change it: approval by 2 different people, each with the role cto (within 30 minutes)
            to be done when it goes on: notify {"to":"ops"}
        · ABSTAIN  not its business
        ✖ FAULT  the policy used more fuel than its limit
            10 used (fault.fuel)
        "#);
    }
}
