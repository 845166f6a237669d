//! What a Terraform plan destroys, opens to the internet or grants.
//!
//! Judges what the plan says about each resource; it evaluates no expressions and asks no cloud. A value that is known
//! only after apply is never taken for a safe one. Messages name addresses, attributes and ports, never
//! the plan's values: these may be secrets.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod aws;
mod azure;
mod google;
mod iam;
mod network;
mod plan;
mod planned;
mod report;

use portcullis_policy::prelude::*;

use crate::plan::{Configuration, Drift, Effect, Resource, ResourceChange};
use crate::report::{Report, address};

/// How bad each kind of change is: `off`, `warn`, `defer`, `acknowledge`, `escalate` or `deny`.
#[derive(Settings)]
#[settings(check = check)]
struct Settings {
    /// More destroyed and replaced resources than this are denied.
    #[setting(default = 10)]
    max_destroyed: u32,
    /// More changed resources of any kind than this are denied.
    #[setting(default = 200)]
    max_changed: u32,
    /// A resource is destroyed.
    #[setting(default = "acknowledge")]
    destroyed: Level,
    /// A resource is replaced.
    #[setting(default = "acknowledge")]
    replaced: Level,
    /// A resource is dropped from the state, but not destroyed.
    #[setting(default = "warn")]
    forgotten: Level,
    /// A resource of a protected type is destroyed, replaced or dropped.
    #[setting(default = "deny")]
    protected: Level,
    /// Types that hold data; `aws_rds_*` is every type that starts so.
    #[setting(default = [
        "aws_db_instance", "aws_rds_cluster", "aws_docdb_cluster", "aws_neptune_cluster", "aws_redshift_cluster",
        "aws_dynamodb_table", "aws_s3_bucket", "aws_efs_file_system", "aws_ebs_volume", "aws_kms_key",
        "aws_opensearch_domain", "aws_elasticache_replication_group", "aws_route53_zone",
        "google_sql_database_instance", "google_storage_bucket", "google_bigquery_dataset", "google_kms_crypto_key",
        "google_spanner_instance", "azurerm_mssql_database", "azurerm_mssql_server", "azurerm_postgresql_flexible_server",
        "azurerm_mysql_flexible_server", "azurerm_cosmosdb_account", "azurerm_storage_account", "azurerm_key_vault"
    ])]
    protected_types: Vec<String>,
    /// A database, storage, function or control plane is reachable or readable by anyone.
    #[setting(default = "deny")]
    public: Level,
    /// Anyone may use a resource under conditions, which this policy does not judge.
    #[setting(default = "escalate")]
    public_if: Level,
    /// A sensitive port is open to the internet.
    #[setting(default = "deny")]
    open_port: Level,
    /// Ports that the internet must not reach.
    #[setting(default = [
        22, 23, 135, 445, 1433, 1521, 2375, 3306, 3389, 5432, 5900, 5985, 6379, 9200, 11211, 27017
    ])]
    sensitive_ports: Vec<u16>,
    /// A policy or a role grants too much.
    #[setting(default = "deny")]
    wide_iam: Level,
    /// Deletion protection is off, a last snapshot is skipped, or a bucket may be destroyed with its content.
    #[setting(default = "warn")]
    unprotected: Level,
    /// Deletion protection was on and is switched off.
    #[setting(default = "escalate")]
    protection_removed: Level,
    /// What decides is known only after apply. Not `off` and not `warn`.
    #[setting(default = "defer")]
    unknown: Level,
    /// A new security group whose configuration writes no rules, but a `dynamic` block, which a plan does not show,
    /// may make some. With rules as resources of their own, `warn` or `off` is right.
    #[setting(default = "defer")]
    unwritten_rules: Level,
    /// Resources were changed outside Terraform.
    #[setting(default = "warn")]
    drift: Level,
    /// Who approves what escalates.
    #[setting(default = ["platform-lead"], length = 1..)]
    approvers: Vec<String>,
}

#[derive(Settings, Clone, Copy, PartialEq, Eq)]
enum Level {
    Off,
    Warn,
    Defer,
    Acknowledge,
    Escalate,
    Deny,
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    if matches!(settings.unknown, Level::Off | Level::Warn) {
        problems
            .push(Problem::new("/unknown", "what is not known must not go on: defer, acknowledge, escalate or deny"));
    }
}

#[derive(Inputs)]
struct Inputs {
    #[input("/context/terraform/format_version")]
    format_version: Option<String>,
    #[input("/context/terraform/errored")]
    errored: Option<bool>,
    #[input("/context/terraform/complete")]
    complete: Option<bool>,
    #[input("/context/terraform/applyable")]
    applyable: Option<bool>,
    #[input("/context/terraform/resource_changes")]
    resource_changes: Option<Vec<ResourceChange>>,
    #[input("/context/terraform/resource_drift")]
    resource_drift: Option<Vec<Drift>>,
    #[input("/context/terraform/configuration/root_module")]
    configuration: Value,
}

