//! Tokens of a registry's token server:
//! [Docker's token authentication](https://distribution.github.io/distribution/spec/auth/token/) and its OAuth 2 variant.

use serde::Deserialize;
use ureq::http::{Method, Uri};

use crate::MAX_TOKEN_ANSWER_BYTES;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::http::{Ask, Origin, Transport};

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// A token from a place that was checked. The scope is ours, not the one that the registry asks for.
pub(crate) fn fetch(
    transport: &Transport,
    realm: &Uri,
    service: Option<&str>,
    scope: &str,
    credentials: &Credentials,
) -> Result<String, RegistryError> {
    const WHAT: &str = "a token";
    let service = service.map(|service| format!("service={}&", encoded(service))).unwrap_or_default();
    let query = format!("{service}scope={}", encoded(scope));
    let with_query = || {
        let joint = if realm.query().is_some() { '&' } else { '?' };
        format!("{realm}{joint}{query}").parse::<Uri>()
    };
    let protocol = |detail: &str| RegistryError::Protocol {
        what: WHAT.into(),
        host: realm.host().unwrap_or("").into(),
        detail: detail.into(),
    };
    let mut ask = Ask {
        what: WHAT,
        method: Method::GET,
        uri: with_query().map_err(|_| protocol("its URL is too long"))?,
        headers: vec![("accept", "application/json".into())],
        body: None,
        authorization: None,
        limit: MAX_TOKEN_ANSWER_BYTES,
        // Where it redirects to was not checked.
        follow: false,
    };
    let (basic, form);
    match credentials {
        Credentials::Anonymous => {}
        Credentials::Password { username, password, .. } => {
            basic = basic_authorization(username, password);
            ask.authorization = Some(&basic);
        }
        Credentials::IdentityToken { token, .. } => {
            form = format!("grant_type=refresh_token&client_id=portcullis&{query}&refresh_token={}", encoded(token));
            ask.uri = realm.clone();
            ask.method = Method::POST;
            ask.headers.push(("content-type", "application/x-www-form-urlencoded".into()));
            ask.body = Some(form.as_bytes());
        }
    }
    if !matches!(credentials, Credentials::Anonymous) {
        let origin = Origin::of(realm).ok_or_else(|| protocol("its URL names no host"))?;
        secret_may_go_to(&origin)?;
    }
    let answer = transport.send(ask)?;
    match answer.status {
        200 => {}
        401 | 403 => {
            let (host, credentials) = (answer.host, credentials.describe());
            return Err(RegistryError::Denied { what: WHAT.into(), host, credentials });
        }
        _ => return Err(answer.unexpected(WHAT)),
    }
    let said: Said = serde_json::from_slice(&answer.body).map_err(|_| protocol("the answer holds no token"))?;
    let token = if said.token.is_empty() { said.access_token } else { said.token };
    // It goes into a header.
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(protocol("the answer holds no token"));
    }
    Ok(token)
}

/// The header of a user's name and password.
pub(crate) fn basic_authorization(username: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
}

/// Over https, or on this machine.
pub(crate) fn secret_may_go_to(origin: &Origin) -> Result<(), RegistryError> {
    if origin.https || portcullis_gate::is_loopback(&origin.host) {
        return Ok(());
    }
    Err(RegistryError::InClear { host: origin.to_string() })
}

/// Percent-encoded, all but the unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_stay_on_this_machine() {
        let to = |url: &str| secret_may_go_to(&Origin::of(&url.parse().unwrap()).unwrap()).is_ok();
        assert!(to("https://r.example") && to("http://127.0.0.1:5000") && to("http://[::1]") && to("http://localhost"));
        assert!(!to("http://r.example") && !to("http://10.0.0.1"));
    }

    #[test]
    fn what_goes_into_a_query_stays_in_its_place() {
        assert_eq!(encoded("repository:a/b:pull&x=1 é"), "repository%3Aa%2Fb%3Apull%26x%3D1%20%C3%A9");
        assert_eq!(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
