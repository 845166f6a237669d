//! Collects findings: a level from the settings becomes an outcome with what would change it.

use portcullis_policy::prelude::*;

use crate::plan::Resource;
use crate::planned::Answered;
use crate::{Level, Settings, UNKNOWN};

/// The findings about one plan.
pub struct Report<'s> {
    /// What to look for and how bad it is.
    pub settings: &'s Settings,
    findings: Vec<Finding>,
    told: Vec<Told>,
}

/// How often a code was found at a level.
struct Told {
    code: Code,
    level: Level,
    times: usize,
}

impl<'s> Report<'s> {
    pub fn new(settings: &'s Settings) -> Report<'s> {
        Report { settings, findings: Vec::new(), told: Vec::new() }
    }

    /// Tells a resource's answer: `what` it does, or that it is not known `whether`.
    #[inline(never)]
    pub fn answer(
        &mut self,
        resource: &Resource<'_>,
        answer: Answered,
        rule: (Level, Code),
        what: &str,
        whether: &str,
    ) {
        match answer {
            Answered::Yes => self.tell(resource, rule.0, rule.1, what),
            Answered::Unknown => self.unknown(resource, whether),
            Answered::No => {}
        }
    }

    /// A finding about a resource. `what` completes a sentence that starts with its address, and holds no value of the
    /// plan: it may be sensitive.
    #[inline(never)]
    pub fn tell(&mut self, resource: &Resource<'_>, level: Level, code: Code, what: &str) {
        let message = format!("{}: {what}", address(&resource.entry.address));
        self.push(level, code, message, Some(format!("{CHANGES}/{}", resource.index)));
    }

    /// A finding about the plan as a whole.
    pub fn tell_plan(&mut self, level: Level, code: Code, message: String) {
        self.push(level, code, message, None);
    }

    /// What the answer depends on is known only after apply.
    #[inline(never)]
    pub fn unknown(&mut self, resource: &Resource<'_>, what: &str) {
        self.tell(resource, self.settings.unknown, UNKNOWN, &format!("only after apply is it known {what}"));
    }

    /// All findings; what was too much to tell one by one is summed up.
    pub fn finish(mut self) -> Vec<Finding> {
        for told in std::mem::take(&mut self.told) {
            let rest = told.times.saturating_sub(MAX_TOLD);
            if rest > 0 {
                self.findings.extend(self.finding(told.level, told.code, format!("and {rest} more of these")));
            }
        }
        self.findings
    }

    fn push(&mut self, level: Level, code: Code, message: String, at: Option<String>) {
        if level == Level::Off {
            return;
        }
        let known = self.told.iter_mut().find(|told| told.code == code && told.level == level);
        let times = match known {
            Some(told) => {
                told.times = told.times.saturating_add(1);
                told.times
            }
            None => {
                self.told.push(Told { code, level, times: 1 });
                1
            }
        };
        if times > MAX_TOLD {
            return;
        }
        let finding = self.finding(level, code, message);
        self.findings.extend(finding.map(|finding| match at {
            Some(at) => finding.at(at),
            None => finding,
        }));
    }

    fn finding(&self, level: Level, code: Code, message: String) -> Option<Finding> {
        Some(match level {
            Level::Off => return None,
            Level::Warn => warn(code, message),
            Level::Defer => defer(code, message),
            Level::Acknowledge => {
                let statement = format!("I accept this: {message}");
                acknowledge(code, message).statement(statement)
            }
            Level::Escalate => escalate(code, message).approve(self.settings.approvers.iter().cloned(), 1),
            Level::Deny => deny(code, message),
        })
    }
}

/// An address, safe to show: it may carry keys of a map.
pub fn address(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.len() <= MAX_ADDRESS;
    if plain { text.to_owned() } else { quote(text) }
}

const CHANGES: &str = "/context/terraform/resource_changes";

/// Findings of one code and level before they are summed up.
const MAX_TOLD: usize = 20;

/// Longer addresses are cut.
const MAX_ADDRESS: usize = 200;