#[policy(
    name = "sample.terraform",
    summary = "A Terraform plan destroys, exposes and grants no more than it may.",
    codes(
        HARMLESS = "sample.terraform.harmless": "Nothing in the plan is beyond the settings.",
        FORMAT = "sample.terraform.format-unsupported": "Not a plan of format_version 1.",
        ERRORED = "sample.terraform.plan-errored": "Planning failed.",
        INCOMPLETE = "sample.terraform.plan-incomplete": "The plan leaves changes for a later one.",
        CHANGES_MISSING = "sample.terraform.changes-missing": "The plan does not say what changes.",
        ACTION_UNKNOWN = "sample.terraform.action-unknown": "A resource has actions that this policy does not know.",
        TOO_MANY_DESTROYED = "sample.terraform.too-many-destroyed": "More is destroyed and replaced than allowed.",
        TOO_MANY_CHANGED = "sample.terraform.too-many-changed": "More is changed than allowed.",
        DESTROYED = "sample.terraform.destroyed": "A resource is destroyed.",
        REPLACED = "sample.terraform.replaced": "A resource is replaced.",
        FORGOTTEN = "sample.terraform.forgotten": "A resource is dropped from the state.",
        PROTECTED = "sample.terraform.protected": "A resource of a protected type is destroyed, replaced or dropped.",
        PUBLIC_DATABASE = "sample.terraform.public-database": "A database is reachable from the internet.",
        PUBLIC_STORAGE = "sample.terraform.public-storage": "Storage is open to anyone.",
        PUBLIC_ACCESS = "sample.terraform.public-access": "Anyone may use the resource.",
        PUBLIC_IF = "sample.terraform.public-if": "Anyone may use the resource under conditions.",
        OPEN_PORT = "sample.terraform.open-port": "A sensitive port is open to the internet.",
        WIDE_IAM = "sample.terraform.wide-iam": "A policy or role grants too much.",
        UNPROTECTED = "sample.terraform.unprotected": "The resource is not protected against deletion.",
        PROTECTION_REMOVED = "sample.terraform.protection-removed": "Protection against deletion is switched off.",
        UNKNOWN = "sample.terraform.unknown": "What decides is known only after apply.",
        UNWRITTEN_RULES = "sample.terraform.unwritten-rules": "A dynamic block may make rules that the plan does not show.",
        DRIFT = "sample.terraform.drift": "Resources were changed outside Terraform.",
    )
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Answer {
    let version = input.format_version.as_deref().unwrap_or_default();
    if version.split('.').next() != Some("1") {
        let message =
            format!("format_version {} is not 1.x: pass the output of `terraform show -json PLAN`", quote(version));
        return deny(FORMAT, message).at("/context/terraform/format_version").into();
    }
    let mut report = Report::new(settings);
    if input.errored == Some(true) {
        report.tell_plan(Level::Deny, ERRORED, "planning failed: mend it and plan again".into());
    }
    if input.complete == Some(false) {
        report.tell_plan(
            settings.unknown,
            INCOMPLETE,
            "the plan leaves changes for a later one, which are not known".into(),
        );
    }
    let configuration = Configuration::new(&input.configuration);
    let summary = match &input.resource_changes {
        Some(changes) => judge_changes(&mut report, changes, &configuration),
        // Terraform leaves the member out where nothing changes, and says so.
        None if input.applyable == Some(false) => "nothing changes".into(),
        None => {
            let mut findings = report.finish();
            let message = "the plan does not say what changes: resource_changes is missing";
            findings.push(defer(CHANGES_MISSING, message).provide("/context/terraform/resource_changes"));
            return findings.into();
        }
    };
    judge_drift(&mut report, input.resource_drift.as_deref().unwrap_or_default());
    Answer::findings(report.finish()).or(allow(HARMLESS, summary))
}

