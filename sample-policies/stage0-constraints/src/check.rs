use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

use crate::constraint::{Constraint, Counter, Unclear};
use crate::evidence::{Evidence, missing};
use crate::{
    CONTRADICTION, COST_LIMIT, ENVIRONMENT_NOT_ALLOWED, HOLDS, Inputs, MALFORMED_CHECK, MALFORMED_CONSTRAINT,
    MFA_NOT_VERIFIED, NO_CONSTRAINTS, NO_ROLLBACK_PLAN, OUTSIDE_WINDOW, RESOURCE_OUT_OF_SCOPE, ROLE_NOT_ALLOWED, Rules,
    SAME_TOOL_LIMIT, SIDE_EFFECT_OUT_OF_SCOPE, TIMED_OUT, TOO_MANY_CONSTRAINTS, TOO_MANY_ITERATIONS, TOO_MANY_RECORDS,
    TOO_MANY_RETRIES, TOOL_OUT_OF_SCOPE, UNKNOWN_CONSTRAINT, Unconstrained, approval,
};

/// Most constraints of one check.
const MAX_CONSTRAINTS: usize = 64;
/// Longest list of met constraints in the message of an allow, in bytes.
const MAX_LISTED_BYTES: usize = 1024;

const CONSTRAINTS: &str = "/context/stage0/constraints";
const TOOLS: &str = "/context/stage0/tools";
const SIDE_EFFECTS: &str = "/context/stage0/side_effects";
const RECENT_TOOLS: &str = "/context/stage0/context/recent_tools";

