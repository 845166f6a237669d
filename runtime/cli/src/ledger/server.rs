//! Which server and database a PostgreSQL ledger's URL names: for people, and for the names of files.

use std::fmt::Write as _;

use portcullis_gate::Sha256;
use portcullis_ledger::store::postgres::PostgresOptions;

/// The port where the URL names none.
const DEFAULT_PORT: &str = "5432";
/// Longest name of a file without its suffix, in bytes.
const MAX_FILE_NAME_BYTES: usize = 200;

/// A server, a database in it, and a schema: what tells one ledger from another. Never the password.
#[derive(Debug, PartialEq, Eq)]
pub struct Server {
    /// Host names, addresses, or the folder of a socket; several with commas, as in the URL.
    host: String,
    port: String,
    database: String,
    schema: String,
}

impl Server {
    /// What the URL names, with libpq's defaults. Nothing is looked up, so two spellings of one server are two.
    pub fn of(place: &PostgresOptions) -> Server {
        let url = place.connection.split_once("://").map_or(place.connection.as_str(), |(_, rest)| rest);
        // As the driver reads it: whatever is before the first @ is the user and the password.
        let (user, rest) = url.split_once('@').unwrap_or(("", url));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, mut database) =
            path.split_once('/').map_or((path, String::new()), |(at, name)| (at, decoded(name)));
        // An @ that is left is of a password that was not encoded.
        let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
        let mut user = decoded(user.split(':').next().unwrap_or_default());
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            // An address of IPv6 has colons of its own, in brackets.
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => (name, port),
                _ => (host, ""),
            };
            names.push(decoded(name).to_ascii_lowercase());
            ports.push(if port.is_empty() { DEFAULT_PORT } else { port }.to_owned());
        }
        let (mut host, mut port) = (names.join(","), ports.join(","));
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "host" | "hostaddr" if host.is_empty() || key == "host" => host = decoded(value),
                "port" => port = decoded(value),
                "dbname" => database = decoded(value),
                "user" => user = decoded(value),
                _ => {}
            }
        }
        if database.is_empty() {
            database = user;
        }
        Server { host, port, database, schema: place.schema.clone() }
    }

    /// The name, without a suffix, of the files that belong to this ledger: two ledgers never have the same.
    pub fn file_name(&self) -> String {
        let parts = [&self.host, &self.port, &self.database, &self.schema].map(|part| escaped(part));
        let name = format!("postgres-{}", parts.join("-"));
        if name.len() > MAX_FILE_NAME_BYTES { format!("postgres-{}", Sha256::of(name.as_bytes())) } else { name }
    }
}

/// `PostgreSQL at 127.0.0.1:5432/gate`
impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgreSQL at {}:{}/{}", self.host, self.port, self.database)
    }
}

/// Everything but lower-case letters, digits, `.` and `_` as `%` and two digits: also capitals, which some file systems do
/// not tell apart.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' => out.push(char::from(byte)),
            _ => _ = write!(out, "%{byte:02x}"),
        }
        out
    })
}

/// Text of a URL without its percent-encoding; what is not encoded properly stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = rest.get(1..3).filter(|digits| c == '%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.extend(c.to_string().into_bytes());
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn server(connection: &str, schema: &str) -> Server {
        let lease = std::time::Duration::from_secs(5);
        Server::of(&PostgresOptions {
            connection: connection.into(),
            schema: schema.into(),
            holder: "me".into(),
            lease,
        })
    }

    #[test]
    fn the_server_and_the_database_are_named_and_the_password_is_not() {
        for (url, shown) in [
            ("postgres://gate:s3cret@DB.example:6000/gate", "db.example:6000/gate"),
            ("postgres://gate:s3/c?r:et@db/gate", "db:5432/gate"),
            ("postgres://gate:s3@cr@db/gate", "db:5432/gate"),
            ("postgres://gate@db", "db:5432/gate"),
            ("postgres:///gate?host=/run/postgresql&port=6000", "/run/postgresql:6000/gate"),
            ("postgresql://gate@/postgres?host=%2Frun%2Fa", "/run/a:5432/postgres"),
            ("postgres://[::1]:6000/log", "[::1]:6000/log"),
            ("postgres://[::1]/log", "[::1]:5432/log"),
            ("postgres://a,b:6000/log", "a,b:5432,6000/log"),
            ("postgres://h/?dbname=log&user=x", "h:5432/log"),
            ("postgres://%zz%4/%e4", "%zz%4:5432/%e4"),
        ] {
            assert_eq!(server(url, "pc").to_string(), format!("PostgreSQL at {shown}"), "{url}");
        }
    }

    #[test]
    fn no_two_ledgers_have_the_same_files() {
        let places = [
            ("postgres://staging/gate", "pc"),
            ("postgres://production/gate", "pc"),
            ("postgres://production:6000/gate", "pc"),
            ("postgres://production/Gate", "pc"),
            ("postgres://production/gate", "pc2"),
            ("postgres://production/gate-pc", "pc"),
            ("postgres://production-5432/gate", "pc"),
            ("postgres:///gate?host=/production", "pc"),
        ];
        let names: BTreeSet<String> = places.iter().map(|(url, schema)| server(url, schema).file_name()).collect();
        assert_eq!(names.len(), places.len(), "{names:?}");
        assert!(names.contains("postgres-production-5432-gate-pc"), "{names:?}");
        assert!(names.iter().all(|name| !name.contains('/')), "{names:?}");
        assert_eq!(server(&format!("postgres://{}/gate", "h".repeat(300)), "pc").file_name().len(), 9 + 64);
        assert_eq!(server("postgres://a:1@Production/gate", "pc").file_name(), "postgres-production-5432-gate-pc");
    }
}
