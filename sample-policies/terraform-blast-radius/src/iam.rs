//! What an AWS policy document grants, and to whom.
//!
//! Elements are read as AWS reads them, and where it is not clear, as the wider of the two: names and effects without
//! regard to case, one statement or a list of them, a text or a list of texts.

use portcullis_policy::prelude::*;

/// What is wrong with the statements of a policy document that allow something.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Why it grants too much.
    pub wide: Option<&'static str>,
    /// Anyone may use it.
    pub public: bool,
    /// Anyone may use it under conditions, which are not judged here.
    pub public_if: bool,
}

/// Judges a policy document. `None` if it is not one.
pub fn judge(document: &str) -> Option<Judged> {
    let document = Json::parse(document).ok()?;
    let statements = member(&document, "Statement")?;
    let single = std::slice::from_ref(statements);
    let mut judged = Judged::default();
    for statement in statements.as_array().unwrap_or(single) {
        statement.as_object()?;
        let denies = member(statement, "Effect")?.as_str()?.eq_ignore_ascii_case("deny");
        if denies {
            continue;
        }
        judged.wide = judged.wide.or(wide(statement)?);
        let conditions = member(statement, "Condition").is_some_and(|condition| condition.entries().next().is_some());
        let public = is_public(statement);
        judged.public |= public && !conditions;
        judged.public_if |= public && conditions;
    }
    Some(judged)
}

/// Why a statement grants too much, if it does; the outer `None` if it cannot be read.
fn wide(statement: &Json) -> Option<Option<&'static str>> {
    if member(statement, "NotAction").is_some() {
        return Some(Some("allows every action but a few (NotAction)"));
    }
    let everything = match (member(statement, "Resource"), member(statement, "NotResource")) {
        (Some(resource), None) => texts(resource)?.into_iter().any(is_every_resource),
        _ => true,
    };
    let Some(actions) = member(statement, "Action") else {
        return Some(None);
    };
    for action in texts(actions)? {
        let Some((service, name)) = action.split_once(':') else {
            if is_wildcard(action) {
                return Some(Some(if everything { EVERYTHING } else { "allows every action" }));
            }
            continue;
        };
        if service.contains(['*', '?']) {
            return Some(Some(if everything { EVERYTHING } else { "allows the actions of every service" }));
        }
        let iam = service.eq_ignore_ascii_case("iam") || service.eq_ignore_ascii_case("organizations");
        if is_wildcard(name) && (iam || everything) {
            return Some(Some(if iam {
                "allows every action of identity management"
            } else {
                "allows every action of a service on every resource"
            }));
        }
        let grants = name.contains(['*', '?']) || name.eq_ignore_ascii_case("PassRole");
        if iam && everything && grants {
            return Some(Some("allows granting or passing any role"));
        }
    }
    Some(None)
}

fn is_public(statement: &Json) -> bool {
    if member(statement, "NotPrincipal").is_some() {
        return true;
    }
    // What cannot be read may be anyone.
    let anyone = |value: &Json| texts(value).is_none_or(|names| names.into_iter().any(is_wildcard));
    match member(statement, "Principal") {
        Some(principal @ Json::Object(_)) => principal.entries().any(|(_, names)| anyone(names)),
        Some(principal) => anyone(principal),
        None => false,
    }
}

fn member<'j>(object: &'j Json, name: &str) -> Option<&'j Json> {
    object.entries().find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// A text or a list of texts; `None` for anything else.
fn texts(value: &Json) -> Option<Vec<&str>> {
    match value {
        Json::Text(text) => Some(vec![text]),
        Json::Array(items) => items.iter().map(Json::as_str).collect(),
        _ => None,
    }
}

/// `*` in any form.
fn is_wildcard(text: &str) -> bool {
    text.contains('*') && text.bytes().all(|byte| matches!(byte, b'*' | b'?'))
}

/// `*`, or an ARN that does not name a service.
fn is_every_resource(resource: &str) -> bool {
    let service = resource.split(':').nth(2);
    is_wildcard(resource) || (resource.starts_with("arn:") && service.is_none_or(is_wildcard))
}

const EVERYTHING: &str = "allows every action on every resource";

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(statement: &str) -> Option<&'static str> {
        judge(&format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#)).unwrap().wide
    }

    #[test]
    fn what_is_wide() {
        for statement in [
            r#"[{"Effect": "Allow", "Action": "*", "Resource": "*"}]"#,
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#,
            r#"{"effect": "allow", "action": ["s3:GetObject", "*"], "resource": ["arn:aws:s3:::a"]}"#,
            r#"{"Effect": "Allow", "Action": "*:*", "Resource": "arn:aws:s3:::a"}"#,
            r#"{"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::1:role/a"}"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:*"}"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:*:::a"}"#,
            r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a"}"#,
            r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}"#,
            r#"{"Effect": "Allow", "Action": "iam:Put*", "Resource": "*"}"#,
            r#"[{"Effect": "Deny", "Action": "a:b", "Resource": "*"}, {"Effect": "Allow", "Action": "**", "Resource": "*"}]"#,
        ] {
            assert!(wide(statement).is_some(), "{statement}");
        }
        for statement in [
            r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a/*"}"#,
            r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}"#,
            r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::1:role/a"}"#,
            "[]",
        ] {
            assert_eq!(wide(statement), None, "{statement}");
        }
    }

    #[test]
    fn who_may_use_it() {
        let public = |principal: &str| {
            let judged =
                judge(&format!(r#"{{"Statement": {{"Effect": "Allow", "Action": "s3:GetObject", {principal}}}}}"#));
            judged.map(|judged| (judged.public, judged.public_if)).unwrap()
        };
        assert_eq!(public(r#""Principal": "*""#), (true, false));
        assert_eq!(public(r#""Principal": {"AWS": "*"}"#), (true, false));
        assert_eq!(public(r#""Principal": {"AWS": ["arn:aws:iam::1:root", "*"]}"#), (true, false));
        assert_eq!(public(r#""NotPrincipal": {"AWS": "arn:aws:iam::1:root"}"#), (true, false));
        assert_eq!(public(r#""Principal": "*", "Condition": {"StringEquals": {"a": "b"}}"#), (false, true));
        assert_eq!(public(r#""Principal": "*", "Condition": {}"#), (true, false));
        assert_eq!(public(r#""Principal": {"AWS": 1}"#), (true, false));
        assert_eq!(public(r#""Principal": {"AWS": "arn:aws:iam::1:root"}"#), (false, false));
    }

    #[test]
    fn what_is_no_policy_document_is_not_judged() {
        for document in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"Statement": ["x"]}"#,
            r#"{"Statement": {"Action": "*"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Action": 1}}"#,
        ] {
            assert_eq!(judge(document), None, "{document}");
        }
    }
}
