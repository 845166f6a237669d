//! regorus, natively: the policy compiled once, its settings as data.

use regorus::{CompiledPolicy, Engine, Value};

pub struct Rego {
    policy: CompiledPolicy,
}

impl Rego {
    pub fn new(policy: &str) -> anyhow::Result<Rego> {
        let mut engine = Engine::new();
        engine.add_policy("deploy.rego".into(), policy.into())?;
        engine.add_data(Value::from_json_str(
            r#"{"settings": {"roles": ["platform_admin", "release_manager"],
                "environments": ["staging", "production"], "actions": ["deploy", "rollback"]}}"#,
        )?)?;
        Ok(Rego { policy: engine.compile_with_entrypoint(&"data.bench.deploy.decision".into())? })
    }

    pub fn parse(&self, text: &str) -> anyhow::Result<Value> {
        Value::from_json_str(text)
    }

    pub fn decide(&self, input: Value) -> anyhow::Result<Value> {
        self.policy.eval_with_input(input)
    }

    pub fn said(&self, text: &str) -> anyhow::Result<String> {
        let decision = self.decide(self.parse(text)?)?;
        let part = |name: &str| decision[name].as_string().map(|text| text.to_string());
        Ok(format!("{} {} {}", part("outcome")?, part("code")?, part("message")?))
    }
}
