//! The native request: nothing to turn; but for masked credentials, its bytes are what is decided and recorded.

use portcullis_gate::Document;

use super::{DoorError, DoorOptions, Kind, Opened, sensitive, write};

pub(super) fn open(document: &Document, options: &DoorOptions) -> Result<Opened, DoorError> {
    write::refuse(
        Kind::Native,
        &[
            ("subject", options.subject.is_some()),
            ("environment", options.environment.is_some()),
            ("resource", options.resource_id.is_some()),
            ("context", !options.context.is_empty()),
        ],
    )?;
    let masks = sensitive::of_request(Kind::Native)?;
    Ok(Opened { kind: Kind::Native, request: document.text().as_bytes().to_vec(), uid: None, masks })
}
