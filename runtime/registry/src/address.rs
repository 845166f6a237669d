//! Which addresses may be connected to.
//!
//! The user names the registry. Everything else that a connection goes to (token servers, redirects) is the registry's
//! word, and a registry on the internet has no business naming machines that only this one can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address can be reached; the order is from near to far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// This machine.
    Machine,
    /// A private network.
    Private,
    /// The internet.
    Public,
}

/// From where an address can be reached; `None` for one that is never connected to: link-local and metadata services,
/// multicast, broadcast, reserved.
pub(crate) fn reach(address: IpAddr) -> Option<Reach> {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Option<Reach> {
    let [a, b, c, _] = address.octets();
    let never = address.is_link_local() || address.is_multicast() || a == 0 || a >= 240;
    if never || METADATA_V4.contains(&address) {
        return None;
    }
    if address.is_loopback() {
        return Some(Reach::Machine);
    }
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let special = a == 192 && b == 0 && c == 0;
    let private = address.is_private() || address.is_documentation() || shared || benchmark || special;
    Some(if private { Reach::Private } else { Reach::Public })
}

fn reach_v6(address: Ipv6Addr) -> Option<Reach> {
    if let Some(inside) = embedded(address) {
        return reach_v4(inside);
    }
    let [first, second, ..] = address.segments();
    let link_local = first & 0xffc0 == 0xfe80;
    if link_local || address.is_multicast() || address.is_unspecified() || address == METADATA_V6 {
        return None;
    }
    if address.is_loopback() {
        return Some(Reach::Machine);
    }
    let unique_local = first & 0xfe00 == 0xfc00;
    let site_local = first & 0xffc0 == 0xfec0;
    let documentation = (first == 0x2001 && second == 0xdb8) || first == 0x3fff;
    let global = first & 0xe000 == 0x2000;
    let private = unique_local || site_local || documentation || !global;
    Some(if private { Reach::Private } else { Reach::Public })
}

/// The IPv4 address that a connection to this one reaches: mapped, compatible, translated (NAT64), 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(v4(g, h)),
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(v4(g, h)),
        (0x2002, ..) => Some(v4(b, c)),
        _ => None,
    }
}

/// Metadata services of clouds that are not at link-local addresses: Alibaba, Azure's wire server, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// Amazon's, over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_near_as_they_are() {
        let all = |expected: Option<Reach>, addresses: &[&str]| {
            for address in addresses {
                assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
            }
        };
        all(Some(Reach::Machine), &["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]);
        all(
            Some(Reach::Private),
            &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "fd00::1"],
        );
        all(
            Some(Reach::Private),
            &["::ffff:10.0.0.1", "2002:a00:1::", "fec0::1", "2001:db8::1", "5f00::1", "192.0.2.1"],
        );
        all(
            Some(Reach::Public),
            &["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1", "::ffff:1.1.1.1"],
        );
        all(
            None,
            &["0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16"],
        );
        all(
            None,
            &["::", "fe80::1", "febf::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::"],
        );
    }
}
