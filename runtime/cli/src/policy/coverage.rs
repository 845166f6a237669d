//! Which of the codes that a policy declares its cases reach, and which they reach that it does not declare.

use std::collections::BTreeSet;

use portcullis_inspect::Report;
use serde::Serialize;

/// Codes declared and codes reached. A code such as `team.policy.*` stands for those that the settings name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// How many codes the description declares; `None` where there is no description.
    pub declared: Option<usize>,
    /// Declared, and in the findings of no case.
    pub unreached: Vec<String>,
    /// In the findings of a case, and not declared. What reviewers and waivers go by does not name them.
    pub undeclared: Vec<String>,
}

impl Coverage {
    /// Compares what a component declares with the codes of its cases' findings.
    #[must_use]
    pub fn of(report: &Report, reached: &BTreeSet<String>) -> Coverage {
        let declared: Vec<&str> = report.codes.iter().map(|code| code.code.as_str()).collect();
        let unreached =
            declared.iter().filter(|code| !reached.iter().any(|reached| stands_for(code, reached, &declared)));
        let undeclared = reached.iter().filter(|reached| !declared.iter().any(|code| covers(code, reached)));
        Coverage {
            declared: report.description.is_some().then_some(declared.len()),
            unreached: unreached.map(|code| (*code).to_owned()).collect(),
            undeclared: if report.description.is_some() { undeclared.cloned().collect() } else { Vec::new() },
        }
    }

    /// What is missing, a line each.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let unknown =
            self.declared.is_none().then(|| "it has no description, so nothing says which codes it has".into());
        let unreached = self.unreached.iter().map(|code| format!("no case reaches {code}"));
        let undeclared = self.undeclared.iter().map(|code| format!("the description does not declare {code}"));
        unknown.into_iter().chain(unreached).chain(undeclared).collect()
    }

    /// Whether every declared code is reached, and every reached one declared.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.declared.is_some() && self.unreached.is_empty() && self.undeclared.is_empty()
    }
}

/// Whether a finding's code is the declared one, or one of those that it stands for.
fn covers(declared: &str, code: &str) -> bool {
    match declared.strip_suffix('*') {
        Some(prefix) => code.len() > prefix.len() && code.starts_with(prefix),
        None => declared == code,
    }
}

/// As [`covers`], but a code that is declared by its own name does not count for the `*` beside it.
fn stands_for(declared: &str, code: &str, all: &[&str]) -> bool {
    covers(declared, code) && (declared == code || !all.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_inspect::{InspectLimits, ReasonCode, inspect};

    /// What is left of a report once its module is refused, with these codes.
    fn report(codes: &[&str], described: bool) -> Report {
        let mut report = *inspect(b"", &InspectLimits::default()).unwrap_err().report;
        report.codes = codes.iter().map(|code| ReasonCode { code: (*code).into(), summary: String::new() }).collect();
        report.description = described.then(|| portcullis_inspect::Description {
            name: "t.p".into(),
            version: "1".into(),
            summary: String::new(),
            sdk: None,
        });
        report
    }

    fn coverage(declared: &[&str], reached: &[&str]) -> (Vec<String>, Vec<String>) {
        let reached = reached.iter().map(|code| (*code).to_owned()).collect();
        let coverage = Coverage::of(&report(declared, true), &reached);
        assert_eq!(coverage.is_complete(), coverage.unreached.is_empty() && coverage.undeclared.is_empty());
        (coverage.unreached, coverage.undeclared)
    }

    #[test]
    fn each_code_is_declared_and_reached() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(coverage(&["t.p.a", "t.p.b"], &["t.p.a", "t.p.b"]), (vec![], vec![]));
        assert_eq!(coverage(&["t.p.a", "t.p.b"], &["t.p.a"]), (texts(&["t.p.b"]), vec![]));
        assert_eq!(coverage(&["t.p.a"], &["t.p.a", "t.p.b"]), (vec![], texts(&["t.p.b"])));
    }

    #[test]
    fn a_star_stands_for_what_has_no_name_of_its_own() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(coverage(&["t.p.*"], &["t.p.a", "t.p.b.c"]), (vec![], vec![]));
        assert_eq!(coverage(&["t.p.*", "t.p.a"], &["t.p.a"]), (texts(&["t.p.*"]), vec![]));
        assert_eq!(coverage(&["t.p.*"], &["t.pp.a"]), (texts(&["t.p.*"]), texts(&["t.pp.a"])));
    }

    #[test]
    fn without_a_description_nothing_is_known() {
        let reached = BTreeSet::from(["t.p.a".to_owned()]);
        let coverage = Coverage::of(&report(&[], false), &reached);
        assert_eq!((coverage.declared, coverage.is_complete()), (None, false));
        assert!(coverage.undeclared.is_empty());
    }
}
