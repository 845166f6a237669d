//! One component, ready to be instantiated: the calls of the world's two exports, each in a store with limits.

use std::sync::Arc;
use std::time::Instant;

use portcullis_gate::{Fault, Faulted, Limits, Request, Said};
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre};
use wasmtime::{Engine, Store};

use crate::call::guarded;
use crate::engine::{Pool, Shared};
use crate::sandbox::Sandbox;
use crate::ticker::TICK;
use crate::wit::{self, Problem, Value};
use crate::{HostData, text};

/// How much longer than an evaluation one that is compared may take.
pub(crate) const COMPARISON_TIMES: u64 = 4;

/// Handles that a guest with resources of its own may hold at once.
const MAX_HANDLES: usize = 1024;

#[derive(Clone)]
pub(crate) struct Runner {
    engine: Engine,
    pre: InstancePre<Sandbox>,
    configure: ComponentExportIndex,
    evaluate: ComponentExportIndex,
}

/// What bounds one call into a guest.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    fuel: u64,
    time_ms: u64,
}

impl Budget {
    pub(crate) fn of_evaluation(limits: &Limits) -> Budget {
        Budget { fuel: limits.fuel, time_ms: limits.time_ms }
    }

    /// The same with less time.
    pub(crate) fn within(self, time_ms: u64) -> Budget {
        Budget { time_ms: self.time_ms.min(time_ms), ..self }
    }

    pub(crate) fn of_configuration(limits: &Limits) -> Budget {
        Budget { fuel: limits.configure_fuel, time_ms: limits.configure_time_ms }
    }

    /// For an evaluation whose answer is compared: with time to spare, so that a busy machine seldom decides what comes of it.
    pub(crate) fn of_comparison(limits: &Limits) -> Budget {
        Budget { fuel: limits.fuel, time_ms: limits.time_ms.saturating_mul(COMPARISON_TIMES) }
    }

    /// For the same in slower code, where the faster has answered.
    pub(crate) fn of_slow_comparison(limits: &Limits) -> Budget {
        let Budget { fuel, time_ms } = Budget::of_comparison(limits);
        Budget { fuel, time_ms: time_ms.saturating_add(limits.configure_time_ms) }
    }

    /// For `configure` inside an evaluation: it has fuel of its own, so that the evaluation's is the same in either
    /// mode, and shares the evaluation's time.
    pub(crate) fn of_configuration_each_time(limits: &Limits) -> Budget {
        Budget { fuel: limits.configure_fuel, time_ms: limits.time_ms }
    }
}

/// Why `configure` gave no inputs.
pub(crate) enum Unconfigured {
    /// The guest went wrong.
    Faulted(Faulted),
    /// The settings are wrong, in the policy's words.
    Problems(String),
}

impl Runner {
    pub(crate) fn new(pool: &Pool, component: &Component) -> wasmtime::Result<Runner> {
        let export = |name: &str| {
            component.get_export_index(None, name).ok_or_else(|| wasmtime::Error::msg(format!("no export `{name}`")))
        };
        Ok(Runner {
            engine: pool.engine.clone(),
            pre: pool.linker.instantiate_pre(component)?,
            configure: export("configure")?,
            evaluate: export("evaluate")?,
        })
    }

