//! What a door masks of its payload: strings that the payload's own format says are secrets, and in requests without such a
//! format those whose names say it, in whatever case.
//!
//! Marks inside a payload (`after_sensitive` in a Terraform plan) are not followed: whoever writes the payload writes them,
//! and could hide from the policies what these are to judge. What else is secret is for the set's `mask`.

use portcullis_gate::Mask;

use super::{DoorError, Kind};

/// Attributes of Terraform providers that hold credentials. No policy judges a change by their values.
const CREDENTIALS: [&str; 24] = [
    "access_key",
    "admin_password",
    "administrator_login_password",
    "administrator_password",
    "api_key",
    "auth_token",
    "client_secret",
    "connection_string",
    "initial_password",
    "master_password",
    "password",
    "password_wo",
    "plaintext",
    "primary_access_key",
    "primary_connection_string",
    "private_key",
    "private_key_pem",
    "root_password",
    "secret",
    "secret_key",
    "secret_string",
    "secret_string_wo",
    "sensitive_content",
    "token",
];

/// What else holds credentials in requests that people and pipelines write, beside [`CREDENTIALS`].
const IN_REQUESTS: [&str; 18] = [
    "access_token",
    "api-key",
    "api_token",
    "apikey",
    "authorization",
    "bearer_token",
    "client-secret",
    "cookie",
    "id_token",
    "passphrase",
    "passwd",
    "private-key",
    "proxy-authorization",
    "refresh_token",
    "secret_access_key",
    "session_token",
    "set-cookie",
    "x-api-key",
];

/// The masks of a request that is written for policies, a native one or a Stage0 check: anywhere in it.
pub(super) fn of_request(kind: Kind) -> Result<Vec<Mask>, DoorError> {
    let names = [CREDENTIALS.as_slice(), &IN_REQUESTS].concat();
    let mask = Mask::of_names("", &names, None);
    Ok(vec![mask.map_err(|problem| DoorError::Shape { kind, message: problem.into() })?])
}

/// The masks of a Terraform plan, which is at `/context/terraform`.
pub(super) fn of_plan() -> Result<Vec<Mask>, DoorError> {
    let all = [None, Some("constant_value"), Some("value")];
    all.into_iter().map(|inner| Mask::of_names("/context/terraform", &CREDENTIALS, inner).map_err(wrong)).collect()
}

/// The masks of an AdmissionReview about a Secret, which is at `/context/kubernetes`.
pub(super) fn of_secret() -> Result<Vec<Mask>, DoorError> {
    let members = ["object/data", "object/stringData", "oldObject/data", "oldObject/stringData"];
    let values = members.iter().map(|member| Mask::of_members(&format!("/context/kubernetes/{member}")));
    // `kubectl apply` keeps a copy of the whole object here.
    let copies = ["object", "oldObject"].into_iter().map(|object| {
        Mask::new(&format!(
            "/context/kubernetes/{object}/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
        ))
    });
    values.chain(copies).map(|mask| mask.map_err(wrong)).collect()
}

fn wrong(problem: &str) -> DoorError {
    DoorError::Shape { kind: Kind::Terraform, message: problem.into() }
}
