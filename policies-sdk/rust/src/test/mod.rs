//! Unit tests of policies, natively, without WebAssembly.
//!
//! [`Case`] does what the host does: configures the policy, reads the declared inputs out of a request, evaluates, and
//! checks the answer. It also insists on what only a test can: that the codes used are declared.
//! [`cases`] runs the files that `portcullis policy test` runs against the component.

mod cases;
mod check;
pub(crate) mod host;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use cases::cases;

use crate::json::Json;
use crate::schema::{Rope, Schema};
use crate::time::Time;
use crate::{Answer, Configured, Outcome, Policy, Prepared, Problem};
use host::Host;

/// One evaluation of a policy.
///
/// The request is AuthZEN's four entities; without [`Case::request`] it is user `tester` who deploys service `test`.
pub struct Case {
    run: fn(&Case) -> Result<Answer, Fault>,
    settings: String,
    request: Json,
    now: Time,
    data: Vec<(String, Json)>,
    past: Option<Vec<PastDecision>>,
}

/// A past decision, as questions about the history see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastDecision {
    /// The action's name.
    pub action: String,
    /// The resource's type.
    pub resource_type: String,
    /// The resource's id.
    pub resource_id: String,
    /// What was decided.
    pub outcome: Outcome,
    /// How long before the case's `now`.
    pub minutes_ago: u32,
}

/// What a policy did instead of answering.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The settings are refused: `load.settings`.
    Settings(Vec<Problem>),
    /// The declared inputs are no JSON pointers, or too many: `load.inputs`.
    Inputs(String),
    /// The case does not give a reference document that the policy declares: `load.data`.
    Data(String),
    /// The policy asks for the history, and the case gives none: `fault.history`.
    History(String),
    /// The policy asks for the history without announcing it: `load.history`.
    Unannounced(String),
    /// The policy asks more often than it may: `fault.host-calls`.
    HostCalls(String),
    /// `evaluate` returned an error: `fault.error`.
    Error(String),
    /// The policy panicked: `fault.trap`.
    Trap(String),
    /// The answer is malformed: `fault.answer`.
    Answer(String),
}

impl Case {
    /// A case for a policy: `Case::of::<Policy>()`, with the `Policy` that `#[policy]` made.
    ///
    /// # Panics
    /// Never: the built-in request and time are valid.
    #[must_use]
    #[expect(clippy::expect_used, reason = "constants")]
    pub fn of<P: Policy>() -> Case {
        Case {
            run: run::<P>,
            settings: "{}".into(),
            request: Json::parse(REQUEST).expect("valid"),
            now: Time::parse(NOW).expect("valid"),
            data: Vec::new(),
            past: None,
        }
    }

    /// The settings, as JSON text. Without it `{}`.
    #[must_use]
    pub fn settings(mut self, json: &str) -> Case {
        self.settings = json.into();
        self
    }

    /// The whole request, as JSON text.
    ///
    /// # Panics
    /// If it is no JSON.
    #[must_use]
    pub fn request(mut self, json: &str) -> Case {
        self.request = parse("the request", json);
        self
    }

    /// The request's `/context`, as JSON text.
    ///
    /// # Panics
    /// If it is no JSON.
    #[must_use]
    pub fn context(self, json: &str) -> Case {
        self.set("/context", json)
    }

    /// A member of the request at a JSON pointer, as JSON text; objects on the way are made.
    ///
    /// # Panics
    /// If it is no JSON.
    #[must_use]
    pub fn set(mut self, pointer: &str, json: &str) -> Case {
        let segments: Vec<String> =
            pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
        set(&mut self.request, &segments, parse(pointer, json));
        self
    }

    /// The host's clock, RFC 3339. Without it Saturday 2026-03-14, half past nine, UTC.
    ///
    /// # Panics
    /// If it is no time.
    #[must_use]
    #[expect(clippy::panic, reason = "a test that is wrong itself")]
    pub fn now(mut self, time: &str) -> Case {
        self.now = Time::parse(time).unwrap_or_else(|| panic!("now is no RFC 3339 time: {time:?}"));
        self
    }

    /// A reference document, as JSON text.
    ///
    /// # Panics
    /// If it is no JSON.
    #[must_use]
    pub fn data(mut self, document: &str, json: &str) -> Case {
        self.data.retain(|(name, _)| name != document);
        self.data.push((document.into(), parse(document, json)));
        self
    }

    /// The past decisions that the ledger holds, none at all included. Without it, a policy that asks for the history
    /// faults.
    #[must_use]
    pub fn past(mut self, decisions: impl IntoIterator<Item = PastDecision>) -> Case {
        self.past.get_or_insert_default().extend(decisions);
        self
    }

