//! Which WebAssembly features a policy may use, and validation with just those.

use std::collections::HashMap;

use portcullis_gate::LoadFault;
use wasmparser::component_types::{ComponentDefinedType, ComponentDefinedTypeId, ComponentValType};
use wasmparser::types::Types;
use wasmparser::{Encoding, FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::InspectLimits;
use crate::stop::{Stop, bound};
use crate::text;

/// The WebAssembly features that a policy may use; the engine has just these on.
///
/// Mutable globals, bulk memory, reference types (to functions), sign extension, saturating conversions, several
/// results, 128-bit SIMD, extended constants, and the component model as of its first release: WebAssembly 2.0 without
/// references to host objects.
#[must_use]
pub const fn features() -> WasmFeatures {
    FEATURES
}

/// Validates a scanned component.
pub(crate) fn validate(bytes: &[u8], limits: &InspectLimits) -> Result<Types, Stop> {
    let error = match run(bytes, FEATURES, limits) {
        Ok(types) => return Ok(types),
        Err(Failure::Stop(stop)) => return Err(stop),
        Err(Failure::Invalid(error)) => error,
    };
    match run(bytes, WasmFeatures::all(), limits) {
        Ok(_) => {}
        Err(Failure::Stop(stop)) => return Err(stop),
        Err(Failure::Invalid(error)) => return Err(error.into()),
    }
    let used = error.missing_wasm_feature().unwrap_or_else(|| needed(bytes, limits));
    let named = names(used.difference(FEATURES));
    let uses = if named.is_empty() { "a proposal beyond those of a policy".to_owned() } else { named.join(", ") };
    let detail = format!(
        "uses {uses} (at byte {}: {}), which is switched off: build the policy without it",
        error.offset(),
        text::name(error.message())
    );
    Err(Stop::new(LoadFault::Feature, detail))
}

/// The names of `features`, for people; those of the first version have none.
pub(crate) fn names(features: WasmFeatures) -> Vec<String> {
    PROPOSALS.iter().filter(|(flag, _)| features.contains(*flag)).map(|(_, words)| (*words).to_owned()).collect()
}

enum Failure {
    Invalid(wasmparser::Error),
    Stop(Stop),
}

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Self {
        Failure::Invalid(error)
    }
}

/// As `Validator::validate_all`, and bounds the signatures of every component on the way.
fn run(bytes: &[u8], features: WasmFeatures, limits: &InspectLimits) -> Result<Types, Failure> {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let (mut open, mut functions, mut outermost) = (Vec::new(), Vec::new(), None);
    let mut signature_types = 0u64;
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        if let Payload::Version { encoding, .. } = &payload {
            open.push(*encoding);
        }
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => functions.push((function, body)),
            ValidPayload::End(types) => {
                if open.pop() == Some(Encoding::Component) {
                    let more = signatures(&types, limits.signature_types);
                    signature_types = signature_types.saturating_add(more);
                    bound(
                        LoadFault::CompileLimit,
                        signature_types,
                        limits.signature_types,
                        "types in signatures",
                        SIMPLER,
                    )
                    .map_err(Failure::Stop)?;
                }
                outermost = Some(types);
            }
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in functions {
        let mut validator = function.into_validator(allocations);
        validator.validate(&body)?;
        allocations = validator.into_allocations();
    }
    outermost.ok_or_else(|| Failure::Stop(Stop::new(LoadFault::Format, "the component has no end: get the whole file")))
}

/// How many types the signatures of a component's functions consist of, counted with repetition: a few tuples of tuples
/// can make millions, and the engine makes code for each. Stops counting beyond `limit`.
fn signatures(types: &Types, limit: u64) -> u64 {
    let types = types.as_ref();
    let mut known = HashMap::new();
    let mut sum = 0u64;
    for index in 0..types.component_function_count() {
        let Some(function) = types.get(types.component_function_at(index)) else { continue };
        for ty in function.params.iter().map(|(_, ty)| ty).chain(&function.result) {
            sum = sum.saturating_add(size(&types, ty, &mut known));
        }
        if sum > limit {
            break;
        }
    }
    sum
}

