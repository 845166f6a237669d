use serde::{Deserialize, Serialize};

/// What a policy did instead of a verdict. Closed: whoever matches on it must break when a kind is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Used more fuel than its limit. Reproducible.
    Fuel,
    /// Ran longer than its time limit. Depends on the machine, so replay cannot promise it.
    Time,
    /// Asked for more memory or table space than its limit.
    Memory,
    /// Used more stack than its limit.
    Stack,
    /// Called the host too often, or passed it too many bytes.
    HostCalls,
    /// Gave a larger result than its limit.
    Output,
    /// Broke the component model's calling convention: bad pointer, UTF-8, discriminant, handle ...
    Abi,
    /// Trapped, in the function, in its initialisation or in its post-return.
    Trap,
    /// Gave an answer of the right types that the contract does not allow: no findings, a bad code ...
    Answer,
    /// Said `err`: it could not judge.
    Error,
    /// Asked for a reference document that the set does not name.
    Data,
    /// Asked for the ledger's history, which was not given or could not be read.
    History,
    /// The host failed while serving the policy.
    Host,
    /// Could not be loaded.
    Load(LoadFault),
}

/// Why a module could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoadFault {
    /// The file is not there or cannot be read.
    Missing,
    /// Not a WebAssembly component in the binary format.
    Format,
    /// Uses a WebAssembly proposal that is off.
    Feature,
    /// Imports or exports something other than the world.
    World,
    /// Larger than the limits on sizes.
    Size,
    /// More than the compiler may be asked to do: huge functions, tables of branches, locals; or more time, memory or
    /// code than compiling it may take.
    CompileLimit,
    /// Declares more memory, tables or instances than its limits.
    Resources,
    /// Not the module that the lock names.
    Pin,
    /// Failed while it was being configured.
    Configure,
    /// Found problems in its settings.
    Settings,
    /// Declared inputs that are malformed, too many, or not those of its description.
    Inputs,
    /// Wants a reference document that the set does not give.
    Data,
    /// Can read the ledger's history, and its description does not announce that.
    History,
    /// Passed inspection, but the compiler or the linker refused it.
    Compile,
    /// The process that compiles modules could not be started, was killed or did not keep to its protocol.
    Compiler,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 28] = [
        Fault::Fuel,
        Fault::Time,
        Fault::Memory,
        Fault::Stack,
        Fault::HostCalls,
        Fault::Output,
        Fault::Abi,
        Fault::Trap,
        Fault::Answer,
        Fault::Error,
        Fault::Data,
        Fault::History,
        Fault::Host,
        Fault::Load(LoadFault::Missing),
        Fault::Load(LoadFault::Format),
        Fault::Load(LoadFault::Feature),
        Fault::Load(LoadFault::World),
        Fault::Load(LoadFault::Size),
        Fault::Load(LoadFault::CompileLimit),
        Fault::Load(LoadFault::Resources),
        Fault::Load(LoadFault::Pin),
        Fault::Load(LoadFault::Configure),
        Fault::Load(LoadFault::Settings),
        Fault::Load(LoadFault::Inputs),
        Fault::Load(LoadFault::Data),
        Fault::Load(LoadFault::History),
        Fault::Load(LoadFault::Compile),
        Fault::Load(LoadFault::Compiler),
    ];

    /// The stable code: `fault.fuel`, `load.world` ...
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Fault::Fuel => "fault.fuel",
            Fault::Time => "fault.time",
            Fault::Memory => "fault.memory",
            Fault::Stack => "fault.stack",
            Fault::HostCalls => "fault.host-calls",
            Fault::Output => "fault.output",
            Fault::Abi => "fault.abi",
            Fault::Trap => "fault.trap",
            Fault::Answer => "fault.answer",
            Fault::Error => "fault.error",
            Fault::Data => "fault.data",
            Fault::History => "fault.history",
            Fault::Host => "fault.host",
            Fault::Load(load) => load.code(),
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Fault::Fuel => "the policy used more fuel than its limit",
            Fault::Time => "the policy ran longer than its time limit",
            Fault::Memory => "the policy asked for more memory than its limit",
            Fault::Stack => "the policy used more stack than its limit",
            Fault::HostCalls => "the policy called the host more often than its limit",
            Fault::Output => "the policy's answer is larger than its limit",
            Fault::Abi => "the policy broke the calling convention of the component model",
            Fault::Trap => "the policy trapped",
            Fault::Answer => "the policy's answer is malformed",
            Fault::Error => "the policy said that it could not judge",
            Fault::Data => "the policy asked for a reference document that the policy set does not name",
            Fault::History => "the policy asked for the ledger's history, which could not be read",
            Fault::Host => "the host failed while serving the policy",
            Fault::Load(load) => load.explain(),
        }
    }

    /// Whether it depends on the machine and its state, so that the same module, settings and request need not give it
    /// again: a clock, a disk, a process that could not be started or ran out of what it may use.
    #[must_use]
    pub const fn is_of_the_host(self) -> bool {
        match self {
            Fault::Time | Fault::Host | Fault::Load(LoadFault::Compiler | LoadFault::CompileLimit) => true,
            Fault::Fuel
            | Fault::Memory
            | Fault::Stack
            | Fault::HostCalls
            | Fault::Output
            | Fault::Abi
            | Fault::Trap
            | Fault::Answer
            | Fault::Error
            | Fault::Data
            | Fault::History
            | Fault::Load(
                LoadFault::Missing
                | LoadFault::Format
                | LoadFault::Feature
                | LoadFault::World
                | LoadFault::Size
                | LoadFault::Resources
                | LoadFault::Pin
                | LoadFault::Configure
                | LoadFault::Settings
                | LoadFault::Inputs
                | LoadFault::Data
                | LoadFault::History
                | LoadFault::Compile,
            ) => false,
        }
    }

    /// The fault of that code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

impl LoadFault {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            LoadFault::Missing => "load.missing",
            LoadFault::Format => "load.format",
            LoadFault::Feature => "load.feature",
            LoadFault::World => "load.world",
            LoadFault::Size => "load.size",
            LoadFault::CompileLimit => "load.compile-limit",
            LoadFault::Resources => "load.resources",
            LoadFault::Pin => "load.pin",
            LoadFault::Configure => "load.configure",
            LoadFault::Settings => "load.settings",
            LoadFault::Inputs => "load.inputs",
            LoadFault::Data => "load.data",
            LoadFault::History => "load.history",
            LoadFault::Compile => "load.compile",
            LoadFault::Compiler => "load.compiler",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            LoadFault::Missing => "the module's file cannot be read",
            LoadFault::Format => "the module is not a WebAssembly component in the binary format",
            LoadFault::Feature => "the module uses a WebAssembly proposal that is switched off",
            LoadFault::World => "the module imports or exports something other than the policy world",
            LoadFault::Size => "the module is larger than its limits",
            LoadFault::CompileLimit => "the module asks more of the compiler than its limits",
            LoadFault::Resources => "the module declares more memory, tables or instances than its limits",
            LoadFault::Pin => "the module is not the one that the lock names",
            LoadFault::Configure => "the policy failed while it was being configured",
            LoadFault::Settings => "the policy found problems in its settings",
            LoadFault::Inputs => "the policy declared inputs that are malformed, too many or not in its description",
            LoadFault::Data => "the policy wants a reference document that the policy set does not give",
            LoadFault::History => "the module can read the ledger's history, which its description does not announce",
            LoadFault::Compile => "the module passed inspection but could not be compiled or linked",
            LoadFault::Compiler => "the process that compiles modules failed, whatever the module is",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.code())
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Fault::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("unknown fault {code:?}")))
    }
}
