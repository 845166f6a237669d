//! Resources of the provider `hashicorp/azurerm`.

use std::net::Ipv4Addr;

use portcullis_policy::prelude::*;

use crate::aws::tell_ingress;
use crate::network::{Ports, is_internet};
use crate::plan::{Effect, Resource};
use crate::planned::{Answered, Planned};
use crate::report::Report;
use crate::{PUBLIC_DATABASE, PUBLIC_STORAGE, WIDE_IAM};

/// Judges one resource.
pub fn judge(report: &mut Report<'_>, resource: &Resource<'_>) {
    if !matches!(resource.effect, Effect::Create | Effect::Update | Effect::Replace) {
        return;
    }
    match resource.kind() {
        "azurerm_network_security_rule" => judge_rule(report, resource, resource.planned()),
        "azurerm_network_security_group" => {
            let rules = resource.attribute("security_rule");
            if rules.is_unknown() {
                report.unknown(resource, "which security_rule it has");
            }
            for rule in rules.items() {
                judge_rule(report, resource, rule);
            }
        }
        "azurerm_storage_account" => {
            let allows = resource.attribute("allow_nested_items_to_be_public");
            tell_storage(
                report,
                resource,
                allows.is_true(),
                "allow_nested_items_to_be_public is on: its containers may be open to anyone",
            );
        }
        "azurerm_storage_container" => {
            let access = resource.attribute("container_access_type");
            let public = access.has(|access| access != "private");
            tell_storage(report, resource, public, "container_access_type is not private: open to anyone");
        }
        "azurerm_role_assignment" => judge_assignment(report, resource),
        "azurerm_role_definition" => judge_definition(report, resource),
        kind if kind.ends_with("_firewall_rule") => judge_database_rule(report, resource),
        _ => {}
    }
}

fn judge_rule(report: &mut Report<'_>, resource: &Resource<'_>, rule: Planned<'_>) {
    let is = |name: &str, text: &str| rule.get(name).is_text(text) == Answered::Yes;
    if is("access", "Deny") || is("direction", "Outbound") {
        return;
    }
    let sources = [rule.get("source_address_prefix"), rule.get("source_address_prefixes")];
    let internet = Answered::any(sources.map(|source| source.has(is_internet)));
    let written = [rule.get("destination_port_range"), rule.get("destination_port_ranges")];
    let ports = if is("protocol", "Icmp") {
        Ports::NONE
    } else if written.iter().any(|ports| ports.is_unknown()) {
        Ports::Unknown
    } else {
        let ports = written.into_iter().flat_map(Planned::items).filter(|port| !port.is_absent()).map(|port| {
            let number = port.value().and_then(Json::as_i64).map(|number| number.to_string());
            port.text().map(str::to_owned).or(number)
        });
        match Ports::written(ports) {
            // Azure demands ports; a rule that shows none is not understood.
            none if none == Ports::NONE => Ports::Unknown,
            ports => ports,
        }
    };
    tell_ingress(report, resource, internet, &ports);
}

/// The firewall of a database server: a range of addresses.
fn judge_database_rule(report: &mut Report<'_>, resource: &Resource<'_>) {
    let ends = ["start_ip_address", "end_ip_address"].map(|name| resource.attribute(name));
    if ends.iter().any(|end| end.is_unknown()) {
        return report.unknown(resource, "which addresses it lets in");
    }
    let [Some(start), Some(end)] = ends.map(|end| end.text()?.parse::<Ipv4Addr>().ok().map(u32::from)) else {
        return;
    };
    let what = if start == 0 && end == 0 {
        "lets in all of Azure, of any customer"
    } else if end.saturating_sub(start) >= WIDE_RANGE {
        "lets in the internet"
    } else {
        return;
    };
    report.tell(resource, report.settings.public, PUBLIC_DATABASE, what);
}

fn tell_storage(report: &mut Report<'_>, resource: &Resource<'_>, public: Answered, what: &str) {
    report.answer(resource, public, (report.settings.public, PUBLIC_STORAGE), what, "whether it is public");
}

fn judge_assignment(report: &mut Report<'_>, resource: &Resource<'_>) {
    let name = resource.attribute("role_definition_name");
    let id = resource.attribute("role_definition_id");
    let by_name = name.has(|name| WIDE_ROLES.iter().any(|(wide, _)| name.eq_ignore_ascii_case(wide)));
    let by_id = id.has(|id| WIDE_ROLES.iter().any(|(_, wide)| id.to_ascii_lowercase().ends_with(wide)));
    let wide = match Answered::any([by_name, by_id]) {
        // The provider fills in the one that is not written.
        Answered::Unknown if name.text().is_some() || id.text().is_some() => Answered::No,
        wide => wide,
    };
    let what = "assigns a role that may grant every other";
    report.answer(resource, wide, (report.settings.wide_iam, WIDE_IAM), what, "which role it assigns");
}

fn judge_definition(report: &mut Report<'_>, resource: &Resource<'_>) {
    let wide: fn(&str) -> bool = |action| action == "*" || action.eq_ignore_ascii_case("Microsoft.Authorization/*");
    let permissions = resource.block("permissions");
    let unknown = if permissions.is_unknown() { Answered::Unknown } else { Answered::No };
    let answers = permissions.items().map(|permission| permission.get("actions").has(wide));
    let answer = Answered::any(answers.chain([unknown]));
    report.answer(
        resource,
        answer,
        (report.settings.wide_iam, WIDE_IAM),
        "permits every action",
        "which actions it permits",
    );
}

/// Roles that can grant roles, by name and id.
const WIDE_ROLES: [(&str, &str); 3] = [
    ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
    ("Role Based Access Control Administrator", "f58310d9-a9f6-439a-9e8d-f62e7b41a168"),
];

/// A range of this many addresses is taken for the internet: a /7, as in CIDR blocks.
const WIDE_RANGE: u32 = (1 << 25) - 1;
