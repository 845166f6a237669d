//! From what a toolchain leaves to a component of the world: only the contract's imports and exports, no system
//! interface, the description at the top level.

use std::convert::Infallible;

use anyhow::{Context as _, bail};
use portcullis_gate::Fault;
use portcullis_inspect::{InspectLimits, Report, inspect};
use wasm_encoder::reencode::{self, ReencodeComponent};
use wasm_encoder::{
    Component, ComponentExportSection, ComponentSection as _, ComponentSectionId, ConstExpr, CustomSection,
    DataSection, Module, RawSection,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentExternalKind, CustomSectionReader, DataKind,
    DataSectionReader, Operator, Parser, Payload,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::component::DESCRIPTION;

/// The contract, for toolchains that want it as a file.
pub const WIT: &str = include_str!("../../../../wit/policy.wit");

/// WASI preview 1 as a policy gets it: nothing to read, nowhere to write, a clock that stands still.
const WASI_STUB: &str = include_str!("wasi-stub.wat");

/// What a policy exports.
const EXPORTS: [&str; 2] = ["configure", "evaluate"];

/// What a policy may import.
pub const IMPORTS: [&str; 4] = ["log", "data", "request", "history"];

/// The contract with no imports but these: what a toolchain that imports all of a world is given.
#[must_use]
pub fn world(imports: &[String]) -> String {
    let mut wit = String::new();
    let mut skipping = false;
    for line in WIT.lines() {
        let import = line.trim().strip_prefix("import ").and_then(|rest| rest.split_once(':'));
        if let Some((name, _)) = import {
            skipping = !imports.iter().any(|wanted| wanted == name);
        }
        if !skipping {
            wit.push_str(line);
            wit.push('\n');
        }
        if import.is_some() && line.trim_end().ends_with(';') {
            skipping = false;
        }
    }
    wit
}

/// A component of a core module that was compiled for WASI preview 1, which it then no longer needs.
///
/// # Errors
/// The module does not fit the world, or uses of WASI what no policy can have.
pub fn from_core(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::new();
    let package = resolve.push_source("policy.wit", WIT).context("the contract cannot be read")?;
    let world = resolve.select_world(&[package], Some("policy")).context("the contract has no world")?;
    let mut module = with_merged_data(core)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let stub = wat::parse_str(WASI_STUB).context("the stand-in for WASI is malformed")?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", &stub)?.encode())
        .context(
            "the module does not fit the world of portcullis:policy, or needs a system interface that no policy has",
        )
}

/// Go's linker leaves a data segment for each run of bytes between zeros, tens of thousands of them. Memory is zero before, so
/// zeros between them can be written as well.
fn with_merged_data(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload.context("the compiler's module cannot be read")?;
        match &payload {
            Payload::DataSection(data) => match merged(data.clone())? {
                Some(merged) => module.section(&merged),
                None => return Ok(core.to_vec()),
            },
            // Only instructions on segments by their number need it; there is none where they were merged.
            Payload::DataCountSection { .. } => return Ok(core.to_vec()),
            _ => {
                let Some((id, range)) = payload.as_section() else { continue };
                let data = core.get(range).context("a section is cut off")?;
                module.section(&RawSection { id, data })
            }
        };
    }
    Ok(module.finish())
}

/// `None` where the segments are not all of the plain kind, and apart from each other.
fn merged(data: DataSectionReader<'_>) -> anyhow::Result<Option<DataSection>> {
    let mut segments = Vec::new();
    for segment in data {
        let segment = segment?;
        let DataKind::Active { memory_index: 0, offset_expr } = segment.kind else { return Ok(None) };
        let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else { return Ok(None) };
        segments.push((u64::from(value.cast_unsigned()), segment.data));
    }
    // They do not overlap, so their order does not matter.
    segments.sort_by_key(|(start, _)| *start);
    let mut merged: Vec<(u64, Vec<u8>)> = Vec::new();
    for (start, data) in segments {
        if let Some((first, bytes)) = merged.last_mut() {
            let end = first.saturating_add(bytes.len() as u64);
            let Some(gap) = start.checked_sub(end) else { return Ok(None) };
            if gap <= MAX_GAP_BYTES {
                bytes.resize(bytes.len().saturating_add(usize::try_from(gap)?), 0);
                bytes.extend_from_slice(data);
                continue;
            }
        }
        merged.push((start, data.to_vec()));
    }
    let mut section = DataSection::new();
    for (start, bytes) in merged {
        section.active(0, &ConstExpr::i32_const(u32::try_from(start)?.cast_signed()), bytes);
    }
    Ok(Some(section))
}

/// Zeros that are written rather than beginning a new segment, which costs about as much.
const MAX_GAP_BYTES: u64 = 64;

