//! Requests with bounds: size, time, redirects, and where connections may go.

use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_gate::{is_loopback, text};
use ureq::Agent;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use ureq::http::{HeaderMap, Method, Request, Response, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::MAX_REDIRECTS;
use crate::address::{Reach, reach};
use crate::error::RegistryError;

/// Scheme, host and port: what credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub https: bool,
    /// In lower case; an IPv6 address is in brackets.
    pub host: String,
    pub port: u16,
}

impl Origin {
    /// Of an absolute URL over http or https without a user in it.
    pub fn of(uri: &Uri) -> Option<Origin> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        // A port that is no number is not the default one.
        let named = authority.as_str().strip_prefix(authority.host())?;
        let port = match (authority.port_u16(), named.is_empty()) {
            (Some(port), _) => port,
            (None, true) => default_port(https),
            (None, false) => return None,
        };
        Some(Origin { https, host: authority.host().to_ascii_lowercase(), port })
    }

    /// The URL of a path and query on this origin.
    pub fn url(&self, path_and_query: &str) -> Option<Uri> {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}:{}{path_and_query}", self.host, self.port).parse().ok()
    }
}

/// The host, and the port where it is not the usual one.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.port == default_port(self.https) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// One request.
pub(crate) struct Ask<'a> {
    /// What errors call it.
    pub what: &'a str,
    pub method: Method,
    pub uri: Uri,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'a [u8]>,
    /// Goes to the first origin alone.
    pub authorization: Option<&'a str>,
    /// Most bytes of the answer's body.
    pub limit: u64,
    /// Whether redirects are followed.
    pub follow: bool,
}

/// What came back. Of an answer that is no success, the body is cut.
#[derive(Debug)]
pub(crate) struct Answer {
    pub host: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Connections on behalf of one registry, for one operation.
pub(crate) struct Transport {
    agent: Agent,
    registry: Origin,
    started: Instant,
    limit: Duration,
}

impl Transport {
    /// `plain` lets http go to other machines; `tls` says which certificates are believed.
    pub fn new(registry: Origin, plain: bool, tls: ureq::tls::TlsConfig, limit: Duration) -> Transport {
        let guard = Guard {
            registry: registry.host.clone(),
            machine_only: !registry.https && !plain,
            reach: Mutex::new(None),
            inner: DefaultResolver::default(),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEADER_BYTES)
            .timeout_connect(Some(CONNECT_TIME_LIMIT))
            .proxy(None)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::new(), guard);
        Transport { agent, registry, started: Instant::now(), limit }
    }

