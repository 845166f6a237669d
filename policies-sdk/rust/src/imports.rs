use crate::Value;
use crate::inputs::explain;
use crate::json::FromJson;

/// A finding's code, declared with `codes(..)`: `team.policy.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(&'static str);

impl Code {
    /// A code; the compiler refuses a malformed one where it is a constant.
    #[must_use]
    pub const fn new(code: &'static str) -> Code {
        assert!(
            is_code(code),
            "a code is `team.policy.reason`: three or more segments of a-z 0-9 - _, 128 bytes at most, and the first is not portcullis, fault or load"
        );
        Code(code)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0.into()
    }
}

/// A reference document, declared with `data(..)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data(&'static str);

impl Data {
    /// The document of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> Data {
        Data(name)
    }

    /// The value at a JSON pointer.
    #[must_use]
    pub fn get(self, pointer: &str) -> Value {
        data(self.0, pointer)
    }

    /// The value at a JSON pointer as a `T`.
    ///
    /// # Errors
    /// It is of another type, or missing where `T` cannot be.
    pub fn read<T: FromJson>(self, pointer: &str) -> Result<T, String> {
        self.get(pointer).read().map_err(|problem| format!("{}: {}", self.0, explain(pointer, &problem)))
    }
}

/// Writes a line to the record of this evaluation. It never changes a decision.
pub fn log(message: impl AsRef<str>) {
    host::log(message.as_ref());
}

/// Reads a reference document; prefer a [`Data`] constant, whose document is declared.
#[must_use]
pub fn data(document: &str, pointer: &str) -> Value {
    host::data(document, pointer)
}

/// Reads request fields that could not be declared in advance, one value for each pointer, in order.
#[must_use]
pub fn request<P: AsRef<str>>(pointers: &[P]) -> Vec<Value> {
    let pointers: Vec<String> = pointers.iter().map(|pointer| pointer.as_ref().into()).collect();
    host::request(&pointers)
}

#[cfg(target_arch = "wasm32")]
use crate::bindings as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::host;

/// Whether `code` is one that a policy may use.
#[must_use]
pub const fn is_code(code: &str) -> bool {
    let mut rest = code.as_bytes();
    let mut segments = 1;
    let mut len = 0;
    if rest.len() > MAX_CODE_BYTES {
        return false;
    }
    while let [first, after @ ..] = rest {
        match first {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => len += 1,
            b'.' if len > 0 => {
                segments += 1;
                len = 0;
            }
            _ => return false,
        }
        rest = after;
    }
    let reserved = starts_with(code, b"portcullis.") || starts_with(code, b"fault.") || starts_with(code, b"load.");
    segments >= 3 && len > 0 && !reserved
}

/// Longest code, in bytes.
const MAX_CODE_BYTES: usize = 128;

const fn starts_with(text: &str, start: &[u8]) -> bool {
    let (mut text, mut start) = (text.as_bytes(), start);
    while let [expected, start_after @ ..] = start {
        match text {
            [found, text_after @ ..] if *found == *expected => text = text_after,
            _ => return false,
        }
        start = start_after;
    }
    true
}
