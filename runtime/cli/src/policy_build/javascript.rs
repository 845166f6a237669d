//! JavaScript and TypeScript: bundled with esbuild, made a component with componentize-js.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::describe::Described;
use super::language::Language;
use super::{encode, tools};
use crate::progress::Work;

const SCRIPT: &str = include_str!("../../../../policies-sdk/javascript/build.mjs");

/// The component of the policy in `folder`.
///
/// # Errors
/// Node or npm is missing, the types or the code are wrong.
pub fn component(folder: &Path, language: Language, described: &Described) -> anyhow::Result<Vec<u8>> {
    let toolchain = tools::get(&tools::JAVASCRIPT)?;
    if language == Language::Typescript {
        check_types(folder)?;
    }
    let _work = Work::start(format!("making a component of {}", language.source()));
    let work = tempfile::tempdir()?;
    let (script, wit, out) = (work.path().join("build.mjs"), work.path().join("policy.wit"), work.path().join("out"));
    std::fs::write(&script, SCRIPT)?;
    std::fs::write(&wit, encode::world(&described.imports))?;
    let options = serde_json::json!({
        "toolchain": toolchain,
        "folder": folder,
        "source": language.source(),
        "imports": described.imports,
        "wit": wit,
        "work": work.path(),
        "out": out,
    });
    let mut node = Command::new("node");
    node.arg("--no-warnings").arg(&script).arg(options.to_string()).current_dir(work.path());
    let output = tools::output(&mut node, NODE)?;
    super::pass_on(&output.stderr);
    Ok(std::fs::read(&out)?)
}

/// With the policy's own compiler, where it brings one.
fn check_types(folder: &Path) -> anyhow::Result<()> {
    let own = folder.join(TSC);
    let tsc: PathBuf = if own.is_file() { own } else { tools::get(&tools::TYPESCRIPT)?.join(TSC) };
    let _work = Work::start("checking the types".into());
    let mut node = Command::new("node");
    node.arg(tsc).args(["--noEmit", "--pretty", "false", "--project", "tsconfig.json"]).current_dir(folder);
    tools::output(&mut node, NODE).map(drop)
}

const TSC: &str = "node_modules/typescript/bin/tsc";
const NODE: &str = "install Node.js 20 or later (https://nodejs.org)";