/// One check, being decided: every condition is looked at, so that the answer names all that is wrong.
pub struct Check<'a> {
    rules: &'a Rules,
    input: &'a Inputs,
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    pub fn new(rules: &'a Rules, input: &'a Inputs) -> Check<'a> {
        Check { rules, input, findings: Vec::new() }
    }

    pub fn decide(mut self) -> Answer {
        let now = self.input.now;
        let declared = match self.declared() {
            Ok(declared) => declared,
            Err(finding) => return Answer::from(finding),
        };
        self.agreement();
        self.scope();
        let mut checked: Vec<(Constraint<'a>, &'a str)> = Vec::new();
        for text in self.rules.settings.always.iter().chain(declared) {
            match Constraint::parse(text, &self.rules.windows) {
                Ok(constraint) if checked.iter().any(|(seen, _)| *seen == constraint) => {}
                Ok(constraint) => {
                    self.constraint(constraint, text, now);
                    checked.push((constraint, text));
                }
                Err(unclear) => self.unclear(unclear, text),
            }
        }
        let says_where = |(constraint, _): &(Constraint<'_>, &str)| matches!(constraint, Constraint::Environment(_));
        if !checked.iter().any(says_where) {
            self.environment_for_side_effects();
        }
        if self.findings.is_empty() { Answer::from(allow(HOLDS, holds(&checked))) } else { Answer::from(self.findings) }
    }

    /// The constraint strings of the check; an answer of its own where there are none or too many.
    fn declared(&self) -> Result<&'a [String], Finding> {
        let settings = &self.rules.settings;
        if !matches!(self.input.document, Value::Json(_)) {
            return Err(deny(MALFORMED_CHECK, "the Stage0 check is not an object").at("/context/stage0"));
        }
        let declared: &[String] = match &self.input.constraints {
            Field::Is(constraints) => constraints,
            Field::Missing | Field::Null => &[],
            Field::Wrong(what) => {
                let message = format!("the constraints are not a list of strings: {what}");
                return Err(deny(MALFORMED_CHECK, message).at(CONSTRAINTS));
            }
        };
        if declared.len() > MAX_CONSTRAINTS {
            let message = format!("{} constraints, more than {MAX_CONSTRAINTS}", declared.len());
            return Err(deny(TOO_MANY_CONSTRAINTS, message).at(CONSTRAINTS));
        }
        if declared.is_empty() && settings.always.is_empty() {
            let message = "the check declares no constraint: say under which conditions it should go on";
            match settings.unconstrained {
                Unconstrained::Allow => {}
                Unconstrained::Defer => {
                    return Err(defer(NO_CONSTRAINTS, message).at(CONSTRAINTS).provide(CONSTRAINTS));
                }
                Unconstrained::Deny => return Err(deny(NO_CONSTRAINTS, message).at(CONSTRAINTS)),
            }
        }
        Ok(declared)
    }

    /// The policy set matches on the request's own fields: a check that says otherwise would slip past its `when`.
    fn agreement(&mut self) {
        let input = self.input;
        let subject = Value::Text(input.subject_id.clone());
        let actor = if input.actor_id == Value::Missing { &input.actor } else { &input.actor_id };
        for (at, outside, inside) in [
            ("/context/environment", &input.request_environment, &input.environment),
            ("/subject/properties/role", &input.subject_role, &input.actor_role),
            ("/subject/id", &subject, actor),
        ] {
            match (outside, inside) {
                (Value::Text(outside), Value::Text(inside)) if outside != inside => {
                    let message = format!("{at} is {}, but the check says {}", quote(outside), quote(inside));
                    self.findings.push(deny(CONTRADICTION, message).at(at));
                }
                _ => {}
            }
        }
    }

    fn scope(&mut self) {
        let (settings, input) = (&self.rules.settings, self.input);
        self.listed(&input.tools, TOOLS, &settings.allowed_tools, TOOL_OUT_OF_SCOPE);
        self.listed(&input.side_effects, SIDE_EFFECTS, &settings.allowed_side_effects, SIDE_EFFECT_OUT_OF_SCOPE);
        let current = Evidence::new("/context/stage0/context/current_tool", &input.current_tool);
        match (&input.tools, current.value) {
            (Field::Is(tools), Value::Text(tool)) if !tools.contains(tool) => {
                let message = format!("the tool in use, {}, is not among the tools of the check", quote(tool));
                self.findings.push(deny(TOOL_OUT_OF_SCOPE, message).at(current.at));
            }
            (Field::Missing | Field::Null, Value::Text(_)) => {
                self.findings.push(missing(TOOLS, "the scope of the tool in use"));
            }
            (_, Value::Text(_) | Value::Missing | Value::Null) => {}
            _ => self.findings.push(current.malformed("the scope of the tool in use", "a text")),
        }
        if !settings.allowed_scopes.is_empty() {
            let scope = Evidence::new("/context/stage0/context/resource_scope", &input.resource_scope);
            match scope.text("the scope that the settings demand") {
                Ok(text) if settings.allowed_scopes.iter().any(|allowed| allowed == text) => {}
                Ok(text) => {
                    let message = format!("the resource scope {} is not allowed", quote(text));
                    self.findings.push(deny(RESOURCE_OUT_OF_SCOPE, message).at(scope.at));
                }
                Err(finding) => self.findings.push(finding),
            }
        }
    }

    fn environment_for_side_effects(&mut self) {
        let acts = self.input.side_effects.known().is_some_and(|effects| !effects.is_empty());
        if acts && self.rules.settings.require_environment {
            let environment = Evidence::new("/context/stage0/context/environment", &self.input.environment);
            self.findings.extend(environment.text("a check with side effects").err());
        }
    }

    fn listed(&mut self, field: &Field<Vec<String>>, at: &'static str, allowed: &[String], code: Code) {
        match field {
            Field::Is(names) if !allowed.is_empty() => {
                for name in names.iter().filter(|name| !allowed.contains(name)).take(MAX_CONSTRAINTS) {
                    self.findings.push(deny(code, format!("{} is not allowed here", quote(name))).at(at));
                }
            }
            Field::Missing | Field::Null if !allowed.is_empty() => {
                self.findings.push(missing(at, "the scope that the settings demand"));
            }
            Field::Is(_) | Field::Missing | Field::Null => {}
            Field::Wrong(what) => {
                self.findings.push(deny(MALFORMED_CHECK, format!("{at} is not a list of strings: {what}")).at(at));
            }
        }
    }

    fn unclear(&mut self, unclear: Unclear, text: &str) {
        let code = match unclear {
            Unclear::Unknown => UNKNOWN_CONSTRAINT,
            Unclear::Malformed(_) => MALFORMED_CONSTRAINT,
        };
        self.findings.push(deny(code, unclear.explain(text)).at(CONSTRAINTS));
    }

    fn constraint(&mut self, constraint: Constraint<'_>, text: &str, now: Time) {
        let wanted_by = format!("the constraint {}", quote(text));
        let held = match constraint {
            Constraint::Approval => {
                approval::check(&self.rules.settings, self.input, now, &mut self.findings);
                Ok(())
            }
            Constraint::Role(roles) => self.role(roles, &wanted_by),
            Constraint::Environment(names) => self.environment(names, &wanted_by),
            Constraint::AtMost(counter, limit) => self.at_most(counter, limit, &wanted_by),
            Constraint::SameTool(limit) => self.same_tool(limit, &wanted_by),
            Constraint::Window(window) => window.check(now).map_err(|opens| {
                let message = format!("{wanted_by} does not hold now; its window opens at {opens}");
                defer(OUTSIDE_WINDOW, message).at("/now").wait_until(opens.to_string())
            }),
            Constraint::Mfa => self.mfa(&wanted_by),
            Constraint::RollbackPlan => self.rollback_plan(&wanted_by),
            Constraint::Ticket => {
                Evidence::new("/context/stage0/context/ticket_id", &self.input.ticket_id).text(&wanted_by).map(drop)
            }
        };
        self.findings.extend(held.err());
    }

    fn role(&self, roles: &str, wanted_by: &str) -> Result<(), Finding> {
        let role = Evidence::new("/context/stage0/context/actor_role", &self.input.actor_role);
        let held = role.text(wanted_by)?;
        if one_of(roles, held) {
            return Ok(());
        }
        let message = format!("{wanted_by} does not admit the actor's role {}", quote(held));
        Err(deny(ROLE_NOT_ALLOWED, message).at(role.at))
    }

    fn environment(&self, names: &str, wanted_by: &str) -> Result<(), Finding> {
        let environment = Evidence::new("/context/stage0/context/environment", &self.input.environment);
        let name = environment.text(wanted_by)?;
        if one_of(names, name) {
            return Ok(());
        }
        let message = format!("{wanted_by} does not admit the environment {}", quote(name));
        Err(deny(ENVIRONMENT_NOT_ALLOWED, message).at(environment.at))
    }

    fn at_most(&self, counter: Counter, limit: f64, wanted_by: &str) -> Result<(), Finding> {
        let input = self.input;
        let (at, value, code) = match counter {
            Counter::Iterations => {
                ("/context/stage0/context/current_iteration", &input.current_iteration, TOO_MANY_ITERATIONS)
            }
            Counter::Seconds => ("/context/stage0/context/elapsed_seconds", &input.elapsed_seconds, TIMED_OUT),
            Counter::CostUsd => ("/context/stage0/context/cumulative_cost_usd", &input.cumulative_cost_usd, COST_LIMIT),
            Counter::Retries => ("/context/stage0/context/retry_count", &input.retry_count, TOO_MANY_RETRIES),
            Counter::Records => ("/context/stage0/context/record_count", &input.record_count, TOO_MANY_RECORDS),
        };
        let count = Evidence::new(at, value).count(wanted_by)?;
        if count <= limit {
            return Ok(());
        }
        Err(defer(code, format!("{wanted_by} is passed: {at} is {}; let someone look at the run", shown(count))).at(at))
    }

    /// The tool in use, plus its uses at the end of the recent ones, must stay within the limit.
    fn same_tool(&self, limit: u64, wanted_by: &str) -> Result<(), Finding> {
        let current = Evidence::new("/context/stage0/context/current_tool", &self.input.current_tool);
        let tool = match (current.value, self.input.tools.known().map(Vec::as_slice)) {
            (Value::Missing | Value::Null, Some([only])) => only,
            _ => current.text(wanted_by)?,
        };
        let recent = match &self.input.recent_tools {
            Field::Is(recent) => recent,
            Field::Missing | Field::Null => return Err(missing(RECENT_TOOLS, wanted_by)),
            Field::Wrong(_) => {
                return Err(Evidence::new(RECENT_TOOLS, &Value::Null).malformed(wanted_by, "a list of strings"));
            }
        };
        let run = recent.iter().rev().take_while(|used| used.trim() == tool).count();
        if u64::try_from(run).is_ok_and(|run| run < limit) {
            return Ok(());
        }
        let message = format!("{wanted_by} is passed: {} was used {run} times in a row already", quote(tool));
        Err(defer(SAME_TOOL_LIMIT, message).at(RECENT_TOOLS))
    }

    fn mfa(&self, wanted_by: &str) -> Result<(), Finding> {
        let mfa = Evidence::new("/context/stage0/context/mfa_verified", &self.input.mfa_verified);
        if mfa.flag(wanted_by)? {
            return Ok(());
        }
        let message = format!("{wanted_by} does not hold: let the actor pass a second factor");
        Err(defer(MFA_NOT_VERIFIED, message).at(mfa.at).provide(mfa.at))
    }

    /// A plan is a text that describes or names it, or `true`.
    fn rollback_plan(&self, wanted_by: &str) -> Result<(), Finding> {
        let plan = Evidence::new("/context/stage0/context/rollback_plan", &self.input.rollback_plan);
        match plan.value {
            Value::Boolean(true) => Ok(()),
            Value::Boolean(false) => {
                let message = format!("{wanted_by} does not hold: the check says that there is no plan");
                Err(defer(NO_ROLLBACK_PLAN, message).at(plan.at).provide(plan.at))
            }
            _ => plan.text(wanted_by).map(drop),
        }
    }
}

/// A count or an amount, with at most three decimals.
#[expect(clippy::cast_possible_truncation, reason = "what is beyond 64 bits is shown as the greatest number")]
fn shown(count: f64) -> String {
    let (whole, thousandths) = (count.trunc(), (count.fract() * 1000.0).round());
    if thousandths == 0.0 { format!("{}", whole as i64) } else { format!("{}.{:03}", whole as i64, thousandths as i64) }
}

fn one_of(names: &str, name: &str) -> bool {
    names.split(',').any(|one| one.trim() == name)
}

fn holds(met: &[(Constraint<'_>, &str)]) -> String {
    let mut message = match met.len() {
        0 => String::from("the check declares no constraint and its scope is in order"),
        1 => String::from("the constraint holds: "),
        n => format!("all {n} constraints hold: "),
    };
    for (n, (_, text)) in met.iter().enumerate() {
        if message.len() > MAX_LISTED_BYTES {
            message.push_str(" \u{2026}");
            break;
        }
        if n > 0 {
            message.push_str(", ");
        }
        message.push_str(&quote(text));
    }
    message
}