/// Validation bounds how deep types go, and so this recursion.
fn size(
    types: &wasmparser::types::TypesRef<'_>,
    ty: &ComponentValType,
    known: &mut HashMap<ComponentDefinedTypeId, u64>,
) -> u64 {
    let ComponentValType::Type(id) = ty else { return 1 };
    if let Some(size) = known.get(id) {
        return *size;
    }
    let mut sum = |parts: &mut dyn Iterator<Item = &ComponentValType>| {
        parts.fold(1u64, |sum, part| sum.saturating_add(size(types, part, known)))
    };
    let total = match types.get(*id) {
        None => 1,
        Some(ty) => match ty {
            ComponentDefinedType::Primitive(_) | ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => 1,
            ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names) => crate::stop::wide(names.len()),
            ComponentDefinedType::Record(record) => sum(&mut record.fields.values()),
            ComponentDefinedType::Variant(variant) => {
                let payloads = sum(&mut variant.cases.values().filter_map(|case| case.ty.as_ref()));
                payloads.saturating_add(crate::stop::wide(variant.cases.len()))
            }
            ComponentDefinedType::Tuple(tuple) => sum(&mut tuple.types.iter()),
            ComponentDefinedType::List { element, .. } => sum(&mut [element].into_iter()),
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                sum(&mut [element].into_iter()).saturating_mul((*length).max(1).into())
            }
            ComponentDefinedType::Map { key, value, .. } => sum(&mut [key, value].into_iter()),
            ComponentDefinedType::Option { ty, .. } => sum(&mut [ty].into_iter()),
            ComponentDefinedType::Result { ok, err, .. } => sum(&mut ok.iter().chain(err)),
            ComponentDefinedType::Future { ty, .. } | ComponentDefinedType::Stream { ty, .. } => sum(&mut ty.iter()),
        },
    };
    known.insert(*id, total);
    total
}

/// The features without which a component that is valid with all of them is not. Not for large ones: it validates once
/// for each feature.
fn needed(bytes: &[u8], limits: &InspectLimits) -> WasmFeatures {
    let mut needed = WasmFeatures::empty();
    if bytes.len() > MAX_BYTES_TO_NAME {
        return needed;
    }
    for (flag, _) in PROPOSALS {
        if !FEATURES.contains(flag) && run(bytes, WasmFeatures::all().difference(flag), limits).is_err() {
            needed = needed.union(flag);
        }
    }
    needed
}

const FEATURES: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// Every feature beyond the first version, in words.
const PROPOSALS: [(WasmFeatures, &str); 39] = [
    (WasmFeatures::SATURATING_FLOAT_TO_INT, "saturating conversions"),
    (WasmFeatures::SIGN_EXTENSION, "sign extension"),
    (WasmFeatures::REFERENCE_TYPES, "reference types"),
    (WasmFeatures::MULTI_VALUE, "several results"),
    (WasmFeatures::BULK_MEMORY, "bulk memory"),
    (WasmFeatures::SIMD, "SIMD"),
    (WasmFeatures::EXTENDED_CONST, "extended constants"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::THREADS, "threads and shared memory"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::TAIL_CALL, "tail calls"),
    (WasmFeatures::MULTI_MEMORY, "several memories in one module"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exceptions (legacy)"),
    (WasmFeatures::MEMORY64, "64-bit memories (memory64)"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::GC, "garbage collection (GC)"),
    (WasmFeatures::GC_TYPES, "references to host objects"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact import sections"),
    (WasmFeatures::CM_VALUES, "component values"),
    (WasmFeatures::CM_NESTED_NAMES, "nested component names"),
    (WasmFeatures::CM_ASYNC, "component async"),
    (WasmFeatures::CM_ASYNC_STACKFUL, "component async (stackful)"),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, "component async (more built-ins)"),
    (WasmFeatures::CM_THREADING, "component threads"),
    (WasmFeatures::CM_ERROR_CONTEXT, "component error contexts"),
    (WasmFeatures::CM_FIXED_LENGTH_LISTS, "fixed-length lists"),
    (WasmFeatures::CM_GC, "components with garbage collection"),
    (WasmFeatures::CM_MAP, "component maps"),
    (WasmFeatures::CM64, "64-bit components"),
    (WasmFeatures::CM_IMPLEMENTS, "component `implements` names"),
    (WasmFeatures::CM_CANON_NAMES, "component version suffixes"),
    (WasmFeatures::COMPONENT_MODEL, "the component model"),
    (WasmFeatures::FLOATS, "floating point"),
];

const SIMPLER: &str = "use fewer and flatter types in the component's interfaces";
/// Largest component for which the proposals are worked out that validation did not name.
const MAX_BYTES_TO_NAME: usize = 1 << 20;
