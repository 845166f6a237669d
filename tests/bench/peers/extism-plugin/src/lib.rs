//! The benchmarks' policy as an Extism plug-in: JSON text in, JSON text out.
#![no_main]

use extism_pdk::{FnResult, plugin_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    subject: Subject<'a>,
    action: Action<'a>,
    resource: Resource<'a>,
    #[serde(default)]
    context: Context<'a>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow, default)]
    properties: Properties<'a>,
}

#[derive(Deserialize, Default)]
struct Properties<'a> {
    role: Option<&'a str>,
}

#[derive(Deserialize)]
struct Action<'a> {
    name: &'a str,
}

#[derive(Deserialize)]
struct Resource<'a> {
    r#type: &'a str,
    id: &'a str,
}

#[derive(Deserialize, Default)]
struct Context<'a> {
    environment: Option<&'a str>,
    #[serde(borrow, default)]
    change: Change<'a>,
}

#[derive(Deserialize, Default)]
struct Change<'a> {
    kind: Option<&'a str>,
}

#[derive(Serialize)]
struct Finding {
    outcome: &'static str,
    code: &'static str,
    message: String,
}

const ROLES: [&str; 2] = ["platform_admin", "release_manager"];
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const ACTIONS: [&str; 2] = ["deploy", "rollback"];

#[plugin_fn]
pub fn evaluate(input: String) -> FnResult<String> {
    let request: Request<'_> = serde_json::from_str(&input)?;
    Ok(serde_json::to_string(&decide(&request))?)
}

fn decide(request: &Request<'_>) -> Finding {
    let role = request.subject.properties.role.unwrap_or("nobody");
    let environment = request.context.environment.unwrap_or("nowhere");
    let (action, kind, id) = (request.action.name, request.resource.r#type, request.resource.id);
    let finding = |outcome, code, message| Finding { outcome, code, message };
    if !ENVIRONMENTS.contains(&environment) {
        let message = format!("{environment} is not an environment for {kind} {id}");
        return finding("deny", "bench.deploy.environment", message);
    }
    if !ACTIONS.contains(&action) {
        return finding("deny", "bench.deploy.action", format!("{action} is not an action on {kind} {id}"));
    }
    if !ROLES.contains(&role) {
        return finding("deny", "bench.deploy.role", format!("{role} may not {action} {id} to {environment}"));
    }
    if request.context.change.kind == Some("major") {
        return finding("escalate", "bench.deploy.major", format!("{action} of {id} is a major change"));
    }
    finding("allow", "bench.deploy.ok", format!("{role} may {action} {id} to {environment}"))
}
