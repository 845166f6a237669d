//! Whether another module can take the place of one in a policy set.

use std::path::Path;
use std::sync::Arc;

use portcullis_engine::{Engine, Mode, Policy};
use portcullis_gate::{Faulted, Sha256};
use serde::Serialize;

use crate::set::Folder;
use crate::{ModuleStore, PolicySet, SetError};

/// One policy of a set with its module and with another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The policy's name.
    pub policy: String,
    /// With the module that it has.
    pub before: Tried,
    /// With the other one.
    pub after: Tried,
}

/// What came of loading a module with a policy's settings, documents and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Tried {
    /// It is loaded.
    Loaded {
        /// The request fields that it reads with these settings, as JSON pointers.
        inputs: Vec<String>,
        /// Why `configure` runs in each evaluation, where no snapshot can be made.
        #[serde(skip_serializing_if = "Option::is_none")]
        without_snapshot: Option<String>,
    },
    /// It is not: it would fault in each decision that concerns it.
    Failed {
        /// `load.settings` ...
        code: String,
        /// Why.
        detail: String,
    },
}

impl PolicySet {
    /// Loads `new` wherever the set at `path` runs the module `old`. Empty where it runs it nowhere. Modules of a registry
    /// are read from `modules`.
    ///
    /// # Errors
    /// [`SetError`]: the set cannot be opened.
    pub fn try_module(
        path: &Path,
        modules: Option<&ModuleStore>,
        old: &Sha256,
        new: &Arc<[u8]>,
        engine: &Engine,
    ) -> Result<Vec<Trial>, SetError> {
        let set = PolicySet::open_with(path, modules, engine)?;
        let pinned = Arc::clone(set.pinned());
        let before: Vec<Tried> = set.policies().iter().map(tried).collect();
        let (set, _) = set.with_module(old, new, &Folder::of_set(path), engine);
        let places = pinned.definition.policies().iter().zip(&pinned.pins).zip(before).zip(set.policies());
        let concerned = places.filter(|(((_, pin), _), _)| pin.module_sha256 == Some(*old));
        Ok(concerned
            .map(|(((spec, _), before), after)| Trial { policy: spec.name.clone(), before, after: tried(after) })
            .collect())
    }
}

fn tried(policy: &Result<Policy, Faulted>) -> Tried {
    match policy {
        Ok(policy) => Tried::Loaded {
            inputs: policy.inputs().iter().map(|pointer| pointer.as_str().to_owned()).collect(),
            without_snapshot: match policy.mode() {
                Mode::Snapshot => None,
                Mode::ConfigureEachTime(reason) => Some(reason.clone()),
            },
        },
        Err(faulted) => Tried::Failed { code: faulted.fault.code().into(), detail: faulted.detail.clone() },
    }
}
