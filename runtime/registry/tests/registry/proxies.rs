//! Through a proxy: what it is asked for, and what is never asked of it. A tunnel to a registry over TLS is tested with the
//! command (`runtime/cli/tests/cli/registry/proxied.rs`).

use std::time::{Duration, Instant};

use portcullis_inspect::InspectLimits;
use portcullis_registry::{ClientOptions, Proxy, RegistryError};

use super::server::{Reply, Server, client_with};

fn pull(proxy: &str, except: &str, reference: &str, time_limit: Duration) -> RegistryError {
    let options =
        ClientOptions { proxy: Some(Proxy::new(proxy, except).unwrap()), time_limit, ..ClientOptions::default() };
    // The clients of these tests have 20 s.
    let client = if time_limit < Duration::from_secs(20) {
        portcullis_registry::Client::new(options, super::server::keychain()).unwrap()
    } else {
        client_with(options)
    };
    client.pull(&reference.parse().unwrap(), &InspectLimits::default()).unwrap_err()
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_proxy_is_asked_for_a_tunnel_with_its_own_password_alone() {
    let proxy = Server::start(|_| Reply::Full(407, vec![], Vec::new()));
    let url = format!("http://p%40ss:word@{}", proxy.address);
    let error = pull(&url, "", "registry.example.com/policies/x:1", LONG).to_string();
    assert!(error.contains(&format!("through the proxy {}", proxy.address)) && error.contains("407"), "{error}");
    assert!(!error.contains("word") && !error.contains("p%40ss"), "{error}");
    let seen = proxy.seen();
    assert_eq!(
        (seen.len(), seen[0].method.as_str(), seen[0].path.as_str()),
        (1, "CONNECT", "registry.example.com:443")
    );
    // `p@ss:word`; the registry's password is for the tunnel's other end.
    assert_eq!(seen[0].headers["proxy-authorization"], "Basic cEBzczp3b3Jk");
    assert!(!seen[0].headers.contains_key("authorization"), "{seen:?}");
}

#[test]
fn what_must_not_be_reached_is_not_asked_of_a_proxy() {
    let proxy = Server::start(|_| Reply::Full(502, vec![], Vec::new()));
    let url = format!("http://{}", proxy.address);
    for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "168.63.129.16"] {
        let error = pull(&url, "", &format!("{host}/policies/x:1"), LONG);
        assert!(matches!(&error, RegistryError::Address { .. }), "{host}: {error}");
    }
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    // A registry of this machine is reached without it, and so is what is left out; an address elsewhere through it.
    let registry = Server::start(|_| Reply::Full(404, vec![], Vec::new()));
    pull(&url, "", &registry.reference("policies/x:1").to_string(), LONG);
    assert!(!registry.seen().is_empty() && proxy.seen().is_empty(), "{:?}", proxy.seen());
    pull(&url, "other.example, invalid", "registry.invalid/policies/x:1", Duration::from_secs(5));
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    pull(&url, "", "10.0.0.1/policies/x:1", LONG);
    assert_eq!(proxy.seen()[0].path, "10.0.0.1:443");
}

/// It is not waited for longer than for a registry.
#[test]
fn a_silent_or_endless_proxy_is_cut() {
    let silent = Server::start(|_| Reply::Raw(Box::new(|_| std::thread::sleep(Duration::from_secs(30)))));
    let endless = Server::start(|_| {
        Reply::Raw(Box::new(|stream| {
            use std::io::Write as _;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while stream.write_all(b"X-More: and more\r\n").is_ok() {}
        }))
    });
    for proxy in [silent, endless] {
        let started = Instant::now();
        let url = format!("http://{}", proxy.address);
        let error = pull(&url, "", "registry.example.com/policies/x:1", Duration::from_secs(2));
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}: {error}", started.elapsed());
    }
}