/// Judges every change and the sum of them; returns the sum in words.
fn judge_changes(report: &mut Report<'_>, changes: &[ResourceChange], configuration: &Configuration<'_>) -> String {
    let mut effects = [0u32; 5];
    let [created, updated, destroyed, replaced, forgotten] = &mut effects;
    for (index, entry) in changes.iter().enumerate() {
        let resource = Resource { index, entry, effect: Effect::of(&entry.change.actions), configuration };
        let count = match resource.effect {
            Effect::Nothing => continue,
            Effect::Unknown => {
                report.tell(&resource, Level::Deny, ACTION_UNKNOWN, "its actions are not known to this policy");
                continue;
            }
            Effect::Create => &mut *created,
            Effect::Update => &mut *updated,
            Effect::Destroy => &mut *destroyed,
            Effect::Replace => &mut *replaced,
            Effect::Forget => &mut *forgotten,
        };
        *count = count.saturating_add(1);
        judge_loss(report, &resource);
        let stays = matches!(resource.effect, Effect::Create | Effect::Update | Effect::Replace);
        if stays && resource.planned().is_absent() {
            report.unknown(&resource, "what it will be: the plan does not say");
        }
        match entry.kind.split('_').next() {
            Some("aws") => aws::judge(report, &resource),
            Some("google") => google::judge(report, &resource),
            Some("azurerm") => azure::judge(report, &resource),
            _ => {}
        }
    }
    let gone = destroyed.saturating_add(*replaced);
    let all = effects.iter().fold(0u32, |sum, count| sum.saturating_add(*count));
    let (max_destroyed, max_changed) = (report.settings.max_destroyed, report.settings.max_changed);
    if gone > max_destroyed {
        let message =
            format!("{gone} resources are destroyed or replaced; {max_destroyed} are allowed: split the change");
        report.tell_plan(Level::Deny, TOO_MANY_DESTROYED, message);
    }
    if all > max_changed {
        let message = format!("{all} resources change; {max_changed} are allowed: split the change");
        report.tell_plan(Level::Deny, TOO_MANY_CHANGED, message);
    }
    let [created, updated, destroyed, replaced, forgotten] = effects;
    format!("{created} created, {updated} updated, {replaced} replaced, {destroyed} destroyed, {forgotten} forgotten")
}

/// What is destroyed, replaced or dropped.
fn judge_loss(report: &mut Report<'_>, resource: &Resource<'_>) {
    let (what, level, code) = match resource.effect {
        Effect::Destroy => ("is destroyed", report.settings.destroyed, DESTROYED),
        Effect::Replace => ("is destroyed and created anew", report.settings.replaced, REPLACED),
        Effect::Forget => {
            ("is dropped from the state and stays behind unmanaged", report.settings.forgotten, FORGOTTEN)
        }
        Effect::Nothing | Effect::Create | Effect::Update | Effect::Unknown => return,
    };
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => resource.kind().starts_with(start),
        None => pattern == resource.kind(),
    };
    // What a failed replacement left behind holds nothing that the resource itself does not hold.
    if resource.entry.deposed.is_none() && report.settings.protected_types.iter().any(matches) {
        report.tell(resource, report.settings.protected, PROTECTED, &format!("{what}, and its type is protected"));
    } else {
        report.tell(resource, level, code, what);
    }
}

fn judge_drift(report: &mut Report<'_>, drift: &[Drift]) {
    let drifted = drift.iter().filter(|drift| Effect::of(&drift.change.actions) != Effect::Nothing);
    let drifted: Vec<String> = drifted.map(|drift| address(&drift.address)).collect();
    if !drifted.is_empty() {
        let shown = drifted.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if drifted.len() > 5 { " ..." } else { "" };
        let message = format!("{} resources were changed outside Terraform: {shown}{more}", drifted.len());
        report.tell_plan(report.settings.drift, DRIFT, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }

    #[test]
    fn messages_name_resources_and_hold_no_values() {
        let plan = r#"{"terraform": {"format_version": "1.2", "resource_changes": [
            {"address": "aws_db_instance.db", "type": "aws_db_instance", "change": {"actions": ["create"], "after":
                {"publicly_accessible": true, "password": "MARK", "identifier": "MARK", "skip_final_snapshot": true}}},
            {"address": "aws_security_group.web", "type": "aws_security_group", "change": {"actions": ["create"], "after":
                {"description": "MARK", "ingress": [{"cidr_blocks": ["MARK", "0.0.0.0/0"], "from_port": 22, "to_port": 22,
                "protocol": "MARK"}]}}},
            {"address": "aws_iam_policy.admin", "type": "aws_iam_policy", "change": {"actions": ["create"], "after":
                {"policy": "{\"Statement\": {\"Sid\": \"MARK\", \"Effect\": \"Allow\", \"Action\": [\"MARK:*\", \"*\"], \"Resource\": \"*\"}}"}}},
            {"address": "azurerm_storage_container.c", "type": "azurerm_storage_container", "change": {"actions": ["create"],
                "after": {"container_access_type": "MARK"}}},
            {"address": "google_project_iam_policy.p", "type": "google_project_iam_policy", "change": {"actions": ["create"],
                "after": {"policy_data": "MARK"}}}
        ]}}"#;
        let answer = portcullis_policy::test::Case::of::<Policy>().context(plan).run();
        let messages: Vec<&str> = answer.as_findings().iter().map(|finding| &*finding.message).collect();
        let said = messages.join("\n");
        for part in [
            "aws_db_instance.db: publicly_accessible",
            "aws_security_group.web: opens port 22 (SSH)",
            "aws_iam_policy.admin: its policy allows every",
        ] {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
        assert_eq!(messages.len(), 6, "{said}");
        assert!(!said.contains("MARK"), "{said}");
    }
}
