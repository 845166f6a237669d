//! What instantiating a component creates, counted without instantiating it.
//!
//! A component that is instantiated twice, each time by a component that is instantiated twice ..., is small in the file
//! and large in the engine, so what is counted is the expansion.

use portcullis_gate::LoadFault;
use wasmparser::{ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind};

use crate::InspectLimits;
use crate::stop::{Stop, bound};

/// What one instantiation creates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub core_instances: u64,
    pub component_instances: u64,
    pub canonical_functions: u64,
    pub memories: u64,
    pub initial_memory_bytes: u64,
    pub max_memory_bytes: u64,
    pub tables: u64,
    pub table_elements: u64,
    /// Whether a start function runs.
    pub starts: bool,
}

/// The modules and components that a component can instantiate. `None` for those that it is handed as arguments: what
/// they need is not known where they are instantiated.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub modules: Vec<Option<Needs>>,
    pub components: Vec<Option<Needs>>,
    /// What instantiating this component creates, as far as it has been read.
    pub needs: Needs,
}

impl Needs {
    pub(crate) fn add(&mut self, other: &Needs) {
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.component_instances = self.component_instances.saturating_add(other.component_instances);
        self.canonical_functions = self.canonical_functions.saturating_add(other.canonical_functions);
        self.memories = self.memories.saturating_add(other.memories);
        self.initial_memory_bytes = self.initial_memory_bytes.saturating_add(other.initial_memory_bytes);
        self.max_memory_bytes = self.max_memory_bytes.saturating_add(other.max_memory_bytes);
        self.tables = self.tables.saturating_add(other.tables);
        self.table_elements = self.table_elements.saturating_add(other.table_elements);
        self.starts |= other.starts;
    }

    /// Refuses what is more than the limits.
    pub(crate) fn check(&self, limits: &InspectLimits) -> Result<(), Stop> {
        let refuse = |value, limit, what, mend| bound(LoadFault::Resources, value, limit, what, mend);
        refuse(self.initial_memory_bytes, limits.memory_bytes, "bytes of initial memory", MEND_MEMORY)?;
        refuse(self.table_elements, limits.table_elements, "initial table elements", MEND_TABLES)?;
        refuse(self.core_instances, limits.instances, "core instances", MEND_INSTANCES)?;
        refuse(self.memories, limits.instances, "memories", MEND_INSTANCES)?;
        refuse(self.tables, limits.instances, "tables", MEND_INSTANCES)?;
        refuse(self.component_instances, limits.component_instances, "component instances", MEND_FLAT)?;
        bound(
            LoadFault::CompileLimit,
            self.canonical_functions,
            limits.canonical_functions,
            "functions that cross the component's border",
            MEND_FLAT,
        )
    }
}

impl Scope {
    /// A core instance of module `index`.
    pub(crate) fn instantiate_module(&mut self, index: u32, limits: &InspectLimits) -> Result<(), Stop> {
        let needs = known(&self.modules, index, "module")?;
        self.needs.add(&needs);
        self.needs.check(limits)
    }

    /// An instance of component `index`.
    pub(crate) fn instantiate_component(&mut self, index: u32, limits: &InspectLimits) -> Result<(), Stop> {
        let needs = known(&self.components, index, "component")?;
        self.needs.add(&needs);
        self.needs.component_instances = self.needs.component_instances.saturating_add(1);
        self.needs.check(limits)
    }

    /// An import of this kind: a new entry of unknown needs where it is a module or component.
    pub(crate) fn import(&mut self, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Module => self.modules.push(None),
            ComponentExternalKind::Component => self.components.push(None),
            ComponentExternalKind::Func
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Instance => {}
        }
    }

    /// An export, which gives what it exports a second index.
    pub(crate) fn export(&mut self, kind: ComponentExternalKind, index: u32) -> Result<(), Stop> {
        match kind {
            ComponentExternalKind::Module => {
                let needs = *entry(&self.modules, index, "module")?;
                self.modules.push(needs);
            }
            ComponentExternalKind::Component => {
                let needs = *entry(&self.components, index, "component")?;
                self.components.push(needs);
            }
            ComponentExternalKind::Func
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Instance => {}
        }
        Ok(())
    }
}

/// An alias in the innermost of `scopes`.
pub(crate) fn alias(scopes: &mut [&mut Scope], alias: &ComponentAlias<'_>) -> Result<(), Stop> {
    match alias {
        ComponentAlias::CoreInstanceExport { .. } => {}
        ComponentAlias::InstanceExport { kind, .. } => {
            if let Some(scope) = scopes.last_mut() {
                scope.import(*kind);
            }
        }
        ComponentAlias::Outer { kind, count, index } => {
            let outer = usize::try_from(*count).ok().and_then(|count| scopes.iter().nth_back(count));
            let Some(outer) = outer else {
                return Err(Stop::new(
                    LoadFault::Format,
                    format!("an alias reaches {count} components out: {REBUILD}"),
                ));
            };
            match kind {
                ComponentOuterAliasKind::CoreModule => {
                    let needs = *entry(&outer.modules, *index, "module")?;
                    if let Some(scope) = scopes.last_mut() {
                        scope.modules.push(needs);
                    }
                }
                ComponentOuterAliasKind::Component => {
                    let needs = *entry(&outer.components, *index, "component")?;
                    if let Some(scope) = scopes.last_mut() {
                        scope.components.push(needs);
                    }
                }
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
            }
        }
    }
    Ok(())
}

fn known(entries: &[Option<Needs>], index: u32, what: &str) -> Result<Needs, Stop> {
    entry(entries, index, what)?.ok_or_else(|| {
        let detail = format!(
            "instantiates a {what} that it is handed as an argument, so what it creates cannot be counted: instantiate it \
             where it is defined"
        );
        Stop::new(LoadFault::Resources, detail)
    })
}

fn entry<'a>(entries: &'a [Option<Needs>], index: u32, what: &str) -> Result<&'a Option<Needs>, Stop> {
    usize::try_from(index).ok().and_then(|index| entries.get(index)).ok_or_else(|| {
        Stop::new(LoadFault::Format, format!("refers to {what} {index}, which it does not have: {REBUILD}"))
    })
}

const REBUILD: &str = "it is not a valid component; build it again";
const MEND_MEMORY: &str = "build the policy with less memory, or raise `memory-mib` in its limits";
const MEND_TABLES: &str = "raise `table-elements` in the policy's limits";
const MEND_INSTANCES: &str = "link its modules into one, or raise `instances` in the policy's limits";
const MEND_FLAT: &str = "link the parts into one component";
