//! Requests with bounds: size, time, redirects, and where connections may go.

use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_gate::{is_loopback, text};
use ureq::Agent;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use ureq::http::{HeaderMap, Method, Request, Response, Uri};
use ureq::unversioned::transport::DefaultConnector;

use crate::MAX_REDIRECTS;
use crate::error::RegistryError;
use crate::guard::{Guard, Refused, Shared};
use crate::proxy::{Proxy, literal};

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
    guard: Arc<Guard>,
    proxy: Option<Proxy>,
    registry: Origin,
    started: Instant,
    limit: Duration,
}

impl Transport {
    /// `plain` lets http go to other machines; `tls` says which certificates are believed.
    pub fn new(registry: Origin, plain: bool, tls: ureq::tls::TlsConfig, limit: Duration) -> Transport {
        let guard = Arc::new(Guard::new(&registry.host, !registry.https && !plain));
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
        let agent = Agent::with_parts(config, DefaultConnector::new(), Shared(Arc::clone(&guard)));
        Transport { agent, guard, proxy: None, registry, started: Instant::now(), limit }
    }

    /// The same through a proxy, where that is on the way.
    pub fn through(self, proxy: Option<Proxy>) -> Transport {
        Transport { proxy, ..self }
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
        let proxy = self.on_the_way(origin)?;
        let sent = match ask.body {
            Some(body) => request.body(body).map_err(ureq::Error::from).and_then(|request| {
                let request = self.agent.configure_request(request).timeout_global(Some(left)).proxy(proxy);
                self.agent.run(request.build())
            }),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| {
                let request = self.agent.configure_request(request).timeout_global(Some(left)).proxy(proxy);
                self.agent.run(request.build())
            }),
        };
        sent.map_err(|error| self.failed(ask, origin, error))
    }

    /// The proxy through which that place is reached. It looks up the names: what can be known of them here is looked at
    /// here, and the guard lets the proxy's own address pass, which the user chose.
    fn on_the_way(&self, origin: &Origin) -> Result<Option<ureq::Proxy>, RegistryError> {
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.leads_to(origin));
        self.guard.expect_proxy(proxy.is_some());
        let address = literal(&origin.host).map(|address| SocketAddr::new(address, origin.port));
        if let (Some(_), Some(address)) = (proxy, address) {
            self.guard.check(&origin.host, &[address]).map_err(RegistryError::from)?;
        }
        Ok(proxy.map(|proxy| proxy.inner.clone()))
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
                Ok(refused) => RegistryError::from(*refused),
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
            ureq::Error::ConnectProxyFailed(reason) => match &self.proxy {
                Some(proxy) => connection(&format_args!("through the proxy {proxy}: {reason}")),
                None => connection(&reason),
            },
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
