//! The way to PostgreSQL, encrypted, with a real server and certificates made here.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_ledger::store::postgres::{Postgres, PostgresOptions};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::sample::decision;
use crate::server::Server;

/// An authority, and the file in which it is believed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &std::path::Path, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), file }
    }

    /// Certificate and key of a host, or of a user.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server on a port of its own, with a certificate or without.
fn begin(server: &Server, certificate: Option<(String, String)>) -> u16 {
    begin_with(server, certificate, "")
}

fn begin_with(server: &Server, certificate: Option<(String, String)>, more: &str) -> u16 {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.kill();
    let tls = certificate.map_or_else(String::new, |(certificate, key)| {
        let (certificate, key) = (server.file("server.crt", &certificate), server.file("server.key", &key));
        format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file={}", certificate.display(), key.display())
    });
    server.begin_with(&format!("-c listen_addresses=127.0.0.1 -c port={port} {tls} {more}"));
    port
}

/// The server under that name, with more settings.
fn place(port: u16, host: &str, more: &str) -> PostgresOptions {
    PostgresOptions {
        connection: format!("host={host} hostaddr=127.0.0.1 port={port} user=gate dbname=postgres {more}"),
        schema: "ledger".to_owned(),
        holder: "replica".to_owned(),
        lease: Duration::from_secs(10),
    }
}

#[test]
fn only_the_server_that_is_meant_is_spoken_to() {
    let Some(server) = Server::start() else { return };
    let files = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(files.path(), "ours"), Authority::new(files.path(), "other"));
    let port = begin(&server, Some(ours.certify("db.example")));
    let (our_file, other_file) = (ours.file.display(), other.file.display());

    // A ledger over it: every connection of it is encrypted.
    let full = format!("sslmode=verify-full sslrootcert={our_file}");
    let place_of_ours = place(port, "db.example", &full);
    let (key, copies) = (files.path().join("key"), [files.path().join("copy")]);
    let ledger = Ledger::join_postgres(&place_of_ours, &key, &copies, &LedgerOptions::default()).unwrap();
    assert!(matches!(ledger.append(decision(1)), Ok(Appended::Committed(_))));
    assert_eq!(ledger.reader().unwrap().size().unwrap(), 1);
    let plain = place(port, "db.example", "sslmode=disable");
    let mut admin = postgres::Client::connect(&plain.connection, postgres::NoTls).unwrap();
    let count = |admin: &mut postgres::Client, condition: &str| -> i64 {
        let text = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {condition}"
        );
        admin.query_one(&text, &[]).unwrap().get(0)
    };
    assert!(count(&mut admin, "ssl AND version >= 'TLSv1.2'") >= 4);
    assert_eq!(count(&mut admin, "NOT ssl"), 0);
    drop(ledger);

    let opens = |host: &str, more: &str| Postgres::open_reader(&place(port, host, more)).map(|_| ());
    for (host, mode, roots) in [
        ("db.example", "verify-full", Some(&our_file)),
        ("db.example", "verify-ca", Some(&our_file)),
        ("other.example", "verify-ca", Some(&our_file)),
        ("db.example", "require", Some(&our_file)),
        ("other.example", "require", None),
        ("other.example", "prefer", None),
    ] {
        let roots = roots.map_or_else(String::new, |file| format!("sslrootcert={file}"));
        let store = Postgres::open_reader(&place(port, host, &format!("sslmode={mode} {roots}")));
        let store = store.unwrap_or_else(|error| panic!("{host} {mode} {roots}: {error}"));
        assert_eq!((count(&mut admin, "ssl"), count(&mut admin, "NOT ssl")), (1, 0), "{host} {mode}");
        drop(store);
        // The server notices at its leisure.
        while count(&mut admin, "true") > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for (host, mode, roots, says) in [
        ("other.example", "verify-full", &our_file, "not valid for name"),
        ("db.example", "verify-full", &other_file, "UnknownIssuer"),
        ("db.example", "verify-ca", &other_file, "UnknownIssuer"),
        ("db.example", "require", &other_file, "UnknownIssuer"),
    ] {
        let error = opens(host, &format!("sslmode={mode} sslrootcert={roots}")).unwrap_err();
        assert!(matches!(error, StoreError::Database { phase: "connecting", .. }), "{error}");
        assert!(error.to_string().contains(says), "{host} {mode}: {error}");
    }
    let empty = files.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    for file in [empty, files.path().join("missing")] {
        let error = opens("db.example", &format!("sslmode=verify-full sslrootcert={}", file.display())).unwrap_err();
        assert!(matches!(&error, StoreError::File { path, .. } if *path == file), "{error}");
    }
}

