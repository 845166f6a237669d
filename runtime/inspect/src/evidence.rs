//! A pass over the whole file for reviewers, apart from the one that admits: it goes on where that one refuses, as far as
//! the bytes can be read, and what it costs is linear in them.

use serde::Serialize;
use wasmparser::{
    CustomSectionReader, DataKind, Encoding, FunctionBody, KnownCustom, Name, NameSectionReader, Parser, Payload,
    TypeRef,
};

use crate::claims::Claims;
use crate::custom::Customs;
use crate::prints::Prints;
use crate::stop::wide;
use crate::strings::Strings;
use crate::text;

/// One core module of the file.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct CoreModule {
    /// Which one, counted from 0 in the order of the file.
    pub index: u64,
    /// The name that it gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In how many components it is: 1 is the outermost alone; 0 is a file that is no component.
    pub depth: u64,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Functions with a body.
    pub functions: u64,
    /// All bodies, in bytes.
    pub code_bytes: u64,
    /// The largest body, in bytes.
    pub largest_function_bytes: u64,
    /// The function with the largest body: its name, where the module has one, or `function 17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_function: Option<String>,
    /// Imports.
    pub imports: u64,
    /// Exports.
    pub exports: u64,
    /// Globals.
    pub globals: u64,
    /// Memories that it defines.
    pub memories: u64,
    /// Their initial pages of 64 KiB.
    pub memory_pages: u64,
    /// Tables that it defines.
    pub tables: u64,
    /// Their initial elements.
    pub table_elements: u64,
    /// Element segments.
    pub element_segments: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Data segments that are placed only when code asks for it.
    pub passive_data_segments: u64,
    /// Contents of the data segments, in bytes.
    pub data_bytes: u64,
    /// Whether it has a start function.
    pub start_function: bool,
}

/// Bytes of the file by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Parts {
    /// Functions' bodies.
    pub code: u64,
    /// Data segments.
    pub data: u64,
    /// Types, imports, exports, tables, globals ... of core modules.
    pub tables: u64,
    /// What ties the modules together: types, instances, imports and exports of components.
    pub component: u64,
    /// Custom sections.
    pub custom: u64,
    /// Headers; and what could not be read.
    pub rest: u64,
}

/// What the pass found.
#[derive(Debug, Default)]
pub(crate) struct Evidence<'a> {
    pub parts: Parts,
    pub modules: Vec<CoreModule>,
    pub modules_left_out: u64,
    pub customs: Customs<'a>,
    pub claims: Claims,
    pub strings: Strings,
    pub prints: Prints,
    /// Whether the file was read to its end.
    pub complete: bool,
    seen: u64,
    depth: usize,
    module: Option<Open>,
}

/// The module that is being read.
#[derive(Debug, Default)]
struct Open {
    found: CoreModule,
    begin: usize,
    imported_functions: u64,
    largest: u64,
}

impl<'a> Evidence<'a> {
    /// Reads `bytes`, whatever they are.
    pub(crate) fn read(&mut self, bytes: &'a [u8]) {
        let read = self.read_all(bytes);
        self.complete = read.is_ok();
        if !self.complete {
            self.prints.add_unread(bytes);
        }
        if let Some(open) = self.module.take() {
            self.close(open, bytes.len());
        }
        let Parts { code, data, tables, component, custom, rest: _ } = self.parts;
        let known = [code, data, tables, component, custom].into_iter().fold(0u64, u64::saturating_add);
        self.parts.rest = wide(bytes.len()).saturating_sub(known);
    }

