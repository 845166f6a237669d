//! [Signed notes](https://c2sp.org/signed-note): a text of lines, an empty line, lines with signatures.
//!
//! Here one key signs and one key is asked for. Signatures of other keys, such as those of witnesses, are read over.

use crate::base64;
use crate::error::FormatError;
use crate::key::{SIGNATURE_BYTES, SigningKey, VerifierKey, is_key_name};

/// Longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most signatures on a note.
pub const MAX_NOTE_SIGNATURES: usize = 100;

/// Signs a text.
///
/// # Errors
/// [`FormatError::Malformed`]: the text is empty, does not end with a line feed, or has other control characters.
pub fn sign_note(text: &str, key: &SigningKey) -> Result<String, FormatError> {
    check_text(text)?;
    let signature = [key.verifier().hash(), &key.sign(text.as_bytes())[..]].concat();
    let note = format!("{text}\n{DASH}{} {}\n", key.verifier().name(), base64::encode(&signature));
    FormatError::check_size(WHAT, note.len(), MAX_NOTE_BYTES)?;
    Ok(note)
}

/// The text of a note, where the key signed it.
///
/// # Errors
/// [`FormatError`]: the note is too large or malformed, the key did not sign it, or the signature is wrong.
pub fn open_note<'n>(note: &'n str, key: &VerifierKey) -> Result<&'n str, FormatError> {
    FormatError::check_size(WHAT, note.len(), MAX_NOTE_BYTES)?;
    let problem = |problem: &str| FormatError::malformed(WHAT, problem);
    // The text may have empty lines of its own: signatures follow the last one.
    let (text, signatures) = note
        .rfind("\n\n")
        .and_then(|at| note.split_at_checked(at + 1))
        .ok_or_else(|| problem("no empty line before the signatures"))?;
    check_text(text)?;
    let signatures = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let signatures = signatures.ok_or_else(|| problem("the last line does not end"))?;
    let mut signed = false;
    for (number, line) in signatures.split('\n').enumerate() {
        if number == MAX_NOTE_SIGNATURES {
            return Err(problem("more signatures than are read"));
        }
        let (name, hash, signature) = parse_signature(line).ok_or_else(|| problem("a malformed signature line"))?;
        if name != key.name() || hash != *key.hash() {
            continue;
        }
        if signature.len() != SIGNATURE_BYTES || !key.signed(text.as_bytes(), &signature) {
            return Err(FormatError::Signature { what: WHAT, key: key.id() });
        }
        signed = true;
    }
    if signed { Ok(text) } else { Err(FormatError::Unsigned { what: WHAT, key: key.id() }) }
}

fn check_text(text: &str) -> Result<(), FormatError> {
    if !text.ends_with('\n') || text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(FormatError::malformed(WHAT, "the text is not lines that each end"));
    }
    Ok(())
}

/// The name, hash and signature of a line.
fn parse_signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = base64::decode(signature)?;
    let (hash, signature) = bytes.split_first_chunk()?;
    (is_key_name(name) && !signature.is_empty()).then(|| (name, *hash, signature.to_vec()))
}

const WHAT: &str = "note";
/// An em dash and a space.
const DASH: &str = "\u{2014} ";

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, keys and signatures of `sumdb/note/note_test.go` in golang.org/x/mod.
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const PETER_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PETER: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_KEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const ENOCH: &str = "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn peter() -> SigningKey {
        SigningKey::from_text(PETER_PRIVATE).unwrap()
    }

    #[test]
    fn the_published_notes_are_written_and_opened() {
        let note = sign_note(TEXT, &peter()).unwrap();
        assert_eq!(note, format!("{TEXT}\n{PETER}"));
        let (peter, enoch) = (peter().verifier().clone(), ENOCH_KEY.parse().unwrap());
        assert_eq!(open_note(&note, &peter), Ok(TEXT));
        assert!(matches!(open_note(&note, &enoch), Err(FormatError::Unsigned { .. })));
        let both = format!("{TEXT}\n{PETER}{ENOCH}");
        assert_eq!(open_note(&both, &peter), Ok(TEXT));
        assert_eq!(open_note(&both, &enoch), Ok(TEXT));
    }

    #[test]
    fn a_wrong_signature_of_the_key_is_no_matter_of_order() {
        let wrong = PETER.replace("x08go/Z", "x08go/Y");
        assert_ne!(wrong, PETER);
        for signatures in [format!("{wrong}{PETER}"), format!("{PETER}{wrong}"), wrong] {
            let error = open_note(&format!("{TEXT}\n{signatures}"), peter().verifier()).unwrap_err();
            assert!(matches!(error, FormatError::Signature { .. }), "{error}");
        }
    }

    #[test]
    fn malformed_notes_are_refused() {
        let many = PETER.repeat(MAX_NOTE_SIGNATURES + 1);
        let (line, bare) = (PETER.trim_end(), PETER.trim_start_matches("\u{2014} "));
        for note in [
            format!("{TEXT}{PETER}"),
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}\n{line}"),
            format!("{TEXT}\n{line}\r\n"),
            format!("{TEXT}\n{bare}"),
            format!("{TEXT}\n-- {bare}"),
            format!("{TEXT}\n{PETER}\n"),
            format!("{TEXT}\n{many}"),
            format!("{TEXT}\t\n\n{PETER}"),
            format!("\n{PETER}"),
            format!("{TEXT}\n\u{2014} Bad Name x08go/ZJ\n{PETER}"),
            format!("{TEXT}\n\u{2014} a+b x08go/ZJ\n{PETER}"),
            format!("{TEXT}\n\u{2014} short x08goA==\n{PETER}"),
            format!("{}\n{PETER}", TEXT.repeat(1000)),
            String::new(),
        ] {
            assert!(open_note(&note, peter().verifier()).is_err(), "{note}");
        }
        assert_eq!(open_note(&format!("{TEXT}\n\u{2014} other x08go/ZJ\n{PETER}"), peter().verifier()), Ok(TEXT));
        assert!(sign_note("no end", &peter()).is_err());
        assert!(sign_note("", &peter()).is_err());
        assert!(sign_note("a\u{0}\n", &peter()).is_err());
    }
}
