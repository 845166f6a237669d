//! Builds the SDK's examples, as an author would, and looks at the bytes. Needs the wasm target, as building does.

use std::path::{Path, PathBuf};

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

use super::*;

/// What a component shows without running.
#[derive(Debug, Default)]
struct Shape {
    imports: Vec<String>,
    exports: Vec<String>,
    memory_pages: Vec<u64>,
    /// Custom sections, with how deep they are nested; the component itself is 1.
    sections: Vec<(usize, String)>,
    description: String,
}

fn shape(component: &[u8]) -> Shape {
    let mut shape = Shape::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                // The types come with the functions that use them, and can do nothing.
                let functions = imports.into_iter().map(Result::unwrap);
                let functions = functions.filter(|import| matches!(import.ty, ComponentTypeRef::Func(_)));
                shape.imports.extend(functions.map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                let functions = exports.into_iter().map(Result::unwrap);
                let functions = functions.filter(|export| export.kind == ComponentExternalKind::Func);
                shape.exports.extend(functions.map(|export| export.name.name.to_owned()));
            }
            Payload::MemorySection(memories) => {
                shape.memory_pages.extend(memories.into_iter().map(|memory| memory.unwrap().initial));
            }
            Payload::CustomSection(section) => {
                shape.sections.push((depth, section.name().to_owned()));
                if section.name() == "portcullis-policy" {
                    shape.description = String::from_utf8(section.data().to_vec()).unwrap();
                }
            }
            _ => {}
        }
    }
    shape.imports.sort();
    shape.exports.sort();
    shape
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies-sdk/rust")
}

fn options(folder: impl Into<PathBuf>) -> BuildOptions {
    BuildOptions { folder: folder.into(), all: false, out: None, out_dir: None }
}

#[test]
fn examples_are_small_components_that_import_what_they_use() {
    let out = tempfile::tempdir().unwrap();
    let built =
        build(&BuildOptions { all: true, out_dir: Some(out.path().join("policies")), ..options(sdk()) }).unwrap();
    let names: Vec<_> = built.components.iter().map(|component| &*component.name).collect();
    assert_eq!(names, ["environment", "freeze"]);
    let home = std::env::var("HOME").unwrap();
    let root = std::fs::canonicalize(sdk().join("../..")).unwrap();
    for (component, imports) in built.components.iter().zip([&[][..], &["data", "log"]]) {
        let bytes = std::fs::read(&component.path).unwrap();
        assert_eq!(component.path, out.path().join("policies").join(format!("{}.wasm", component.name)));
        assert_eq!((component.bytes, component.sha256), (bytes.len(), Sha256::of(&bytes)));
        assert!(bytes.len() <= 64 * 1024, "{} has {} bytes", component.name, bytes.len());
        let shape = shape(&bytes);
        assert_eq!(shape.imports, imports, "{}", component.name);
        assert_eq!(shape.exports, ["configure", "evaluate"], "{}", component.name);
        assert_eq!(shape.memory_pages, [1], "{}: stack and data fit into one page", component.name);
        let described: Vec<_> = shape.sections.iter().filter(|(_, name)| name == "portcullis-policy").collect();
        assert_eq!(described, [&(1, "portcullis-policy".to_owned())], "{}", component.name);
        assert!(!shape.sections.iter().any(|(_, name)| name == "name"), "{:?}", shape.sections);
        let description: serde_json::Value = serde_json::from_str(&shape.description).unwrap();
        assert_eq!(description["name"], format!("example.{}", component.name));
        assert_eq!(description["settings_schema"]["type"], "object");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&home) && !text.contains(root.to_str().unwrap()), "{} holds a path", component.name);
    }
    // The same crate alone gives the same bytes, wherever they go.
    let alone = out.path().join("alone.wasm");
    let one = build(&BuildOptions { out: Some(alone.clone()), ..options(sdk().join("examples/environment")) }).unwrap();
    assert_eq!(one.components[0].path, alone);
    assert_eq!(one.components[0].sha256, built.components[0].sha256);
}

#[test]
fn says_what_is_missing() {
    let says = |options: &BuildOptions| format!("{:#}", build(options).unwrap_err());
    let empty = tempfile::tempdir().unwrap();
    let nothing = says(&options(empty.path()));
    assert!(nothing.contains("none of Cargo.toml, policy.js, policy.ts, policy.py, policy.go, policy.c"), "{nothing}");
    std::fs::write(empty.path().join("policy.c"), "").unwrap();
    let undescribed = says(&options(empty.path()));
    assert!(undescribed.contains("policy.json, the policy's description"), "{undescribed}");
    std::fs::write(empty.path().join("policy.py"), "").unwrap();
    let several = says(&options(empty.path()));
    assert!(several.contains("holds policy.py and policy.c: which of them"), "{several}");
    assert!(says(&options(empty.path().join("nowhere"))).contains("there is no cargo package here"));

    let no_policy = says(&options(Path::new(env!("CARGO_MANIFEST_DIR")).join("../gate")));
    assert!(no_policy.contains("portcullis-gate is no policy: it does not depend on portcullis-policy"), "{no_policy}");

    let crate_type = tempfile::tempdir().unwrap();
    let sdk = std::fs::canonicalize(sdk()).unwrap();
    std::fs::create_dir(crate_type.path().join("src")).unwrap();
    std::fs::write(crate_type.path().join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"mine\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         portcullis-policy = {{ path = {sdk:?} }}\n"
    );
    std::fs::write(crate_type.path().join("Cargo.toml"), manifest).unwrap();
    let no_library = says(&options(crate_type.path()));
    assert!(no_library.contains("mine is no policy: its [lib] needs crate-type = [\"cdylib\"]"), "{no_library}");
    let none = says(&BuildOptions { all: true, ..options(crate_type.path()) });
    assert!(none.contains("no package of the workspace"), "{none}");
}

#[test]
fn a_workspace_can_ask_for_a_larger_stack() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    let stack = |metadata: &str| {
        let package = "[package]\nname = \"mine\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(folder.path().join("Cargo.toml"), format!("{package}{metadata}")).unwrap();
        let compiler = toolchain::Compiler { rustc: None, sources: None };
        let flags = cargo::Workspace::find(folder.path()).map(|workspace| workspace.flags(&compiler));
        flags.map(|flags| flags.to_string_lossy().split('\u{1f}').next().unwrap().to_owned())
    };
    let asked = |kib: &str| stack(&format!("[workspace.metadata.portcullis]\nstack-kib = {kib}\n"));
    assert_eq!(stack("").unwrap(), "-Clink-arg=-zstack-size=32768");
    assert_eq!(asked("512").unwrap(), "-Clink-arg=-zstack-size=524288");
    for wrong in ["0", "31", "1000000", "\"512\"", "-1"] {
        let error = format!("{:#}", asked(wrong).unwrap_err());
        assert!(error.contains("stack-kib is") && error.contains("32 to 4096"), "{error}");
    }
}

#[test]
fn a_module_without_a_description_is_no_policy() {
    let module = wasm_encoder::Module::new().finish();
    let error = component::from_module(&module).unwrap_err().to_string();
    assert!(error.contains("is there a function with #[policy(..)]?"), "{error}");
    assert!(component::from_module(b"\x7fELF").is_err());
}

#[test]
fn writes_whole_files_and_leaves_equal_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/policy.wasm");
    write(&path, b"one").unwrap();
    let first = std::fs::metadata(&path).unwrap().modified().unwrap();
    write(&path, b"one").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), first);
    write(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}
