//! The one request: who (`subject`) wants to do what (`action`) to what (`resource`), in which `context`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;

use crate::digest::Sha256;
use crate::document::{Document, DocumentError, DocumentErrorKind, Pointer, Value};

/// A request, checked: `subject` and `resource` with `type` and `id`, `action` with `name`, optionally `context`.
///
/// Its digest is the sha256 of the bytes that were parsed, so that what is approved or replayed is what was sent.
///
/// Cheap to clone: clones share one parsed document.
#[derive(Clone, Debug)]
pub struct Request {
    shared: Arc<Parsed>,
}

#[derive(Debug)]
struct Parsed {
    document: Document,
    now: Timestamp,
    now_text: String,
    sha256: OnceLock<Sha256>,
    containers: Mutex<Containers>,
}

/// Why a request was refused. Nothing proceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RequestError {
    /// Stable: `request.syntax`, `request.duplicate-key`, `request.depth`, `request.number`, `request.size`,
    /// `request.shape`.
    pub code: &'static str,
    /// What, where and how to mend it.
    pub message: String,
}

impl Request {
    /// Parses and checks a request. `now` is the host's clock: policies read it as `/now`, waivers end by it.
    ///
    /// # Errors
    /// [`RequestError`]: what is wrong and where.
    pub fn parse(bytes: &[u8], now: Timestamp) -> Result<Request, RequestError> {
        // What policies see as `/now` is what waivers are compared with and what a replay is given.
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let document = Document::parse(bytes)?;
        check_shape(&document)?;
        let parsed = Parsed {
            document,
            now,
            now_text: format!("{now:.3}"),
            sha256: OnceLock::new(),
            containers: Mutex::default(),
        };
        Ok(Request { shared: Arc::new(parsed) })
    }

    /// The bytes that were parsed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.shared.document.text().as_bytes()
    }

    /// The request as it was parsed.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.shared.document
    }

    /// The host's clock when the request arrived.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.now
    }

    /// `now` as policies see it: RFC 3339, UTC, milliseconds.
    #[must_use]
    pub fn now_text(&self) -> &str {
        &self.shared.now_text
    }

    /// sha256 of [`Request::bytes`], computed at the first call.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        *self.shared.sha256.get_or_init(|| Sha256::of(self.bytes()))
    }

    /// The field at a pointer, as policies see it.
    #[must_use]
    pub fn get(&self, pointer: &Pointer) -> Value<'_> {
        self.scalar(pointer).unwrap_or_else(|| self.shared.document.get(pointer))
    }

    /// The field at a pointer, unless it is an object or an array.
    #[must_use]
    pub fn scalar(&self, pointer: &Pointer) -> Option<Value<'_>> {
        if let [only] = pointer.segments()
            && &**only == "now"
        {
            return Some(Value::Text(&self.shared.now_text));
        }
        self.shared.document.scalar(pointer)
    }

    /// The field at a pointer, as far as `allow` lets its text be written ([`Document::get_within`]); `None` where it
    /// says no. Objects and arrays are written once for all policies, as long as there is room to keep them.
    pub fn get_within(&self, pointer: &Pointer, allow: &mut dyn FnMut(usize) -> bool) -> Option<Value<'_>> {
        if let Some(scalar) = self.scalar(pointer) {
            return Some(scalar);
        }
        // Not locked while text is written: what one policy asks for is no other one's time.
        let kept = self.containers().texts.get(pointer.as_str()).cloned();
        if let Some(text) = kept {
            return allow(text.len()).then_some(Value::Json(text));
        }
        let value = self.shared.document.get_within(pointer, allow)?;
        if let Value::Json(text) = &value {
            let room = self.bytes().len().saturating_mul(2).max(CONTAINER_ROOM);
            self.containers().keep(pointer, text, room);
        }
        Some(value)
    }

    fn containers(&self) -> MutexGuard<'_, Containers> {
        self.shared.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text at a pointer, where there is one.
    #[must_use]
    pub fn text(&self, pointer: &Pointer) -> Option<&str> {
        match self.scalar(pointer) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Objects and arrays that policies asked for, and how many bytes they are.
#[derive(Debug, Default)]
struct Containers {
    texts: HashMap<Box<str>, Arc<str>>,
    bytes: usize,
}

impl Containers {
    /// Keeps a text where there is room: nested pointers would otherwise keep a document as often as it is deep.
    fn keep(&mut self, pointer: &Pointer, text: &Arc<str>, room: usize) {
        let bytes = self.bytes.saturating_add(text.len());
        if bytes <= room && self.texts.insert(pointer.as_str().into(), Arc::clone(text)).is_none() {
            self.bytes = bytes;
        }
    }
}

/// Bytes of objects and arrays that are kept of one request, at least; of a larger request, twice its own.
const CONTAINER_ROOM: usize = 64 * 1024;

/// The members that must be objects, with their members that must be non-empty strings.
const ENTITIES: [(&str, &[&str]); 3] = [
    ("/subject", &["/subject/type", "/subject/id"]),
    ("/action", &["/action/name"]),
    ("/resource", &["/resource/type", "/resource/id"]),
];
/// The members that must be objects where they are given.
const OPTIONAL: [&str; 4] = ["/subject/properties", "/action/properties", "/resource/properties", "/context"];

/// What every request is checked for, parsed once.
struct Shape {
    root: Pointer,
    entities: Vec<(Pointer, Vec<Pointer>)>,
    optional: Vec<Pointer>,
}

static SHAPE: LazyLock<Result<Shape, &'static str>> = LazyLock::new(|| {
    let all = |texts: &[&str]| texts.iter().map(|text| Pointer::new(text)).collect::<Result<Vec<_>, _>>();
    let entities = ENTITIES.iter().map(|(entity, members)| Ok((Pointer::new(entity)?, all(members)?)));
    Ok(Shape { root: Pointer::new("")?, entities: entities.collect::<Result<_, &str>>()?, optional: all(&OPTIONAL)? })
});

