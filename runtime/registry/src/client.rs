use std::time::Duration;

use portcullis_gate::{OciReference, Sha256};
use portcullis_inspect::InspectLimits;
use ureq::http::Method;
use ureq::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::artifact::{Artifact, Part, check_manifest, same};
use crate::challenge::{self, Challenge};
use crate::credentials::{Credentials, Keychain};
use crate::error::RegistryError;
use crate::http::{Answer, Ask, Origin, Transport};
use crate::manifest::MANIFEST_MEDIA_TYPE;
use crate::proxy::Proxy;
use crate::token::{basic_authorization, encoded, fetch, secret_may_go_to};
use crate::{DEFAULT_TIME_LIMIT, MAX_MANIFEST_BYTES, realm};

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Speak http instead of https. To this machine http is spoken anyway, unless `https` is set.
    pub plain_http: bool,
    /// Speak https to a registry on this machine too.
    pub https: bool,
    /// Hosts of token servers that may see the credentials of any registry asked.
    pub allowed_realms: Vec<String>,
    /// The certificates, in PEM, that registries' certificates go back to; `None` for Mozilla's.
    pub roots_pem: Option<Vec<u8>>,
    /// How long one push or pull may take in all.
    pub time_limit: Duration,
    /// The proxy to go through, but for what it leaves out.
    pub proxy: Option<Proxy>,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            plain_http: false,
            https: false,
            allowed_realms: Vec::new(),
            roots_pem: None,
            time_limit: DEFAULT_TIME_LIMIT,
            proxy: None,
        }
    }
}

/// Speaks with registries. Each pull and push stands alone: tokens are asked for anew and are not kept.
pub struct Client {
    options: ClientOptions,
    keychain: Keychain,
    tls: TlsConfig,
}

/// What was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Of the artifact's manifest.
    pub manifest_sha256: Sha256,
    /// Of the module.
    pub module_sha256: Sha256,
    /// Blobs that the registry had before.
    pub known: usize,
}

impl Client {
    /// A client with these credentials.
    ///
    /// # Errors
    /// [`RegistryError::Option`]: the certificates are none.
    pub fn new(options: ClientOptions, keychain: Keychain) -> Result<Client, RegistryError> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &options.roots_pem {
            let wrong = || RegistryError::Option("the file of certificates holds none in PEM".into());
            let items = parse_pem(pem).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
            let certificates: Vec<Certificate<'static>> = items
                .into_iter()
                .filter_map(|item| match item {
                    PemItem::Certificate(certificate) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(wrong());
            }
            tls = tls.root_certs(RootCerts::from(certificates));
        }
        Ok(Client { options, keychain, tls: tls.build() })
    }

    /// Pulls a policy: its manifest, its module, its evidence, each compared with its digest, the module inspected.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn pull(&self, reference: &OciReference, limits: &InspectLimits) -> Result<Artifact, RegistryError> {
        let mut session = self.session(reference, "pull")?;
        let manifest = session.manifest(reference.digest())?;
        let what = reference.to_string();
        let parts = check_manifest(&what, &manifest.body, reference.digest(), manifest.content_type(), limits)?;
        Artifact::assemble(&what, manifest.body, &parts, limits, |part, sha256, size| session.blob(part, sha256, size))
    }

    /// Pushes a policy and reads its manifest back.
    ///
    /// # Errors
    /// [`RegistryError`]; with a digest in the reference, that is the artifact's own or nothing is sent.
    pub fn push(&self, reference: &OciReference, artifact: &Artifact) -> Result<Pushed, RegistryError> {
        if let Some(expected) = reference.digest() {
            same(|| format!("{reference}: the manifest"), expected, artifact.manifest())?;
        }
        let mut session = self.session(reference, "pull,push")?;
        let mut known = 0usize;
        for blob in artifact.blobs() {
            if session.has(Sha256::of(blob))? {
                known = known.saturating_add(1);
            } else {
                session.upload(blob)?;
            }
        }
        session.put_manifest(artifact.manifest(), artifact.manifest_sha256())?;
        let back = session.manifest(reference.tag().is_none().then(|| artifact.manifest_sha256()))?;
        same(|| format!("{reference}: the manifest as it is read back"), artifact.manifest_sha256(), &back.body)?;
        let (manifest_sha256, module_sha256) = (artifact.manifest_sha256(), artifact.module_sha256());
        Ok(Pushed { manifest_sha256, module_sha256, known })
    }

    fn session<'a>(&'a self, reference: &'a OciReference, actions: &'static str) -> Result<Session<'a>, RegistryError> {
        let https = if reference.is_loopback() { self.options.https } else { !self.options.plain_http };
        // The name that people use is not the host that serves.
        let host = if reference.host() == "docker.io" { "registry-1.docker.io" } else { reference.host() };
        let port = reference.port().unwrap_or(if https { 443 } else { 80 });
        let origin = Origin { https, host: host.into(), port };
        let ClientOptions { plain_http, time_limit, proxy, .. } = &self.options;
        let transport =
            Transport::new(origin.clone(), *plain_http, self.tls.clone(), *time_limit).through(proxy.clone());
        Ok(Session { client: self, reference, actions, origin, transport, authorization: None, taken: false })
    }
}

