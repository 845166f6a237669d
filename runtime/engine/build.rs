//! Keeps how the engine is optimised, so that whoever measures can say what with.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo:rustc-env=PORTCULLIS_ENGINE_OPT_LEVEL={level}");
}
