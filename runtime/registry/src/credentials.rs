//! Credentials for a registry, from where other tools keep them too.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use portcullis_gate::OciReference;
use serde::Deserialize;

use crate::error::CredentialError;
use crate::helper;

/// The user's name at a registry.
pub const USERNAME_VARIABLE: &str = "PORTCULLIS_REGISTRY_USERNAME";
/// The password to it.
pub const PASSWORD_VARIABLE: &str = "PORTCULLIS_REGISTRY_PASSWORD";
/// The registry that they are for, as in `registry.example.com:5000`.
pub const REGISTRY_VARIABLE: &str = "PORTCULLIS_REGISTRY";

/// Who asks a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user.
    Password {
        /// The name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
        /// Where they come from, for messages.
        source: String,
    },
    /// A refresh token for the registry's token server.
    IdentityToken {
        /// The token.
        token: String,
        /// Where it comes from, for messages.
        source: String,
    },
}

/// Where credentials are looked for, and in which order: the variables, then files in the formats of
/// [containers-auth.json](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md) and of Docker.
#[derive(Clone, Default)]
pub struct Keychain {
    variables: Option<Variables>,
    files: Vec<PathBuf>,
}

#[derive(Clone)]
struct Variables {
    username: String,
    password: String,
    /// For which registry; `None` for whichever the user names on the command line.
    registry: Option<String>,
}

impl Keychain {
    /// No credentials for any registry.
    #[must_use]
    pub fn anonymous() -> Keychain {
        Keychain::default()
    }

    /// What the environment says, by `variable`.
    ///
    /// `named` says whether the user names the registry in this very command. Where a policy set names it instead, whoever
    /// changes the set would choose who sees the password: there the variables count only for the registry in
    /// [`REGISTRY_VARIABLE`].
    ///
    /// # Errors
    /// [`CredentialError::HalfSet`].
    pub fn from_environment(
        named: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Keychain, CredentialError> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let variables = match (get(USERNAME_VARIABLE), get(PASSWORD_VARIABLE), get(REGISTRY_VARIABLE)) {
            (None, None, _) => None,
            (Some(_), Some(_), None) if !named => None,
            (Some(username), Some(password), registry) => Some(Variables { username, password, registry }),
            _ => return Err(CredentialError::HalfSet),
        };
        let home = get("HOME").map(PathBuf::from);
        let under = |base: Option<PathBuf>, rest: &str| base.map(|base| base.join(rest));
        let config = get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| under(home.clone(), ".config"));
        let docker = get("DOCKER_CONFIG").map(PathBuf::from).or_else(|| under(home, ".docker"));
        let files = [
            get("REGISTRY_AUTH_FILE").map(PathBuf::from),
            under(get("XDG_RUNTIME_DIR").map(PathBuf::from), "containers/auth.json"),
            under(config, "containers/auth.json"),
            under(docker, "config.json"),
        ];
        Ok(Keychain { variables, files: files.into_iter().flatten().collect() })
    }

    /// The credentials for an artifact's registry; the first place that has some.
    ///
    /// # Errors
    /// [`CredentialError`]: a file is wrong, or a helper that it names does not work.
    pub fn find(&self, reference: &OciReference) -> Result<Credentials, CredentialError> {
        if let Some(Variables { username, password, registry }) = &self.variables
            && registry.as_ref().is_none_or(|registry| *registry == reference.registry())
        {
            let (username, password) = (username.clone(), password.clone());
            return Ok(Credentials::Password { username, password, source: USERNAME_VARIABLE.into() });
        }
        for path in &self.files {
            if let Some(found) = in_file(path, reference)? {
                return Ok(found);
            }
        }
        Ok(Credentials::Anonymous)
    }
}

/// Never a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Credentials {
    /// In words, without what is secret.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Credentials::Anonymous => "asked without credentials".into(),
            Credentials::Password { source, .. } => format!("asked with the password from {source}"),
            Credentials::IdentityToken { source, .. } => format!("asked with the identity token from {source}"),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