    fn read_all(&mut self, bytes: &'a [u8]) -> wasmparser::Result<()> {
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            self.prints.add(&payload, bytes);
            let section = payload.as_section().map_or(0, |(_, range)| wide(range.len()));
            match payload {
                Payload::Version { encoding: Encoding::Module, range, .. } => {
                    let found = CoreModule { index: self.seen, depth: wide(self.depth), ..CoreModule::default() };
                    self.seen = self.seen.saturating_add(1);
                    self.module = Some(Open { found, begin: range.start, ..Open::default() });
                }
                Payload::Version { encoding: Encoding::Component, .. } => self.depth = self.depth.saturating_add(1),
                Payload::End(end) => match self.module.take() {
                    Some(open) => self.close(open, end),
                    None => self.depth = self.depth.saturating_sub(1),
                },
                Payload::CustomSection(section) => {
                    add(&mut self.parts.custom, wide(section.range().len()));
                    self.custom(&section);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {}
                payload => match &mut self.module {
                    Some(open) => {
                        let part = match &payload {
                            Payload::CodeSectionStart { .. } => &mut self.parts.code,
                            Payload::DataSection(_) => &mut self.parts.data,
                            _ => &mut self.parts.tables,
                        };
                        add(part, section);
                        open.section(payload, &mut self.strings)?;
                    }
                    None => add(&mut self.parts.component, section),
                },
            }
        }
        Ok(())
    }

    fn close(&mut self, open: Open, end: usize) {
        let Open { mut found, begin, largest, .. } = open;
        found.bytes = wide(end.saturating_sub(begin));
        if found.functions > 0 && found.largest_function.is_none() {
            found.largest_function = Some(format!("function {largest}"));
        }
        if self.modules.len() < MAX_MODULES {
            self.modules.push(found);
        } else {
            add(&mut self.modules_left_out, 1);
        }
    }

    fn custom(&mut self, section: &CustomSectionReader<'a>) {
        self.customs.add(section, self.module.is_some(), self.depth);
        self.claims.add(section);
        if let (KnownCustom::Name(names), Some(open)) = (section.as_known(), &mut self.module) {
            open.names(names);
        }
        let name = section.name();
        if !matches!(name, "name" | "component-name" | "producers" | "target_features") && !name.starts_with(".debug_")
        {
            let place = || format!("custom section {}", text::name(name));
            self.strings.search(section.data(), wide(section.data_offset()), &place);
        }
    }
}

impl Open {
    fn section(&mut self, payload: Payload<'_>, strings: &mut Strings) -> wasmparser::Result<()> {
        let found = &mut self.found;
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    add(&mut found.imports, 1);
                    if let TypeRef::Func(_) | TypeRef::FuncExact(_) = import?.ty {
                        add(&mut self.imported_functions, 1);
                    }
                }
            }
            Payload::ExportSection(section) => add(&mut found.exports, section.count().into()),
            Payload::GlobalSection(section) => add(&mut found.globals, section.count().into()),
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    add(&mut found.memories, 1);
                    add(&mut found.memory_pages, memory.initial);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    add(&mut found.tables, 1);
                    add(&mut found.table_elements, table.ty.initial);
                }
            }
            Payload::ElementSection(section) => add(&mut found.element_segments, section.count().into()),
            Payload::StartSection { .. } => found.start_function = true,
            Payload::CodeSectionEntry(body) => self.body(&body),
            Payload::DataSection(section) => {
                let place = format!("data of core module {}", found.index);
                for segment in section {
                    let segment = segment?;
                    add(&mut found.data_segments, 1);
                    if let DataKind::Passive = segment.kind {
                        add(&mut found.passive_data_segments, 1);
                    }
                    add(&mut found.data_bytes, wide(segment.data.len()));
                    let at = segment.range.end.saturating_sub(segment.data.len());
                    strings.search(segment.data, wide(at), &|| place.clone());
                }
            }
            // What remains has nothing to count.
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) {
        let bytes = wide(body.range().len());
        if bytes > self.found.largest_function_bytes {
            self.found.largest_function_bytes = bytes;
            self.largest = self.imported_functions.saturating_add(self.found.functions);
        }
        add(&mut self.found.functions, 1);
        add(&mut self.found.code_bytes, bytes);
    }

    /// The names come after the code.
    fn names(&mut self, names: NameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            match name {
                Name::Module { name, .. } => self.found.name = Some(text::name(name)),
                Name::Function(functions) => {
                    let mut functions = functions.into_iter().map_while(Result::ok);
                    let largest = functions.find(|naming| u64::from(naming.index) == self.largest);
                    if let Some(naming) = largest {
                        self.found.largest_function = Some(format!("{} ({})", text::name(naming.name), self.largest));
                    }
                }
                _ => {}
            }
        }
    }
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// Most core modules that a report lists.
pub(crate) const MAX_MODULES: usize = 64;
