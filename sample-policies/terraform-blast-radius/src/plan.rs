//! The parts of a plan that are judged, as `terraform show -json` writes them
//! (<https://developer.hashicorp.com/terraform/internals/json-format>).

use std::cell::OnceCell;

use portcullis_policy::prelude::*;

use crate::planned::Planned;

/// An entry of `resource_changes`.
#[derive(FromJson)]
pub struct ResourceChange {
    /// With module path and index: `module.web["a"].aws_instance.x[0]`.
    pub address: String,
    /// `aws_security_group`
    #[json(rename = "type")]
    pub kind: String,
    /// Set on objects that a failed replacement left behind.
    pub deposed: Option<String>,
    /// What happens to it.
    pub change: Change,
}

/// Before and after.
#[derive(FromJson)]
pub struct Change {
    /// `["create"]`, `["delete", "create"]` ...
    pub actions: Vec<String>,
    /// The resource as it is; null where it is created.
    pub before: Option<Json>,
    /// The resource as it will be, without what is not known yet; null where it is destroyed.
    pub after: Option<Json>,
    /// The same shape, with `true` where a value is known only after apply.
    pub after_unknown: Option<Json>,
}

/// An entry of `resource_drift`: what changed outside Terraform.
#[derive(FromJson)]
pub struct Drift {
    /// Which resource.
    pub address: String,
    /// How it changed.
    pub change: DriftChange,
}

/// How a resource changed outside Terraform.
#[derive(FromJson)]
pub struct DriftChange {
    /// As in [`Change::actions`].
    pub actions: Vec<String>,
}

/// What the actions of a change amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, or reading a data source.
    Nothing,
    /// A new object.
    Create,
    /// In place.
    Update,
    /// Gone.
    Destroy,
    /// Gone, and a new one in its place.
    Replace,
    /// No longer managed, but still there; perhaps with a new one beside it.
    Forget,
    /// Actions that this policy does not know.
    Unknown,
}

impl Effect {
    /// What a list of actions amounts to.
    pub fn of(actions: &[String]) -> Effect {
        let mut actions = actions.iter().map(|action| &**action);
        match (actions.next(), actions.next(), actions.next()) {
            (Some("no-op" | "read"), None, None) => Effect::Nothing,
            (Some("create"), None, None) => Effect::Create,
            (Some("update"), None, None) => Effect::Update,
            (Some("delete"), None, None) => Effect::Destroy,
            (Some("delete"), Some("create"), None) | (Some("create"), Some("delete"), None) => Effect::Replace,
            (Some("forget"), None, None) | (Some("create"), Some("forget"), None) => Effect::Forget,
            _ => Effect::Unknown,
        }
    }
}

/// One resource that a plan changes.
#[derive(Clone, Copy)]
pub struct Resource<'p> {
    /// Its place in `resource_changes`.
    pub index: usize,
    /// Its entry.
    pub entry: &'p ResourceChange,
    /// What happens to it.
    pub effect: Effect,
    /// The configuration that it was planned from.
    pub configuration: &'p Configuration<'p>,
}

impl<'p> Resource<'p> {
    /// `aws_security_group`
    pub fn kind(&self) -> &'p str {
        &self.entry.kind
    }

    /// Everything planned for it.
    pub fn planned(&self) -> Planned<'p> {
        Planned::new(self.entry.change.after.as_ref(), self.entry.change.after_unknown.as_ref())
    }

    /// The planned value of an attribute.
    ///
    /// A plan does not tell an attribute that nobody wrote, which the provider fills in, from one whose expression is
    /// known only after apply. The configuration does: the former counts as absent. Blocks need more care, since the
    /// configuration leaves dynamic blocks out: see [`Resource::block`].
    #[inline(never)]
    pub fn attribute(&self, name: &str) -> Planned<'p> {
        let planned = self.planned().get(name);
        if planned.is_unknown() && self.configuration.writes(&self.entry.address, name) == Some(false) {
            return Planned::default();
        }
        planned
    }

    /// The planned value of a block, as the plan has it.
    #[inline(never)]
    pub fn block(&self, name: &str) -> Planned<'p> {
        self.planned().get(name)
    }

    /// Whether the configuration has the block outside `dynamic`; `None` where it does not show the resource.
    pub fn writes(&self, name: &str) -> Option<bool> {
        self.configuration.writes(&self.entry.address, name)
    }

    /// Whether an attribute's expression refers to resources of one type and nothing else.
    pub fn refers_only_to(&self, name: &str, kind: &str) -> bool {
        let expression = self.configuration.expressions(&self.entry.address).and_then(|all| all.get(name));
        let references = expression.and_then(|expression| expression.get("references")).and_then(Json::as_array);
        let of_kind = |reference: &Json| {
            let own = reference.as_str().and_then(|reference| reference.strip_prefix(kind));
            own.is_some_and(|rest| rest.starts_with('.'))
        };
        references.is_some_and(|references| !references.is_empty() && references.iter().all(of_kind))
    }

    /// Whether an attribute is `true` before the change.
    #[inline(never)]
    pub fn was_true(&self, name: &str) -> bool {
        let before = self.entry.change.before.as_ref();
        before.and_then(|before| before.get(name)).and_then(Json::as_bool) == Some(true)
    }
}

