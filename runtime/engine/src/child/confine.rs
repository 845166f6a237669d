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
    /// Nor can descriptors be used that were open before, besides the standard ones: a host that does not open its files
    /// close-on-exec passes them on.
    pub descriptors: bool,
}

/// Confines the calling thread, and every thread that it starts from now on, for good. Call it while there is one
/// thread.
pub fn confine() -> Confinement {
    let inherited = inherited();
    // Without it, an unprivileged process may not confine itself; with it, no program that it started would gain rights.
    _ = rustix::thread::set_no_new_privs(true);
    let landlock = restrict_files_and_network().is_ok_and(|enforced| enforced);
    let descriptors = inherited.is_some_and(|inherited| filter(&inherited).is_some());
    let seccomp = descriptors || filter(&[]).is_some();
    Confinement { landlock, seccomp, descriptors }
}

/// Descriptors that are open, besides the standard ones; `None` where they cannot be listed, or are more than a filter
/// can name.
fn inherited() -> Option<Vec<u32>> {
    let listed = std::fs::read_dir("/proc/self/fd").ok()?;
    let numbers = listed.map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
    // The one by which they are listed is closed by now, and its number another's later.
    let open = |number: &u32| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    let inherited: Vec<u32> = numbers.into_iter().filter(|number| *number > 2 && open(number)).collect();
    (inherited.len() <= MAX_INHERITED).then_some(inherited)
}

/// A filter has at most 4,096 instructions.
const MAX_INHERITED: usize = 48;

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
fn filter(inherited: &[u32]) -> Option<()> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().copied().chain(WITH_DESCRIPTOR.map(|(call, _)| call)).map(|call| (call, Vec::new())).collect();
    if !inherited.is_empty() {
        for (call, argument) in WITH_DESCRIPTOR {
            // The kernel looks at the lower half.
            let others = inherited.iter().map(|number| {
                SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(*number))
            });
            let others = others.collect::<Result<Vec<_>, _>>().ok()?;
            rules.insert(call, vec![SeccompRule::new(others).ok()?]);
        }
    }
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

/// What is also needed and takes a descriptor, with the number of that argument.
const WITH_DESCRIPTOR: [(i64, u8); 13] = [
    (libc::SYS_read, 0),
    (libc::SYS_readv, 0),
    (libc::SYS_pread64, 0),
    (libc::SYS_recvfrom, 0),
    (libc::SYS_write, 0),
    (libc::SYS_writev, 0),
    (libc::SYS_pwrite64, 0),
    (libc::SYS_sendto, 0),
    (libc::SYS_lseek, 0),
    (libc::SYS_fcntl, 0),
    (libc::SYS_ftruncate, 0),
    (libc::SYS_shutdown, 0),
    (libc::SYS_mmap, 4),
];

/// What compiling, running a guest and ending need.
const ALLOWED: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    // What is open: the socket, the file, the pipe.
    libc::SYS_fstat,
    libc::SYS_close,
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