/// One operation on one repository.
struct Session<'a> {
    client: &'a Client,
    reference: &'a OciReference,
    actions: &'static str,
    origin: Origin,
    transport: Transport,
    /// What is sent with each request to the registry, once it was asked for.
    authorization: Option<String>,
    /// Whether the registry took that. Tokens end, and one that was good is asked for anew.
    taken: bool,
}

/// A request to the registry; where it goes is a path, or an URL that was checked.
struct Call<'a> {
    what: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<&'a [u8]>,
    limit: u64,
}

impl Session<'_> {
    /// The manifest, by its digest or by the reference's tag.
    fn manifest(&mut self, sha256: Option<Sha256>) -> Result<Answer, RegistryError> {
        let version = match (sha256, self.reference.tag()) {
            (Some(sha256), _) => format!("sha256:{sha256}"),
            (None, Some(tag)) => tag.to_owned(),
            (None, None) => String::new(),
        };
        let what = format!("{}: the manifest", self.reference);
        let path = format!("/v2/{}/manifests/{version}", self.reference.repository());
        let headers = vec![("accept", MANIFEST_MEDIA_TYPE.to_owned())];
        let call = Call { what, method: Method::GET, path, headers, body: None, limit: MAX_MANIFEST_BYTES };
        let answer = self.ok(&call, 200)?;
        self.says(&call.what, &answer, &answer.body)?;
        Ok(answer)
    }

    fn blob(&mut self, part: Part, sha256: Sha256, size: u64) -> Result<Vec<u8>, RegistryError> {
        let name = match part {
            Part::Config => "config",
            Part::Module => "module",
            Part::Evidence(_) => "evidence",
        };
        let what = format!("{}: the {name}", self.reference);
        let path = format!("/v2/{}/blobs/sha256:{sha256}", self.reference.repository());
        let call = Call { what, method: Method::GET, path, headers: Vec::new(), body: None, limit: size };
        Ok(self.ok(&call, 200)?.body)
    }

    fn has(&mut self, sha256: Sha256) -> Result<bool, RegistryError> {
        let what = format!("{}: whether it has a blob", self.reference);
        let path = format!("/v2/{}/blobs/sha256:{sha256}", self.reference.repository());
        let call = Call { what, method: Method::HEAD, path, headers: Vec::new(), body: None, limit: 0 };
        let answer = self.call(&call)?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.unexpected(&call.what)),
        }
    }

    fn upload(&mut self, blob: &[u8]) -> Result<(), RegistryError> {
        let what = format!("{}: the upload of a blob", self.reference);
        let path = format!("/v2/{}/blobs/uploads/", self.reference.repository());
        let begin =
            Call { what, method: Method::POST, path, headers: Vec::new(), body: Some(&[]), limit: MAX_ANSWER_BYTES };
        let begun = self.ok(&begin, 202)?;
        let ask = self.ask(&begin)?;
        let place = self.transport.location(&ask, &self.origin, &begun.headers)?;
        // A registry behind a proxy may know itself by its name without the port; by another name it is another's.
        if Origin::of(&place).as_ref() != Some(&self.origin) {
            let (what, host) = (begin.what, self.origin.to_string());
            return Err(RegistryError::Redirect { what, host, reason: "to another host" });
        }
        let path = place.path_and_query().map_or("/", |path| path.as_str());
        let joint = if place.query().is_some() { '&' } else { '?' };
        let digest = encoded(&format!("sha256:{}", Sha256::of(blob)));
        let call = Call {
            what: begin.what,
            method: Method::PUT,
            path: format!("{path}{joint}digest={digest}"),
            headers: vec![("content-type", "application/octet-stream".into())],
            body: Some(blob),
            limit: MAX_ANSWER_BYTES,
        };
        let answer = self.ok(&call, 201)?;
        self.says(&call.what, &answer, blob)
    }

    fn put_manifest(&mut self, manifest: &[u8], sha256: Sha256) -> Result<(), RegistryError> {
        let version = self.reference.tag().map_or_else(|| format!("sha256:{sha256}"), str::to_owned);
        let call = Call {
            what: format!("{}: the upload of the manifest", self.reference),
            method: Method::PUT,
            path: format!("/v2/{}/manifests/{version}", self.reference.repository()),
            headers: vec![("content-type", MANIFEST_MEDIA_TYPE.into())],
            body: Some(manifest),
            limit: MAX_ANSWER_BYTES,
        };
        let answer = self.ok(&call, 201)?;
        self.says(&call.what, &answer, manifest)
    }

    /// What the registry says that the digest of some bytes is, where it says so.
    fn says(&self, what: &str, answer: &Answer, bytes: &[u8]) -> Result<(), RegistryError> {
        let Some(said) = answer.headers.get(DIGEST_HEADER).and_then(|value| value.to_str().ok()) else { return Ok(()) };
        // Another algorithm than ours is not compared.
        let Some(hex) = said.strip_prefix("sha256:") else { return Ok(()) };
        match Sha256::from_hex(hex) {
            Some(expected) => same(|| what.to_owned(), expected, bytes),
            None => Err(RegistryError::Protocol {
                what: what.into(),
                host: answer.host.clone(),
                detail: "the digest that it names is none".into(),
            }),
        }
    }

    fn ok(&mut self, call: &Call<'_>, status: u16) -> Result<Answer, RegistryError> {
        let answer = self.call(call)?;
        if answer.status == status { Ok(answer) } else { Err(answer.unexpected(&call.what)) }
    }

    /// Sends a request, and once more with what the registry asks for.
    fn call(&mut self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let mut answer = self.transport.send(self.ask(call)?)?;
        let asked = self.authorization.as_ref().map(|_| "asked as for what came before".to_owned());
        let mut credentials = asked.unwrap_or_else(|| Credentials::Anonymous.describe());
        if answer.status == 401 && (self.authorization.is_none() || self.taken) {
            self.taken = false;
            let found = self.client.keychain.find(self.reference)?;
            credentials = found.describe();
            self.authorization = self.authorize(&call.what, &answer, &found)?;
            if self.authorization.is_some() {
                answer = self.transport.send(self.ask(call)?)?;
            }
        }
        match answer.status {
            401 | 403 => {
                let (what, host) = (call.what.clone(), answer.host);
                Err(RegistryError::Denied { what, host, credentials })
            }
            _ => {
                self.taken = self.authorization.is_some();
                Ok(answer)
            }
        }
    }

    fn ask<'c>(&'c self, call: &'c Call<'_>) -> Result<Ask<'c>, RegistryError> {
        let uri = self.origin.url(&call.path).ok_or_else(|| RegistryError::Protocol {
            what: call.what.clone(),
            host: self.origin.to_string(),
            detail: "the place that it names is no URL".into(),
        })?;
        Ok(Ask {
            what: &call.what,
            uri,
            headers: call.headers.clone(),
            body: call.body,
            authorization: self.authorization.as_deref(),
            limit: call.limit,
            follow: call.method == Method::GET || call.method == Method::HEAD,
            method: call.method.clone(),
        })
    }

    /// The header that answers a challenge; `None` where there is nothing to answer it with.
    fn authorize(
        &self,
        what: &str,
        answer: &Answer,
        credentials: &Credentials,
    ) -> Result<Option<String>, RegistryError> {
        // Another host's challenge, after a redirect, is not the registry's.
        if answer.host != self.origin.to_string() {
            return Ok(None);
        }
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match (challenge::choose(headers), credentials) {
            (Some(Challenge::Basic), Credentials::Password { username, password, .. }) => {
                secret_may_go_to(&self.origin)?;
                Ok(Some(basic_authorization(username, password)))
            }
            (Some(Challenge::Basic), _) => Ok(None),
            (Some(Challenge::Bearer { realm, service }), _) => {
                let realm = realm::check(&realm, &self.origin, &self.client.options.allowed_realms)?;
                let scope = format!("repository:{}:{}", self.reference.repository(), self.actions);
                let token = fetch(&self.transport, &realm, service.as_deref(), &scope, credentials)?;
                secret_may_go_to_registry(&self.origin, credentials)?;
                Ok(Some(format!("Bearer {token}")))
            }
            (None, _) => Err(RegistryError::Protocol {
                what: what.into(),
                host: answer.host.clone(),
                detail: "it asks for credentials in no way that is known here".into(),
            }),
        }
    }
}

