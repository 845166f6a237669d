//! Pushing to registries that lie.

use std::collections::BTreeMap;
use std::sync::Mutex;

use portcullis_gate::Sha256;
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, Pushed, RegistryError};

use super::server::{Content, Reply, Seen, Server, client, manifest, shown};

/// A registry that takes everything, but for what `lie` answers.
fn taking(lie: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let pushed = Mutex::new(Vec::new());
    Server::start(move |seen| {
        if let Some(reply) = lie(seen) {
            return reply;
        }
        match (seen.method.as_str(), seen.path.contains("/manifests/")) {
            ("HEAD", _) => Reply::Full(404, vec![], Vec::new()),
            ("POST", _) => {
                Reply::Full(202, vec![("Location", "/v2/policies/x/blobs/uploads/1?state=2".into())], Vec::new())
            }
            ("PUT", true) => {
                *pushed.lock().unwrap() = seen.body.clone();
                Reply::Full(201, vec![], Vec::new())
            }
            ("PUT", false) => Reply::Full(201, vec![], Vec::new()),
            _ => manifest(pushed.lock().unwrap().clone()),
        }
    })
}

fn push(server: &Server, content: &Content) -> Result<Pushed, String> {
    client().push(&server.reference("policies/x:1"), &content.artifact).map_err(|error| shown(server, &error))
}

#[test]
fn what_is_pushed_is_what_arrives() {
    let (server, content) = (taking(|_| None), Content::new());
    let pushed = push(&server, &content).unwrap();
    assert_eq!(pushed.manifest_sha256, content.artifact.manifest_sha256());
    let put: Vec<_> = server.seen().into_iter().filter(|seen| seen.method == "PUT").collect();
    let blobs = [content.artifact.config(), content.artifact.module()].into_iter();
    let expected: Vec<_> = blobs.chain(content.artifact.evidence().iter().map(Vec::as_slice)).collect();
    for (put, bytes) in put.iter().zip(&expected) {
        assert_eq!(put.path, format!("/v2/policies/x/blobs/uploads/1?state=2&digest=sha256%3A{}", Sha256::of(bytes)));
        assert_eq!(put.body, *bytes);
    }
    assert_eq!(put.len(), expected.len() + 1);
    assert_eq!(put[expected.len()].path, "/v2/policies/x/manifests/1");
    assert_eq!(put[expected.len()].body, content.artifact.manifest());
}

#[test]
fn uploads_do_not_go_to_another_host() {
    let (other, content) = (taking(|_| None), Content::new());
    let to = format!("http://{}/v2/policies/x/blobs/uploads/1", other.address);
    let server = taking(move |seen| {
        (seen.method == "POST").then(|| Reply::Full(202, vec![("Location", to.clone())], Vec::new()))
    });
    assert_eq!(
        push(&server, &content).unwrap_err(),
        "HOST/policies/x:1: the upload of a blob: HOST redirects to another host"
    );
    assert!(other.seen().is_empty());
    let server =
        taking(|seen| (seen.method == "PUT").then(|| Reply::Full(307, vec![("Location", "/x".into())], Vec::new())));
    assert_eq!(push(&server, &content).unwrap_err(), "HOST/policies/x:1: the upload of a blob: HOST answers 307");
}

#[test]
fn a_registry_that_stored_something_else() {
    let (content, lie) = (Content::new(), Sha256::of(b"another"));
    let module = Sha256::of(content.artifact.config());
    let server = taking(move |seen| {
        let header = vec![("Docker-Content-Digest", format!("sha256:{lie}"))];
        (seen.method == "PUT").then(|| Reply::Full(201, header, Vec::new()))
    });
    assert_eq!(
        push(&server, &content).unwrap_err(),
        format!(
            "HOST/policies/x:1: the upload of a blob: the digest does not match, expected sha256:{lie}, found sha256:{module}"
        )
    );
    let other = Content::of(&[], 9);
    let server = taking(move |seen| (seen.method == "GET").then(|| manifest(other.artifact.manifest().to_vec())));
    let (expected, found) = (content.artifact.manifest_sha256(), Content::of(&[], 9).artifact.manifest_sha256());
    assert_eq!(
        push(&server, &content).unwrap_err(),
        format!(
            "HOST/policies/x:1: the manifest as it is read back: the digest does not match, expected sha256:{expected}, \
             found sha256:{found}"
        )
    );
}

#[test]
fn a_reference_with_a_digest_is_held_to_it_before_anything_is_sent() {
    let (server, content) = (taking(|_| None), Content::new());
    let reference = server.reference("policies/x:1").pinned(Sha256::of(b"another"));
    assert!(matches!(client().push(&reference, &content.artifact), Err(RegistryError::Digest { .. })));
    assert!(server.seen().is_empty());
}

#[test]
fn what_is_not_admissible_makes_no_artifact() {
    let new = |module: &[u8], evidence, annotations: &[(&str, &str)]| {
        let annotations: BTreeMap<_, _> = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Artifact::new(module.to_vec(), evidence, &annotations, &InspectLimits::default())
    };
    let module = Content::new().artifact.module().to_vec();
    let refused = new(b"(module)", vec![], &[]).unwrap_err();
    assert!(matches!(&refused, RegistryError::Refused(refusal) if refusal.fault.code() == "load.format"), "{refused}");
    assert!(matches!(new(&module, vec![vec![]; 65], &[]), Err(RegistryError::Option(_))));
    assert!(matches!(new(&module, vec![vec![0; 1024 * 1024 + 1]], &[]), Err(RegistryError::TooLarge { .. })));
    assert!(matches!(new(&module, vec![], &[("", "x")]), Err(RegistryError::Option(_))));
    assert!(matches!(new(&module, vec![], &[("k", &"x".repeat(70_000))]), Err(RegistryError::Option(_))));
    // The same bytes are the same artifact.
    let (one, two) = (new(&module, vec![], &[("k", "v")]).unwrap(), new(&module, vec![], &[("k", "v")]).unwrap());
    assert_eq!(one.manifest_sha256(), two.manifest_sha256());
}