/// The component with its description, and without exports that are not the contract's. Inspected as a host would.
///
/// # Errors
/// It is not admissible: why.
pub fn finish(component: &[u8], description: &str, limits: &InspectLimits) -> anyhow::Result<(Vec<u8>, Report)> {
    let mut component = without_extra_exports(component)?;
    CustomSection { name: DESCRIPTION.into(), data: description.as_bytes().into() }.append_to_component(&mut component);
    match inspect(&component, limits) {
        Ok(report) => Ok((component, report)),
        Err(refusal) => bail!("the component is refused ({}): {}", Fault::Load(refusal.fault).code(), refusal.detail),
    }
}

/// Takes out what toolchains export for their own use while they build.
fn without_extra_exports(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut component = Component::new();
    Exports::default()
        .parse_component(&mut component, Parser::new(0), bytes)
        .map_err(|error| anyhow::anyhow!("the component cannot be read: {error}"))?;
    Ok(component.finish())
}

/// An export gives what it exports a second index, so taking one out moves down whatever is numbered after it.
#[derive(Default)]
struct Exports {
    functions: Space,
    instances: Space,
}

/// The functions or the instances of a component.
#[derive(Default)]
struct Space {
    /// How many there are so far, as the toolchain numbered them.
    count: u32,
    /// The indices that were taken out, ascending, each with the index of what it was a second name for.
    out: Vec<(u32, u32)>,
}

impl Space {
    fn moved(&self, index: u32) -> u32 {
        let original = self.out.iter().rfind(|(out, _)| *out == index).map_or(index, |(_, original)| *original);
        let before = self.out.iter().filter(|(out, _)| *out < original).count();
        original.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX))
    }
}

impl Exports {
    fn space(&mut self, kind: ComponentExternalKind) -> Option<&mut Space> {
        match kind {
            ComponentExternalKind::Func => Some(&mut self.functions),
            ComponentExternalKind::Instance => Some(&mut self.instances),
            ComponentExternalKind::Module
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Component => None,
        }
    }

    fn add(&mut self, kind: ComponentExternalKind) {
        if let Some(space) = self.space(kind) {
            space.count = space.count.saturating_add(1);
        }
    }

