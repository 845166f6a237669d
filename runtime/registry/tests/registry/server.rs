//! A registry whose every answer a test can change: a socket, a thread for each connection, and what it saw.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_gate::{OciReference, Sha256};
use portcullis_inspect::InspectLimits;
use portcullis_registry::{
    Artifact, Client, ClientOptions, Keychain, PASSWORD_VARIABLE, RegistryError, USERNAME_VARIABLE,
};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What is answered.
pub enum Reply {
    /// A status, headers and a body with its length.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Whatever is written.
    Raw(Box<dyn FnOnce(&mut TcpStream) + Send>),
}

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (answer, all) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                std::thread::spawn(move || _ = serve(stream.unwrap(), &*answer, &all));
            }
        });
        Server { address, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `Authorization` of each request that had one.
    pub fn authorizations(&self) -> Vec<String> {
        self.seen().iter().filter_map(|seen| seen.headers.get("authorization").cloned()).collect()
    }

    pub fn reference(&self, rest: &str) -> OciReference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Seen) -> Reply, all: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: u64 = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let seen = Seen { method, path, headers, body };
    let reply = answer(&seen);
    let head = seen.method == "HEAD";
    all.lock().unwrap().push(seen);
    let mut stream = stream;
    match reply {
        Reply::Raw(write) => write(&mut stream),
        Reply::Full(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                text += &format!("{name}: {value}\r\n");
            }
            stream.write_all(format!("{text}\r\n").as_bytes())?;
            if !head {
                stream.write_all(&body)?;
            }
        }
    }
    Ok(())
}

/// What an honest registry holds: one policy under `policies/x:1`.
#[derive(Clone)]
pub struct Content {
    pub artifact: Artifact,
    blobs: BTreeMap<Sha256, Vec<u8>>,
}

impl Content {
    pub fn new() -> Content {
        Content::of(&[b"{\"evidence\":1}", b"{\"evidence\":2}"], 0)
    }

    /// The same policy with some bytes more, which change nothing but its digest.
    pub fn of(evidence: &[&[u8]], padding: u8) -> Content {
        let mut module = module();
        module.extend([0, 3, 1, b'x', padding]);
        let evidence = evidence.iter().map(|bytes| bytes.to_vec()).collect();
        let artifact = Artifact::new(module, evidence, &BTreeMap::new(), &InspectLimits::default()).unwrap();
        let blobs =
            [artifact.config(), artifact.module()].into_iter().chain(artifact.evidence().iter().map(Vec::as_slice));
        let blobs = blobs.map(|bytes| (Sha256::of(bytes), bytes.to_vec())).collect();
        Content { artifact, blobs }
    }

    pub fn manifest_path(&self) -> String {
        format!("/v2/policies/x/manifests/sha256:{}", self.artifact.manifest_sha256())
    }

    pub fn module_path(&self) -> String {
        format!("/v2/policies/x/blobs/sha256:{}", self.artifact.module_sha256())
    }

    /// The honest answer.
    pub fn answer(&self, seen: &Seen) -> Reply {
        if seen.path == "/v2/policies/x/manifests/1" || seen.path == self.manifest_path() {
            return manifest(self.artifact.manifest().to_vec());
        }
        let sha256 = seen.path.strip_prefix("/v2/policies/x/blobs/sha256:").and_then(Sha256::from_hex);
        match sha256.and_then(|sha256| self.blobs.get(&sha256)) {
            Some(bytes) => Reply::Full(200, vec![], bytes.clone()),
            None => refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"),
        }
    }
}

pub fn manifest(bytes: Vec<u8>) -> Reply {
    Reply::Full(200, vec![("Content-Type", "application/vnd.oci.image.manifest.v1+json".into())], bytes)
}

pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    Reply::Full(status, vec![], body.to_string().into_bytes())
}

pub fn unauthorized(challenge: String) -> Reply {
    Reply::Full(401, vec![("WWW-Authenticate", challenge)], Vec::new())
}

/// A registry that is honest but for what `lie` answers.
pub fn lying(content: &Content, lie: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let content = content.clone();
    Server::start(move |seen| lie(seen).unwrap_or_else(|| content.answer(seen)))
}

/// With the password `secret`.
pub fn keychain() -> Keychain {
    let variable = |name: &str| match name {
        USERNAME_VARIABLE => Some("user".to_owned()),
        PASSWORD_VARIABLE => Some("secret".to_owned()),
        _ => None,
    };
    Keychain::from_environment(true, variable).unwrap()
}

/// `user:secret`, as a header.
pub const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

pub fn client() -> Client {
    client_with(ClientOptions::default())
}

pub fn client_with(options: ClientOptions) -> Client {
    Client::new(ClientOptions { time_limit: Duration::from_secs(20), ..options }, keychain()).unwrap()
}

pub fn pull(server: &Server) -> Result<Artifact, RegistryError> {
    client().pull(&server.reference("policies/x:1"), &InspectLimits::default())
}

/// The error of a pull by the tag, with the server's address as HOST.
pub fn pull_error(server: &Server) -> String {
    shown(server, &pull(server).unwrap_err())
}

pub fn shown(server: &Server, error: &RegistryError) -> String {
    error.to_string().replace(&server.address.to_string(), "HOST").replace(&server.address.port().to_string(), "PORT")
}

fn module() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies/rules.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: build the sample policies with `make policies` first", path.display())
    })
}
