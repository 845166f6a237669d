use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_gate::{Fault, Faulted, HistoryCall, Limits, Pointer, Request, Said, Sha256};

use crate::cache::CacheUse;
use crate::engine::Shared;
use crate::load::check_documents;
use crate::reading::Reading;
use crate::runner::{Budget, Runner, fuel_used, refuel, without_a_clock};
use crate::sandbox::{Records, Stop};
use crate::turns::Turn;
use crate::wit::Value;
use crate::{History, HostCall, HostData, LoadError};

/// A loaded policy: a module with its settings, ready to be evaluated any number of times, from any thread.
pub struct Policy {
    pub(crate) shared: Arc<Shared>,
    pub(crate) runner: Runner,
    pub(crate) mode: Mode,
    pub(crate) settings: Box<str>,
    pub(crate) inputs: Box<[Pointer]>,
    /// The reference documents that the module reads.
    pub(crate) documents: Box<[String]>,
    pub(crate) limits: Limits,
    pub(crate) data: Arc<dyn HostData>,
    pub(crate) module_sha256: Sha256,
    pub(crate) settings_sha256: Sha256,
    pub(crate) cache_use: CacheUse,
}

/// How a policy gets its settings into each sandbox. The verdicts are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `configure` ran once, at load; every sandbox starts from its memory.
    Snapshot,
    /// `configure` runs in every sandbox, because a snapshot of this module cannot be made, and why.
    ConfigureEachTime(String),
}

/// What came of one evaluation.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The answer or the fault.
    pub said: Said,
    /// Fuel used by `evaluate`. The same for the same module, settings and inputs.
    pub fuel: u64,
    /// Linear memory that the sandbox had in the end, in bytes, summed over all memories: it never shrinks.
    pub memory_bytes: u64,
    /// Wall time, sandbox included.
    pub duration: Duration,
    /// What the policy logged, escaped and within its limit.
    pub log: Vec<String>,
    /// What the policy asked of the history, in order, with the answers.
    pub history: Vec<HistoryCall>,
}

impl Policy {
    /// Evaluates a request in a fresh sandbox, without the ledger's history: a policy that asks for it faults.
    #[must_use]
    pub fn evaluate(&self, request: &Request) -> Evaluation {
        self.evaluate_with(request, None)
    }

    /// Evaluates a request in a fresh sandbox. `history` answers what the policy asks about past decisions; without it,
    /// asking is [`Fault::History`](portcullis_gate::Fault::History). Waits for a turn of the engine.
    #[must_use]
    pub fn evaluate_with(&self, request: &Request, history: Option<Arc<dyn History>>) -> Evaluation {
        self.evaluate_during(&self.turn(), request, history)
    }

    /// As [`Policy::evaluate_with`], in a turn of this policy's engine that the caller has.
    #[must_use]
    pub fn evaluate_during(&self, _: &Turn<'_>, request: &Request, history: Option<Arc<dyn History>>) -> Evaluation {
        self.run(request, history, None)
    }

