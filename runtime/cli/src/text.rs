//! Text of others (requests, policies, files' names) made safe to print.

pub use portcullis_gate::text::is_unprintable;

/// Longest piece of others' text on one line, in bytes.
const MAX_SHOWN_BYTES: usize = 2000;

/// `text` on one line, nothing in it acting on a terminal; cut at 2,000 bytes.
#[must_use]
pub fn shown(text: &str) -> String {
    portcullis_gate::text::escaped(text, MAX_SHOWN_BYTES)
}

/// `one policy`, `3 policies`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// `412 B`, `30.5 KiB`, `16.0 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes = count as f64;
    if bytes < KIB {
        format!("{count} B")
    } else if bytes < KIB * KIB {
        format!("{:.1} KiB", bytes / KIB)
    } else if bytes < KIB * KIB * KIB {
        format!("{:.1} MiB", bytes / KIB / KIB)
    } else {
        format!("{:.1} GiB", bytes / KIB / KIB / KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let sizes = [0, 1023, 1024, 31_232, 16 * 1024 * 1024, 4 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "30.5 KiB", "16.0 MiB", "4.0 GiB"]);
    }
}
