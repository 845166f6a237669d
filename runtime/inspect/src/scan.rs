//! One pass over the whole file that bounds it before anything looks at it closely.

use portcullis_gate::LoadFault;
use wasmparser::{ComponentExternalKind, ComponentInstance};
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementKind, Instance, Operator, Parser, Payload, TypeRef, WasmFeatures,
};

use crate::code::{Arity, CodeTotals, Signatures};
use crate::custom::Customs;
use crate::needs::{self, Needs, Scope};
use crate::stop::{Stop, bound, wide};
use crate::{InspectLimits, Sizes};

/// What the pass found; complete only when it succeeded.
#[derive(Default)]
pub(crate) struct Scan<'a> {
    pub sizes: Sizes,
    /// Imports of the outermost component, in order.
    pub imports: Vec<(&'a str, ComponentExternalKind)>,
    /// Exports of the outermost component, in order.
    pub exports: Vec<(&'a str, ComponentExternalKind)>,
    pub customs: Customs<'a>,
    pub start_function: bool,
    pub code: CodeTotals,
    counts: Counts,
    components: Vec<Scope>,
    module: Option<Module>,
}

#[derive(Debug, Default)]
struct Counts {
    component_bytes: u64,
    component_type_bytes: u64,
    nested_types: u64,
    core_type_bytes: u64,
    imports: u64,
    exports: u64,
    globals: u64,
    element_segments: u64,
    custom_sections: u64,
}

/// The core module that is being read.
#[derive(Debug, Default)]
struct Module {
    signatures: Signatures,
    needs: Needs,
}

impl<'a> Scan<'a> {
    /// Reads `bytes`, which begin like a component.
    pub(crate) fn read(&mut self, bytes: &'a [u8], limits: &InspectLimits) -> Result<(), Stop> {
        let result = self.read_all(bytes, limits);
        if let Some(outermost) = self.components.first() {
            let needs = outermost.needs;
            self.take(&needs);
        }
        result
    }

    fn read_all(&mut self, bytes: &'a [u8], limits: &InspectLimits) -> Result<(), Stop> {
        // The encoding of each module and component that is open, innermost last.
        let mut open = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            match payload {
                Payload::Version { encoding, .. } => {
                    open.push(encoding);
                    self.begin(encoding, limits)?;
                }
                Payload::End(_) => match open.pop() {
                    Some(wasmparser::Encoding::Module) => self.end_module(limits)?,
                    Some(wasmparser::Encoding::Component) => self.end_component(limits)?,
                    None => {}
                },
                Payload::CustomSection(section) => {
                    self.counts.custom_sections = self.counts.custom_sections.saturating_add(1);
                    refuse_size(self.counts.custom_sections, limits.custom_sections, "custom sections")?;
                    self.customs.add(&section, self.module.is_some(), self.components.len());
                }
                payload if self.module.is_some() => self.module_section(payload, limits)?,
                payload => self.component_section(payload, bytes, limits)?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, encoding: wasmparser::Encoding, limits: &InspectLimits) -> Result<(), Stop> {
        match encoding {
            wasmparser::Encoding::Module => {
                self.sizes.core_modules = self.sizes.core_modules.saturating_add(1);
                refuse_size(self.sizes.core_modules, limits.core_modules, "core modules")?;
                let needs = Needs { core_instances: 1, ..Needs::default() };
                self.module = Some(Module { needs, ..Module::default() });
                Ok(())
            }
            wasmparser::Encoding::Component => {
                self.components.push(Scope::default());
                self.sizes.components = self.sizes.components.saturating_add(1);
                self.sizes.nesting_depth = self.sizes.nesting_depth.max(wide(self.components.len()));
                let (components, depth) = (self.sizes.components, wide(self.components.len()));
                bound(LoadFault::Resources, depth, limits.nesting_depth, "components within each other", FLATTEN)?;
                bound(LoadFault::Resources, components, limits.components, "components", FLATTEN)
            }
        }
    }

    fn end_module(&mut self, limits: &InspectLimits) -> Result<(), Stop> {
        if let (Some(module), Some(scope)) = (self.module.take(), self.components.last_mut()) {
            // Also what is only declared must fit: the engine sizes its pools by it.
            module.needs.check(limits)?;
            scope.modules.push(Some(module.needs));
        }
        Ok(())
    }

    fn end_component(&mut self, limits: &InspectLimits) -> Result<(), Stop> {
        if self.components.len() > 1 {
            if let (Some(inner), Some(outer)) = (self.components.pop(), self.components.last_mut()) {
                outer.components.push(Some(inner.needs));
            }
            return Ok(());
        }
        self.components.first().map_or(Ok(()), |outermost| outermost.needs.check(limits))
    }

    fn take(&mut self, needs: &Needs) {
        self.sizes.memories = needs.memories;
        self.sizes.initial_memory_bytes = needs.initial_memory_bytes;
        self.sizes.max_memory_bytes = needs.max_memory_bytes;
        self.sizes.tables = needs.tables;
        self.sizes.table_elements = needs.table_elements;
        self.sizes.core_instances = needs.core_instances;
        self.sizes.custom_sections = self.customs.sizes();
        self.start_function = needs.starts;
    }

    fn component_section(&mut self, payload: Payload<'a>, bytes: &'a [u8], limits: &InspectLimits) -> Result<(), Stop> {
        let outermost = self.components.len() == 1;
        let Some(range) = payload.as_section().map(|(_, range)| range) else { return Ok(()) };
        match payload {
            // The contents of these two arrive as payloads of their own.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => return Ok(()),
            Payload::ComponentTypeSection(_) | Payload::CoreTypeSection(_) => {
                // Reading a type recurses into the types in it, so how deep that may go is bounded from the bytes.
                self.counts.component_type_bytes = self.counts.component_type_bytes.saturating_add(wide(range.len()));
                refuse_size(self.counts.component_type_bytes, limits.component_type_bytes, "bytes of component types")?;
                let contents = bytes.get(range).unwrap_or_default();
                self.counts.nested_types = self.counts.nested_types.saturating_add(nested_types(contents));
                let nested = self.counts.nested_types;
                return bound(LoadFault::Resources, nested, limits.nested_types, "types within each other", FLATTEN);
            }
            _ => {
                self.counts.component_bytes = self.counts.component_bytes.saturating_add(wide(range.len()));
                refuse_size(self.counts.component_bytes, limits.component_bytes, "bytes of component sections")?;
            }
        }
        let Some(scope) = self.components.last_mut() else { return Ok(()) };
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        scope.instantiate_module(module_index, limits)?;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        scope.instantiate_component(component_index, limits)?;
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                let mut scopes: Vec<&mut Scope> = self.components.iter_mut().collect();
                for alias in section {
                    needs::alias(&mut scopes, &alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                let count = u64::from(section.count());
                scope.needs.canonical_functions = scope.needs.canonical_functions.saturating_add(count);
                scope.needs.check(limits)?;
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    scope.import(import.ty.kind());
                    if outermost {
                        self.imports.push((import.name.name, import.ty.kind()));
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    scope.export(export.kind, export.index)?;
                    if outermost {
                        self.exports.push((export.name.name, export.kind));
                    }
                }
            }
            // Validation refuses what remains: sections that have no place here.
            _ => {}
        }
        Ok(())
    }

    fn module_section(&mut self, payload: Payload<'a>, limits: &InspectLimits) -> Result<(), Stop> {
        let Some(module) = self.module.as_mut() else { return Ok(()) };
        let (counts, features) = (&mut self.counts, &mut self.code.features);
        match payload {
            Payload::TypeSection(section) => {
                counts.core_type_bytes = counts.core_type_bytes.saturating_add(wide(section.range().len()));
                refuse_size(counts.core_type_bytes, limits.core_type_bytes, "bytes of types")?;
                for group in section {
                    let group = group?;
                    for ty in group.types() {
                        let arity = match &ty.composite_type.inner {
                            CompositeInnerType::Func(function) => {
                                Arity { params: wide(function.params().len()), results: wide(function.results().len()) }
                            }
                            CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => {
                                features.add(WasmFeatures::GC);
                                Arity::default()
                            }
                            CompositeInnerType::Cont(_) => {
                                features.add(WasmFeatures::STACK_SWITCHING);
                                Arity::default()
                            }
                        };
                        if arity.results > 1 {
                            features.add(WasmFeatures::MULTI_VALUE);
                        }
                        module.signatures.types.push(arity);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    counts.imports = counts.imports.saturating_add(1);
                    refuse_size(counts.imports, limits.imports, "core imports")?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import?.ty {
                        module.signatures.functions.push(ty);
                        module.signatures.imported_functions = module.signatures.imported_functions.saturating_add(1);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.sizes.functions = self.sizes.functions.saturating_add(section.count().into());
                refuse_size(self.sizes.functions, limits.functions, "functions")?;
                for ty in section {
                    module.signatures.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                let needs = &mut module.needs;
                needs.tables = needs.tables.saturating_add(section.count().into());
                needs.check(limits)?;
                for table in section {
                    let table = table?.ty;
                    if table.table64 {
                        features.add(WasmFeatures::MEMORY64);
                    }
                    needs.table_elements = needs.table_elements.saturating_add(table.initial);
                }
                needs.check(limits)?;
            }
            Payload::MemorySection(section) => {
                let needs = &mut module.needs;
                needs.memories = needs.memories.saturating_add(section.count().into());
                needs.check(limits)?;
                if section.count() > 1 {
                    features.add(WasmFeatures::MULTI_MEMORY);
                }
                for memory in section {
                    let memory = memory?;
                    let page = 1u64.checked_shl(memory.page_size_log2.unwrap_or(WASM_PAGE_LOG2)).unwrap_or(u64::MAX);
                    let (initial, most) =
                        (memory.initial.saturating_mul(page), memory.maximum.map(|max| max.saturating_mul(page)));
                    needs.initial_memory_bytes = needs.initial_memory_bytes.saturating_add(initial);
                    needs.max_memory_bytes = needs.max_memory_bytes.saturating_add(most.unwrap_or(MAX_MEMORY_BYTES));
                    for (uses, feature) in [
                        (memory.memory64, WasmFeatures::MEMORY64),
                        (memory.shared, WasmFeatures::THREADS),
                        (memory.page_size_log2.is_some(), WasmFeatures::CUSTOM_PAGE_SIZES),
                    ] {
                        if uses {
                            features.add(feature);
                        }
                    }
                }
                needs.check(limits)?;
            }
            Payload::TagSection(_) => features.add(WasmFeatures::EXCEPTIONS),
            Payload::GlobalSection(section) => {
                counts.globals = counts.globals.saturating_add(section.count().into());
                refuse_size(counts.globals, limits.globals, "globals")?;
                for global in section {
                    features.add(constant(&global?.init_expr, limits)?);
                }
            }
            Payload::ExportSection(section) => {
                counts.exports = counts.exports.saturating_add(section.count().into());
                refuse_size(counts.exports, limits.exports, "core exports")?;
            }
            Payload::StartSection { .. } => module.needs.starts = true,
            Payload::DataCountSection { .. } => features.add(WasmFeatures::BULK_MEMORY),
            Payload::ElementSection(section) => {
                counts.element_segments = counts.element_segments.saturating_add(section.count().into());
                refuse_size(counts.element_segments, limits.element_segments, "element segments")?;
                for element in section {
                    if let ElementKind::Active { offset_expr, .. } = element?.kind {
                        features.add(constant(&offset_expr, limits)?);
                    }
                }
            }
            Payload::DataSection(section) => {
                self.sizes.data_segments = self.sizes.data_segments.saturating_add(section.count().into());
                refuse_size(self.sizes.data_segments, limits.data_segments, "data segments")?;
                for data in section {
                    let data = data?;
                    self.sizes.data_bytes = self.sizes.data_bytes.saturating_add(wide(data.data.len()));
                    if let DataKind::Active { offset_expr, .. } = data.kind {
                        features.add(constant(&offset_expr, limits)?);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                self.sizes.largest_function_bytes = self.sizes.largest_function_bytes.max(wide(body.range().len()));
                self.code.read(&body, &mut module.signatures, limits)?;
            }
            // Validation refuses what remains: sections that have no place here.
            _ => {}
        }
        Ok(())
    }
}

fn refuse_size(value: u64, limit: u64, what: &str) -> Result<(), Stop> {
    bound(LoadFault::Size, value, limit, what, "a policy has no need of so many; leave out what it does not use")
}

/// How many types within types a section can hold at most: a declaration of a type (1) that is a component (0x41) or an
/// instance (0x42) is where one could begin.
fn nested_types(contents: &[u8]) -> u64 {
    wide(contents.windows(2).filter(|pair| matches!(pair, [0x01, 0x41 | 0x42])).count())
}

/// The features of a constant expression.
fn constant(expression: &ConstExpr<'_>, limits: &InspectLimits) -> Result<WasmFeatures, Stop> {
    let mut features = WasmFeatures::empty();
    for (operator, count) in expression.get_operators_reader().into_iter().zip(1..) {
        let operator = operator?;
        let what = "instructions in a constant expression";
        bound(LoadFault::CompileLimit, count, limits.constant_operators, what, "compute it in a function")?;
        if matches!(
            operator,
            Operator::I32Add
                | Operator::I32Sub
                | Operator::I32Mul
                | Operator::I64Add
                | Operator::I64Sub
                | Operator::I64Mul
        ) {
            features = features.union(WasmFeatures::EXTENDED_CONST);
        }
        features = features.union(crate::code::proposal(&operator));
    }
    Ok(features)
}

const FLATTEN: &str = "link the parts into one component";
/// A page of memory is 64 KiB.
const WASM_PAGE_LOG2: u32 = 16;
/// How large a memory may grow that declares no maximum.
const MAX_MEMORY_BYTES: u64 = 1 << 32;
