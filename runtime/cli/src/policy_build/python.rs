//! Python: made a component with componentize-py.

use std::path::Path;

use super::describe::Described;
use super::{encode, tools};
use crate::progress::Work;

/// The component of the policy in `folder`.
///
/// # Errors
/// Python or pip is missing, or the code is wrong.
pub fn component(folder: &Path, described: &Described) -> anyhow::Result<Vec<u8>> {
    let toolchain = tools::get(&tools::PYTHON)?;
    let _work = Work::start("making a component of policy.py".into());
    let work = tempfile::tempdir()?;
    let (wit, out) = (work.path().join("policy.wit"), work.path().join("out.wasm"));
    std::fs::write(&wit, encode::world(&described.imports))?;
    // The module that componentize-py looks at: the two exports, and nothing of the policy's own names.
    std::fs::write(work.path().join("portcullis_entry.py"), ENTRY)?;
    let description = std::fs::read(folder.join(super::describe::FILE))?;
    std::fs::write(work.path().join("portcullis_description.py"), as_python(&description))?;
    let mut python = tools::python();
    python.args(["-c", "from componentize_py import script; script()"]).env("PYTHONPATH", &toolchain);
    python.env_remove("VIRTUAL_ENV").env("PYTHONHASHSEED", "0");
    python.arg("--quiet").arg("--wit-path").arg(&wit).args(["--world", "policy", "componentize", "--stub-wasi"]);
    python.arg("--python-path").arg(work.path()).arg("--python-path").arg(folder);
    python.arg("--output").arg(&out).arg("portcullis_entry").current_dir(work.path());
    let output = tools::output(&mut python, "install Python 3.10 or later with pip")?;
    super::pass_on(&output.stdout);
    Ok(std::fs::read(&out)?)
}

const ENTRY: &str = include_str!("../../../../policies-sdk/python/entry.py");

/// A module that holds a text.
fn as_python(text: &[u8]) -> String {
    let mut module = String::from("TEXT = \"");
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            ' '..='~' if !matches!(character, '"' | '\\') => module.push(character),
            _ => module.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    module.push_str("\"\n");
    module
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_becomes_a_module_that_cannot_be_anything_else() {
        assert_eq!(
            super::as_python("a\"\\\né".as_bytes()),
            "TEXT = \"a\\U00000022\\U0000005c\\U0000000a\\U000000e9\"\n"
        );
    }
}