    /// Waits until this policy's engine has room for one more evaluation.
    pub fn turn(&self) -> Turn<'_> {
        self.shared.turns.take()
    }

    /// The same module with the same settings and limits, and other reference documents.
    ///
    /// # Errors
    /// [`LoadError`]: the module reads a document that is not among them.
    pub fn with_documents(&self, data: Arc<dyn HostData>) -> Result<Policy, LoadError> {
        check_documents(&self.documents, &*data)?;
        Ok(Policy {
            shared: Arc::clone(&self.shared),
            runner: self.runner.clone(),
            mode: self.mode.clone(),
            settings: self.settings.clone(),
            inputs: self.inputs.clone(),
            documents: self.documents.clone(),
            limits: self.limits,
            data,
            module_sha256: self.module_sha256,
            settings_sha256: self.settings_sha256,
            cache_use: self.cache_use.clone(),
        })
    }

    /// Evaluates a request, in a turn of the caller's; where `calls` is given, every call of the host is put there.
    pub(crate) fn run(
        &self,
        request: &Request,
        history: Option<Arc<dyn History>>,
        calls: Option<&mut Vec<HostCall>>,
    ) -> Evaluation {
        let started = Instant::now();
        if let Some(said) = without_a_clock(&self.shared, started) {
            return unevaluated(said, started);
        }
        let (inputs, time_ms) = match self.read(request, started) {
            Ok(read) => read,
            Err(Stop { fault, detail }) => return unevaluated(Said::Fault(Faulted { fault, detail }), started),
        };
        let budget = Budget::of_evaluation(&self.limits).within(time_ms);
        let traced = calls.is_some();
        let (said, fuel, records) = match &self.mode {
            Mode::Snapshot => {
                let mut store = self.runner.store(&self.limits, &self.data, Some(request), budget);
                store.data_mut().give_history(history);
                store.data_mut().trace(traced);
                let said = match self.runner.instance(&mut store) {
                    Ok(instance) => self.runner.evaluate(&mut store, instance, &inputs),
                    Err(faulted) => Said::Fault(faulted),
                };
                (said, fuel_used(&store, budget), store.data_mut().take_records())
            }
            Mode::ConfigureEachTime(_) => self.configure_and_evaluate(request, history, &inputs, budget, traced),
        };
        let Records { log, history, calls: made, memory_bytes } = records;
        if let (Some(calls), Some(made)) = (calls, made) {
            *calls = made;
        }
        Evaluation { said, fuel, memory_bytes, duration: started.elapsed(), log, history }
    }

    /// The declared inputs, and the milliseconds that are left for the guest.
    fn read<'r>(&self, request: &'r Request, started: Instant) -> Result<(Vec<Value<&'r str>>, u64), Stop> {
        let mut reading = Reading {
            started,
            time_ms: self.limits.time_ms,
            bytes: self.limits.memory_bytes,
            over: Fault::Memory,
            limit: || format!("{} bytes of memory can hold", self.limits.memory_bytes),
        };
        // Most requests are small and most policies read few fields: a clock for each would be a tenth of an evaluation.
        let large = request.bytes().len() > LARGE_REQUEST_BYTES;
        let every = if large { 1 } else { 16 };
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for (place, pointer) in self.inputs.iter().enumerate() {
            if place % every == every - 1 {
                reading.in_time()?;
            }
            inputs.push(reading.request(request, pointer)?);
        }
        let spent = if large { u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) } else { 0 };
        Ok((inputs, self.limits.time_ms.saturating_sub(spent)))
    }

    fn configure_and_evaluate(
        &self,
        request: &Request,
        history: Option<Arc<dyn History>>,
        inputs: &[Value<&str>],
        budget: Budget,
        traced: bool,
    ) -> (Said, u64, Records) {
        let configuration = Budget::of_configuration_each_time(&self.limits);
        let mut store = self.runner.store(&self.limits, &self.data, None, configuration);
        match self.runner.configured(&mut store, &self.settings) {
            Ok((instance, _)) => {
                store.data_mut().open(request);
                store.data_mut().give_history(history);
                store.data_mut().trace(traced);
                refuel(&mut store, budget);
                let said = self.runner.evaluate(&mut store, instance, inputs);
                (said, fuel_used(&store, budget), store.data_mut().take_records())
            }
            Err(unconfigured) => (unconfigured.into_said(), 0, Records::default()),
        }
    }

    /// The request fields that the policy declared, in its order.
    #[must_use]
    pub fn inputs(&self) -> &[Pointer] {
        &self.inputs
    }

    /// sha256 of the module's bytes.
    #[must_use]
    pub fn module_sha256(&self) -> Sha256 {
        self.module_sha256
    }

    /// sha256 of the settings' bytes.
    #[must_use]
    pub fn settings_sha256(&self) -> Sha256 {
        self.settings_sha256
    }

    /// How the policy gets its settings.
    #[must_use]
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// What the compile cache did when the policy was loaded.
    #[must_use]
    pub fn cache_use(&self) -> &CacheUse {
        &self.cache_use
    }
}

/// A request from which sixteen fields may take a while to find: a millisecond or so.
const LARGE_REQUEST_BYTES: usize = 256 * 1024;

/// What came of an evaluation that did not get as far as a sandbox.
fn unevaluated(said: Said, started: Instant) -> Evaluation {
    let duration = started.elapsed();
    Evaluation { said, fuel: 0, memory_bytes: 0, duration, log: Vec::new(), history: Vec::new() }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("module_sha256", &self.module_sha256)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
