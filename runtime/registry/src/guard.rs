//! Which addresses a connection goes to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::address::{Reach, reach};
use crate::error::RegistryError;

/// Looks at every address before it is connected to, each time.
#[derive(Debug)]
pub(crate) struct Guard {
    registry: String,
    /// Whether the registry may only be on this machine.
    machine_only: bool,
    /// From where the registry can be reached, once it was.
    reach: Mutex<Option<Reach>>,
    /// Whether what is looked up now is the proxy itself: then nothing else is.
    through_proxy: AtomicBool,
    inner: DefaultResolver,
}

/// An address that is not connected to.
#[derive(Debug)]
pub(crate) struct Refused {
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
    /// For one registry, by its host; `machine_only` where it may only be on this machine.
    pub fn new(registry: &str, machine_only: bool) -> Guard {
        Guard {
            registry: registry.to_owned(),
            machine_only,
            reach: Mutex::new(None),
            through_proxy: AtomicBool::new(false),
            inner: DefaultResolver::default(),
        }
    }

    /// Whether what is looked up next is the proxy: the user named it, and it may be anywhere.
    pub fn expect_proxy(&self, expected: bool) {
        self.through_proxy.store(expected, Ordering::SeqCst);
    }

    /// Whether a host at these addresses may be connected to.
    ///
    /// # Errors
    /// [`Refused`]: one of the addresses may not.
    pub fn check(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), Refused> {
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

impl From<Refused> for RegistryError {
    fn from(refused: Refused) -> RegistryError {
        let Refused { host, address, reason } = refused;
        RegistryError::Address { host, address: address.ip(), reason }
    }
}

/// The guard, as the agent keeps it.
#[derive(Debug)]
pub(crate) struct Shared(pub Arc<Guard>);

impl Resolver for Shared {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.0.inner.resolve(uri, config, timeout)?;
        if self.0.through_proxy.load(Ordering::SeqCst) {
            return Ok(addresses);
        }
        let host = uri.host().unwrap_or("").to_ascii_lowercase();
        self.0.check(&host, &addresses).map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(machine_only: bool) -> Guard {
        Guard::new("r.example", machine_only)
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
}
