//! Resources of the provider `hashicorp/aws`.

use crate::iam::{self, Judged};
use crate::network::{Ports, is_internet, name_ports};
use crate::plan::{Effect, Resource};
use crate::planned::{Answered, Planned};
use crate::report::Report;
use crate::{
    OPEN_PORT, PROTECTION_REMOVED, PUBLIC_ACCESS, PUBLIC_DATABASE, PUBLIC_IF, PUBLIC_STORAGE, UNPROTECTED,
    UNWRITTEN_RULES, WIDE_IAM,
};

/// Judges one resource.
pub fn judge(report: &mut Report<'_>, resource: &Resource<'_>) {
    match resource.effect {
        Effect::Create | Effect::Update | Effect::Replace => judge_planned(report, resource),
        Effect::Destroy | Effect::Forget => judge_removed(report, resource),
        Effect::Nothing | Effect::Unknown => {}
    }
}

fn judge_planned(report: &mut Report<'_>, resource: &Resource<'_>) {
    judge_reach(report, resource);
    judge_protection(report, resource);
    match resource.kind() {
        "aws_security_group" | "aws_default_security_group" => judge_security_group(report, resource),
        "aws_security_group_rule" => judge_security_group_rule(report, resource),
        "aws_vpc_security_group_ingress_rule" => {
            let rule = resource.planned();
            judge_ingress(report, resource, &[rule.get("cidr_ipv4"), rule.get("cidr_ipv6")], rule, "ip_protocol");
        }
        "aws_s3_bucket_public_access_block" | "aws_s3_account_public_access_block" => {
            judge_public_access_block(report, resource);
        }
        "aws_s3_bucket" | "aws_s3_bucket_acl" => judge_bucket_acl(report, resource),
        _ => {}
    }
    judge_attachment(report, resource);
    for (attribute, document) in policy_documents(resource) {
        judge_policy(report, resource, attribute, document);
    }
}

fn judge_removed(report: &mut Report<'_>, resource: &Resource<'_>) {
    if resource.effect == Effect::Destroy && resource.kind() == "aws_s3_bucket_public_access_block" {
        let level = report.settings.public;
        report.tell(resource, level, PUBLIC_STORAGE, "what keeps the bucket from becoming public is removed");
    }
}

/// Attributes that say that something is reachable by anyone.
fn judge_reach(report: &mut Report<'_>, resource: &Resource<'_>) {
    let level = report.settings.public;
    let reachable = resource.attribute("publicly_accessible").is_true();
    let what = "publicly_accessible: reachable from the internet";
    report.answer(resource, reachable, (level, PUBLIC_DATABASE), what, "whether it is publicly_accessible");
    let (open, what) = match resource.kind() {
        "aws_lambda_function_url" => (
            resource.attribute("authorization_type").is_text("NONE"),
            "authorization_type NONE: anyone may call the function",
        ),
        "aws_lambda_permission" => (
            resource
                .attribute("principal")
                .is_text("*")
                .and(Answered::known(resource.attribute("principal_org_id").is_absent())),
            "principal *: anyone may call the function",
        ),
        "aws_eks_cluster" => (
            Answered::any(resource.block("vpc_config").items().map(|network| {
                let everywhere = network.get("public_access_cidrs").has(is_internet);
                network.get("endpoint_public_access").is_true().and(everywhere)
            })),
            "the cluster's endpoint is open to the internet",
        ),
        _ => return,
    };
    report.answer(resource, open, (level, PUBLIC_ACCESS), what, "whether anyone may use it");
}

fn judge_security_group(report: &mut Report<'_>, resource: &Resource<'_>) {
    let ingress = resource.block("ingress");
    if !ingress.is_unknown() {
        for rule in ingress.items() {
            judge_ingress(report, resource, &[rule.get("cidr_blocks"), rule.get("ipv6_cidr_blocks")], rule, "protocol");
        }
    } else if resource.writes("ingress") == Some(false) {
        let what = "its configuration writes no ingress, unless a dynamic block does, which the plan does not show";
        report.tell(resource, report.settings.unwritten_rules, UNWRITTEN_RULES, what);
    } else {
        report.unknown(resource, "which ingress it has");
    }
}