    /// Sends a request and reads the answer.
    pub fn send(&self, mut ask: Ask<'_>) -> Result<Answer, RegistryError> {
        let first = Origin::of(&ask.uri).ok_or_else(|| self.protocol(&ask, "a URL without a host"))?;
        let mut origin = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(&ask, &origin)?;
            let redirected = response.status().is_redirection() && response.status().as_u16() != 304;
            if !(redirected && ask.follow) {
                return self.read(&ask, &origin, response);
            }
            ask.uri = self.location(&ask, &origin, response.headers())?;
            let next =
                Origin::of(&ask.uri).ok_or_else(|| self.redirect(&ask, &origin, "to what is no URL of a host"))?;
            self.may_follow(&ask, &origin, &next)?;
            if next != first {
                // For good: where it comes back, another host chose the path.
                ask.authorization = None;
            }
            origin = next;
        }
        Err(self.redirect(&ask, &origin, "more often than three times"))
    }

    /// The absolute URL of a `Location`.
    pub fn location(&self, ask: &Ask<'_>, origin: &Origin, headers: &HeaderMap) -> Result<Uri, RegistryError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.redirect(ask, origin, "to nowhere"))?;
        let uri = if location.starts_with('/') && !location.starts_with("//") {
            origin.url(location)
        } else {
            location.parse().ok()
        };
        uri.ok_or_else(|| self.redirect(ask, origin, "to what is no URL"))
    }

    /// Never from https to http; http only where the registry itself is spoken to so, and on the same host or this machine.
    fn may_follow(&self, ask: &Ask<'_>, from: &Origin, to: &Origin) -> Result<(), RegistryError> {
        let plain = !self.registry.https && !from.https && (to.host == self.registry.host || self.is_near(to));
        if to.https || plain { Ok(()) } else { Err(self.redirect(ask, from, "to a place without https")) }
    }

    fn is_near(&self, to: &Origin) -> bool {
        is_loopback(&self.registry.host) && is_loopback(&to.host)
    }

    fn once(&self, ask: &Ask<'_>, origin: &Origin) -> Result<Response<ureq::Body>, RegistryError> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        if left.is_zero() {
            return Err(self.too_slow(ask, origin));
        }
        let mut request =
            Request::builder().method(ask.method.clone()).uri(&ask.uri).header(ACCEPT_ENCODING, "identity");
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let sent = match ask.body {
            Some(body) => request.body(body).map_err(ureq::Error::from).and_then(|request| {
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(left)).build())
            }),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| {
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(left)).build())
            }),
        };
        sent.map_err(|error| self.failed(ask, origin, error))
    }

    fn read(&self, ask: &Ask<'_>, origin: &Origin, response: Response<ureq::Body>) -> Result<Answer, RegistryError> {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        let host = origin.to_string();
        let success = parts.status.is_success();
        let encoding =
            headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let encoding = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        if ask.method == Method::HEAD {
            return Ok(Answer { host, status, headers, body: Vec::new() });
        }
        if !success {
            // What a refusal says is a courtesy: as much of it as comes at once.
            let mut body_bytes = Vec::new();
            if encoding.is_none() {
                _ = body.into_reader().take(MAX_REFUSAL_BYTES).read_to_end(&mut body_bytes);
            }
            return Ok(Answer { host, status, headers, body: body_bytes });
        }
        if let Some(encoding) = encoding {
            return Err(RegistryError::Encoded { what: ask.what.into(), host, encoding: shown(&encoding) });
        }
        let too_large = || RegistryError::TooLarge { what: ask.what.into(), limit: ask.limit };
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > ask.limit) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let read = body.into_reader().take(ask.limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(ask, origin, ureq::Error::from(error)))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > ask.limit {
            return Err(too_large());
        }
        Ok(Answer { host, status, headers, body: bytes })
    }

    fn failed(&self, ask: &Ask<'_>, origin: &Origin, error: ureq::Error) -> RegistryError {
        let (what, host) = (ask.what.to_owned(), origin.to_string());
        let connection = |detail: &dyn fmt::Display| RegistryError::Connection {
            what: what.clone(),
            host: host.clone(),
            detail: shown(&detail.to_string()),
        };
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
                if self.started.elapsed() < self.limit =>
            {
                connection(&format_args!("no connection within {} s", CONNECT_TIME_LIMIT.as_secs()))
            }
            ureq::Error::Timeout(_) => self.too_slow(ask, origin),
            ureq::Error::Other(error) => match error.downcast::<Refused>() {
                Ok(refused) => {
                    let Refused { host, address, reason } = *refused;
                    RegistryError::Address { host, address: address.ip(), reason }
                }
                Err(error) => connection(&error),
            },
            ureq::Error::Io(error) => match error.kind() {
                std::io::ErrorKind::UnexpectedEof => RegistryError::Cut { what, host },
                std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => self.too_slow(ask, origin),
                _ => connection(&error),
            },
            error @ (ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..)) => {
                RegistryError::Protocol { what, host, detail: shown(&error.to_string()) }
            }
            error => connection(&error),
        }
    }

    fn too_slow(&self, ask: &Ask<'_>, origin: &Origin) -> RegistryError {
        RegistryError::Time { what: ask.what.into(), host: origin.to_string(), limit: self.limit }
    }

    fn redirect(&self, ask: &Ask<'_>, origin: &Origin, reason: &'static str) -> RegistryError {
        RegistryError::Redirect { what: ask.what.into(), host: origin.to_string(), reason }
    }

    fn protocol(&self, ask: &Ask<'_>, detail: &str) -> RegistryError {
        RegistryError::Protocol { what: ask.what.into(), host: self.registry.to_string(), detail: detail.into() }
    }
}

impl Answer {
    /// The error of an answer whose status is another than the protocol asks for.
    pub fn unexpected(&self, what: &str) -> RegistryError {
        let (what, host) = (what.to_owned(), self.host.clone());
        RegistryError::Status { what, host, status: self.status, message: self.message() }
    }

    /// What a registry says to an error, in the one shape that the specification gives it.
    fn message(&self) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let error = value.get("errors")?.get(0)?;
        let part = |name: &str| error.get(name).and_then(serde_json::Value::as_str).unwrap_or("");
        let joined = format!("{} {}", part("code"), part("message"));
        let joined = joined.trim();
        (!joined.is_empty()).then(|| shown(joined))
    }
}

/// Text of a registry, on one line, cut.
pub(crate) fn shown(text: &str) -> String {
    text::escaped(text, MAX_SHOWN_BYTES)
}

/// Looks at every address before it is connected to, each time.
#[derive(Debug)]
struct Guard {
    registry: String,
    /// Whether the registry may only be on this machine.
    machine_only: bool,
    /// From where the registry can be reached, once it was.
    reach: Mutex<Option<Reach>>,
    inner: DefaultResolver,
}

#[derive(Debug)]
struct Refused {
    host: String,
    address: SocketAddr,
    reason: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is at {}, {}", self.host, self.address, self.reason)
    }
}

impl std::error::Error for Refused {}

