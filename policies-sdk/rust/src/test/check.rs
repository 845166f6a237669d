//! What the host refuses in inputs and answers, and codes that are not declared.

use crate::imports::is_code;
use crate::json::Json;
use crate::time::Time;
use crate::{Answer, Finding, Obligation, Requirement, Verdict};

pub fn inputs(pointers: &[String]) -> Result<(), String> {
    if pointers.len() > MAX_INPUTS {
        return Err(format!("{} inputs, more than {MAX_INPUTS}", pointers.len()));
    }
    pointers.iter().try_for_each(|at| pointer("an input", at))
}

pub fn answer(answer: &Answer, codes: &[&str]) -> Result<(), String> {
    if let Verdict::Findings(findings) = &answer.verdict {
        if findings.is_empty() {
            return Err("there are no findings: an allow is said explicitly".into());
        }
        if findings.len() > MAX_FINDINGS {
            return Err(format!("{} findings, more than {MAX_FINDINGS}", findings.len()));
        }
        findings.iter().try_for_each(|one| finding(one, codes))?;
    }
    if answer.obligations.len() > MAX_OBLIGATIONS {
        return Err(format!("{} obligations, more than {MAX_OBLIGATIONS}", answer.obligations.len()));
    }
    answer.obligations.iter().try_for_each(obligation)
}

const MAX_INPUTS: usize = 1024;
const MAX_POINTER_BYTES: usize = 1024;
const MAX_FINDINGS: usize = 1024;
const MAX_OBLIGATIONS: usize = 32;
const MAX_ROLES: usize = 32;
const MAX_TEXT_BYTES: usize = 4096;
const MAX_KIND_BYTES: usize = 64;

fn finding(finding: &Finding, codes: &[&str]) -> Result<(), String> {
    let code = &*finding.code;
    if !is_code(code) {
        return Err(format!("the code {code:?} is not `team.policy.reason`"));
    }
    let declared = |known: &&str| match known.strip_suffix('*') {
        Some(start) => code.starts_with(start),
        None => *known == code,
    };
    if !codes.iter().any(declared) {
        return Err(format!("the code {code:?} is not declared in #[policy(codes(..))]"));
    }
    text(&format!("{code}: the message"), &finding.message)?;
    if let Some(at) = &finding.at {
        pointer(&format!("{code}: `at`"), at)?;
    }
    match &finding.requirement {
        None => Ok(()),
        Some(Requirement::Acknowledge(statement)) => text(&format!("{code}: the statement"), statement),
        Some(Requirement::Approve(approval)) => {
            if approval.roles.is_empty() || approval.roles.len() > MAX_ROLES || approval.count == 0 {
                return Err(format!("{code}: an approval needs 1 to {MAX_ROLES} roles and a count"));
            }
            approval.roles.iter().try_for_each(|role| text(&format!("{code}: a role"), role))
        }
        Some(Requirement::Provide(at)) => pointer(&format!("{code}: `provide`"), at),
        Some(Requirement::WaitUntil(time)) => match Time::parse(time) {
            Some(_) => Ok(()),
            None => Err(format!("{code}: `wait_until` is no RFC 3339 time: {time:?}")),
        },
    }
}

fn obligation(obligation: &Obligation) -> Result<(), String> {
    let Obligation { kind, params } = obligation;
    let formed = (1..=MAX_KIND_BYTES).contains(&kind.len())
        && kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if !formed {
        return Err(format!("the obligation kind {kind:?} is not 1 to {MAX_KIND_BYTES} of a-z 0-9 - _ ."));
    }
    if params.len() > MAX_TEXT_BYTES || !matches!(Json::parse(params), Ok(Json::Object(_))) {
        return Err(format!("{kind}: the params are no JSON object of at most {MAX_TEXT_BYTES} bytes: {params}"));
    }
    Ok(())
}

fn text(what: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
        return Err(format!("{what} is empty or longer than {MAX_TEXT_BYTES} bytes"));
    }
    Ok(())
}

fn pointer(what: &str, pointer: &str) -> Result<(), String> {
    let escapes = pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if pointer.len() <= MAX_POINTER_BYTES && escapes && (pointer.is_empty() || pointer.starts_with('/')) {
        return Ok(());
    }
    Err(format!("{what} is no JSON pointer: {pointer:?}"))
}
