//! Reading the members of a payload: each mismatch names the place and what belongs there.

use portcullis_gate::{Document, Pointer, RequestError, Value};

use super::{DoorError, Kind};

/// Parses a payload strictly.
pub(super) fn parse(payload: &[u8]) -> Result<Document, DoorError> {
    let marked = payload.starts_with(b"\xef\xbb\xbf") || payload.starts_with(b"\xff\xfe");
    if marked {
        return Err(RequestError {
            code: "request.syntax",
            message: "starts with a byte order mark: save the file as UTF-8 without one".into(),
        }
        .into());
    }
    Document::parse(payload).map_err(|error| RequestError::from(error).into())
}

/// A payload of one kind. `null` reads as absent.
pub(super) struct Payload<'d> {
    kind: Kind,
    document: &'d Document,
}

impl<'d> Payload<'d> {
    pub(super) fn new(kind: Kind, document: &'d Document) -> Result<Payload<'d>, DoorError> {
        let payload = Payload { kind, document };
        match document.is_object(&payload.pointer("")?) {
            Some(true) => Ok(payload),
            _ => Err(payload.wrong("the payload is not a JSON object")),
        }
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> DoorError {
        DoorError::Shape { kind: self.kind, message: message.into() }
    }

    /// The string at `at`, not empty where it is there.
    pub(super) fn text(&self, at: &str) -> Result<Option<&'d str>, DoorError> {
        match self.possibly_empty_text(at)? {
            Some("") => Err(self.wrong(format!("{at} is an empty string; leave it out or fill it in"))),
            other => Ok(other),
        }
    }

    pub(super) fn possibly_empty_text(&self, at: &str) -> Result<Option<&'d str>, DoorError> {
        match self.document.get(&self.pointer(at)?) {
            Value::Missing | Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(self.wrong(format!("{at} is {}; it should be a string", describe(&other)))),
        }
    }

    pub(super) fn required_text(&self, at: &str) -> Result<&'d str, DoorError> {
        self.text(at)?.ok_or_else(|| self.wrong(format!("{at} is missing; it should be a string")))
    }

    pub(super) fn boolean(&self, at: &str) -> Result<Option<bool>, DoorError> {
        match self.document.get(&self.pointer(at)?) {
            Value::Missing | Value::Null => Ok(None),
            Value::Boolean(value) => Ok(Some(value)),
            other => Err(self.wrong(format!("{at} is {}; it should be true or false", describe(&other)))),
        }
    }

    /// The list of strings at `at`.
    pub(super) fn texts(&self, at: &str) -> Result<Option<Vec<String>>, DoorError> {
        let value = self.document.get(&self.pointer(at)?);
        let wrong =
            |value: &Value<'_>| self.wrong(format!("{at} is {}; it should be a list of strings", describe(value)));
        match &value {
            Value::Missing | Value::Null => Ok(None),
            Value::Json(json) if json.starts_with('[') => {
                let items: Vec<serde_json::Value> = serde_json::from_str(json).map_err(|_| wrong(&value))?;
                let texts = items.into_iter().enumerate().map(|(n, item)| match item {
                    serde_json::Value::String(text) => Ok(text),
                    _ => Err(self.wrong(format!("{at}/{n} is not a string"))),
                });
                texts.collect::<Result<Vec<_>, _>>().map(Some)
            }
            other => Err(wrong(other)),
        }
    }

    /// Whether there is an object at `at`; anything else there is refused.
    pub(super) fn has_object(&self, at: &str) -> Result<bool, DoorError> {
        match self.document.is_object(&self.pointer(at)?) {
            Some(true) => Ok(true),
            _ => Ok(self.object(at)?.is_some()),
        }
    }

    /// The JSON text of the object at `at`.
    pub(super) fn object(&self, at: &str) -> Result<Option<std::sync::Arc<str>>, DoorError> {
        match self.document.get(&self.pointer(at)?) {
            Value::Missing | Value::Null => Ok(None),
            Value::Json(json) if json.starts_with('{') => Ok(Some(json)),
            other => Err(self.wrong(format!("{at} is {}; it should be an object", describe(&other)))),
        }
    }

    /// Whether there is a list at `at`; anything else there is refused.
    pub(super) fn has_list(&self, at: &str) -> Result<bool, DoorError> {
        let pointer = self.pointer(at)?;
        if self.document.scalar(&pointer).is_none() && self.document.is_object(&pointer) == Some(false) {
            return Ok(true);
        }
        match self.document.get(&pointer) {
            Value::Missing | Value::Null => Ok(false),
            other => Err(self.wrong(format!("{at} is {}; it should be a list", describe(&other)))),
        }
    }

    fn pointer(&self, at: &str) -> Result<Pointer, DoorError> {
        Pointer::new(at).map_err(|problem| self.wrong(format!("{at}: {problem}")))
    }
}

fn describe(value: &Value<'_>) -> &'static str {
    match value {
        Value::Missing => "missing",
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) | Value::Number(_) => "a number",
        Value::Text(_) => "a string",
        Value::Json(json) if json.starts_with('[') => "a list",
        Value::Json(_) => "an object",
    }
}
