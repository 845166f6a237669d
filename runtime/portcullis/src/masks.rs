//! Putting tokens in the place of what masks name.

use portcullis_gate::{Mask, Request, RequestError, masked};
use portcullis_ledger::keyed_digest;
use uuid::Uuid;

use crate::Sha256;

/// What every token begins with.
const TOKEN: &str = "masked:hmac-sha256:";

/// The request as the masks leave it.
///
/// # Errors
/// With the masks applied, it is no request.
pub(crate) fn mask(request: Request, masks: &[Mask], key: &Sha256) -> Result<Request, RequestError> {
    replace(request, masks, &mut |value| token(key, value))
}

/// A recorded request as other masks leave it. What is masked already stays as it is; what is masked anew gets tokens of
/// this process, because the key of the ledger's is not at hand where it is only read: equal to each other where the values
/// are, and to no token of the ledger.
///
/// # Errors
/// As for [`mask`].
pub(crate) fn mask_again(request: Request, masks: &[Mask], key: &Sha256) -> Result<Request, RequestError> {
    replace(request, masks, &mut |value| match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if text.starts_with(TOKEN) => text.to_owned(),
        _ => token(key, value),
    })
}

/// A key of this process, where there is no ledger's: tokens are equal within a run.
pub(crate) fn key_of_this_run() -> Sha256 {
    Sha256::of(Uuid::new_v4().as_bytes())
}

fn token(key: &Sha256, value: &str) -> String {
    format!("{TOKEN}{}", keyed_digest(key.as_bytes(), value.as_bytes()))
}

fn replace(request: Request, masks: &[Mask], token: &mut dyn FnMut(&str) -> String) -> Result<Request, RequestError> {
    if masks.is_empty() {
        return Ok(request);
    }
    match masked(request.document(), masks, token) {
        None => Ok(request),
        Some(text) => Request::parse(text.as_bytes(), request.now()),
    }
}
