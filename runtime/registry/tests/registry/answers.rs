//! Answers that are wrong, too large, too slow, cut, compressed.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portcullis_gate::Sha256;
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Client, ClientOptions, ManifestError, RegistryError};
use serde_json::json;

use super::server::{Content, Reply, Server, keychain, lying, manifest, pull, pull_error, refusal, shown};

/// Answers for as long as somebody reads.
fn endless() -> Reply {
    Reply::Raw(Box::new(|stream: &mut TcpStream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    }))
}

/// Answers a byte every 50 ms.
fn dripping() -> Reply {
    Reply::Raw(Box::new(|stream: &mut TcpStream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }))
}

fn truncated() -> Reply {
    Reply::Raw(Box::new(|stream: &mut TcpStream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    }))
}

#[test]
fn an_honest_registry_is_believed() {
    let content = Content::new();
    let server = lying(&content, |_| None);
    let artifact = pull(&server).unwrap();
    assert_eq!(artifact.manifest_sha256(), content.artifact.manifest_sha256());
    assert_eq!((artifact.module(), artifact.evidence()), (content.artifact.module(), content.artifact.evidence()));
    // Nobody asked for credentials, so nobody saw any.
    assert!(server.authorizations().is_empty());
    assert!(server.seen().iter().all(|seen| seen.headers["accept-encoding"] == "identity"));
}

#[test]
fn other_bytes_than_the_digest_says() {
    let content = Content::new();
    let (module_path, module) = (content.module_path(), content.artifact.module_sha256());
    let mut changed = content.artifact.module().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let found = Sha256::of(&changed);
    let server =
        lying(&content, move |seen| (seen.path == module_path).then(|| Reply::Full(200, vec![], changed.clone())));
    assert_eq!(
        pull_error(&server),
        format!(
            "HOST/policies/x:1: the module: the digest does not match, expected sha256:{module}, found sha256:{found}"
        )
    );

    // A manifest that is asked for by its digest.
    let (wanted, other) = (content.artifact.manifest_sha256(), Content::of(&[], 9).artifact);
    let server =
        lying(&content, move |seen| seen.path.contains("/manifests/").then(|| manifest(other.manifest().to_vec())));
    let reference = server.reference(&format!("policies/x@sha256:{wanted}"));
    let error = super::server::client().pull(&reference, &InspectLimits::default()).unwrap_err();
    let found = Content::of(&[], 9).artifact.manifest_sha256();
    assert!(
        matches!(&error, RegistryError::Digest { expected, found: is, .. } if (*expected, *is) == (wanted, found)),
        "{error}"
    );

    // A registry that contradicts itself about a tag.
    let lie = Sha256::of(b"another");
    let bytes = content.artifact.manifest().to_vec();
    let server = lying(&content, move |seen| {
        let header = vec![("Docker-Content-Digest", format!("sha256:{lie}"))];
        seen.path.contains("/manifests/").then(|| Reply::Full(200, header, bytes.clone()))
    });
    assert_eq!(
        pull_error(&server),
        format!(
            "HOST/policies/x:1: the manifest: the digest does not match, expected sha256:{lie}, found sha256:{wanted}"
        )
    );
}

#[test]
fn a_tag_that_moved_changes_nothing_for_who_names_the_digest() {
    let (old, new) = (Content::new(), Content::of(&[], 7));
    let (both, moved) = (old.clone(), new.clone());
    let server = Server::start(move |seen| match both.answer(seen) {
        _ if seen.path == "/v2/policies/x/manifests/1" => moved.answer(seen),
        Reply::Full(404, ..) => moved.answer(seen),
        answer => answer,
    });
    assert_eq!(pull(&server).unwrap().module_sha256(), new.artifact.module_sha256());
    let pinned = server.reference("policies/x:1").pinned(old.artifact.manifest_sha256());
    let artifact = super::server::client().pull(&pinned, &InspectLimits::default()).unwrap();
    assert_eq!(artifact.module_sha256(), old.artifact.module_sha256());
}

#[test]
fn answers_without_an_end() {
    let content = Content::new();
    let server = lying(&content, |seen| seen.path.contains("/manifests/").then(endless));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: larger than 4194304 bytes");
    let path = content.module_path();
    let size = content.artifact.module().len();
    let server = lying(&content, move |seen| (seen.path == path).then(endless));
    assert_eq!(pull_error(&server), format!("HOST/policies/x:1: the module: larger than {size} bytes"));
}

#[test]
fn more_or_less_than_the_descriptor_says() {
    let content = Content::new();
    let (path, size) = (content.module_path(), content.artifact.module().len());
    for (length, expected) in [
        (size + 1, format!("larger than {size} bytes")),
        (size - 1, format!("the size does not match, expected {size} bytes, found {}", size - 1)),
    ] {
        let path = path.clone();
        let server =
            lying(&content, move |seen| (seen.path == path).then(|| Reply::Full(200, vec![], vec![0; length])));
        assert_eq!(pull_error(&server), format!("HOST/policies/x:1: the module: {expected}"));
    }
}

#[test]
fn a_compressed_answer() {
    let content = Content::new();
    for encoding in ["gzip", "br", "x\u{e9}"] {
        let path = content.module_path();
        let server = lying(&content, move |seen| {
            let header = vec![("Content-Encoding", encoding.to_owned())];
            (seen.path == path).then(|| Reply::Full(200, header, b"\x1f\x8b".to_vec()))
        });
        let error = pull_error(&server);
        assert_eq!(
            error,
            format!(
                "HOST/policies/x:1: the module: HOST answers in the encoding {encoding:?}; only the bytes themselves are accepted"
            )
        );
    }
}