    /// A store with every limit set, before anything of the guest exists.
    pub(crate) fn store(
        &self,
        limits: &Limits,
        data: &Arc<dyn HostData>,
        request: Option<&Request>,
        budget: Budget,
    ) -> Store<Sandbox> {
        let mut store = Store::new(&self.engine, Sandbox::new(*limits, Arc::clone(data), request.cloned()));
        store.limiter(|sandbox| sandbox);
        store.set_hostcall_fuel(usize::try_from(limits.result_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(MAX_HANDLES);
        refill(&mut store, budget);
        store
    }

    /// Instantiates the component and calls `configure`.
    pub(crate) fn configured(
        &self,
        store: &mut Store<Sandbox>,
        settings: &str,
    ) -> Result<(Instance, Vec<String>), Unconfigured> {
        let called = guarded(|| {
            let instance = self.pre.instantiate(&mut *store)?;
            let configure = instance
                .get_typed_func::<(&str,), (Result<Vec<String>, Vec<Problem>>,)>(&mut *store, self.configure)?;
            let (result,) = configure.call(&mut *store, (settings,))?;
            Ok((instance, result))
        });
        match called {
            Ok((instance, Ok(inputs))) => Ok((instance, inputs)),
            Ok((_, Err(problems))) => Err(Unconfigured::Problems(shown(&problems))),
            Err(faulted) => Err(Unconfigured::Faulted(faulted)),
        }
    }

    /// Instantiates the component, which holds its settings already.
    pub(crate) fn instance(&self, store: &mut Store<Sandbox>) -> Result<Instance, Faulted> {
        guarded(|| self.pre.instantiate(&mut *store))
    }

    /// Calls `evaluate` and checks the answer.
    pub(crate) fn evaluate(&self, store: &mut Store<Sandbox>, instance: Instance, inputs: &[Value<&str>]) -> Said {
        let called = guarded(|| {
            let evaluate = instance
                .get_typed_func::<(&[Value<&str>],), (Result<wit::Answer, String>,)>(&mut *store, self.evaluate)?;
            Ok(evaluate.call(&mut *store, (inputs,))?.0)
        });
        match called {
            Ok(Ok(answer)) => match answer.into_gate() {
                Ok(answer) => Said::Answer(answer),
                Err(detail) => fault(Fault::Answer, detail),
            },
            Ok(Err(message)) => fault(Fault::Error, text::shown(&message)),
            Err(faulted) => Said::Fault(faulted),
        }
    }

    /// Whether both exports have the contract's types: the second belt after the inspection of the bytes.
    pub(crate) fn check_types(&self, store: &mut Store<Sandbox>, instance: Instance) -> wasmtime::Result<()> {
        instance.get_typed_func::<(&str,), (Result<Vec<String>, Vec<Problem>>,)>(&mut *store, self.configure)?;
        instance.get_typed_func::<(&[Value<&str>],), (Result<wit::Answer, String>,)>(&mut *store, self.evaluate)?;
        Ok(())
    }
}

/// Gives a store the fuel of a new call; its time goes on.
pub(crate) fn refuel(store: &mut Store<Sandbox>, budget: Budget) {
    // Fuel is switched on in every engine of ours, so this cannot fail; if it did, the guest would have none.
    _ = store.set_fuel(budget.fuel);
}

/// Gives a store the fuel and the time of a new call.
pub(crate) fn refill(store: &mut Store<Sandbox>, budget: Budget) {
    refuel(store, budget);
    // The running tick is already partly over.
    let ticks = u128::from(budget.time_ms).div_ceil(TICK.as_millis()).saturating_add(1);
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
}

/// Fuel that a store has used of `budget`.
pub(crate) fn fuel_used(store: &Store<Sandbox>, budget: Budget) -> u64 {
    budget.fuel.saturating_sub(store.get_fuel().unwrap_or(0))
}

/// A fault where time limits are not being enforced.
pub(crate) fn without_a_clock(shared: &Shared, now: Instant) -> Option<Said> {
    if shared.ticker.is_alive(now) {
        return None;
    }
    Some(fault(Fault::Host, "the thread that enforces time limits has stopped; nothing is evaluated".into()))
}

fn fault(fault: Fault, detail: String) -> Said {
    Said::Fault(Faulted { fault, detail })
}

fn shown(problems: &[Problem]) -> String {
    const MAX_PROBLEMS: usize = 20;
    let mut lines: Vec<String> = problems
        .iter()
        .take(MAX_PROBLEMS)
        .map(|problem| {
            let at = if problem.at.is_empty() { "(settings)".into() } else { text::shown(&problem.at) };
            format!("{at}: {}", text::shown(&problem.message))
        })
        .collect();
    match problems.len() {
        0 => lines.push("the policy refuses its settings, and does not say why".into()),
        count if count > MAX_PROBLEMS => lines.push(format!("and {} more", count.saturating_sub(MAX_PROBLEMS))),
        _ => {}
    }
    lines.join("; ")
}

impl Unconfigured {
    /// As something that a policy said, where it is configured anew for each evaluation.
    pub(crate) fn into_said(self) -> Said {
        match self {
            Unconfigured::Faulted(faulted) => Said::Fault(faulted),
            Unconfigured::Problems(detail) => fault(Fault::Error, detail),
        }
    }
}

/// Whether two runs said the same, details of faults aside: they may quote addresses.
pub(crate) fn said_alike(one: &Said, two: &Said) -> bool {
    match (one, two) {
        (Said::Answer(one), Said::Answer(two)) => one == two,
        (Said::Fault(one), Said::Fault(two)) => one.fault == two.fault,
        (Said::Answer(_), Said::Fault(_)) | (Said::Fault(_), Said::Answer(_)) => false,
    }
}
