//! What a file is, from how it begins: people are told what they gave, not only that it is wrong.

use portcullis_gate::LoadFault;
use wasmparser::BinaryReader;

use crate::stop::Stop;

/// Accepts what begins like a component in the binary format.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Stop> {
    let what = match bytes {
        [] => "the file is empty: give the component that `portcullis policy build` made",
        bytes if bytes.starts_with(COMPONENT) => return whole(bytes),
        bytes if bytes.starts_with(MODULE) => {
            "a WebAssembly core module, not a component: make it a component with `portcullis policy build` or \
             `wasm-tools component new`"
        }
        bytes if bytes.starts_with(b"\0asm") && bytes.len() >= COMPONENT.len() => {
            "WebAssembly of an unknown version: build it with a toolchain that makes components of version 0x0d"
        }
        bytes if COMPONENT.starts_with(bytes) || MODULE.starts_with(bytes) => {
            "a WebAssembly file that ends within its first 8 bytes: get the whole file"
        }
        bytes if bytes.starts_with(b"\x7fELF") => {
            "an ELF file: a native program or library, or a module that an engine has compiled already; give the component \
             that it was compiled from"
        }
        bytes if bytes.starts_with(b"MZ") => "a Windows program: build the policy as a WebAssembly component",
        bytes if MACH_O.iter().any(|magic| bytes.starts_with(magic)) => {
            "a macOS program: build the policy as a WebAssembly component"
        }
        bytes if bytes.starts_with(b"!<arch>") => "a library archive: build the policy as a WebAssembly component",
        bytes if bytes.starts_with(b"BC\xc0\xde") => "LLVM bitcode: build the policy as a WebAssembly component",
        bytes if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) => "a compressed file: unpack it first",
        bytes if bytes.starts_with(b"#!") => "a script: build the policy as a WebAssembly component",
        bytes => text(bytes),
    };
    Err(Stop::new(LoadFault::Format, what))
}

/// Whether every section of the outermost component is there to its end.
fn whole(bytes: &[u8]) -> Result<(), Stop> {
    let cut = || {
        let detail =
            format!("the component ends in the middle of a section, after {} bytes: get the whole file", bytes.len());
        Stop::new(LoadFault::Format, detail)
    };
    let mut reader = BinaryReader::new(bytes.get(COMPONENT.len()..).unwrap_or_default(), COMPONENT.len());
    while !reader.eof() {
        reader.read_u8().map_err(|_| cut())?;
        // A length that is no number at all is told with its place, by the parser.
        let Ok(length) = reader.read_var_u32() else { return if reader.eof() { Err(cut()) } else { Ok(()) } };
        reader.read_bytes(usize::try_from(length).unwrap_or(usize::MAX)).map_err(|_| cut())?;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..bytes.len().min(SNIFFED_BYTES)).unwrap_or_default();
    let readable = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // Cut inside a character.
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    let Some(text) = readable.filter(|text| !text.contains('\0')) else {
        return "not WebAssembly: give the component that `portcullis policy build` made";
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("(module") || text.starts_with("(component") || text.starts_with(";;") || text.starts_with("(;")
    {
        "WebAssembly in the text format: only the binary format is accepted; convert it with `wasm-tools parse`"
    } else if text.starts_with('{') || text.starts_with('[') {
        "JSON: give the policy's component, not its settings or a request"
    } else if text.starts_with("version https://git-lfs") {
        "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"
    } else {
        "a text file: build the policy as a WebAssembly component"
    }
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const MACH_O: [&[u8]; 3] = [b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ"];
const SNIFFED_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_file_is() {
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b"\0", "within its first 8 bytes"),
            (b"\0asm\x0d\0", "within its first 8 bytes"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x02\0\0\0", "unknown version"),
            (b"\0asm\x0d\0\0\0", "unknown version"),
            (b"\x7fELF\x02\x01\x01", "ELF"),
            (b"#!/bin/sh\n", "script"),
            (b"(module)", "text format"),
            (b"\xef\xbb\xbf \n;; x\n(component)", "text format"),
            (b"{\"a\":1}", "JSON"),
            (b"\x1f\x8b\x08", "compressed"),
            (b"hello", "text file"),
            (b"\xff\xfe\0\0", "not WebAssembly"),
            (b"a\0b", "not WebAssembly"),
        ] {
            let stop = check(bytes).unwrap_err();
            assert_eq!(stop.fault, LoadFault::Format);
            assert!(stop.detail.contains(expected), "{bytes:?}: {}", stop.detail);
        }
        check(b"\0asm\x0d\0\x01\0").unwrap();
    }

    #[test]
    fn a_character_cut_in_the_sample_is_still_text() {
        let text = "é".repeat(SNIFFED_BYTES);
        assert!(check(text.as_bytes()).unwrap_err().detail.contains("text file"));
        let odd = format!("x{text}");
        assert!(check(odd.as_bytes()).unwrap_err().detail.contains("text file"));
    }
}
