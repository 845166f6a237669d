//! Resources of the provider `hashicorp/google`.

use portcullis_policy::prelude::*;

use crate::aws::tell_ingress;
use crate::network::{Ports, is_internet};
use crate::plan::{Effect, Resource};
use crate::planned::{Answered, Planned};
use crate::report::Report;
use crate::{PROTECTION_REMOVED, PUBLIC_ACCESS, PUBLIC_DATABASE, PUBLIC_STORAGE, UNPROTECTED, WIDE_IAM};

/// Judges one resource.
pub fn judge(report: &mut Report<'_>, resource: &Resource<'_>) {
    if !matches!(resource.effect, Effect::Create | Effect::Update | Effect::Replace) {
        return;
    }
    judge_protection(report, resource);
    let kind = resource.kind();
    match kind {
        "google_compute_firewall" => judge_firewall(report, resource),
        "google_sql_database_instance" => judge_sql(report, resource),
        _ if kind.ends_with("_iam_member") || kind.ends_with("_iam_binding") => judge_grant(report, resource),
        _ if kind.ends_with("_iam_policy") => judge_policy(report, resource),
        _ if kind.starts_with("google_storage_") => judge_storage(report, resource),
        _ => {}
    }
}

fn judge_firewall(report: &mut Report<'_>, resource: &Resource<'_>) {
    let outbound = resource.attribute("direction").is_text("EGRESS");
    let disabled = resource.attribute("disabled").is_true();
    if outbound == Answered::Yes || disabled == Answered::Yes {
        return;
    }
    let internet = resource.attribute("source_ranges").has(is_internet);
    let allow = resource.block("allow");
    if allow.is_unknown() {
        return tell_ingress(report, resource, internet, &Ports::Unknown);
    }
    for rule in allow.items() {
        let protocol = rule.get("protocol").text().map(str::to_ascii_lowercase);
        let ports = match protocol.as_deref() {
            _ if rule.get("protocol").is_unknown() || rule.get("ports").is_unknown() => Ports::Unknown,
            Some("icmp" | "1" | "58") => Ports::NONE,
            _ if rule.get("ports").items().next().is_none() => Ports::All,
            _ => Ports::written(rule.get("ports").items().map(|port| port.text().map(str::to_owned))),
        };
        tell_ingress(report, resource, internet, &ports);
    }
}

fn judge_sql(report: &mut Report<'_>, resource: &Resource<'_>) {
    let networks = |address: Planned<'_>| {
        let listed = address.get("authorized_networks");
        let unknown = if listed.is_unknown() { Answered::Unknown } else { Answered::No };
        Answered::any(listed.items().map(|network| network.get("value").has(is_internet)).chain([unknown]))
    };
    let open = Answered::any(
        resource
            .block("settings")
            .items()
            .map(|settings| Answered::any(settings.get("ip_configuration").items().map(networks))),
    );
    let what = "authorized_networks has the internet: reachable by anyone";
    let whether = "whether the internet is among its authorized_networks";
    report.answer(resource, open, (report.settings.public, PUBLIC_DATABASE), what, whether);
}

/// `role` for `member` or `members`.
fn judge_grant(report: &mut Report<'_>, resource: &Resource<'_>) {
    let members = ["member", "members"].map(|name| match resource.attribute(name).has(is_anyone) {
        // A service account is someone.
        Answered::Unknown if resource.refers_only_to(name, "google_service_account") => Answered::No,
        answer => answer,
    });
    tell_grant(report, resource, resource.attribute("role").has(is_wide), Answered::any(members));
}

/// `policy_data`: the bindings as JSON text.
fn judge_policy(report: &mut Report<'_>, resource: &Resource<'_>) {
    let document = resource.attribute("policy_data");
    let bindings = document.text().and_then(|text| Json::parse(text).ok());
    let Some(bindings) = bindings.as_ref().and_then(|policy| policy.get("bindings")).and_then(Json::as_array) else {
        return report.unknown(resource, "what its policy_data grants");
    };
    for binding in bindings {
        let role = Planned::new(binding.get("role"), None).has(is_wide);
        tell_grant(report, resource, role, Planned::new(binding.get("members"), None).has(is_anyone));
    }
}

fn tell_grant(report: &mut Report<'_>, resource: &Resource<'_>, wide: Answered, anyone: Answered) {
    let rule = (report.settings.wide_iam, WIDE_IAM);
    report.answer(resource, wide, rule, "grants a basic role, owner or editor", "which role it grants");
    let storage = resource.kind().starts_with("google_storage_");
    let rule = (report.settings.public, if storage { PUBLIC_STORAGE } else { PUBLIC_ACCESS });
    let what = "grants a role to anyone (allUsers or allAuthenticatedUsers)";
    report.answer(resource, anyone, rule, what, "to whom it grants a role");
}

fn judge_storage(report: &mut Report<'_>, resource: &Resource<'_>) {
    let public: fn(&str) -> bool = |acl| acl.starts_with("public") || acl == "authenticatedRead";
    let answers = [
        resource.attribute("predefined_acl").has(public),
        resource.attribute("default_acl").has(public),
        resource
            .attribute("role_entity")
            .has(|entry| entry.split_once(':').is_some_and(|(_, entity)| is_anyone(entity))),
        resource.attribute("entity").has(is_anyone),
    ];
    let rule = (report.settings.public, PUBLIC_STORAGE);
    report.answer(resource, Answered::any(answers), rule, "its ACL is public", "whether its ACL is public");
}

fn judge_protection(report: &mut Report<'_>, resource: &Resource<'_>) {
    let mut why = Vec::new();
    let off = resource.attribute("deletion_protection").is(|value| value.as_bool() == Some(false)) == Answered::Yes;
    if off && resource.was_true("deletion_protection") && resource.effect == Effect::Update {
        let what = "deletion_protection is switched off";
        report.tell(resource, report.settings.protection_removed, PROTECTION_REMOVED, what);
    } else if off {
        why.push("deletion_protection is off");
    }
    if resource.attribute("force_destroy").is_true() == Answered::Yes {
        why.push("force_destroy is on");
    }
    if !why.is_empty() {
        report.tell(resource, report.settings.unprotected, UNPROTECTED, &why.join(", "));
    }
}

fn is_wide(role: &str) -> bool {
    matches!(role, "roles/owner" | "roles/editor")
}

fn is_anyone(member: &str) -> bool {
    matches!(member, "allUsers" | "allAuthenticatedUsers")
}