fn judge_security_group_rule(report: &mut Report<'_>, resource: &Resource<'_>) {
    let rule = resource.planned();
    if rule.get("type").is_text("egress") != Answered::Yes {
        judge_ingress(report, resource, &[rule.get("cidr_blocks"), rule.get("ipv6_cidr_blocks")], rule, "protocol");
    }
}

fn judge_ingress(
    report: &mut Report<'_>,
    resource: &Resource<'_>,
    sources: &[Planned<'_>],
    rule: Planned<'_>,
    protocol: &str,
) {
    let internet = Answered::any(sources.iter().map(|source| source.has(is_internet)));
    let protocol = rule.get(protocol);
    let is_one_of = |names: &[&str]| Answered::any(names.iter().map(|name| protocol.is_text(name)));
    let ports = if protocol.is_unknown() {
        Ports::Unknown
    } else if is_one_of(&["-1", "all"]) == Answered::Yes {
        Ports::All
    } else if is_one_of(&["icmp", "icmpv6", "1", "58"]) == Answered::Yes {
        Ports::NONE
    } else {
        Ports::between(rule.get("from_port"), rule.get("to_port"))
    };
    tell_ingress(report, resource, internet, &ports);
}

/// Reports a rule that opens sensitive ports to the internet, or may.
#[inline(never)]
pub fn tell_ingress(report: &mut Report<'_>, resource: &Resource<'_>, internet: Answered, ports: &Ports) {
    let (sensitive, open) = ports.sensitive(&report.settings.sensitive_ports);
    let all = if *ports == Ports::All { "every port, with " } else { "" };
    let what = format!("opens {all}{} to the internet", name_ports(&open));
    let rule = (report.settings.open_port, OPEN_PORT);
    report.answer(resource, internet.and(sensitive), rule, &what, "whether it opens a sensitive port to the internet");
}

fn judge_public_access_block(report: &mut Report<'_>, resource: &Resource<'_>) {
    let mut off = Vec::new();
    for name in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] {
        match resource.attribute(name).is_true() {
            Answered::Yes => {}
            // Absent is the default, which is false.
            Answered::No => off.push(name),
            Answered::Unknown => report.unknown(resource, &format!("whether {name} is on")),
        }
    }
    if !off.is_empty() {
        let what = format!("leaves the bucket open to public access: {} off", off.join(", "));
        report.tell(resource, report.settings.public, PUBLIC_STORAGE, &what);
    }
}

fn judge_bucket_acl(report: &mut Report<'_>, resource: &Resource<'_>) {
    let canned = resource.attribute("acl").has(|acl| PUBLIC_ACLS.contains(&acl));
    let anyone: fn(&str) -> bool = |uri| uri.ends_with("/AllUsers") || uri.ends_with("/AuthenticatedUsers");
    // A `dynamic "grant"` whose content is not known is not seen; new buckets refuse ACLs unless told otherwise.
    let grants = resource.attribute("grant");
    let lists = resource.attribute("access_control_policy");
    let granted = |grants: Planned<'_>| {
        let unknown = if grants.is_unknown() { Answered::Unknown } else { Answered::No };
        let answers = grants.items().map(|grant| {
            let grantees = grant.get("grantee").items().map(|grantee| grantee.get("uri").has(anyone));
            Answered::any([grant.get("uri").has(anyone), Answered::any(grantees)])
        });
        Answered::any(answers.chain([unknown]))
    };
    let lists = lists.items().map(|list| granted(list.get("grant")));
    let public = Answered::any([canned, granted(grants), Answered::any(lists)]);
    let rule = (report.settings.public, PUBLIC_STORAGE);
    report.answer(resource, public, rule, "its ACL is public", "whether its ACL is public");
}

/// Managed policies that grant everything, attached by name.
fn judge_attachment(report: &mut Report<'_>, resource: &Resource<'_>) {
    let wide: fn(&str) -> bool =
        |arn| arn.contains(":aws:policy/") && WIDE_POLICIES.iter().any(|name| arn.ends_with(name));
    for name in ["policy_arn", "managed_policy_arn", "managed_policy_arns"] {
        let attached = match resource.attribute(name).has(wide) {
            // A policy of the same plan is judged where it is made.
            Answered::Unknown if resource.refers_only_to(name, "aws_iam_policy") => Answered::No,
            attached => attached,
        };
        let what = "attaches a managed policy that grants too much";
        report.answer(resource, attached, (report.settings.wide_iam, WIDE_IAM), what, "which policy it attaches");
    }
}

