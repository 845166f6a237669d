use portcullis_gate::LoadFault;

/// Why inspecting stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub fault: LoadFault,
    /// One line: what, where, how to mend it.
    pub detail: String,
}

impl Stop {
    pub(crate) fn new(fault: LoadFault, detail: impl Into<String>) -> Stop {
        Stop { fault, detail: detail.into() }
    }
}

/// Malformed bytes. The parser reads every proposal, so this is never a matter of features.
impl From<wasmparser::Error> for Stop {
    fn from(error: wasmparser::Error) -> Self {
        let what = crate::text::name(error.message());
        let detail = format!("not a valid component: at byte {}: {what}; build it again", error.offset());
        Stop::new(LoadFault::Format, detail)
    }
}

/// Refuses `value` above `limit`, naming both and how to mend it.
pub(crate) fn bound(fault: LoadFault, value: u64, limit: u64, what: &str, mend: &str) -> Result<(), Stop> {
    if value <= limit {
        return Ok(());
    }
    Err(Stop::new(fault, format!("{value} {what}, more than {limit}: {mend}")))
}

/// A length or index as `u64`.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
