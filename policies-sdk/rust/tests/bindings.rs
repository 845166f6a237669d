//! `src/bindings.rs` is what wit-bindgen makes of `wit/policy.wit`, checked in so that building a policy does not build
//! a bindings generator. `UPDATE=1 cargo test --test bindings` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;

use wit_bindgen_core::WorldGenerator as _;

#[test]
fn bindings_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = generate(&root.join("wit/policy.wit"));
    let file = root.join("src/bindings.rs");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap();
    assert!(checked_in == generated, "run `UPDATE=1 cargo test --test bindings`");
}

#[test]
fn the_contract_is_the_projects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = std::fs::read_to_string(root.join("wit/policy.wit")).unwrap();
    let project = root.join("../../wit/policy.wit");
    if project.exists() {
        assert!(ours == std::fs::read_to_string(project).unwrap(), "copy wit/policy.wit here and update the bindings");
    }
}

fn generate(wit: &Path) -> String {
    let mut resolve = wit_bindgen_core::wit_parser::Resolve::default();
    let package = resolve.push_file(wit).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let mut files = wit_bindgen_core::Files::default();
    wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        default_bindings_module: Some("portcullis_policy::bindings".into()),
        runtime_path: Some("::wit_bindgen::rt".into()),
        additional_derive_attributes: vec!["PartialEq".into()],
        ..Default::default()
    }
    .build()
    .generate(&mut resolve, world, &mut files)
    .unwrap();
    let (_, contents) = files.iter().next().unwrap();
    String::from_utf8(contents.to_vec()).unwrap()
}
