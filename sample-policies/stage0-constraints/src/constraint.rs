use portcullis_policy::quote;

use crate::window::Window;

/// Longest constraint that is read, in bytes.
const MAX_CONSTRAINT_BYTES: usize = 256;

/// A condition that a constraint string puts on the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constraint<'a> {
    /// Someone other than the actor has approved.
    Approval,
    /// The actor's role is one of these, separated by commas.
    Role(&'a str),
    /// The environment is one of these, separated by commas.
    Environment(&'a str),
    /// A counter is at most so much.
    AtMost(Counter, f64),
    /// The tool in use is used at most so many times in a row, the coming use included.
    SameTool(u64),
    /// The time is inside a window.
    Window(Window),
    /// The actor has passed a second factor.
    Mfa,
    /// There is a plan to roll back.
    RollbackPlan,
    /// There is a ticket.
    Ticket,
}

/// What the runtime counts about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Iterations,
    Seconds,
    CostUsd,
    Retries,
    Records,
}

/// Why a constraint string is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// Not a constraint that this policy knows.
    Unknown,
    /// A known one; the text says what its value should look like.
    Malformed(&'static str),
}

impl Constraint<'_> {
    /// Reads `key` or `key:value`. Case, spaces, `-` and `_` in the key are alike; spaces around both are ignored.
    pub fn parse<'a>(text: &'a str, windows: &[(String, Window)]) -> Result<Constraint<'a>, Unclear> {
        if text.len() > MAX_CONSTRAINT_BYTES {
            return Err(Unclear::Malformed("a constraint has 256 bytes at most"));
        }
        let (key, value) = match text.split_once(':') {
            Some((key, value)) => (key, Some(value.trim())),
            None => (text, None),
        };
        match key_of(key).as_str() {
            "approval_required" | "require_approval" | "human_approval_required" => flag(value, Constraint::Approval),
            "mfa_required" | "require_mfa" => flag(value, Constraint::Mfa),
            "rollback_plan_required" | "require_rollback_plan" => flag(value, Constraint::RollbackPlan),
            "require_ticket" | "ticket_required" => flag(value, Constraint::Ticket),
            "required_role" => names(value).map(Constraint::Role),
            "allowed_environment" => names(value).map(Constraint::Environment),
            "max_iterations" => count(value).map(|n| Constraint::AtMost(Counter::Iterations, n)),
            "max_retries" => count(value).map(|n| Constraint::AtMost(Counter::Retries, n)),
            "max_records" => count(value).map(|n| Constraint::AtMost(Counter::Records, n)),
            "max_cost_usd" => amount(value).map(|n| Constraint::AtMost(Counter::CostUsd, n)),
            "timeout" | "timeout_seconds" => duration(value).map(|n| Constraint::AtMost(Counter::Seconds, n)),
            "same_tool_limit" => match value.and_then(digits) {
                Some(limit) if limit > 0 => Ok(Constraint::SameTool(limit)),
                _ => Err(Unclear::Malformed("write a whole number above 0, such as same_tool_limit:2")),
            },
            "allowed_change_window" => window(value, windows),
            "business_hours_only" => flag(value, ()).and_then(|()| window(Some("business_hours"), windows)),
            _ => Err(Unclear::Unknown),
        }
    }
}

impl Unclear {
    /// What is wrong with `text` and how to mend it.
    pub fn explain(self, text: &str) -> String {
        let shown = quote(text);
        match self {
            Unclear::Unknown => format!("the constraint {shown} is not known here: nothing may rest on it"),
            Unclear::Malformed(mend) => format!("the constraint {shown} cannot be read: {mend}"),
        }
    }
}

/// Lower case, one `_` for each run of spaces, `-` and `_`.
pub fn key_of(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for part in key.split([' ', '\t', '-', '_']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('_');
        }
        out.extend(part.chars().map(|c| c.to_ascii_lowercase()));
    }
    out
}

fn flag<T>(value: Option<&str>, constraint: T) -> Result<T, Unclear> {
    match value {
        None => Ok(constraint),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(constraint),
        Some(_) => Err(Unclear::Malformed("it takes no value, or true; leave it out where it should not hold")),
    }
}