    /// Evaluates.
    ///
    /// # Panics
    /// If the policy faults: shows how.
    #[must_use]
    #[expect(clippy::panic, reason = "how a test fails")]
    pub fn run(&self) -> Answer {
        self.try_run().unwrap_or_else(|fault| panic!("the policy faults: {fault}"))
    }

    /// Evaluates.
    ///
    /// # Errors
    /// The policy's fault.
    pub fn try_run(&self) -> Result<Answer, Fault> {
        (self.run)(self)
    }
}

/// The policy's description: the JSON text in the component's section `portcullis-policy`.
#[must_use]
pub fn description<P: Policy>() -> String {
    P::DESCRIPTION.to_string()
}

/// The JSON Schema of the policy's settings.
#[must_use]
pub fn schema<P: Policy>() -> String {
    let parts = [
        <<P::Prepared as Prepared>::Settings as Schema>::ABOUT,
        <<P::Prepared as Prepared>::Settings as Schema>::MEMBERS,
        <<P::Prepared as Prepared>::Settings as Schema>::BOUNDS,
    ];
    format!("{{{}}}", parts.iter().map(Rope::to_string).collect::<String>())
}

impl Fault {
    /// The code that the host gives it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Settings(_) => "load.settings",
            Fault::Inputs(_) => "load.inputs",
            Fault::Data(_) => "load.data",
            Fault::History(_) => "fault.history",
            Fault::Unannounced(_) => "load.history",
            Fault::HostCalls(_) => "fault.host-calls",
            Fault::Error(_) => "fault.error",
            Fault::Trap(_) => "fault.trap",
            Fault::Answer(_) => "fault.answer",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())?;
        match self {
            Fault::Settings(problems) => {
                problems.iter().try_for_each(|Problem { at, message }| write!(f, "\n  {at:?} {message}"))
            }
            Fault::Inputs(detail)
            | Fault::Data(detail)
            | Fault::History(detail)
            | Fault::Unannounced(detail)
            | Fault::HostCalls(detail)
            | Fault::Error(detail)
            | Fault::Trap(detail)
            | Fault::Answer(detail) => write!(f, ": {detail}"),
        }
    }
}

const REQUEST: &str = r#"{"subject":{"type":"user","id":"tester"},"action":{"name":"deploy"},
    "resource":{"type":"service","id":"test"},"context":{}}"#;
const NOW: &str = "2026-03-14T09:30:00Z";

fn run<P: Policy>(case: &Case) -> Result<Answer, Fault> {
    let missing = P::DATA.iter().find(|name| !case.data.iter().any(|(given, _)| given == *name));
    if let Some(name) = missing {
        return Err(Fault::Data(format!("the case gives no document {name:?}")));
    }
    let configured = trapping(|| Configured::<P>::new(&case.settings))?.map_err(Fault::Settings)?;
    check::inputs(configured.pointers()).map_err(Fault::Inputs)?;
    let host = Host::new(case.request.clone(), case.now, case.data.clone(), case.past.clone(), P::HISTORY);
    let values = configured.pointers().iter().map(|pointer| host.value(pointer)).collect();
    let answer = host::within(host, || trapping(|| configured.evaluate(values)))?.map_err(Fault::Error)?;
    check::answer(&answer, P::CODES).map_err(Fault::Answer)?;
    Ok(answer)
}

/// Turns a panic into a fault, as the sandbox turns a trap into one.
fn trapping<T>(policy: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(policy)).map_err(|panic| {
        if let Some(fault) = panic.downcast_ref::<Fault>() {
            return fault.clone();
        }
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Fault::Trap(text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_default())
    })
}

#[expect(clippy::panic, reason = "a test that is wrong itself")]
fn parse(what: &str, json: &str) -> Json {
    Json::parse(json).unwrap_or_else(|problem| panic!("{what} is no JSON: {problem}"))
}

fn set(at: &mut Json, segments: &[String], value: Json) {
    let [first, rest @ ..] = segments else {
        *at = value;
        return;
    };
    if let (Json::Array(items), Ok(n)) = (&mut *at, first.parse::<usize>()) {
        if let Some(item) = items.get_mut(n) {
            set(item, rest, value);
        }
        return;
    }
    if !matches!(at, Json::Object(_)) {
        *at = Json::Object(Vec::new());
    }
    if let Json::Object(members) = at {
        let n = members.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
            members.push((first.clone(), Json::Null));
            members.len().saturating_sub(1)
        });
        if let Some((_, member)) = members.get_mut(n) {
            set(member, rest, value);
        }
    }
}
