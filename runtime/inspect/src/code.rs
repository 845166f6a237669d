//! Reads the bodies of core functions, to bound what a compiler would have to do with them.

use portcullis_gate::LoadFault;
use wasmparser::{BlockType, FunctionBody, Operator, OperatorsReader, OperatorsReaderAllocations, WasmFeatures};

use crate::InspectLimits;
use crate::stop::{Stop, bound, wide};

/// How many values a function or block takes and gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arity {
    pub params: u64,
    pub results: u64,
}

/// The signatures that the bodies of one module refer to.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    /// By type index; types that are not functions have none of either.
    pub types: Vec<Arity>,
    /// Type index by function index, imported functions first.
    pub functions: Vec<u32>,
    pub imported_functions: usize,
    /// Bodies read so far.
    pub bodies: usize,
}

/// What the bodies add up to, over all modules.
#[derive(Default)]
pub(crate) struct CodeTotals {
    pub locals: u64,
    pub branch_targets: u64,
    pub values: u64,
    pub joins: u64,
    pub features: WasmFeaturesUsed,
    stack: Vec<Label>,
    reader: Option<OperatorsReaderAllocations>,
}

/// Proposals seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WasmFeaturesUsed(pub WasmFeatures);

impl Default for WasmFeaturesUsed {
    fn default() -> Self {
        WasmFeaturesUsed(WasmFeatures::empty())
    }
}

impl WasmFeaturesUsed {
    pub(crate) fn add(&mut self, features: WasmFeatures) {
        self.0 = self.0.union(features);
    }
}

/// What a branch to a block passes, and whether the block is a loop.
#[derive(Clone, Copy, Debug)]
struct Label {
    arity: u64,
    is_loop: bool,
}

impl Signatures {
    fn of_type(&self, index: u32) -> Arity {
        usize::try_from(index).ok().and_then(|index| self.types.get(index)).copied().unwrap_or_default()
    }

    fn of_function(&self, index: u32) -> Arity {
        let ty = usize::try_from(index).ok().and_then(|index| self.functions.get(index));
        ty.map(|ty| self.of_type(*ty)).unwrap_or_default()
    }

    fn of_block(&self, block: BlockType) -> Arity {
        match block {
            BlockType::Empty => Arity::default(),
            BlockType::Type(_) => Arity { params: 0, results: 1 },
            BlockType::FuncType(index) => self.of_type(index),
        }
    }

    /// The arity of the next body's function.
    fn next(&mut self) -> Arity {
        let index = self.imported_functions.saturating_add(self.bodies);
        self.bodies = self.bodies.saturating_add(1);
        self.functions.get(index).map(|ty| self.of_type(*ty)).unwrap_or_default()
    }
}

