//! Where a registry redirects to, and what goes along.

use portcullis_registry::RegistryError;

use super::server::{BASIC, Content, Reply, Seen, Server, lying, pull, pull_error, unauthorized};

fn redirect(to: String) -> Reply {
    Reply::Full(307, vec![("Location", to)], Vec::new())
}

/// A registry with a password, whose module is where `to` says.
fn elsewhere(content: &Content, to: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Server {
    let path = content.module_path();
    lying(content, move |seen| {
        if seen.headers.get("authorization").map(String::as_str) != Some(BASIC) {
            return Some(unauthorized("Basic realm=\"x\"".into()));
        }
        (seen.path == path).then(|| redirect(to(seen)))
    })
}

#[test]
fn credentials_do_not_follow_to_another_host() {
    let content = Content::new();
    let storage = {
        let content = content.clone();
        Server::start(move |seen| content.answer(seen))
    };
    let port = storage.address.port();
    // Another port is another host, and another name too.
    for host in ["127.0.0.1", "localhost"] {
        let server = elsewhere(&content, move |seen| format!("http://{host}:{port}{}", seen.path));
        assert_eq!(pull(&server).unwrap().module_sha256(), content.artifact.module_sha256());
        assert!(server.authorizations().contains(&BASIC.to_owned()), "the registry was asked with the password");
    }
    let seen = storage.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("authorization")), "{seen:?}");
}

#[test]
fn credentials_do_not_come_back_by_a_detour() {
    let content = Content::new();
    // The other host sends back to the registry, to a path of its own choice.
    let path = content.module_path();
    let back = Server::start(|seen| {
        let home = seen.path.split('=').nth(1).unwrap().to_owned();
        redirect(format!("http://{home}/chosen"))
    });
    let detour = back.address;
    let server = lying(&content, move |seen| {
        if seen.path == "/chosen" {
            return Some(Reply::Full(404, vec![], Vec::new()));
        }
        if seen.headers.get("authorization").map(String::as_str) != Some(BASIC) {
            return Some(unauthorized("Basic realm=\"x\"".into()));
        }
        (seen.path == path).then(|| redirect(format!("http://{detour}/?back={}", seen.headers["host"])))
    });
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the module: HOST answers 404");
    let chosen: Vec<_> = server.seen().into_iter().filter(|seen| seen.path == "/chosen").collect();
    assert!(chosen.len() == 1 && !chosen[0].headers.contains_key("authorization"), "{chosen:?}");
}

#[test]
fn another_host_that_asks_for_credentials_gets_none() {
    let content = Content::new();
    let greedy = Server::start(|_| unauthorized("Basic realm=\"give me\"".into()));
    let to = greedy.address;
    let path = content.module_path();
    // The registry itself asks for nothing.
    let server = lying(&content, move |seen| (seen.path == path).then(|| redirect(format!("http://{to}/x"))));
    let error = pull(&server).unwrap_err();
    assert!(matches!(&error, RegistryError::Denied { host, .. } if *host == to.to_string()), "{error}");
    assert!(greedy.authorizations().is_empty());
}

#[test]
fn redirects_are_few_and_go_where_they_may() {
    let content = Content::new();
    for (to, expected) in [
        ("http://169.254.169.254/latest/meta-data", "HOST redirects to a place without https"),
        ("http://registry.example.com/x", "HOST redirects to a place without https"),
        ("ftp://127.0.0.1/x", "HOST redirects to what is no URL of a host"),
        ("http://user:pass@127.0.0.1/x", "HOST redirects to what is no URL of a host"),
        ("//127.0.0.1/x", "HOST redirects to what is no URL of a host"),
        ("not a url", "HOST redirects to what is no URL"),
    ] {
        let server = elsewhere(&content, move |_| to.to_owned());
        assert_eq!(pull_error(&server), format!("HOST/policies/x:1: the module: {expected}"), "{to}");
    }
    let server = elsewhere(&content, |_| "https://169.254.169.254/x".into());
    assert_eq!(
        pull_error(&server),
        "169.254.169.254 is at 169.254.169.254, which is link-local, a metadata service or reserved; not connected"
    );
    let server = elsewhere(&content, |seen| seen.path.clone());
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the module: HOST redirects more often than three times");
    let asked = server.seen().iter().filter(|seen| seen.path == content.module_path()).count();
    assert_eq!(asked, 4);
}