    /// Counts what a section other than of exports defines.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Error> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    self.add(import?.ty.kind());
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    if let ComponentAlias::InstanceExport { kind, .. } = alias? {
                        self.add(kind);
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for _ in 0..instances.count() {
                    self.add(ComponentExternalKind::Instance);
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions.clone() {
                    if let CanonicalFunction::Lift { .. } = function? {
                        self.add(ComponentExternalKind::Func);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

type Error = reencode::Error<Infallible>;

impl reencode::Reencode for Exports {
    type Error = Infallible;
}

impl ReencodeComponent for Exports {
    fn component_func_index(&mut self, index: u32) -> u32 {
        self.functions.moved(index)
    }

    fn component_instance_index(&mut self, index: u32) -> u32 {
        self.instances.moved(index)
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), Error> {
        self.count(&payload)?;
        reencode::component_utils::parse_component_payload(self, component, payload, whole)
    }

    fn parse_component_custom_section(
        &mut self,
        component: &mut Component,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Error> {
        if section.name() != DESCRIPTION && section.name() != "component-name" {
            component.section(&CustomSection { name: section.name().into(), data: section.data().into() });
        }
        Ok(())
    }

    /// What is nested stays as it is.
    fn parse_component_submodule(&mut self, component: &mut Component, _: Parser, module: &[u8]) -> Result<(), Error> {
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
        Ok(())
    }

    fn parse_component_subcomponent(
        &mut self,
        component: &mut Component,
        _: Parser,
        nested: &[u8],
        _: &[u8],
    ) -> Result<(), Error> {
        component.section(&RawSection { id: ComponentSectionId::Component.into(), data: nested });
        Ok(())
    }

    fn parse_component_export(
        &mut self,
        exports: &mut ComponentExportSection,
        export: ComponentExport<'_>,
    ) -> Result<(), Error> {
        let (kind, index) = (export.kind, export.index);
        let wanted = EXPORTS.contains(&export.name.name);
        if let Some(space) = self.space(kind) {
            let own = space.count;
            space.count = own.saturating_add(1);
            if !wanted {
                space.out.push((own, index));
                return Ok(());
            }
        }
        reencode::component_utils::parse_component_export(self, exports, export)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn module(import: &str) -> Vec<u8> {
        wat::parse_str(format!(
            r#"(module
                 (import "wasi_snapshot_preview1" "{import}" (func (param i32 i32) (result i32)))
                 (memory (export "memory") 1)
                 (func (export "configure") (param i32 i32) (result i32) (call 0 (i32.const 0) (i32.const 0)))
                 (func (export "evaluate") (param i32 i32) (result i32) unreachable)
                 (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
        ))
        .unwrap()
    }

    /// An admissible component with that description.
    pub fn sample(description: &str) -> Vec<u8> {
        finish(&from_core(&module("environ_get")).unwrap(), description, &InspectLimits::default()).unwrap().0
    }

    #[test]
    fn a_world_has_no_imports_but_the_wanted() {
        let resolve = |wit: &str| {
            let mut resolve = Resolve::new();
            let package = resolve.push_source("policy.wit", wit).unwrap();
            let world = resolve.select_world(&[package], Some("policy")).unwrap();
            let world = &resolve.worlds[world];
            let functions = world.imports.values().filter(|item| matches!(item, wit_parser::WorldItem::Function(_)));
            (functions.count(), world.exports.len())
        };
        assert_eq!(resolve(WIT), (IMPORTS.len(), 2));
        assert_eq!(resolve(&world(&[])), (0, 2));
        for import in IMPORTS {
            let wit = world(&[import.to_owned()]);
            assert_eq!(resolve(&wit), (1, 2), "{import}");
            assert!(wit.contains(&format!("import {import}: func")), "{import}");
        }
    }

    /// As componentize-py leaves one: an interface of its own, exported before the contract's functions.
    const WITH_EXTRA: &str = r#"(component
        (component $inner
          (core module $m (func (export "a")) (func (export "b") (param i32)))
          (core instance $i (instantiate $m))
          (func (export "init") (canon lift (core func $i "a")))
          (func (export "configure") (param "n" u32) (canon lift (core func $i "b")))
          (instance (export "own")))
        (instance $it (instantiate $inner))
        (alias export $it "own" (instance $own))
        (export "own" (instance $own))
        (alias export $it "init" (func $init))
        (export "init" (func $init))
        (alias export $it "configure" (func $configure))
        (export "configure" (func $configure))
        (export "evaluate" (func $init)))"#;

    #[test]
    fn extra_exports_go_and_the_others_stay_what_they_were() {
        let stripped = without_extra_exports(&wat::parse_str(WITH_EXTRA).unwrap()).unwrap();
        let types = wasmparser::Validator::new().validate_all(&stripped).unwrap();
        let parameters = |name: &str| match types.as_ref().component_item_for_export(name).map(|item| item.ty) {
            Some(wasmparser::component_types::ComponentEntityType::Func(id)) => Some(types.as_ref()[id].params.len()),
            _ => None,
        };
        assert_eq!((parameters("configure"), parameters("evaluate")), (Some(1), Some(0)));
        for gone in ["own", "init"] {
            assert!(types.as_ref().component_item_for_export(gone).is_none(), "{gone}");
        }
    }

    fn memory(wat: &str) -> (usize, Vec<u8>) {
        let merged = with_merged_data(&wat::parse_str(wat).unwrap()).unwrap();
        wasmparser::Validator::new().validate_all(&merged).unwrap();
        let (mut segments, mut memory) = (0, vec![0; 400]);
        for payload in Parser::new(0).parse_all(&merged) {
            let Payload::DataSection(data) = payload.unwrap() else { continue };
            for segment in data {
                let segment = segment.unwrap();
                segments += 1;
                let DataKind::Active { offset_expr, .. } = segment.kind else { continue };
                let Operator::I32Const { value } = offset_expr.get_operators_reader().read().unwrap() else { panic!() };
                let start = usize::try_from(value).unwrap();
                memory[start..start + segment.data.len()].copy_from_slice(segment.data);
            }
        }
        (segments, memory)
    }

    #[test]
    fn data_segments_are_merged_and_memory_is_the_same() {
        let (segments, merged) = memory(
            r#"(module (memory 1) (data (i32.const 300) "z") (data (i32.const 0) "ab") (data (i32.const 66) "cd")
                 (data (i32.const 133) "e") (data (i32.const 134) "f"))"#,
        );
        assert_eq!(segments, 3, "a gap of 64 is filled, one of 65 and more is not");
        let mut expected = vec![0; 400];
        for (at, byte) in [(0, b'a'), (1, b'b'), (66, b'c'), (67, b'd'), (133, b'e'), (134, b'f'), (300, b'z')] {
            expected[at] = byte;
        }
        assert_eq!(merged, expected);
    }

    #[test]
    fn data_segments_that_overlap_or_are_referred_to_stay() {
        let overlapping = r#"(module (memory 1) (data (i32.const 0) "abc") (data (i32.const 2) "de"))"#;
        assert_eq!(memory(overlapping).0, 2);
        let referred = r#"(module (memory 1) (data (i32.const 0) "a") (data (i32.const 2) "b") (data "c")
            (func (memory.init 2 (i32.const 0) (i32.const 0) (i32.const 1))))"#;
        assert_eq!(memory(referred).0, 3);
    }

    #[test]
    fn wasi_is_answered_inside_and_what_no_policy_has_is_refused() {
        let component = from_core(&module("environ_get")).unwrap();
        let description = r#"{"name":"a.b","version":"1","inputs":[]}"#;
        let (_, report) = finish(&component, description, &InspectLimits::default()).unwrap();
        assert!(report.calls.is_empty() && report.admissible);
        let error = format!("{:#}", from_core(&module("path_open")).unwrap_err());
        assert!(error.contains("needs a system interface that no policy has"), "{error}");
        let refused = format!("{:#}", finish(&component, "{}", &InspectLimits::default()).unwrap_err());
        assert!(refused.contains("load.format"), "{refused}");
    }
}