fn in_file(path: &Path, reference: &OciReference) -> Result<Option<Credentials>, CredentialError> {
    let malformed = |detail| CredentialError::Malformed { path: path.into(), detail };
    let mut bytes = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => {
            let read = file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes);
            read.map_err(|source| CredentialError::Unreadable { path: path.into(), source })?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CredentialError::Unreadable { path: path.into(), source }),
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(malformed("larger than 1 MiB"));
    }
    // An array would do for a structure too.
    let object = bytes.trim_ascii_start().starts_with(b"{").then_some(&bytes);
    let file: Option<File> = object.and_then(|bytes| serde_json::from_slice(bytes).ok());
    let file = file.ok_or_else(|| malformed("not a file of registry credentials"))?;
    let names = names(reference);
    let source = path.display().to_string();
    for name in &names {
        let helper = file.cred_helpers.iter().find(|(key, _)| normal(key) == name);
        if let Some((key, helper)) = helper
            && let Some(found) = helper::get(path, helper, key)?
        {
            return Ok(Some(found));
        }
        let Some((key, entry)) = file.auths.iter().find(|(key, _)| normal(key) == name) else { continue };
        if let Some(found) =
            entry.credentials(&source).ok_or_else(|| malformed("an entry is not base64 of NAME:PASSWORD"))?
        {
            return Ok(Some(found));
        }
        // Docker leaves an empty entry where its store has the secret.
        if !file.creds_store.is_empty()
            && let Some(found) = helper::get(path, &file.creds_store, key)?
        {
            return Ok(Some(found));
        }
    }
    if !file.creds_store.is_empty() {
        return helper::get(path, &file.creds_store, &server(reference));
    }
    Ok(None)
}

impl Entry {
    /// `None` where it is malformed, `Some(None)` where it is empty.
    fn credentials(&self, source: &str) -> Option<Option<Credentials>> {
        let source = source.to_owned();
        if !self.identitytoken.is_empty() {
            return Some(Some(Credentials::IdentityToken { token: self.identitytoken.clone(), source }));
        }
        if !self.auth.is_empty() {
            let text = String::from_utf8(BASE64.decode(self.auth.trim()).ok()?).ok()?;
            let (username, password) = text.split_once(':')?;
            // Docker pads with zeros.
            let (username, password) = (username.to_owned(), password.trim_end_matches('\0').to_owned());
            return Some(Some(Credentials::Password { username, password, source }));
        }
        if self.username.is_empty() && self.password.is_empty() {
            return Some(None);
        }
        let (username, password) = (self.username.clone(), self.password.clone());
        Some(Some(Credentials::Password { username, password, source }))
    }
}

