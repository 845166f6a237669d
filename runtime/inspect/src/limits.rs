use portcullis_gate::Limits;

/// What a module may be at most. The first four come from the policy's own limits; the others bound what inspecting,
/// compiling and starting a module can cost, and are wide enough for JavaScript, Python and Go policies of 4 to 20 MB.
/// All are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectLimits {
    /// The file, in bytes.
    pub module_bytes: u64,
    /// Initial linear memory, in bytes, summed over all memories that instantiation creates; also of each memory that
    /// is only declared.
    pub memory_bytes: u64,
    /// Initial table elements, summed over all tables that instantiation creates; also of each declared table.
    pub table_elements: u64,
    /// Core instances, memories and tables that instantiation creates, each.
    pub instances: u64,

    /// How deep components are nested; 1 is a component without components inside.
    pub nesting_depth: u64,
    /// Component types nested in component types, counted where one could begin.
    pub nested_types: u64,
    /// Core modules in the file.
    pub core_modules: u64,
    /// Components in the file.
    pub components: u64,
    /// Component instances that instantiation creates.
    pub component_instances: u64,
    /// Functions lifted, lowered or built in, over all component instances.
    pub canonical_functions: u64,
    /// Sections of components, in bytes, without nested modules and components, types and custom sections.
    pub component_bytes: u64,
    /// Type sections of components, in bytes.
    pub component_type_bytes: u64,
    /// Types that the signatures of a component's functions consist of, counted with repetition, summed over functions.
    pub signature_types: u64,

    /// Type sections of core modules, in bytes.
    pub core_type_bytes: u64,
    /// Core imports.
    pub imports: u64,
    /// Core exports.
    pub exports: u64,
    /// Core globals.
    pub globals: u64,
    /// Core functions with a body.
    pub functions: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Element segments.
    pub element_segments: u64,
    /// Instructions of one constant expression: the host runs them at each instantiation, where no fuel counts them.
    pub constant_operators: u64,
    /// Custom sections.
    pub custom_sections: u64,

    /// One function's body, in bytes.
    pub function_bytes: u64,
    /// One function's locals, without parameters.
    pub function_locals: u64,
    /// Locals over all functions.
    pub locals: u64,
    /// Targets of the branch tables of one function.
    pub function_branch_targets: u64,
    /// Targets of all branch tables.
    pub branch_targets: u64,
    /// Values that one function's branches and calls pass, and that its loops carry around; one more for each instruction.
    /// What a compiler has to keep track of, which a small body can make large.
    pub function_values: u64,
    /// The same over all functions.
    pub values: u64,
    /// Blocks of one function, times its locals: where paths meet, a compiler looks at each local.
    pub function_joins: u64,
    /// The same over all functions.
    pub joins: u64,
    /// How deep the blocks of one function are nested.
    pub block_depth: u64,
    /// How deep the loops of one function are nested.
    pub loop_depth: u64,
}

impl Default for InspectLimits {
    fn default() -> Self {
        InspectLimits {
            module_bytes: 32 * MIB,
            memory_bytes: 256 * MIB,
            table_elements: 100_000,
            instances: 64,
            nesting_depth: 8,
            nested_types: 200,
            core_modules: 256,
            components: 32,
            component_instances: 64,
            canonical_functions: 10_000,
            component_bytes: 4 * MIB,
            component_type_bytes: MIB,
            signature_types: 100_000,
            core_type_bytes: 2 * MIB,
            imports: 50_000,
            exports: 100_000,
            globals: 100_000,
            functions: 150_000,
            data_segments: 20_000,
            element_segments: 20_000,
            constant_operators: 16,
            custom_sections: 1_000,
            function_bytes: MIB,
            function_locals: 20_000,
            locals: 4_000_000,
            function_branch_targets: 20_000,
            branch_targets: 2_000_000,
            function_values: 4_000_000,
            values: 200_000_000,
            function_joins: 100_000_000,
            joins: 500_000_000,
            block_depth: 20_000,
            loop_depth: 256,
        }
    }
}

impl From<&Limits> for InspectLimits {
    fn from(limits: &Limits) -> Self {
        InspectLimits {
            module_bytes: limits.module_bytes,
            memory_bytes: limits.memory_bytes,
            table_elements: limits.table_elements,
            instances: limits.instances,
            ..InspectLimits::default()
        }
    }
}

const MIB: u64 = 1024 * 1024;
