//! The three documents: a deployment of 1 KB, one that carries a 10 KB admission review, one that carries a 240 KB
//! Terraform plan. The six fields that the policy reads are the same in each.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// One document.
pub struct Document {
    /// Its size, for people.
    pub label: &'static str,
    /// Native request, as compact JSON.
    pub text: String,
}

/// The documents, smallest first.
pub fn all(root: &Path) -> anyhow::Result<Vec<Document>> {
    let plan = std::fs::read(root.join("sample-policies/requests/terraform-plan.json"))?;
    let plan: Value = serde_json::from_slice(&plan)?;
    let changes = plan.pointer("/resource_changes").and_then(Value::as_array).context("the plan has no changes")?;
    let small = deployment(json!({}));
    let middle = grow("kubernetes", 10_000, |n| {
        json!({"name": format!("worker-{n}"), "image": format!("registry.example/worker@sha256:{n:064x}"),
               "env": [{"name": "REGION", "value": "eu-central-1"}],
               "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}, "volumeMounts": []})
    });
    let large = grow("terraform", 240_000, |n| changes.get(n % changes.len().max(1)).cloned().unwrap_or_default());
    let document = |label, value: Value| Document { label, text: value.to_string() };
    Ok(vec![document("1 KB", small), document("10 KB", middle), document("240 KB", large)])
}

fn grow(name: &str, bytes: usize, item: impl Fn(usize) -> Value) -> Value {
    let mut items = Vec::new();
    let mut size = 0;
    while size < bytes {
        let item = item(items.len());
        size += item.to_string().len();
        items.push(item);
    }
    deployment(json!({name: {"items": items}}))
}

fn deployment(more: Value) -> Value {
    let mut request = json!({
        "subject": {"type": "user", "id": "ci-bot-007", "properties": {
            "role": "developer", "team": "payments", "issuer": "https://issuer.example", "session": "8f1c2d"}},
        "action": {"name": "deploy", "properties": {"tools": ["github_actions", "argo_cd", "slack"]}},
        "resource": {"type": "service", "id": "payment-api", "properties": {"tier": 1, "owner": "payments"}},
        "context": {
            "environment": "production",
            "change": {"kind": "minor", "version": "v2.3.1", "risk": "medium", "cost_usd": 12.5,
                       "summary": "Raise the connection pool and its timeouts", "author": "alice@example.com",
                       "ticket": "OPS-4711"},
            "approvals": [{"by": "bob@example.com", "roles": ["ops-lead"], "at": "2026-03-14T09:30:00Z"}],
            "run": {"id": "run_deploy_001", "url": "https://ci.example/runs/1", "iteration": 1, "elapsed_seconds": 18,
                    "recent_tools": ["planner"], "cost_usd": 0.12},
            "evidence": {"image": format!("registry.example/payment-api@sha256:{:064x}", 7)}
        }
    });
    if let (Some(context), Value::Object(more)) = (request.pointer_mut("/context").and_then(Value::as_object_mut), more)
    {
        context.extend(more);
    }
    request
}