/// `/configuration/root_module`, read only when a question needs it.
pub struct Configuration<'p> {
    value: &'p Value,
    parsed: OnceCell<Option<Json>>,
}

impl<'p> Configuration<'p> {
    /// The configuration of a plan; `Missing` where it has none.
    pub fn new(value: &'p Value) -> Configuration<'p> {
        Configuration { value, parsed: OnceCell::new() }
    }

    /// Whether the configuration of the resource at `address` has an expression for `attribute`; `None` where it
    /// does not show the resource.
    fn writes(&self, address: &str, attribute: &str) -> Option<bool> {
        Some(self.expressions(address)?.get(attribute).is_some())
    }

    /// The expressions of the resource at `address`.
    fn expressions(&self, address: &str) -> Option<&Json> {
        let mut module = self.root()?;
        let address = without_indexes(address);
        let mut own: &str = &address;
        while let Some(rest) = own.strip_prefix("module.") {
            let (call, rest) = rest.split_once('.')?;
            module = module.get("module_calls")?.get(call)?.get("module")?;
            own = rest;
        }
        let resources = module.get("resources")?.as_array()?;
        let resource = resources.iter().find(|resource| resource.get("address").and_then(Json::as_str) == Some(own))?;
        resource.get("expressions")
    }

    fn root(&self) -> Option<&Json> {
        let parse = || match self.value {
            Value::Json(text) => Json::parse(text).ok(),
            _ => None,
        };
        self.parsed.get_or_init(parse).as_ref()
    }
}

/// An address without its indexes: `module.a["x.y"].aws_instance.b[0]` is `module.a.aws_instance.b`.
fn without_indexes(address: &str) -> String {
    let mut plain = String::with_capacity(address.len());
    let (mut inside, mut quoted, mut escaped) = (false, false, false);
    for character in address.chars() {
        match (inside, quoted, character) {
            (false, _, '[') => inside = true,
            (false, _, other) => plain.push(other),
            (true, false, ']') => inside = false,
            (true, false, '"') => quoted = true,
            (true, true, '"') if !escaped => quoted = false,
            _ => {}
        }
        escaped = quoted && character == '\\' && !escaped;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_left_out_of_addresses() {
        for (address, plain) in [
            ("aws_instance.a", "aws_instance.a"),
            ("aws_instance.a[0]", "aws_instance.a"),
            (r#"module.m["x.y"].module.n[1].aws_instance.a["]"]"#, "module.m.module.n.aws_instance.a"),
            (r#"aws_instance.a["quote \" and ] bracket \\"]"#, "aws_instance.a"),
        ] {
            assert_eq!(without_indexes(address), plain);
        }
    }

    #[test]
    fn the_configuration_says_what_was_written() {
        let value = Value::Json(
            r#"{"resources": [{"address": "a.a", "expressions": {"y": {}}}, {"address": "a.b", "expressions": {"x": {}}}],
                "module_calls": {"m": {"module": {"resources": [{"address": "a.b", "expressions": {"y": {}}}]}}}}"#
                .into(),
        );
        let configuration = Configuration::new(&value);
        assert_eq!(configuration.writes("a.b[0]", "x"), Some(true));
        assert_eq!(configuration.writes("a.b", "y"), Some(false));
        assert_eq!(configuration.writes(r#"module.m["k"].a.b"#, "y"), Some(true));
        assert_eq!(configuration.writes("module.m.a.b", "x"), Some(false));
        assert_eq!(configuration.writes("module.n.a.b", "x"), None);
        assert_eq!(Configuration::new(&Value::Missing).writes("a.b", "x"), None);
    }
}