#[test]
fn manifests_that_are_too_much() {
    let content = Content::new();
    let server =
        lying(&content, |seen| seen.path.contains("/manifests/").then(|| manifest(vec![b' '; 4 * 1024 * 1024 + 1])));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: larger than 4194304 bytes");

    let mut value: serde_json::Value = serde_json::from_slice(content.artifact.manifest()).unwrap();
    let layer = value["layers"][1].clone();
    value["layers"] = json!(vec![layer; 10_000]);
    let bytes = value.to_string().into_bytes();
    let server = lying(&content, move |seen| seen.path.contains("/manifests/").then(|| manifest(bytes.clone())));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: it has 10000 layers, more than 65");
    assert_eq!(server.seen().len(), 1, "no layer was asked for");
}

#[test]
fn what_is_no_policy() {
    let content = Content::new();
    let index = "application/vnd.oci.image.index.v1+json";
    let server = lying(&content, move |seen| {
        let header = vec![("Content-Type", index.to_owned())];
        let body = json!({"schemaVersion": 2, "mediaType": index, "manifests": []});
        seen.path.contains("/manifests/").then(|| Reply::Full(200, header, body.to_string().into_bytes()))
    });
    let error = pull(&server).unwrap_err();
    assert!(
        matches!(&error, RegistryError::Manifest { error: ManifestError::MediaType(found), .. } if found == index),
        "{error}"
    );

    // A module that is a module and no policy.
    let text = String::from_utf8(content.artifact.manifest().to_vec()).unwrap();
    let core = b"\0asm\x01\0\0\0".to_vec();
    let digests = [content.artifact.module_sha256(), Sha256::of(&core)].map(|digest| digest.to_string());
    let sizes = [content.artifact.module().len(), core.len()].map(|size| format!("\"size\":{size}"));
    let text = text.replace(&digests[0], &digests[1]).replace(&sizes[0], &sizes[1]);
    let server = lying(&content, move |seen| match seen.path.contains("/manifests/") {
        true => Some(manifest(text.clone().into_bytes())),
        false => seen.path.contains(&digests[1]).then(|| Reply::Full(200, vec![], core.clone())),
    });
    let error = pull(&server).unwrap_err();
    assert!(matches!(&error, RegistryError::Refused(refusal) if refusal.fault.code() == "load.format"), "{error}");
}

#[test]
fn answers_that_end_early() {
    let content = Content::new();
    let server = lying(&content, |seen| seen.path.contains("/manifests/").then(truncated));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: the answer of HOST ended before it was complete");
    let server = lying(&content, |seen| seen.path.contains("/manifests/").then(|| Reply::Raw(Box::new(|_| ()))));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: the answer of HOST ended before it was complete");
}

#[test]
fn answers_that_take_too_long() {
    let content = Content::new();
    let silent = || Reply::Raw(Box::new(|_: &mut TcpStream| std::thread::sleep(Duration::from_secs(5))));
    for (name, reply) in [("dripping", dripping as fn() -> Reply), ("silent", silent)] {
        let server = lying(&content, move |seen| seen.path.contains("/manifests/").then(reply));
        let options = ClientOptions { time_limit: Duration::from_millis(400), ..ClientOptions::default() };
        let started = Instant::now();
        let pulled = Client::new(options, keychain())
            .unwrap()
            .pull(&server.reference("policies/x:1"), &InspectLimits::default());
        assert_eq!(
            shown(&server, &pulled.unwrap_err()),
            "HOST/policies/x:1: the manifest: HOST did not answer in full within 0.4 s in all",
            "{name}"
        );
        assert!(started.elapsed() < Duration::from_secs(4), "{name}: {:?}", started.elapsed());
    }
    // The limit is of all requests together.
    let slow = content.clone();
    let server = Server::start(move |seen| {
        std::thread::sleep(Duration::from_millis(150));
        slow.answer(seen)
    });
    let options = ClientOptions { time_limit: Duration::from_millis(400), ..ClientOptions::default() };
    let pulled =
        Client::new(options, keychain()).unwrap().pull(&server.reference("policies/x:1"), &InspectLimits::default());
    assert!(matches!(pulled, Err(RegistryError::Time { .. })), "{pulled:?}");
}

#[test]
fn what_a_registry_says_to_an_error_is_escaped_and_cut() {
    let content = Content::new();
    let server = lying(&content, |seen| {
        seen.path.contains("/manifests/").then(|| refusal(500, "UN\u{1b}KNOWN", &"x\r\n".repeat(1000)))
    });
    let error = pull_error(&server);
    assert!(error.starts_with("HOST/policies/x:1: the manifest: HOST answers 500: UN\\u{1b}KNOWN x\\r\\nx"), "{error}");
    assert!(error.len() < 300 && error.ends_with('…'), "{error}");
    let server = lying(&content, |seen| seen.path.contains("/manifests/").then(|| refusal(404, "", "")));
    assert_eq!(pull_error(&server), "HOST/policies/x:1: the manifest: HOST answers 404");
    let server = lying(&content, |seen| {
        let long = Reply::Full(404, vec![("X-Long", "x".repeat(40_000))], vec![]);
        seen.path.contains("/manifests/").then_some(long)
    });
    assert!(matches!(pull(&server), Err(RegistryError::Protocol { .. })));
}

#[test]
fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/x:1", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = super::server::client().pull(&reference, &InspectLimits::default()).unwrap_err();
    assert!(matches!(&error, RegistryError::Connection { detail, .. } if detail.contains("refused")), "{error}");
}
