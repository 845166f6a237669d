//! JSON pointers (RFC 6901), the names of request fields.

/// Longest pointer, in bytes.
pub const MAX_POINTER_BYTES: usize = 1024;

/// Checks that `pointer` is a JSON pointer: empty, or `/`-separated segments in which `~` is written `~0` and `/` `~1`.
///
/// # Errors
/// What is wrong, in words.
pub fn check(pointer: &str) -> Result<(), &'static str> {
    if pointer.len() > MAX_POINTER_BYTES {
        return Err("longer than 1,024 bytes");
    }
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("does not start with a slash");
    }
    let mut bytes = pointer.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'~' && !matches!(bytes.next(), Some(b'0' | b'1')) {
            return Err("a ~ is not followed by 0 or 1");
        }
    }
    Ok(())
}

/// The unescaped segments of a checked pointer; none for the empty pointer.
pub fn segments(pointer: &str) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    pointer.split('/').skip(1).map(|segment| {
        if segment.contains('~') { segment.replace("~1", "/").replace("~0", "~").into() } else { segment.into() }
    })
}
