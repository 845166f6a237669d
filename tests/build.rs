//! Lists the hostile guests, so that each of them must have a test: see `src/guest.rs`.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wat" || extension == "rs") {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    files.sort();

    let mut generators = String::new();
    let mut constants = String::new();
    let mut all = String::new();
    let mut each = String::new();
    for path in &files {
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("the name of a guest is not UTF-8")?;
        let ident = format!("g{}", name.replace(['-', '.'], "_"));
        let bytes = if path.extension().is_some_and(|extension| extension == "rs") {
            writeln!(generators, "#[path = {path:?}] mod {ident};")?;
            format!("Some({ident}::bytes)")
        } else {
            "None".to_owned()
        };
        writeln!(
            constants,
            "#[allow(non_upper_case_globals, missing_docs, reason = \"generated\")]\n\
             pub const {ident}: Source = Source {{ name: {name:?}, text: include_str!({path:?}), bytes: {bytes} }};"
        )?;
        write!(all, "{ident}, ")?;
        writeln!(each, "$each!({ident});")?;
    }
    let generated = format!(
        "{generators}\n\
         /// Every guest, by the name of its file.\n\
         pub mod sources {{\nuse super::*;\n{constants}\n\
         /// All of them.\npub const ALL: &[Source] = &[{all}];\n}}\n\
         /// Calls `$each!(guest)` for every guest.\n\
         #[macro_export]\n\
         macro_rules! foreach_guest {{ ($each:ident) => {{ {each} }}; }}\n"
    );
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("guests.rs"), generated)?;
    Ok(())
}
