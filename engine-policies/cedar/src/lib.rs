//! Cedar as a policy: policies, schema and entities are settings, parsed and validated once, at load;
//! [cedar-policy](https://docs.rs/cedar-policy) evaluates them.
//!
//! The request is AuthZEN's: the subject is the principal, `Type::"id"`, with its properties as attributes; so is the
//! resource; the context is the context. The policies that decided become findings, with what their annotations say.
//!
//! It fails closed where Cedar alone would not: Cedar skips a policy whose evaluation errs, here that is a fault.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod load;
mod request;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeSet;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Effect, Entities, PolicyId, PolicySet, Request, Response,
    RestrictedExpression,
};
use portcullis_policy::json;
use portcullis_policy::prelude::*;

use load::Loaded;
use request::{Plan, Refusal};
use settings::{Errors, Settings};
use values::Members;

/// The settings, parsed.
struct Cedar {
    loaded: Loaded,
    plan: Plan,
    authorizer: Authorizer,
    errors: Errors,
}

/// What the codes of findings start with.
const CODES: &str = "policy.cedar";

#[policy(
    name = "policy.cedar",
    summary = "Cedar policies from the settings; the policies that decide become findings.",
    codes(
        NOT_PERMITTED = "policy.cedar.not-permitted": "No policy permits it.",
        INVALID_REQUEST = "policy.cedar.invalid-request": "The request has no such principal, action, resource or context.",
        _ = "policy.cedar.*": "The policy of that @id; permitted or forbidden for those without one.",
    )
)]
fn evaluate(cedar: &Cedar, fields: &Fields) -> Result<Answer, String> {
    let Loaded { entities, schema, .. } = &cedar.loaded;
    let (request, entities) = match cedar.plan.request(fields, entities, schema.as_ref()) {
        Ok(both) => both,
        Err(Refusal::Fault(message)) => return Err(message),
        Err(Refusal::Unfit { at, message }) => {
            let mut finding = deny(INVALID_REQUEST, message);
            finding.at = at;
            return Ok(finding.into());
        }
    };
    let said = cedar.judge(&request, &entities).map(Answer::from);
    // The sandbox ends with this evaluation, and its allocator frees nothing: taking these apart would be for nothing.
    std::mem::forget((request, entities));
    said
}

impl Cedar {
    fn judge(&self, request: &Request, entities: &Entities) -> Result<Vec<Finding>, String> {
        let decided = self.ask(request, &self.loaded.deciding, entities)?;
        let mut findings = self.findings(&decided);
        std::mem::forget(decided); // As above; `warm_up` leaves one behind.
        if findings.is_empty() {
            let message = format!(
                "no policy permits {} to {} {}",
                shown(request.principal()),
                shown(request.action()),
                shown(request.resource())
            );
            findings.push(deny(NOT_PERMITTED, message));
        }
        if !self.loaded.milder.is_empty() {
            findings.extend(self.findings(&self.ask(request, &self.loaded.milder, entities)?));
        }
        Ok(findings)
    }

    /// Asks Cedar; an evaluation error that counts is an error.
    fn ask(&self, request: &Request, policies: &PolicySet, entities: &Entities) -> Result<Response, String> {
        let response = self.authorizer.is_authorized(request, policies, entities);
        for AuthorizationError::PolicyEvaluationError(error) in response.diagnostics().errors() {
            let forbids = self.loaded.notes.get(error.policy_id()).is_none_or(|note| note.effect == Effect::Forbid);
            if self.errors == Errors::Any || forbids {
                return Err(format!("the policy {} cannot be evaluated: {}", error.policy_id(), error.inner()));
            }
        }
        Ok(response)
    }

    /// What the policies say that decided: those that permit, or those that forbid.
    fn findings(&self, response: &Response) -> Vec<Finding> {
        let reasons: BTreeSet<&PolicyId> = response.diagnostics().reason().collect();
        let notes = reasons.into_iter().filter_map(|id| self.loaded.notes.get(id));
        notes.map(|note| note.finding.clone()).take(MAX_FINDINGS).collect()
    }
}

/// The host takes no more of one policy in all.
const MAX_FINDINGS: usize = 500;

fn shown(uid: Option<&cedar_policy::EntityUid>) -> String {
    uid.map(ToString::to_string).unwrap_or_default()
}

impl Prepared for Cedar {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Cedar, Vec<Problem>> {
        let loaded = load::load(&settings);
        let plan = Plan::new(&settings);
        let (loaded, plan) = match (loaded, plan) {
            (Ok(loaded), Ok(plan)) => (loaded, plan),
            (loaded, plan) => return Err([loaded.err(), plan.err()].into_iter().flatten().flatten().collect()),
        };
        let cedar = Cedar { loaded, plan, authorizer: Authorizer::new(), errors: settings.errors };
        cedar.warm_up();
        Ok(cedar)
    }
}

impl Cedar {
    /// One evaluation with a value of each extension, so that what Cedar builds at its first is part of the snapshot:
    /// the regular expressions of its extensions alone cost fourteen evaluations. Says nothing about any request.
    fn warm_up(&self) {
        let _ = json::read_text::<Members>(r#"{"decimal": 1.5}"#);
        let uid = |text: &str| text.parse().ok();
        let (Some(principal), Some(action), Some(resource)) = (uid("A::\"a\""), uid("A::\"b\""), uid("A::\"c\""))
        else {
            return;
        };
        let values = [
            ("decimal", RestrictedExpression::new_decimal("1.5")),
            ("datetime", RestrictedExpression::new_datetime("2026-01-01T00:00:00.000+0100")),
            ("duration", RestrictedExpression::new_duration("1d2h3m4s5ms")),
            ("ip", RestrictedExpression::new_ip("192.0.2.1")),
        ];
        let context = Context::from_pairs(values.map(|(name, value)| (name.to_owned(), value)));
        if let Ok(request) = context
            .map_err(drop)
            .and_then(|context| Request::new(principal, action, resource, context, None).map_err(drop))
        {
            let _ = self.judge(&request, &self.loaded.entities);
        }
    }
}

impl NamesInputs for Cedar {
    fn input_pointers(&self) -> Vec<String> {
        self.plan.pointers.clone()
    }
}
