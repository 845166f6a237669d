//! Which token servers a registry may send to.

use ureq::http::Uri;

use crate::error::RegistryError;
use crate::http::{Origin, shown};

/// Token servers of registries that everybody knows, where the host's name alone does not tell that they belong together.
const KNOWN: [(&str, &str); 3] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("public.ecr.aws", "public.ecr.aws"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// The token server's place, where it may see this registry's credentials: the registry's own host, one under the same
/// registrable domain, a known one, or one that the user allows; over https, or over http on the registry's own host where
/// the registry itself is spoken to so.
///
/// # Errors
/// [`RegistryError::Realm`].
pub(crate) fn check(realm: &str, registry: &Origin, allowed: &[String]) -> Result<Uri, RegistryError> {
    let refuse = |reason, allow| RegistryError::Realm {
        registry: registry.to_string(),
        realm: format!("{:?}", shown(realm)),
        reason,
        allow,
    };
    let uri: Uri = realm.parse().map_err(|_| refuse("is no URL", None))?;
    let origin = Origin::of(&uri).ok_or_else(|| refuse("is no URL of a host over http or https", None))?;
    let same_host = origin.host == registry.host;
    let as_the_registry = same_host && !registry.https;
    if !(origin.https || as_the_registry) {
        return Err(refuse("is not https", None));
    }
    let known = KNOWN.contains(&(registry.host.as_str(), origin.host.as_str()));
    if same_host || known || allowed.contains(&origin.host) || same_owner(&registry.host, &origin.host) {
        return Ok(uri);
    }
    Err(refuse("is another host's", Some(origin.host)))
}

/// Whether two hosts are under one domain that was registered, by the [public suffix list](https://publicsuffix.org).
/// Addresses have no owner.
fn same_owner(one: &str, other: &str) -> bool {
    let domain = |host: &str| {
        let numeric =
            host.starts_with('[') || host.rsplit('.').next().is_some_and(|label| label.parse::<u32>().is_ok());
        // A suffix that the list does not know may be anything.
        let known = psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known());
        (!numeric && known).then(|| psl::domain_str(host).map(str::to_owned)).flatten()
    };
    domain(one).is_some_and(|owner| Some(owner) == domain(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn token_servers_of_the_same_owner_are_allowed() {
        let allowed = ["tokens.partner.example".to_owned()];
        for (origin, realm) in [
            ("https://ghcr.io", "https://ghcr.io/token"),
            ("https://registry-1.docker.io", "https://auth.docker.io/token"),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("https://registry.acme.com", "https://login.acme.com:8443/jwt/auth"),
            ("https://registry.acme.co.uk", "https://gitlab.acme.co.uk/token"),
            ("https://registry.acme.com", "https://tokens.partner.example/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("http://127.0.0.1:5000", "https://127.0.0.1:5001/token"),
        ] {
            let checked = check(realm, &registry(origin), &allowed);
            assert_eq!(checked.unwrap_or_else(|error| panic!("{error}")).to_string(), realm);
        }
    }

    #[test]
    fn every_other_is_refused_with_its_reason() {
        for (origin, realm, reason) in [
            ("https://registry.acme.com", "https://evil.example/token", "is another host's"),
            ("https://registry.acme.com", "https://acme.com.evil.example/token", "is another host's"),
            ("https://registry.acme.com", "https://169.254.169.254/token", "is another host's"),
            ("https://registry.acme.com", "http://169.254.169.254/latest/meta-data", "is not https"),
            ("https://registry.acme.com", "http://registry.acme.com/token", "is not https"),
            ("https://registry.acme.com", "https://registry.acme.com@evil.example/token", "is no URL of a host"),
            // Neighbours under a public suffix have different owners.
            ("https://one.github.io", "https://other.github.io/token", "is another host's"),
            ("https://acme.co.uk", "https://evil.co.uk/token", "is another host's"),
            ("https://registry.corp", "https://evil.corp/token", "is another host's"),
            ("https://a.registry.corp", "https://b.registry.corp/token", "is another host's"),
            ("https://10.0.0.1", "https://11.0.0.1/token", "is another host's"),
            ("https://[2001:db8::1]", "https://[2001:db8::2]/token", "is another host's"),
            ("http://127.0.0.1:5000", "http://localhost:5001/token", "is not https"),
            ("http://127.0.0.1:5000", "ftp://127.0.0.1/token", "is no URL of a host"),
            ("https://ghcr.io", "/token", "is no URL of a host"),
            ("https://ghcr.io", "", "is no URL"),
            ("https://ghcr.io", "https://ghcr.io/to ken", "is no URL"),
            ("https://quay.io", "https://auth.docker.io/token", "is another host's"),
        ] {
            let error = check(realm, &registry(origin), &[]).unwrap_err();
            assert!(
                matches!(&error, RegistryError::Realm { reason: found, .. } if found.starts_with(reason)),
                "{realm}: {error}"
            );
        }
    }

    #[test]
    fn the_error_says_how_to_allow_it() {
        let error = check("https://evil.example/\u{1b}[2J", &registry("https://ghcr.io"), &[]).unwrap_err().to_string();
        assert!(error.contains("is no URL") && !error.contains('\u{1b}'), "{error}");
        let error = check("https://evil.example/t", &registry("https://ghcr.io"), &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "ghcr.io sends for tokens to \"https://evil.example/t\", which is another host's; nothing was sent there; if \
             that is meant, say --allow-realm evil.example"
        );
    }
}
