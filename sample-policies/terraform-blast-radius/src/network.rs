//! Which addresses are the internet, and which ports a rule opens.

use portcullis_policy::prelude::*;

use crate::planned::{Answered, Planned};

/// Whether a source of traffic is the internet: `0.0.0.0/0`, `::/0` in any spelling, a block so wide that a few of
/// them are the internet, or one of Azure's words for it.
pub fn is_internet(source: &str) -> bool {
    if ["*", "any", "internet", "0.0.0.0", "::"].iter().any(|all| source.trim().eq_ignore_ascii_case(all)) {
        return true;
    }
    let Some((address, prefix)) = source.split_once('/') else {
        return false;
    };
    let widest = if address.contains(':') { WIDE_PREFIX_V6 } else { WIDE_PREFIX_V4 };
    prefix.trim().parse::<u8>().is_ok_and(|prefix| prefix <= widest)
}

/// The ports that a rule opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// All of them.
    All,
    /// These ranges, both ends included.
    Ranges(Vec<(u16, u16)>),
    /// Known only after apply, or not readable.
    Unknown,
}

impl Ports {
    /// A rule without ports: ICMP, say.
    pub const NONE: Ports = Ports::Ranges(Vec::new());

    /// From `from_port` and `to_port`, as AWS writes them. A rule for TCP or UDP that leaves them out opens all.
    pub fn between(from: Planned<'_>, to: Planned<'_>) -> Ports {
        if from.is_unknown() || to.is_unknown() {
            return Ports::Unknown;
        }
        match (from.value().map(number), to.value().map(number)) {
            (None, None) | (Some(Some(-1)), _) => Ports::All,
            (Some(Some(from)), Some(Some(to))) => Ports::range(from, to),
            _ => Ports::Unknown,
        }
    }

    /// From texts like `22`, `20-25` and `*`, as Google and Azure write them.
    pub fn written(texts: impl IntoIterator<Item = Option<String>>) -> Ports {
        let mut ranges = Vec::new();
        for text in texts {
            let Some(text) = text else { return Ports::Unknown };
            if text.trim() == "*" {
                return Ports::All;
            }
            let (from, to) = text.split_once('-').unwrap_or((&text, &text));
            match (from.trim().parse(), to.trim().parse()) {
                (Ok(from), Ok(to)) => ranges.push((from, to)),
                _ => return Ports::Unknown,
            }
        }
        Ports::Ranges(ranges)
    }

    /// Which of the sensitive ports are open.
    pub fn sensitive(&self, sensitive: &[u16]) -> (Answered, Vec<u16>) {
        match self {
            Ports::Unknown => (Answered::Unknown, Vec::new()),
            Ports::All => (Answered::known(!sensitive.is_empty()), sensitive.to_vec()),
            Ports::Ranges(ranges) => {
                let open = |port: &u16| ranges.iter().any(|(from, to)| from <= port && port <= to);
                let open: Vec<u16> = sensitive.iter().copied().filter(open).collect();
                (Answered::known(!open.is_empty()), open)
            }
        }
    }

    fn range(from: i64, to: i64) -> Ports {
        match (u16::try_from(from), u16::try_from(to)) {
            (Ok(from), Ok(to)) => Ports::Ranges(vec![(from.min(to), from.max(to))]),
            _ => Ports::All,
        }
    }
}

/// `port 22 (SSH)`, `ports 22 (SSH), 3306 (MySQL) and 4 more`.
pub fn name_ports(ports: &[u16]) -> String {
    let names: Vec<String> = ports.iter().take(MAX_NAMED).map(|port| name_port(*port)).collect();
    let more = ports.len().saturating_sub(MAX_NAMED);
    let plural = if ports.len() == 1 { "port" } else { "ports" };
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{plural} {}{rest}", names.join(", "))
}

fn name_port(port: u16) -> String {
    match NAMES.iter().find(|(known, _)| *known == port) {
        Some((_, name)) => format!("{port} ({name})"),
        None => port.to_string(),
    }
}

/// An integer, which some providers write as text.
fn number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// IPv4 blocks of this prefix length and less are taken for the internet: two `/1` are all of it.
const WIDE_PREFIX_V4: u8 = 7;
/// The same for IPv6, where `2000::/3` is all that is routed.
const WIDE_PREFIX_V6: u8 = 15;

const MAX_NAMED: usize = 4;

const NAMES: [(u16, &str); 16] = [
    (22, "SSH"),
    (23, "Telnet"),
    (135, "RPC"),
    (445, "SMB"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2375, "Docker"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (5432, "PostgreSQL"),
    (5900, "VNC"),
    (5985, "WinRM"),
    (6379, "Redis"),
    (9200, "Elasticsearch"),
    (11211, "Memcached"),
    (27017, "MongoDB"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_has_many_spellings() {
        for source in [
            "0.0.0.0/0",
            "::/0",
            "0::0/0",
            "0:0:0:0:0:0:0:0/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "*",
            "Internet",
            "any",
            "2000::/3",
        ] {
            assert!(is_internet(source), "{source}");
        }
        for source in ["10.0.0.0/8", "192.0.2.1/32", "192.0.2.1", "fd00::/16", "VirtualNetwork", "", "sg-1/x"] {
            assert!(!is_internet(source), "{source}");
        }
    }

    #[test]
    fn ports_are_found_in_ranges() {
        let ports = Ports::written(["80".to_owned(), "20-25".to_owned()].map(Some));
        assert_eq!(ports.sensitive(&[22, 3389]), (Answered::Yes, vec![22]));
        assert_eq!(Ports::written([Some("443".to_owned())]).sensitive(&[22]).0, Answered::No);
        assert_eq!(Ports::written([Some("ssh".to_owned())]), Ports::Unknown);
        assert_eq!(Ports::written([None]), Ports::Unknown);
        assert_eq!(Ports::range(-5, 70_000), Ports::All);
        assert_eq!(name_ports(&[22]), "port 22 (SSH)");
        assert_eq!(name_ports(&[1, 22, 3, 4, 5, 6]), "ports 1, 22 (SSH), 3, 4 and 2 more");
    }
}