fn check_shape(document: &Document) -> Result<(), RequestError> {
    let shape = |message: String| RequestError { code: "request.shape", message };
    let Shape { root, entities, optional } = SHAPE.as_ref().map_err(|problem| shape((*problem).into()))?;
    if document.is_object(root) != Some(true) {
        return Err(shape("a request is a JSON object with subject, action, resource and context".into()));
    }
    for key in document.keys(root) {
        if !matches!(key, "subject" | "action" | "resource" | "context") {
            let key: String = key.chars().take(80).collect();
            return Err(shape(format!(
                "unknown member {key:?}: a request has subject, action, resource and context; put what else policies \
                 should see into context"
            )));
        }
    }
    for (entity, members) in entities {
        match document.is_object(entity) {
            Some(true) => {}
            Some(false) => return Err(shape(format!("{} is not an object", entity.as_str()))),
            None => return Err(shape(format!("{} is missing", entity.as_str()))),
        }
        for member in members {
            match document.get(member) {
                Value::Text(text) if !text.is_empty() => {}
                Value::Missing => return Err(shape(format!("{} is missing", member.as_str()))),
                _ => return Err(shape(format!("{} is not a non-empty string", member.as_str()))),
            }
        }
    }
    for optional in optional {
        if document.is_object(optional) == Some(false) {
            return Err(shape(format!("{} is not an object", optional.as_str())));
        }
    }
    Ok(())
}

impl From<DocumentError> for RequestError {
    fn from(error: DocumentError) -> Self {
        let code = match error.kind {
            DocumentErrorKind::Syntax => "request.syntax",
            DocumentErrorKind::DuplicateKey => "request.duplicate-key",
            DocumentErrorKind::Depth => "request.depth",
            DocumentErrorKind::Number => "request.number",
            DocumentErrorKind::Size => "request.size",
        };
        RequestError { code, message: error.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, RequestError> {
        Request::parse(text.as_bytes(), "2026-03-14T09:30:00Z".parse().expect("a time"))
    }

    const GOOD: &str = r#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},
        "resource":{"type":"service","id":"pay"},"context":{"list":[1,2],"now":"later"}}"#;

    #[test]
    fn reads_fields_and_the_hosts_clock() {
        let request = parse(GOOD).expect("valid");
        let get = |at: &str| request.get(&Pointer::new(at).expect("pointer"));
        assert_eq!(get("/now"), Value::Text("2026-03-14T09:30:00.000Z"));
        assert_eq!(get("/context/now"), Value::Text("later"));
        assert_eq!(get("/context/list"), Value::Json("[1,2]".into()));
        assert_eq!(request.sha256(), Sha256::of(GOOD.as_bytes()));
    }

    #[test]
    fn containers_are_written_once_and_kept_within_bounds() {
        let deep = format!("{}\"{}\"{}", "[".repeat(40), "x".repeat(100_000), "]".repeat(40));
        let request = parse(&GOOD.replace("[1,2]", &deep)).expect("valid");
        let mut total = 0;
        for depth in 0..40 {
            let pointer = Pointer::new(&format!("/context/list{}", "/0".repeat(depth))).expect("a pointer");
            let read = |allow: &mut dyn FnMut(usize) -> bool| request.get_within(&pointer, allow);
            let first = read(&mut |_| true).expect("allowed");
            assert_eq!(Some(&first), read(&mut |_| true).as_ref());
            assert_eq!(first, request.get(&pointer));
            assert_eq!(read(&mut |_| false), None, "asked of what is kept as well");
            total += 100_000;
        }
        let kept = request.containers();
        assert_eq!(kept.bytes, kept.texts.values().map(|text| text.len()).sum::<usize>());
        assert!(kept.bytes > 100_000 && kept.bytes <= 2 * request.bytes().len(), "{} of {total}", kept.bytes);
    }

    #[test]
    fn refuses_other_shapes() {
        for (text, says) in [
            ("[]", "a JSON object"),
            ("{}", "/subject is missing"),
            (&GOOD.replace("\"user\"", "7"), "/subject/type is not"),
            (&GOOD.replace("\"pay\"", "\"\""), "/resource/id is not"),
            (&GOOD.replace("\"context\":", "\"now\":1,\"context\":"), "unknown member \"now\""),
            (&GOOD.replace("{\"list\":[1,2],\"now\":\"later\"}", "3"), "/context is not an object"),
            (&GOOD.replace("{\"name\":\"deploy\"}", "{\"name\":\"x\",\"properties\":[]}"), "/action/properties is not"),
        ] {
            let error = parse(text).expect_err(says);
            assert_eq!(error.code, "request.shape");
            assert!(error.message.contains(says), "{} does not say {says}", error.message);
        }
        assert_eq!(parse("{").expect_err("syntax").code, "request.syntax");
    }
}