impl Guard {
    fn check(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), Refused> {
        let refused = |address: &SocketAddr, reason| Refused { host: host.to_owned(), address: *address, reason };
        let is_registry = host == self.registry;
        let mut registry = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        // Until the registry was reached, everything else is kept as far away as can be.
        let nearest = if is_registry { Reach::Machine } else { registry.unwrap_or(Reach::Public) };
        let mut farthest = Reach::Machine;
        for address in addresses {
            let Some(reach) = reach(address.ip()) else {
                return Err(refused(address, "which is link-local, a metadata service or reserved"));
            };
            if reach < nearest {
                return Err(refused(address, "which is nearer to this machine than the registry is"));
            }
            if is_registry && self.machine_only && reach != Reach::Machine {
                return Err(refused(address, "which is not this machine, and plain http is for this machine alone"));
            }
            farthest = farthest.max(reach);
        }
        if is_registry {
            match (*registry, addresses.first()) {
                (Some(before), Some(address)) if before != farthest => {
                    return Err(refused(address, "and was elsewhere a moment ago"));
                }
                _ => *registry = Some(farthest),
            }
        }
        Ok(())
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or("").to_ascii_lowercase();
        self.check(&host, &addresses).map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
        Ok(addresses)
    }
}

/// How long a connection may take to be there.
const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(15);
/// Most bytes of an answer's headers.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// How much of an answer is read that is no success.
const MAX_REFUSAL_BYTES: u64 = 8 * 1024;
/// Longest piece of a registry's text in an error, in bytes.
const MAX_SHOWN_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(machine_only: bool) -> Guard {
        Guard { registry: "r.example".into(), machine_only, reach: Mutex::new(None), inner: DefaultResolver::default() }
    }

    fn check(guard: &Guard, host: &str, addresses: &[&str]) -> Result<(), &'static str> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect();
        guard.check(host, &addresses).map_err(|refused| refused.reason)
    }

    const NEARER: Result<(), &str> = Err("which is nearer to this machine than the registry is");
    const NEVER: Result<(), &str> = Err("which is link-local, a metadata service or reserved");

    #[test]
    fn a_public_registry_does_not_point_to_private_addresses() {
        let guard = guard(false);
        assert_eq!(check(&guard, "r.example", &["1.1.1.1"]), Ok(()));
        assert_eq!(check(&guard, "auth.r.example", &["1.0.0.1", "2606:4700::1"]), Ok(()));
        for near in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert_eq!(check(&guard, "auth.r.example", &["1.0.0.1", near]), NEARER, "{near}");
        }
        assert_eq!(check(&guard, "auth.r.example", &["169.254.169.254"]), NEVER);
    }

    #[test]
    fn a_private_registry_may_point_to_its_network_and_to_the_internet() {
        let guard = guard(false);
        assert_eq!(check(&guard, "auth.r.example", &["10.0.0.2"]), NEARER, "before the registry was reached");
        assert_eq!(check(&guard, "r.example", &["10.0.0.1"]), Ok(()));
        assert_eq!(check(&guard, "auth.r.example", &["10.0.0.2"]), Ok(()));
        assert_eq!(check(&guard, "cdn.example", &["1.1.1.1"]), Ok(()));
        assert_eq!(check(&guard, "auth.r.example", &["127.0.0.1"]), NEARER);
        assert_eq!(check(&guard, "r.example", &["169.254.169.254"]), NEVER);
    }

    #[test]
    fn a_registry_that_moves_between_requests_is_refused() {
        let guard = guard(false);
        assert_eq!(check(&guard, "r.example", &["1.1.1.1"]), Ok(()));
        assert_eq!(check(&guard, "r.example", &["1.0.0.1"]), Ok(()));
        assert_eq!(check(&guard, "r.example", &["10.0.0.1"]), Err("and was elsewhere a moment ago"));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        let guard = guard(true);
        let elsewhere = Err("which is not this machine, and plain http is for this machine alone");
        assert_eq!(check(&guard, "r.example", &["10.0.0.1"]), elsewhere);
        assert_eq!(check(&guard, "r.example", &["127.0.0.1", "1.1.1.1"]), elsewhere);
        assert_eq!(check(&guard, "r.example", &["::1"]), Ok(()));
    }

    #[test]
    fn origins_are_read_in_one_way() {
        let of = |text: &str| Origin::of(&text.parse().unwrap());
        let origin = of("HTTPS://Registry.Example.com/x?y").unwrap();
        assert_eq!((origin.host.as_str(), origin.port, origin.https), ("registry.example.com", 443, true));
        assert_eq!(of("http://[::1]:5000/").unwrap().to_string(), "[::1]:5000");
        assert_eq!(of("https://r.example:443/").unwrap().to_string(), "r.example");
        for none in ["/path", "ftp://r.example/", "https://user@r.example/", "https://r.example:/x", "r.example:5000"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