impl CodeTotals {
    /// Reads one body.
    pub(crate) fn read(
        &mut self,
        body: &FunctionBody<'_>,
        signatures: &mut Signatures,
        limits: &InspectLimits,
    ) -> Result<(), Stop> {
        let index = signatures.imported_functions.saturating_add(signatures.bodies);
        let function = signatures.next();
        let bytes = wide(body.range().len());
        let refuse = |value, limit, what: &str| {
            if value <= limit {
                return Ok(());
            }
            let what = format!("{what} in function {index} (at byte {})", body.range().start);
            bound(LoadFault::CompileLimit, value, limit, &what, MEND)
        };
        refuse(bytes, limits.function_bytes, "bytes")?;

        let mut locals_reader = body.get_locals_reader()?;
        let mut locals = 0u64;
        for _ in 0..locals_reader.get_count() {
            let (count, _) = locals_reader.read()?;
            locals = locals.saturating_add(count.into());
            refuse(locals, limits.function_locals, "locals")?;
        }
        self.locals = self.locals.saturating_add(locals);
        bound(LoadFault::CompileLimit, self.locals, limits.locals, "locals in all functions", MEND)?;

        self.stack.clear();
        self.stack.push(Label { arity: function.results, is_loop: false });
        let (mut values, mut targets, mut loops, mut blocks) = (0u64, 0u64, 0u64, 0u64);
        let allocations = self.reader.take().unwrap_or_default();
        let mut reader = OperatorsReader::new_with_allocs(locals_reader.get_binary_reader(), allocations);
        while !reader.eof() {
            let operator = reader.read()?;
            self.features.add(proposal(&operator));
            let passed = match &operator {
                Operator::Block { blockty } | Operator::If { blockty } | Operator::Try { blockty } => {
                    let arity = signatures.of_block(*blockty);
                    self.enter(arity, false);
                    sum(arity)
                }
                Operator::TryTable { try_table } => {
                    let arity = signatures.of_block(try_table.ty);
                    self.enter(arity, false);
                    sum(arity)
                }
                Operator::Loop { blockty } => {
                    let arity = signatures.of_block(*blockty);
                    self.enter(arity, true);
                    loops = loops.saturating_add(1);
                    refuse(loops, limits.loop_depth, "loops within each other")?;
                    sum(arity)
                }
                Operator::End | Operator::Delegate { .. } => {
                    if self.stack.pop().is_some_and(|label| label.is_loop) {
                        loops = loops.saturating_sub(1);
                    }
                    blocks = blocks.saturating_add(1);
                    0
                }
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => self.label(*relative_depth),
                Operator::BrTable { targets: table } => {
                    targets = targets.saturating_add(table.len().into()).saturating_add(1);
                    refuse(targets, limits.function_branch_targets, "branch targets")?;
                    let mut passed = self.label(table.default());
                    for target in table.targets() {
                        passed = passed.saturating_add(self.label(target?)).saturating_add(1);
                    }
                    passed
                }
                Operator::Return => function.results,
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    sum(signatures.of_function(*function_index))
                }
                Operator::CallIndirect { type_index, .. }
                | Operator::ReturnCallIndirect { type_index, .. }
                | Operator::CallRef { type_index }
                | Operator::ReturnCallRef { type_index } => sum(signatures.of_type(*type_index)),
                Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => loops,
                _ => 0,
            };
            values = values.saturating_add(passed).saturating_add(1);
            refuse(values, limits.function_values, "instructions and values that branches, calls and loops pass")?;
            refuse(wide(self.stack.len()), limits.block_depth, "blocks within each other")?;
        }
        self.reader = Some(reader.into_allocations());
        let joins = blocks.saturating_mul(locals.saturating_add(function.params));
        refuse(joins, limits.function_joins, "blocks times locals")?;
        self.branch_targets = self.branch_targets.saturating_add(targets);
        self.values = self.values.saturating_add(values);
        self.joins = self.joins.saturating_add(joins);
        let refuse = |value, limit, what| bound(LoadFault::CompileLimit, value, limit, what, MEND);
        refuse(self.branch_targets, limits.branch_targets, "branch targets in all functions")?;
        refuse(self.values, limits.values, "instructions and values in all functions")?;
        refuse(self.joins, limits.joins, "blocks times locals, summed over all functions")
    }

    fn enter(&mut self, arity: Arity, is_loop: bool) {
        if arity.params > 0 || arity.results > 1 {
            self.features.add(WasmFeatures::MULTI_VALUE);
        }
        self.stack.push(Label { arity: if is_loop { arity.params } else { arity.results }, is_loop });
    }

    /// What a branch out of `depth` blocks passes. An invalid depth is left to validation.
    fn label(&self, depth: u32) -> u64 {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        self.stack.iter().nth_back(depth).map(|label| label.arity).unwrap_or_default()
    }
}

fn sum(arity: Arity) -> u64 {
    arity.params.saturating_add(arity.results)
}

macro_rules! define_proposal {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// The proposal that an instruction came with.
        pub(crate) fn proposal(operator: &Operator<'_>) -> WasmFeatures {
            match operator {
                $(Operator::$op { .. } => instructions::$proposal,)*
                _ => WasmFeatures::empty(),
            }
        }
    };
}
wasmparser::for_each_operator!(define_proposal);

/// The names that wasmparser's list of instructions uses for proposals.
#[expect(non_upper_case_globals, reason = "named as in the list of instructions")]
mod instructions {
    use wasmparser::WasmFeatures;

    pub(super) const mvp: WasmFeatures = WasmFeatures::empty();
    pub(super) const bulk_memory: WasmFeatures = WasmFeatures::BULK_MEMORY;
    pub(super) const custom_descriptors: WasmFeatures = WasmFeatures::CUSTOM_DESCRIPTORS;
    pub(super) const exceptions: WasmFeatures = WasmFeatures::EXCEPTIONS;
    pub(super) const function_references: WasmFeatures = WasmFeatures::FUNCTION_REFERENCES;
    pub(super) const gc: WasmFeatures = WasmFeatures::GC;
    pub(super) const legacy_exceptions: WasmFeatures = WasmFeatures::LEGACY_EXCEPTIONS;
    pub(super) const memory_control: WasmFeatures = WasmFeatures::MEMORY_CONTROL;
    pub(super) const reference_types: WasmFeatures = WasmFeatures::REFERENCE_TYPES;
    pub(super) const relaxed_simd: WasmFeatures = WasmFeatures::RELAXED_SIMD;
    pub(super) const saturating_float_to_int: WasmFeatures = WasmFeatures::SATURATING_FLOAT_TO_INT;
    pub(super) const shared_everything_threads: WasmFeatures = WasmFeatures::SHARED_EVERYTHING_THREADS;
    pub(super) const sign_extension: WasmFeatures = WasmFeatures::SIGN_EXTENSION;
    pub(super) const simd: WasmFeatures = WasmFeatures::SIMD;
    pub(super) const stack_switching: WasmFeatures = WasmFeatures::STACK_SWITCHING;
    pub(super) const tail_call: WasmFeatures = WasmFeatures::TAIL_CALL;
    pub(super) const threads: WasmFeatures = WasmFeatures::THREADS;
    pub(super) const wide_arithmetic: WasmFeatures = WasmFeatures::WIDE_ARITHMETIC;
}

const MEND: &str =
    "compilers do not make such code from ordinary source; split the function or leave out what inflates it";