fn names(value: Option<&str>) -> Result<&str, Unclear> {
    match value {
        Some(names) if !names.is_empty() && names.split(',').all(|name| !name.trim().is_empty()) => Ok(names),
        _ => Err(Unclear::Malformed("write names separated by commas, such as allowed_environment:staging,production")),
    }
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn count(value: Option<&str>) -> Result<f64, Unclear> {
    match value.and_then(digits) {
        Some(n) if n < 1 << 53 => Ok(n as f64),
        _ => Err(Unclear::Malformed("write a whole number, such as max_iterations:3")),
    }
}

fn amount(value: Option<&str>) -> Result<f64, Unclear> {
    let mend = Unclear::Malformed("write an amount in dollars, such as max_cost_usd:2.50");
    let value = value.map(|text| text.strip_prefix('$').unwrap_or(text)).ok_or(mend)?;
    decimal(value).ok_or(mend)
}

/// Seconds: `300`, `300s`, `5m`, `5 minutes`, `1h`.
fn duration(value: Option<&str>) -> Result<f64, Unclear> {
    let mend = Unclear::Malformed("write a duration such as timeout:300s, timeout:5m or timeout_seconds:300");
    let value = value.ok_or(mend)?;
    let unit = value.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let number = value.strip_suffix(unit).unwrap_or(value);
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" | "milliseconds" => 0.001,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return Err(mend),
    };
    decimal(number.trim()).map(|number| number * seconds).ok_or(mend)
}

/// At most nine digits, and at most six after a point: no sign, no exponent, no infinity.
#[expect(clippy::cast_precision_loss, reason = "at most 15 digits")]
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.len() > 9 || fraction.len() > 6 {
        return None;
    }
    let scale = (0..fraction.len()).fold(1.0, |scale, _| scale * 10.0);
    // Both are exact, so the quotient is the float nearest to the text.
    Some((digits(whole)? as f64 * scale + digits(fraction)? as f64) / scale)
}

fn window<'a>(value: Option<&str>, windows: &[(String, Window)]) -> Result<Constraint<'a>, Unclear> {
    let value = value.unwrap_or_default();
    let named = windows.iter().find(|(name, _)| *name == key_of(value)).map(|(_, window)| *window);
    match named.or_else(|| Window::parse(value)) {
        Some(window) => Ok(Constraint::Window(window)),
        None => {
            Err(Unclear::Malformed("write a window such as Mon-Fri 09:00-17:00 UTC, or one that the settings name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Constraint<'_>, Unclear> {
        let hours = Window::parse("Mon-Fri 09:00-17:00 UTC").unwrap();
        // The windows outlive the call only by value: `Constraint` holds a copy.
        Constraint::parse(text, &[("business_hours".to_owned(), hours)])
    }

    #[test]
    fn reads_keys_however_they_are_spaced() {
        for text in ["approval required", "Approval Required", "approval_required: true", " human approval  required "]
        {
            assert_eq!(parse(text), Ok(Constraint::Approval), "{text}");
        }
        assert_eq!(parse("Required Role : platform_admin"), Ok(Constraint::Role("platform_admin")));
        assert_eq!(parse("business-hours only"), parse("allowed_change_window: business_hours"));
    }

    #[test]
    fn reads_durations_in_units() {
        let seconds = |n| Ok(Constraint::AtMost(Counter::Seconds, n));
        for (text, expected) in [
            ("timeout:300s", 300.0),
            ("timeout: 5m", 300.0),
            ("timeout_seconds:300", 300.0),
            ("timeout:1.5 hours", 5400.0),
            ("timeout:500ms", 0.5),
        ] {
            assert_eq!(parse(text), seconds(expected), "{text}");
        }
    }

    #[test]
    fn a_value_that_could_be_misread_is_malformed() {
        for text in [
            "timeout:",
            "timeout:-1s",
            "timeout:5 fortnights",
            "timeout:1e9",
            "timeout:inf",
            "timeout:.5",
            "timeout:5:00",
            "max_iterations:3.5",
            "max_iterations:+3",
            "max_iterations",
            "max_cost_usd:NaN",
            "max_cost_usd:1,000",
            "approval required:false",
            "mfa_required:no",
            "required_role:",
            "required_role:a,,b",
            "same_tool_limit:0",
            "allowed_change_window:weekdays",
            "max_records:99999999999999999999",
        ] {
            assert!(matches!(parse(text), Err(Unclear::Malformed(_))), "{text}: {:?}", parse(text));
        }
        for text in ["", ":", "approve", "max_iteration:3", "be careful", "required_roles:a", "аpproval required"] {
            assert_eq!(parse(text), Err(Unclear::Unknown), "{text}");
        }
        assert!(matches!(parse(&"x".repeat(257)), Err(Unclear::Malformed(_))));
    }
}
