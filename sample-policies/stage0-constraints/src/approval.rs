use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

use crate::evidence::Evidence;
use crate::{
    APPROVAL_EXPIRED, APPROVAL_IN_FUTURE, APPROVAL_PENDING, APPROVAL_REJECTED, Inputs, SELF_APPROVAL, Settings,
};

const WANTED_BY: &str = "the constraint \"approval required\"";

/// `approval required`: approved, by someone other than the actor, at a time that is not in the future.
pub fn check(settings: &Settings, input: &Inputs, now: Time, findings: &mut Vec<Finding>) {
    let status = Evidence::new("/context/stage0/context/approval_status", &input.approval_status);
    let by = Evidence::new("/context/stage0/context/approved_by", &input.approved_by);
    let at = Evidence::new("/context/stage0/context/approved_at", &input.approved_at);
    match status.text(WANTED_BY) {
        Err(finding) => findings.push(finding),
        Ok(text) if text.eq_ignore_ascii_case("approved") => {
            approver(by, input, findings);
            if let Err(finding) = approved_at(at, settings, now) {
                findings.push(finding);
            }
        }
        Ok(text) if ["rejected", "denied", "declined"].iter().any(|no| text.eq_ignore_ascii_case(no)) => {
            findings.push(deny(APPROVAL_REJECTED, format!("the approval was refused: {}", quote(text))).at(status.at));
        }
        Ok(text) => findings.push(
            defer(APPROVAL_PENDING, format!("the approval is {}: wait until someone has approved", quote(text)))
                .at(status.at)
                .provide(by.at),
        ),
    }
}

fn approver(by: Evidence<'_>, input: &Inputs, findings: &mut Vec<Finding>) {
    let approver = match by.text(WANTED_BY) {
        Ok(approver) => approver,
        Err(finding) => return findings.push(finding),
    };
    let actors = [as_text(&input.actor_id), as_text(&input.actor), Some(input.subject_id.as_str())];
    if actors.into_iter().flatten().any(|actor| actor.trim().eq_ignore_ascii_case(approver)) {
        findings.push(deny(SELF_APPROVAL, format!("{} approved their own action", quote(approver))).at(by.at));
    }
}

fn approved_at(at: Evidence<'_>, settings: &Settings, now: Time) -> Result<(), Finding> {
    let text = at.text(WANTED_BY)?;
    let time = Time::parse(text).ok_or_else(|| at.malformed(WANTED_BY, "an RFC 3339 time"))?;
    if time > now {
        return Err(defer(APPROVAL_IN_FUTURE, format!("the approval claims {}, which has not come yet", quote(text)))
            .at(at.at)
            .provide(at.at));
    }
    let Some(minutes) = settings.approval_minutes else { return Ok(()) };
    if now.minutes_since(time) > i64::from(minutes) {
        return Err(defer(
            APPROVAL_EXPIRED,
            format!("the approval of {} is older than {minutes} minutes: ask for a new one", quote(text)),
        )
        .at(at.at)
        .provide(at.at));
    }
    Ok(())
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
