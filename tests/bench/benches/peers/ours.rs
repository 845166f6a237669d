//! Policy sets of ours: one policy, 5, 20, 49 and 50 of the same, and one that never returns.

use std::fmt::Write as _;
use std::path::Path;

use portcullis::{CacheOptions, DecideOptions, Decision, Engine, EngineOptions, HistorySource, PolicySet};
use portcullis_gate::Request;

const SETTINGS: &str = r#"{ roles = ["platform_admin", "release_manager"], environments = ["staging", "production"], actions = ["deploy", "rollback"] }"#;

/// A request that the first of the rules below decides.
pub const RULES_REQUEST: &str = r#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},
    "resource":{"type":"service","id":"payment-api"},"context":{"environment":"production","change":{"cost_usd":12}}}"#;

pub struct Set(PolicySet);

pub struct Sets {
    pub one: Set,
    pub five: Set,
    pub twenty: Set,
    pub fifty: Set,
    pub honest: Set,
    pub hostile: Set,
}

impl Sets {
    pub fn open(built: &Path) -> anyhow::Result<Sets> {
        let folder = tempfile::tempdir()?;
        // The same policy many times: compiled once, then from the cache.
        let cache = CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("key") };
        let engine = Engine::new(&EngineOptions { cache: Some(cache), ..EngineOptions::default() })?;
        let module = built.join("bench-policy.wasm");
        let runaway = built.join("runaway.wasm");
        let hostile = format!(
            "portcullis = 1\nname = \"bench\"\n[[policy]]\nname = \"runaway\"\nmodule = {runaway:?}\nlimits = {{ fuel = 5_000_000 }}\n"
        );
        let several = |count: usize| {
            let mut manifest = String::from("portcullis = 1\nname = \"bench\"\n");
            for n in 0..count {
                _ = write!(manifest, "[[policy]]\nname = \"p{n}\"\nmodule = {module:?}\nsettings = {SETTINGS}\n");
            }
            Set::open(&manifest, &engine)
        };
        Ok(Sets {
            one: several(1)?,
            five: several(5)?,
            twenty: several(20)?,
            fifty: several(50)?,
            honest: several(49)?,
            hostile: Set::open(&hostile, &engine)?,
        })
    }

    /// The sample `rules` with 3 and with 40 rules.
    pub fn rules(root: &Path) -> anyhow::Result<Vec<(&'static str, Set)>> {
        let engine = Engine::new(&EngineOptions::default())?;
        let module = root.join("target/policies/rules.wasm");
        let set = |count: usize| {
            let rules: Vec<String> = (0..count).map(rule).collect();
            let manifest = format!(
                "portcullis = 1\nname = \"bench\"\n[[policy]]\nname = \"rules\"\nmodule = {module:?}\nsettings = {{ rules = [{}] }}\n",
                rules.join(", ")
            );
            Set::open(&manifest, &engine)
        };
        Ok(vec![("3 rules", set(3)?), ("40 rules", set(40)?)])
    }
}

/// Rules over the same few fields, none of which matches but the last resort.
fn rule(n: usize) -> String {
    format!(
        "{{ name = \"cost-{n}\", outcome = \"deny\", code = \"bench.rules.cost-{n}\", message = \"over {n}\", \
         when = {{ field = \"/context/change/cost_usd\", op = \">\", value = {} }} }}",
        1000 + n
    )
}

impl Set {
    fn open(manifest: &str, engine: &Engine) -> anyhow::Result<Set> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("portcullis.toml"), manifest)?;
        let lock = PolicySet::lock(folder.path(), engine)?;
        std::fs::write(folder.path().join("portcullis.lock"), lock.lock.render())?;
        Ok(Set(PolicySet::open(folder.path(), engine)?))
    }

    pub fn decide(&self, request: &Request) -> Decision {
        self.0.decide(request, &DecideOptions::default(), &HistorySource::None)
    }

    /// Outcome, code and message of the first finding.
    pub fn said(&self, request: &Request) -> String {
        let decision = self.decide(request);
        let finding = decision.findings().next().map(|finding| format!("{} {}", finding.code, finding.message));
        format!("{} {}", decision.outcome(), finding.unwrap_or_default())
    }
}
