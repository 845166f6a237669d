//! What a policy was given and what it asked of the host in one evaluation, for whoever debugs the policy. Nothing of it
//! decides.

use std::sync::Arc;

use portcullis_gate::{HistoryCall, Request};

use crate::wit::Value;
use crate::{Evaluation, History, Policy};

/// One call of an import, with what came of it. An error ended the evaluation. Texts are the guest's own: escape them
/// before they are shown.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HostCall {
    /// A line for the log. [`Evaluation::log`] has what was kept of it.
    Log(String),
    /// A value of a reference document.
    Data {
        /// The document's name.
        document: String,
        /// Where in it: a JSON pointer.
        pointer: String,
        /// The value; `None` where the document has none there.
        answer: Result<Option<serde_json::Value>, String>,
    },
    /// Fields of the request.
    Request {
        /// Which: JSON pointers.
        pointers: Vec<String>,
        /// Their values, in the same order; `None` where the request has none there.
        answer: Result<Vec<Option<serde_json::Value>>, String>,
    },
    /// A question about past decisions.
    History(HistoryCall),
}

/// An evaluation with everything that went into it.
#[derive(Clone, Debug)]
pub struct Traced {
    /// What came of it.
    pub evaluation: Evaluation,
    /// The values of the declared inputs, in the order of [`Policy::inputs`]; `None` where the request has none.
    pub inputs: Vec<Option<serde_json::Value>>,
    /// The calls of the host in the order in which they were made; as many as the policy's limits allow.
    pub calls: Vec<HostCall>,
}

impl Policy {
    /// As [`Policy::evaluate_with`], with every value that the policy was given.
    #[must_use]
    pub fn trace(&self, request: &Request, history: Option<Arc<dyn History>>) -> Traced {
        let inputs = self.inputs().iter().map(|pointer| json(&Value::from(request.get(pointer)))).collect();
        let mut calls = Vec::new();
        let _turn = self.turn();
        let evaluation = self.run(request, history, Some(&mut calls));
        Traced { evaluation, inputs, calls }
    }
}

/// A value as JSON; `None` where it is missing.
pub(crate) fn json<S: AsRef<str>>(value: &Value<S>) -> Option<serde_json::Value> {
    Some(match value {
        Value::Missing => return None,
        Value::Null => serde_json::Value::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Number(value) => (*value).into(),
        Value::Text(text) => text.as_ref().into(),
        // A part of a document, so it is JSON; as text where it is nested too deeply for this reader.
        Value::Json(json) => serde_json::from_str(json).unwrap_or_else(|_| json.as_ref().into()),
    })
}