/// A server that lets in only whoever shows a certificate of its name.
#[test]
fn a_client_shows_who_it_is() {
    let Some(server) = Server::start() else { return };
    let files = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(files.path(), "ours"), Authority::new(files.path(), "other"));
    let rules = server.file("hba", "hostssl all gate 127.0.0.1/32 cert\nlocal all all trust\n");
    let authority = server.file("clients.pem", &std::fs::read_to_string(&ours.file).unwrap());
    let more = format!("-c hba_file={} -c ssl_ca_file={}", rules.display(), authority.display());
    let port = begin_with(&server, Some(ours.certify("db.example")), &more);
    let put = |name: &str, text: &str, mode: u32| {
        let file = files.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file
    };
    let identity = |name: &str, authority: &Authority, user: &str| {
        let (certificate, key) = authority.certify(user);
        (put(&format!("{name}.pem"), &certificate, 0o644), put(&format!("{name}.key"), &key, 0o600))
    };
    let full = format!("sslmode=verify-full sslrootcert={}", ours.file.display());
    let open = |(certificate, key): &(PathBuf, PathBuf)| {
        let more = format!("{full} sslcert={} sslkey={}", certificate.display(), key.display());
        Postgres::open(&place(port, "db.example", &more)).map(|found| found.is_none())
    };

    let gate = identity("gate", &ours, "gate");
    // There is no ledger yet, which only somebody who is let in can tell.
    assert!(open(&gate).unwrap());
    let nothing_shown = Postgres::open(&place(port, "db.example", &full)).err().unwrap().to_string();
    assert!(nothing_shown.contains("requires a valid client certificate"), "{nothing_shown}");
    for who in [identity("somebody", &ours, "somebody"), identity("forged", &other, "gate")] {
        let error = open(&who).unwrap_err();
        assert!(matches!(error, StoreError::Database { phase: "connecting", .. }), "{error}");
    }
    // Nothing is sent where the files are not what they should be.
    let read = std::fs::read_to_string(&gate.1).unwrap();
    for (files, says) in [
        ((gate.0.clone(), put("open.key", &read, 0o644)), "chmod 600"),
        ((gate.0.clone(), put("group.key", &read, 0o660)), "chmod 600"),
        ((gate.0.clone(), put("empty.key", "", 0o600)), "as a private key"),
        ((gate.0.clone(), identity("another", &ours, "gate").1), "with the key"),
        ((put("empty.pem", "", 0o600), gate.1.clone()), "no certificate in it"),
        ((gate.0.clone(), files.path().join("missing")), "opening the key"),
    ] {
        let error = open(&files).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

/// A server, or whoever is in between, that says that it cannot encrypt.
#[test]
fn what_should_be_encrypted_is_never_sent_otherwise() {
    let Some(server) = Server::start() else { return };
    let files = tempfile::tempdir().unwrap();
    let ours = Authority::new(files.path(), "ours");
    let port = begin(&server, None);
    let roots = format!("sslrootcert={}", ours.file.display());
    let open = |more: &str| Postgres::open(&place(port, "db.example", more));
    for more in ["sslmode=require", &format!("sslmode=verify-ca {roots}"), &format!("sslmode=verify-full {roots}")] {
        let error = open(more).err().unwrap().to_string();
        assert!(error.contains("does not support TLS"), "{more}: {error}");
    }
    for more in ["", "sslmode=prefer", "sslmode=disable"] {
        // There is no ledger yet, which only somebody who is connected can tell.
        assert!(open(more).unwrap().is_none(), "{more}");
    }
}
