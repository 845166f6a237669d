//! Keeps how this command is optimised, so that `policy bench` can say what it measures with.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo:rustc-env=PORTCULLIS_OPT_LEVEL={level}");
}