/// A token that stands for a user is as secret as the user's password for as long as it holds.
fn secret_may_go_to_registry(origin: &Origin, credentials: &Credentials) -> Result<(), RegistryError> {
    if matches!(credentials, Credentials::Anonymous) { Ok(()) } else { secret_may_go_to(origin) }
}

impl Answer {
    fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
    }
}

const DIGEST_HEADER: &str = "docker-content-digest";
/// Most bytes of an answer that holds nothing.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(reference: &str, options: ClientOptions) -> String {
        let client = Client::new(options, Keychain::anonymous()).unwrap();
        let origin = client.session(&reference.parse().unwrap(), "pull").unwrap().origin;
        origin.url("/v2/").unwrap().to_string()
    }

    #[test]
    fn https_is_spoken_but_to_this_machine_or_where_the_user_says_otherwise() {
        let plain = || ClientOptions { plain_http: true, ..ClientOptions::default() };
        let https = || ClientOptions { https: true, ..ClientOptions::default() };
        for (reference, options, expected) in [
            ("r.example/x:1", ClientOptions::default(), "https://r.example:443/v2/"),
            ("r.example:5000/x:1", ClientOptions::default(), "https://r.example:5000/v2/"),
            ("10.0.0.1/x:1", ClientOptions::default(), "https://10.0.0.1:443/v2/"),
            ("docker.io/acme/x:1", ClientOptions::default(), "https://registry-1.docker.io:443/v2/"),
            ("localhost:5000/x:1", ClientOptions::default(), "http://localhost:5000/v2/"),
            ("[::1]:5000/x:1", ClientOptions::default(), "http://[::1]:5000/v2/"),
            ("localhost/x:1", https(), "https://localhost:443/v2/"),
            ("r.example/x:1", plain(), "http://r.example:80/v2/"),
            ("r.example/x:1", https(), "https://r.example:443/v2/"),
        ] {
            assert_eq!(origin(reference, options), expected, "{reference}");
        }
    }

    #[test]
    fn certificates_that_are_none_are_said() {
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let options = ClientOptions { roots_pem: Some(pem.into()), ..ClientOptions::default() };
            assert!(matches!(Client::new(options, Keychain::anonymous()), Err(RegistryError::Option(_))), "{pem:?}");
        }
    }
}
