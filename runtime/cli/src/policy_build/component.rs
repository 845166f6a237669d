use anyhow::{Context as _, bail};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ComponentSection as _, CustomSection, ExportSection, Module, RawSection};
use wasmparser::{Export, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

/// The custom section with a policy's description.
pub const DESCRIPTION: &str = "portcullis-policy";

/// Wraps a core module into a component, its description at the top level.
///
/// # Errors
/// The module was not made by `#[policy]`, or does not fit the world.
pub fn from_module(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (module, description) = split(core)?;
    let Some(description) = description else {
        bail!("it has no description; is there a function with #[policy(..)]?");
    };
    let mut component = ComponentEncoder::default()
        .module(&module)
        .context("the module does not name its world; it depends on another portcullis-policy than it was built with?")?
        .encode()
        .context("the module does not fit the world of portcullis:policy")?;
    CustomSection { name: DESCRIPTION.into(), data: (&description).into() }.append_to_component(&mut component);
    Validator::new().validate_all(&component).context("the component is not valid")?;
    Ok(component)
}

/// The module without names, target features, description and needless exports; and the description.
fn split(core: &[u8]) -> anyhow::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let mut module = Module::new();
    let mut description = None;
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload.context("the compiler's module cannot be read")?;
        match &payload {
            Payload::CustomSection(section) if section.name() == DESCRIPTION => {
                description = Some(section.data().to_vec());
                continue;
            }
            Payload::CustomSection(section) if matches!(section.name(), "name" | "target_features") => continue,
            Payload::ExportSection(exports) => {
                let mut kept = ExportSection::new();
                for export in exports.clone() {
                    let export = export.context("the compiler's module cannot be read")?;
                    if !is_needless(&export) {
                        RoundtripReencoder.parse_export(&mut kept, export)?;
                    }
                }
                module.section(&kept);
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            let data = core.get(range).context("a section is cut off")?;
            module.section(&RawSection { id, data });
        }
    }
    Ok((module.finish(), description))
}

/// The linker's symbols; and what frees an answer after it was read, which costs a call, while the host throws the
/// whole memory away.
fn is_needless(export: &Export<'_>) -> bool {
    export.name.starts_with("cabi_post_")
        || export.name.starts_with("cabi_realloc_")
        || matches!(export.name, "__heap_base" | "__data_end")
}
