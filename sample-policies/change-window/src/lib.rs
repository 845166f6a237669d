//! Changes wait for their window, and for the end of a freeze.
//!
//! Windows and freezes are in the reference document `calendar`, with time zones as POSIX TZ strings. A calendar that
//! cannot be read is a fault: it never opens anything. `/now` is the host's clock.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod calendar;
mod document;
mod zone;

use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

use crate::calendar::{Calendar, Overrides, Standing};

/// Who may override the calendar, and what it does not bind.
#[derive(Settings)]
struct Settings {
    /// Roles that may change things during a freeze, unless the freeze is hard. The change must be reviewed afterwards.
    #[setting(default = [])]
    incident_roles: Vec<String>,
    /// Whether these roles may also change things outside the windows.
    #[setting(default = false)]
    override_windows: bool,
    /// Whether an override must name its incident in `/context/incident`.
    #[setting(default = true)]
    incident_required: bool,
    /// Actions that may be done at any time, such as `rollback`.
    #[setting(default = [])]
    exempt_actions: Vec<String>,
    /// What to say about an environment that neither a window nor a freeze names.
    #[setting(default = "abstain")]
    uncovered: Uncovered,
}

#[derive(Settings)]
enum Uncovered {
    Abstain,
    Defer,
    Deny,
}

#[derive(Inputs)]
struct Inputs {
    #[input("/now")]
    now: String,
    #[input("/action/name")]
    action: String,
    #[input("/context/environment")]
    environment: Option<String>,
    #[input("/context/incident")]
    incident: Option<String>,
    #[input("/subject/properties/role")]
    role: Option<String>,
    #[input("/subject/properties/roles")]
    roles: Option<Vec<String>>,
}

#[policy(
    name = "sample.change-window",
    summary = "Changes are made inside their windows and outside freezes.",
    codes(
        OPEN = "sample.change-window.open": "A window is open, or the environment has none, and nothing is frozen.",
        EXEMPT = "sample.change-window.exempt-action": "The settings exempt this action.",
        FROZEN = "sample.change-window.frozen": "A freeze is in force.",
        OUTSIDE = "sample.change-window.outside-window": "No window is open.",
        NO_OPENING = "sample.change-window.no-opening": "The calendar never opens the environment again.",
        OVERRIDDEN = "sample.change-window.overridden": "An incident role overrides a freeze or a closed window.",
        INCIDENT_MISSING = "sample.change-window.incident-missing": "An override must name its incident.",
        ENVIRONMENT_MISSING = "sample.change-window.environment-missing": "The request does not say which environment.",
        NOT_COVERED = "sample.change-window.not-covered": "The calendar does not name the environment.",
    ),
    data(CALENDAR = "calendar": "Zones, windows and freezes.")
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Result<Answer, String> {
    // Read first, so that a broken calendar is seen at the first request, whatever it asks.
    let calendar = CALENDAR.read("").and_then(Calendar::read).map_err(|problem| format!("calendar: {problem}"))?;
    let now = Time::parse(&input.now).ok_or("/now is no time")?;
    if settings.exempt_actions.contains(&input.action) {
        return Ok(allow(EXEMPT, format!("{} is not bound by the calendar", quote(&input.action))).into());
    }
    let Some(environment) = &input.environment else {
        let message = "say which environment is changed";
        return Ok(defer(ENVIRONMENT_MISSING, message).provide("/context/environment").into());
    };
    Ok(match calendar.standing(environment, now, Overrides::default()) {
        Standing::Open(window) => allow(OPEN, open_message(environment, window)).at(ENVIRONMENT).into(),
        Standing::NotCovered => not_covered(settings, environment),
        closed @ (Standing::Frozen(_) | Standing::Outside) => {
            let case = Closed { settings, input, environment, now, calendar: &calendar, closed };
            case.decide()
        }
    })
}

/// An environment that is closed at `now`.
struct Closed<'a> {
    settings: &'a Settings,
    input: &'a Inputs,
    environment: &'a str,
    now: Time,
    calendar: &'a Calendar,
    closed: Standing<'a>,
}

impl Closed<'_> {
    fn decide(&self) -> Answer {
        let Some(role) = self.incident_role() else {
            return self.wait(Overrides::default(), &self.closed).into();
        };
        let overrides = Overrides { freezes: true, windows: self.settings.override_windows };
        let left = self.calendar.standing(self.environment, self.now, overrides);
        if matches!(left, Standing::Frozen(_) | Standing::Outside) {
            return self.wait(overrides, &left).into();
        }
        let why = self.why(&self.closed);
        let incident = self.input.incident.as_deref().map(str::trim).filter(|incident| !incident.is_empty());
        if incident.is_none() && self.settings.incident_required {
            let message = format!("{why}; role {} may override it for an incident: name it", quote(role));
            return defer(INCIDENT_MISSING, message).provide("/context/incident").into();
        }
        let incident = incident.unwrap_or_default();
        let message = format!("{why}; overridden by role {} for incident {}", quote(role), quote(incident));
        let params = Params::new().text("why", &why).text("role", role).text("incident", incident);
        warn(OVERRIDDEN, message).at(ENVIRONMENT).oblige("review", params)
    }

    /// The requester's role that may override the calendar.
    fn incident_role(&self) -> Option<&str> {
        let roles = self.input.roles.iter().flatten().chain(&self.input.role);
        roles.map(|role| &**role).find(|role| self.settings.incident_roles.iter().any(|incident| incident == role))
    }

    fn wait(&self, overrides: Overrides, standing: &Standing<'_>) -> Finding {
        let why = self.why(standing);
        let opening = self.calendar.next_opening(self.environment, self.now, overrides);
        let Some(opening) = opening else {
            return deny(NO_OPENING, format!("{why}; the calendar does not open it again")).at(ENVIRONMENT);
        };
        let code = if matches!(standing, Standing::Frozen(_)) { FROZEN } else { OUTSIDE };
        let local = self.calendar.local(self.environment, opening).unwrap_or_default();
        let message = format!("{why}; opens {local}");
        defer(code, message).at(ENVIRONMENT).wait_until(opening.to_string())
    }

    fn why(&self, standing: &Standing<'_>) -> String {
        let environment = quote(self.environment);
        match standing {
            Standing::Frozen(freeze) => format!("{environment} is frozen: {}", freeze.name),
            Standing::Outside => format!("{environment} is outside its change windows"),
            Standing::NotCovered | Standing::Open(_) => format!("{environment} is open"),
        }
    }
}

fn open_message(environment: &str, window: Option<&str>) -> String {
    match window {
        Some(window) => format!("{} is open: {window}", quote(environment)),
        None => format!("{} is not frozen", quote(environment)),
    }
}

fn not_covered(settings: &Settings, environment: &str) -> Answer {
    let message = format!("{} is not in the calendar; add a window or a freeze for it", quote(environment));
    match settings.uncovered {
        Uncovered::Abstain => abstain(),
        Uncovered::Defer => defer(NOT_COVERED, message).at(ENVIRONMENT).into(),
        Uncovered::Deny => deny(NOT_COVERED, message).at(ENVIRONMENT).into(),
    }
}

const ENVIRONMENT: &str = "/context/environment";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
