//! Lists the SDKs and templates that `policy new` writes, so that they are part of the command.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is embedded, in `policies-sdk`.
const PARTS: [&str; 13] = [
    "template",
    "rust-template",
    "rust/src",
    "rust/macros",
    "rust/wit",
    "javascript/sdk",
    "javascript/template",
    "javascript/template-ts",
    "python/sdk",
    "python/template",
    "go/sdk",
    "go/template",
    "c",
];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../policies-sdk");
    let mut files = vec![root.join("rust/Cargo.toml")];
    for part in PARTS {
        let folder = root.join(part);
        println!("cargo::rerun-if-changed={}", folder.display());
        collect(&folder, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let path = std::fs::canonicalize(&file)?.display().to_string();
        _ = writeln!(list, "    ({name:?}, include_bytes!({path:?})),");
    }
    list.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("scaffolds.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "__pycache__") {
            collect(&path, files)?;
        } else if path.is_file() && !name.starts_with('.') && !name.ends_with(".wasm") && !name.ends_with(".pyc") {
            files.push(path);
        }
    }
    Ok(())
}