/// The policy documents of a resource with the attributes that hold them.
fn policy_documents<'p>(resource: &Resource<'p>) -> Vec<(&'static str, Planned<'p>)> {
    if NO_GRANTS.contains(&resource.kind()) {
        return Vec::new();
    }
    let mut documents: Vec<_> = POLICY_ATTRIBUTES.iter().map(|name| (*name, resource.attribute(name))).collect();
    documents.extend(resource.block("inline_policy").items().map(|inline| ("inline_policy", inline.get("policy"))));
    documents.retain(|(_, document)| !document.is_absent());
    documents
}

fn judge_policy(report: &mut Report<'_>, resource: &Resource<'_>, attribute: &str, document: Planned<'_>) {
    let (wide_iam, public, public_if) = (report.settings.wide_iam, report.settings.public, report.settings.public_if);
    if document.is_unknown() {
        return report.unknown(resource, &format!("what its {attribute} grants"));
    }
    // Anything but text is a nested block, whose parts are judged elsewhere; empty text is no policy.
    let Some(text) = document.text().filter(|text| !text.trim().is_empty()) else {
        return;
    };
    let Some(judged) = iam::judge(text) else {
        return report.unknown(resource, &format!("what its {attribute} grants, for it cannot be read"));
    };
    let Judged { wide, public: anyone, public_if: anyone_if } = judged;
    // A policy on a resource grants actions on that resource alone.
    let identity = resource.kind().starts_with("aws_iam_") || resource.kind().starts_with("aws_ssoadmin_");
    if let Some(why) = wide.filter(|_| identity && attribute != "assume_role_policy") {
        report.tell(resource, wide_iam, WIDE_IAM, &format!("its {attribute} {why}"));
    }
    if anyone {
        let bucket = resource.kind().starts_with("aws_s3_");
        let code = if bucket { PUBLIC_STORAGE } else { PUBLIC_ACCESS };
        report.tell(resource, public, code, &format!("its {attribute} lets anyone in (Principal *)"));
    }
    if anyone_if {
        let what = format!("its {attribute} lets anyone in who meets its conditions (Principal * with Condition)");
        report.tell(resource, public_if, PUBLIC_IF, &what);
    }
}

fn judge_protection(report: &mut Report<'_>, resource: &Resource<'_>) {
    for name in ["deletion_protection", "deletion_protection_enabled", "enable_deletion_protection"] {
        let off = resource.attribute(name).is_true() == Answered::No;
        if off && resource.was_true(name) && resource.effect == Effect::Update {
            let what = format!("{name} is switched off");
            report.tell(resource, report.settings.protection_removed, PROTECTION_REMOVED, &what);
        }
    }
    let mut why = Vec::new();
    let protection = match resource.kind() {
        "aws_db_instance" | "aws_rds_cluster" | "aws_docdb_cluster" | "aws_neptune_cluster" => "deletion_protection",
        "aws_dynamodb_table" => "deletion_protection_enabled",
        _ => "",
    };
    if !protection.is_empty() && resource.attribute(protection).is_true() == Answered::No {
        why.push(format!("{protection} is off"));
    }
    for name in ["skip_final_snapshot", "force_destroy"] {
        if resource.attribute(name).is_true() == Answered::Yes {
            why.push(format!("{name} is on"));
        }
    }
    if !why.is_empty() {
        report.tell(resource, report.settings.unprotected, UNPROTECTED, &why.join(", "));
    }
}

const PUBLIC_ACLS: [&str; 3] = ["public-read", "public-read-write", "authenticated-read"];

const WIDE_POLICIES: [&str; 3] = ["/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess"];

/// Attributes that hold a policy document, whatever the resource.
const POLICY_ATTRIBUTES: [&str; 7] = [
    "policy",
    "inline_policy",
    "assume_role_policy",
    "access_policy",
    "access_policies",
    "resource_policy",
    "policy_document",
];

/// Resources whose policy grants nothing: it restricts, or is no policy of this language.
const NO_GRANTS: [&str; 6] = [
    "aws_vpc_endpoint",
    "aws_vpc_endpoint_policy",
    "aws_organizations_policy",
    "aws_ecr_lifecycle_policy",
    "aws_ecrpublic_repository_policy",
    "aws_networkfirewall_firewall_policy",
];
