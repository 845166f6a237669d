//! What a compiling child gives up on Linux: files, network, other processes, and every system call that compiling does
//! not need. Defence in depth: on a kernel without Landlock or seccomp, the child goes on without.

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

/// What of it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// No file can be opened, no TCP port used, no process outside signalled: as far as this kernel's Landlock goes.
    pub landlock: bool,
    /// System calls that are not on the list fail as if the kernel had none.
    pub seccomp: bool,
}

/// Confines the calling thread, and every thread that it starts from now on, for good. What is open stays open. Call it
/// while there is one thread.
pub fn confine() -> Confinement {
    // Without it, an unprivileged process may not confine itself; with it, no program that it started would gain rights.
    _ = rustix::thread::set_no_new_privs(true);
    Confinement { landlock: restrict_files_and_network().is_ok_and(|enforced| enforced), seccomp: filter().is_some() }
}

fn restrict_files_and_network() -> Result<bool, landlock::RulesetError> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Installs the filter; `None` where it cannot be.
fn filter() -> Option<()> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let equals = |argument, mask, value| {
        let comparison = SeccompCmpOp::MaskedEq(mask);
        SeccompCondition::new(argument, SeccompCmpArgLen::Qword, comparison, value)
    };
    let rule = |condition: SeccompCondition| SeccompRule::new(vec![condition]);
    // Threads, and no processes. `clone3` passes its flags in memory, where a filter cannot look: without it, the C
    // library uses `clone`.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![rule(equals(0, thread, thread).ok()?).ok()?]);
    // Limits are read, of this process, and not set.
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![equals(0, u64::MAX, 0).ok()?, equals(2, u64::MAX, 0).ok()?]).ok()?],
    );
    // Signals go to this process: a crash ends it by one.
    let own = u64::from(std::process::id());
    for call in [libc::SYS_tgkill, libc::SYS_kill] {
        rules.insert(call, vec![rule(equals(0, u64::MAX, own).ok()?).ok()?]);
    }
    let missing = SeccompAction::Errno(u32::try_from(libc::ENOSYS).ok()?);
    let arch = std::env::consts::ARCH.try_into().ok()?;
    let filter = SeccompFilter::new(rules, missing, SeccompAction::Allow, arch).ok()?;
    let program: seccompiler::BpfProgram = filter.try_into().ok()?;
    seccompiler::apply_filter(&program).ok()
}

/// What compiling, running a guest and ending need.
const ALLOWED: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // What is open: the socket, the file, the pipe.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_sendto,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_shutdown,
    // Threads and time.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_prctl,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals, which are how guests trap.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
];