/// What an entry for the reference may be called: the repository, then what is above it, then the registry.
fn names(reference: &OciReference) -> Vec<String> {
    let registry = server_name(reference);
    let mut names = Vec::new();
    let mut path = reference.repository();
    while !path.is_empty() {
        names.push(format!("{registry}/{path}"));
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
    names.push(registry);
    names
}

fn server_name(reference: &OciReference) -> String {
    if reference.host() == "docker.io" { "index.docker.io".into() } else { reference.registry() }
}

/// What a credential store calls the registry.
fn server(reference: &OciReference) -> String {
    match server_name(reference).as_str() {
        "index.docker.io" => "https://index.docker.io/v1/".into(),
        name => name.to_owned(),
    }
}

/// An entry's name without scheme and version.
fn normal(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    if key == "docker.io" { "index.docker.io" } else { key }
}

/// Largest file of credentials, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> OciReference {
        text.parse().unwrap()
    }

    fn find(file: &str, of: &str) -> Result<Credentials, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, file).unwrap();
        Keychain { variables: None, files: vec![folder.path().join("none"), path] }.find(&reference(of))
    }

    fn user(found: &Credentials) -> (&str, &str) {
        match found {
            Credentials::Password { username, password, .. } => (username, password),
            Credentials::Anonymous => ("", ""),
            Credentials::IdentityToken { token, .. } => ("token", token),
        }
    }

    #[test]
    fn entries_are_found_by_registry_and_by_what_is_under_it() {
        // "a:b", "deep:er:", "hub:x"
        let file = r#"{"auths": {
            "r.example:5000": {"auth": "YTpi"},
            "r.example:5000/team": {"auth": "ZGVlcDplcjo="},
            "https://index.docker.io/v1/": {"auth": "aHViOng"},
            "https://plain.example": {"username": "u", "password": "p"},
            "id.example": {"auth": "YTpi", "identitytoken": "refresh"}
        }}"#;
        for (of, expected) in [
            ("r.example:5000/x:1", ("a", "b")),
            ("r.example:5000/team/x:1", ("deep", "er:")),
            ("r.example:5000/teams/x:1", ("a", "b")),
            ("docker.io/acme/x:1", ("hub", "x")),
            ("plain.example/x:1", ("u", "p")),
            ("id.example/x:1", ("token", "refresh")),
            ("r.example/x:1", ("", "")),
            ("evil.example/x:1", ("", "")),
        ] {
            assert_eq!(user(&find(file, of).unwrap()), expected, "{of}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_nobody() {
        for file in [
            "",
            "[]",
            r#"{"auths": {"r.example": {"auth": "not base64!"}}}"#,
            r#"{"auths": {"r.example": {"auth": "YWI="}}}"#,
        ] {
            let error = find(file, "r.example/x:1").unwrap_err();
            assert!(matches!(error, CredentialError::Malformed { .. }), "{file}: {error}");
            assert!(!error.to_string().contains("YWI"), "{error}");
        }
        let directory = tempfile::tempdir().unwrap();
        let keychain = Keychain { variables: None, files: vec![directory.path().into()] };
        assert!(matches!(keychain.find(&reference("r.example/x:1")), Err(CredentialError::Unreadable { .. })));
    }

    #[test]
    fn variables_count_where_the_user_names_the_registry() {
        let environment = |named, registry: Option<&str>| {
            let variable = |name: &str| match name {
                USERNAME_VARIABLE => Some("u".to_owned()),
                PASSWORD_VARIABLE => Some("secret".to_owned()),
                REGISTRY_VARIABLE => registry.map(str::to_owned),
                _ => None,
            };
            Keychain::from_environment(named, variable).unwrap()
        };
        let found = |keychain: &Keychain, of: &str| user(&keychain.find(&reference(of)).unwrap()) == ("u", "secret");
        assert!(found(&environment(true, None), "r.example/x:1"));
        assert!(!found(&environment(false, None), "r.example/x:1"), "a set could name any registry");
        for named in [true, false] {
            let keychain = environment(named, Some("r.example:5000"));
            assert!(found(&keychain, "r.example:5000/x:1"));
            assert!(!found(&keychain, "r.example/x:1") && !found(&keychain, "evil.example:5000/x:1"));
        }
        let half = Keychain::from_environment(true, |name| (name == USERNAME_VARIABLE).then(|| "u".into()));
        assert!(matches!(half, Err(CredentialError::HalfSet)));
    }

    #[test]
    fn files_are_looked_for_where_other_tools_keep_them() {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/u".to_owned()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1".to_owned()),
            "REGISTRY_AUTH_FILE" => Some("/auth.json".to_owned()),
            _ => None,
        };
        let files = Keychain::from_environment(true, variable).unwrap().files;
        let expected = [
            "/auth.json",
            "/run/user/1/containers/auth.json",
            "/home/u/.config/containers/auth.json",
            "/home/u/.docker/config.json",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    #[test]
    fn no_secret_is_shown() {
        let source = "a file".to_owned();
        let token = Credentials::IdentityToken { token: "secret".into(), source: source.clone() };
        let password = Credentials::Password { username: "u".into(), password: "secret".into(), source };
        for shown in [format!("{token:?}"), format!("{password:?}")] {
            assert!(!shown.contains("secret") && shown.contains("a file"), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(file in "[\\[\\]{}\":,a-z0-9 ]{0,60}") {
            _ = find(&file, "r.example/x:1");
        }
    }
}
