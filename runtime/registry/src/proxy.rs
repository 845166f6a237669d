//! The proxy between this machine and registries.
//!
//! It carries bytes: `CONNECT` opens a tunnel, and TLS goes through it to the registry, whose certificate is verified as
//! without a proxy. So it sees names and ports, never credentials or modules. What is spoken to over plain http, and this
//! machine, is never reached through a proxy.

use std::fmt;
use std::net::IpAddr;

use portcullis_gate::is_loopback;

use crate::error::RegistryError;
use crate::http::Origin;

/// A proxy, and what is reached without it.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) inner: ureq::Proxy,
    except: Vec<Except>,
}

/// Without the proxy's password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("at", &self.to_string()).field("except", &self.except).finish()
    }
}

/// Host and port.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.inner.host(), self.inner.port())
    }
}

impl Proxy {
    /// The proxy at a URL, `http://[USER:PASSWORD@]HOST[:PORT]`, or with https. `except` are hosts, domains (`.example.com`;
    /// `example.com` is the host and the domain), addresses and networks (`10.0.0.0/8`), each perhaps with a port, separated by
    /// commas; `*` is everything.
    ///
    /// # Errors
    /// [`RegistryError::Option`]: the URL is none, or of another kind of proxy.
    pub fn new(url: &str, except: &str) -> Result<Proxy, RegistryError> {
        // The URL may hold a password, so it is not shown.
        let wrong = || RegistryError::Option("the proxy is not named as http://HOST:PORT or https://HOST:PORT".into());
        let inner = ureq::Proxy::new(url.trim()).map_err(|_| wrong())?;
        match inner.protocol() {
            ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https => {}
            _ => return Err(wrong()),
        }
        let except = except.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(Except::parse).collect();
        Ok(Proxy { inner, except })
    }

    /// As the environment says: `HTTPS_PROXY`, else `ALL_PROXY`, but for what `NO_PROXY` lists; each also in lower case.
    /// `variable` reads a variable.
    ///
    /// # Errors
    /// As for [`Proxy::new`].
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, RegistryError> {
        let first = |names: [&str; 4]| names.into_iter().filter_map(&variable).find(|value| !value.trim().is_empty());
        let Some(url) = first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else { return Ok(None) };
        let except = first(["NO_PROXY", "no_proxy", "", ""]).unwrap_or_default();
        Proxy::new(&url, &except).map(Some)
    }

    /// Whether it is on the way there.
    pub(crate) fn leads_to(&self, origin: &Origin) -> bool {
        origin.https && !is_loopback(&origin.host) && !self.except.iter().any(|except| except.covers(origin))
    }
}

/// The address that a host is, where it is no name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// What is reached without the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Except {
    All,
    /// A host, or what is below it.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    /// Addresses of which so many bits are the same.
    Network {
        address: IpAddr,
        bits: u32,
    },
}

impl Except {
    fn parse(entry: &str) -> Except {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Except::All;
        }
        let (network, bits) = entry.split_once('/').map_or((entry.as_str(), None), |(n, bits)| (n, bits.parse().ok()));
        if let Some(address) = literal(network) {
            return Except::Network { address, bits: bits.unwrap_or(128) };
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry.as_str(), None),
        };
        if let Some(address) = literal(name) {
            // With a port; the port is not looked at, so that more, not less, goes without the proxy.
            return Except::Network { address, bits: 128 };
        }
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        Except::Domain { name: below.unwrap_or(name).to_owned(), itself: below.is_none(), port }
    }

    fn covers(&self, origin: &Origin) -> bool {
        match self {
            Except::All => true,
            Except::Domain { name, itself, port } => {
                let below = origin.host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || (*itself && origin.host == *name)) && port.is_none_or(|port| port == origin.port)
            }
            Except::Network { address, bits } => {
                literal(&origin.host).is_some_and(|host| same_network(host, *address, *bits))
            }
        }
    }
}

fn same_network(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let (one, other, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits()), u128::from(other.to_bits()), 32u32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let differing = 128u32.saturating_sub((one ^ other).leading_zeros());
    differing <= width.saturating_sub(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn what_is_listed_plain_or_here_is_reached_without_it() {
        let except = "quay.io, .corp.example,*.lan , 10.0.0.0/8,192.168.1.7,fd00::/8,ghcr.io:8443,[2001:db8::1]:443";
        let proxy = Proxy::new("http://proxy.example:3128", except).unwrap();
        for (url, through) in [
            ("https://registry.example.com/", true),
            ("http://registry.example.com/", false),
            ("https://localhost:5000/", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://quay.io/", false),
            ("https://cdn.quay.io/", false),
            ("https://notquay.io/", true),
            ("https://corp.example/", true),
            ("https://Registry.Corp.Example/", false),
            ("https://a.lan/", false),
            ("https://10.20.30.40/", false),
            ("https://11.20.30.40/", true),
            ("https://192.168.1.7/", false),
            ("https://192.168.1.6/", true),
            ("https://[fd12::1]/", false),
            ("https://[fe12::1]/", true),
            ("https://[2001:db8::1]/", false),
            ("https://ghcr.io/", true),
            ("https://ghcr.io:8443/", false),
        ] {
            assert_eq!(proxy.leads_to(&origin(url)), through, "{url}");
        }
        assert!(!Proxy::new("proxy.example", "*").unwrap().leads_to(&origin("https://quay.io/")));
    }

    #[test]
    fn the_environment_names_it() {
        let from = |set: &[(&str, &str)]| {
            Proxy::from_environment(|name| {
                set.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let named = |set: &[(&str, &str)]| from(set).unwrap().map(|proxy| proxy.to_string());
        assert_eq!(named(&[]), None);
        assert_eq!(named(&[("HTTP_PROXY", "http://plain:1"), ("HTTPS_PROXY", " ")]), None);
        assert_eq!(named(&[("https_proxy", "http://two:2"), ("ALL_PROXY", "http://all:1")]), Some("two:2".into()));
        assert_eq!(named(&[("ALL_PROXY", "all.example:3128")]), Some("all.example:3128".into()));
        let proxy = from(&[("HTTPS_PROXY", "http://u:hunter2@p:1"), ("no_proxy", "quay.io")]).unwrap().unwrap();
        assert!(!proxy.leads_to(&origin("https://quay.io/")) && proxy.leads_to(&origin("https://ghcr.io/")));
        assert!(!format!("{proxy:?}{proxy}").contains("hunter2"));
        for wrong in ["socks5://p:1", "http://", "ftp://p:1", "http://hunter2 @p"] {
            let error = from(&[("HTTPS_PROXY", wrong)]).unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT") && !error.contains("hunter2"), "{wrong}: {error}");
        }
    }
}
