//! Rego as a policy: the modules are settings, parsed once, at load; [regorus](https://docs.rs/regorus) evaluates them.
//!
//! Rules are asked by Conftest's and Gatekeeper's names (`deny`, `violation`, `warn`, `allow`) or as the settings say, and
//! what they give becomes findings. It fails closed where Rego alone would not: an undefined `allow` denies, a rule's
//! value that is no message is still a finding, and a built-in function's error is a fault.
//!
//! There is no clock, randomness or network: a module that calls such a function is refused at load, as is one that calls a
//! function that nobody defines.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod input;
mod load;
mod say;
mod settings;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use portcullis_policy::prelude::*;

use input::Plan;
use say::{Asked, Said};
use settings::{Otherwise, Settings};

/// The settings, parsed.
struct Rego {
    /// Evaluation writes into the engine, and clears that before the next.
    engine: RefCell<regorus::Engine>,
    asked: Vec<Asked>,
    plan: Plan,
    otherwise: Otherwise,
}

/// What the codes of findings start with.
const CODES: &str = "policy.rego";

#[policy(
    name = "policy.rego",
    summary = "Rego modules from the settings; what their rules give becomes findings.",
    codes(
        PASSED = "policy.rego.passed": "No rule has anything to say.",
        NOT_ALLOWED = "policy.rego.not-allowed": "A rule that permits is not true.",
        UNDECIDED = "policy.rego.undecided": "A rule that decides gives no decision.",
        _ = "policy.rego.*": "The rule of that name, or what its message says as `code`.",
    )
)]
fn evaluate(rego: &Rego, fields: &Fields) -> Result<Answer, String> {
    let mut engine = rego.engine.try_borrow_mut().map_err(|error| error.to_string())?;
    engine.set_input(rego.plan.input(fields)?);
    let mut said = Said::default();
    for asked in &rego.asked {
        let value = engine.eval_rule(asked.path.clone()).map_err(|error| load::explained(&format!("{error:#}")))?;
        said.add(asked, &value)?;
    }
    if !said.findings.is_empty() {
        return Ok(said.findings.into());
    }
    let message = "no rule has anything to say";
    Ok(match rego.otherwise {
        _ if said.abstains => abstain(),
        Otherwise::Allow => allow(PASSED, message).into(),
        Otherwise::Abstain => abstain(),
        Otherwise::Deny => deny(PASSED, message).into(),
    })
}

impl Prepared for Rego {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Rego, Vec<Problem>> {
        let (mut engine, asked) = load::load(&settings)?;
        let plan = Plan::new(&settings).map_err(|error| vec![Problem::new("/fixed", error)])?;
        let example = input::from_json(&settings.example).map_err(|error| vec![Problem::new("/example", error)])?;
        engine.set_input(example);
        for asked in &asked {
            // Only to have its tables built before the first decision: an example is no request, so an error says nothing.
            let _ = engine.eval_rule(asked.path.clone());
        }
        Ok(Rego { engine: RefCell::new(engine), asked, plan, otherwise: settings.otherwise })
    }
}

impl NamesInputs for Rego {
    fn input_pointers(&self) -> Vec<String> {
        self.plan.pointers.clone()
    }
}
