use std::time::Duration;

use portcullis_gate::Limits;

use crate::cache::MAX_ENTRY_BYTES;
use crate::runner::COMPARISON_TIMES;

/// What compiling one module may cost. Over a limit, the module is refused (`load.compile-limit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// CPU time of any module, over all threads, in seconds. The policy's own limits on the time of `configure` and
    /// `evaluate` are added, for they run too.
    pub cpu_s: u64,
    /// CPU time for each MiB of the module, begun, in seconds.
    pub cpu_s_per_mib: u64,
    /// Time from the start to the answer, in seconds; the policy's limits are added as above. Long enough for a busy
    /// machine: what burns time meets the limit on CPU time first.
    pub wall_s: u64,
    /// Private writable memory besides the module, in bytes (`RLIMIT_DATA`): what is reserved and never written does not
    /// count. 64 MiB are the least.
    pub memory_bytes: u64,
    /// The code, in bytes; at most 512 MiB.
    pub code_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits { cpu_s: 30, cpu_s_per_mib: 30, wall_s: 600, memory_bytes: 2 << 30, code_bytes: MAX_ENTRY_BYTES }
    }
}

impl CompileLimits {
    /// CPU time for a module of that size, in seconds.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no children"))]
    pub(crate) fn cpu_s_for(&self, module_bytes: usize, limits: &Limits) -> u64 {
        let mib = (module_bytes as u64).div_ceil(1 << 20);
        self.cpu_s.saturating_add(self.cpu_s_per_mib.saturating_mul(mib)).saturating_add(guest_s(limits)).max(1)
    }

    /// Memory for a module of that size, in bytes.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no children"))]
    pub(crate) fn memory_for(&self, module_bytes: usize) -> u64 {
        self.memory_bytes.max(MIN_MEMORY_BYTES).saturating_add(module_bytes as u64)
    }

    /// Time from the start to the answer.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no children"))]
    pub(crate) fn wall_for(&self, limits: &Limits) -> Duration {
        Duration::from_secs(self.wall_s.saturating_add(guest_s(limits)).min(MAX_WALL_S))
    }
}

/// With less, the child does not get to look at a module.
const MIN_MEMORY_BYTES: u64 = 64 << 20;

/// A day: longer waits are none.
const MAX_WALL_S: u64 = 86_400;

/// `configure` runs twice while a module is loaded (for the snapshot, and to compare it with the module), and so does `evaluate`,
/// once of it with the time of `configure` in addition.
fn guest_s(limits: &Limits) -> u64 {
    let evaluate_ms = limits.time_ms.saturating_mul(COMPARISON_TIMES.saturating_mul(2));
    let ms = limits.configure_time_ms.saturating_mul(3).saturating_add(evaluate_ms);
    ms.div_ceil(1000)
}
