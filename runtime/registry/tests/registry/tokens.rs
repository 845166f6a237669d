//! Token servers: which ones are asked, for what, and what is believed of their answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_inspect::InspectLimits;
use portcullis_registry::{ClientOptions, RegistryError};

use super::server::{BASIC, Content, Reply, Seen, Server, client_with, lying, pull, pull_error, shown, unauthorized};

/// A registry that wants the token `good`, given at `realm`.
fn guarded(content: &Content, realm: String) -> Server {
    lying(content, move |seen: &Seen| {
        let known = seen.headers.get("authorization").map(String::as_str) == Some("Bearer good");
        // It asks for more than a pull needs.
        let more = "scope=\"repository:policies/x:pull,push,delete registry:catalog:*\"";
        (!known).then(|| unauthorized(format!("Bearer realm=\"{realm}\",service=\"the registry\",{more}")))
    })
}

fn tokens(answer: &'static str) -> Server {
    Server::start(move |_| Reply::Full(200, vec![], answer.as_bytes().to_vec()))
}

#[test]
fn a_token_is_asked_for_with_the_password_and_no_more_than_is_needed() {
    let content = Content::new();
    let issuer = tokens(r#"{"token": "good"}"#);
    let server = guarded(&content, format!("http://{}/token?account=x", issuer.address));
    assert_eq!(pull(&server).unwrap().module_sha256(), content.artifact.module_sha256());
    let seen = issuer.seen();
    assert_eq!(seen.len(), 1, "one token for all requests");
    assert_eq!(seen[0].headers["authorization"], BASIC);
    assert_eq!(seen[0].path, "/token?account=x&service=the%20registry&scope=repository%3Apolicies%2Fx%3Apull");
    // The registry saw the token and never the password.
    let authorizations = server.authorizations();
    assert!(
        !authorizations.is_empty() && authorizations.iter().all(|value| value == "Bearer good"),
        "{authorizations:?}"
    );
}

#[test]
fn a_token_that_ended_is_asked_for_anew() {
    let content = Content::new();
    let module = content.artifact.module_sha256().to_string();
    let given = AtomicUsize::new(0);
    let issuer = Server::start(move |_| {
        let n = given.fetch_add(1, Ordering::Relaxed);
        Reply::Full(200, vec![], format!("{{\"token\": \"t{n}\"}}").into_bytes())
    });
    let realm = format!("Bearer realm=\"http://{}/token\"", issuer.address);
    // Each token is good for the manifest and the config.
    let server = lying(&content, move |seen: &Seen| {
        let token = seen.headers.get("authorization").map(String::as_str);
        let first = seen.path.contains("/manifests/") || !seen.path.ends_with(&module);
        let good = if first { token.is_some() } else { token == Some("Bearer t1") };
        (!good).then(|| unauthorized(realm.clone()))
    });
    assert_eq!(pull(&server).unwrap().module_sha256(), content.artifact.module_sha256());
    assert_eq!(issuer.seen().len(), 2);
}

#[test]
fn a_realm_that_is_not_the_registrys_sees_nothing() {
    let content = Content::new();
    let other = tokens(r#"{"token": "good"}"#);
    for (realm, reason, allow) in [
        ("http://169.254.169.254/latest/meta-data".to_owned(), "is not https", None),
        ("https://169.254.169.254/token".into(), "is another host's", Some("169.254.169.254")),
        ("https://evil.example/token".into(), "is another host's", Some("evil.example")),
        (format!("http://localhost:{}/token", other.address.port()), "is not https", None),
    ] {
        let server = guarded(&content, realm.clone());
        let error = pull_error(&server);
        let allow = allow.map(|host| format!("; if that is meant, say --allow-realm {host}")).unwrap_or_default();
        assert_eq!(error, format!("HOST sends for tokens to {realm:?}, which {reason}; nothing was sent there{allow}"));
        assert_eq!(server.seen().len(), 1);
        assert!(server.authorizations().is_empty());
    }
    assert!(other.seen().is_empty());
}

/// Allowing a realm by its name does not allow the address that it turns out to be at.
#[test]
fn a_link_local_address_is_not_connected_to_whatever_is_allowed() {
    let content = Content::new();
    for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0"] {
        let server = guarded(&content, format!("https://{host}/token"));
        let client = client_with(ClientOptions { allowed_realms: vec![host.into()], ..ClientOptions::default() });
        let error = client.pull(&server.reference("policies/x:1"), &InspectLimits::default()).unwrap_err();
        assert!(
            matches!(&error, RegistryError::Address { reason, .. } if reason.starts_with("which is link-local")),
            "{host}: {error}"
        );
    }
}

#[test]
fn a_token_server_does_not_redirect_the_password() {
    let content = Content::new();
    let other = tokens(r#"{"token": "good"}"#);
    let to = format!("http://{}/token", other.address);
    let issuer = Server::start(move |_| Reply::Full(307, vec![("Location", to.clone())], Vec::new()));
    let server = guarded(&content, format!("http://{}/token", issuer.address));
    let error = pull(&server).unwrap_err();
    assert!(matches!(&error, RegistryError::Status { status: 307, what, .. } if what == "a token"), "{error}");
    assert!(other.seen().is_empty());
}

#[test]
fn answers_that_are_no_token() {
    let content = Content::new();
    for answer in
        ["", "[]", "{}", r#"{"token": ""}"#, r#"{"token": "a\r\nX: y"}"#, r#"{"token": "a b"}"#, r#"{"token": 3}"#]
    {
        let issuer = tokens(answer);
        let server = guarded(&content, format!("http://{}/token", issuer.address));
        let error = pull(&server).unwrap_err();
        assert!(
            matches!(&error, RegistryError::Protocol { detail, .. } if detail == "the answer holds no token"),
            "{answer}: {error}"
        );
    }
    let issuer = Server::start(|_| Reply::Full(200, vec![], vec![b' '; 70_000]));
    let server = guarded(&content, format!("http://{}/token", issuer.address));
    assert_eq!(pull_error(&server), "a token: larger than 65536 bytes");
}

#[test]
fn who_may_not_is_told_with_which_credentials() {
    let content = Content::new();
    let issuer = Server::start(|_| Reply::Full(401, vec![], Vec::new()));
    let server = guarded(&content, format!("http://{}/token", issuer.address));
    let error = shown(&issuer, &pull(&server).unwrap_err());
    assert_eq!(error, "a token: HOST refuses access, asked with the password from PORTCULLIS_REGISTRY_USERNAME");
    // A token that the registry does not take is not asked for twice.
    let issuer = tokens(r#"{"access_token": "bad"}"#);
    let server = guarded(&content, format!("http://{}/token", issuer.address));
    assert_eq!(
        pull_error(&server),
        "HOST/policies/x:1: the manifest: HOST refuses access, asked with the password from PORTCULLIS_REGISTRY_USERNAME"
    );
    assert_eq!((server.seen().len(), issuer.seen().len()), (2, 1));

    let server = lying(&content, |_| Some(unauthorized("Negotiate".into())));
    assert_eq!(
        pull_error(&server),
        "HOST/policies/x:1: the manifest: HOST does not follow the protocol: it asks for credentials in no way that is \
         known here"
    );
    let client = portcullis_registry::Client::new(ClientOptions::default(), portcullis_registry::Keychain::anonymous());
    let server = lying(&content, |_| Some(unauthorized("Basic realm=\"x\"".into())));
    let error = client.unwrap().pull(&server.reference("policies/x:1"), &InspectLimits::default()).unwrap_err();
    assert_eq!(
        shown(&server, &error),
        "HOST/policies/x:1: the manifest: HOST refuses access, asked without credentials"
    );
}
