//! A policy set: what to run, how to combine it, what is waived, and the digests that pin it.

mod check;
mod check_trust;
mod digest;
mod lock;
mod manifest;
mod manifest_tree;
mod manifest_trust;
mod read;
mod source;
mod tree;
mod trust;
mod waiver;
mod when;

use std::collections::BTreeMap;

use crate::digest::Sha256;
use crate::limits::Limits;
use crate::mask::Mask;
use crate::outcome::Outcome;

pub(crate) use check::HOST_NAME;
pub use check::{Place, Problem};
pub use lock::{FoundPolicy, Lock, LockedPolicy, Mismatch, OciPin};
pub use manifest::Manifest;
pub use source::{Mark, SourceError};
pub use tree::{MAX_TREE_DEPTH, Member, Node, Rule};
pub use trust::{
    KeySource, MAX_TRUST_KEYS, MAX_TRUST_RULES, ModulePattern, NamePattern, Reviewers, Trust, TrustDefault, TrustKey,
    TrustRule, normal_module,
};
pub use waiver::Waiver;
pub use when::{Absent, FIELD_NAMES, Field, Pattern, When};

/// What a manifest says, checked: the policies, the tree, the waivers. Made by [`Manifest::parse`] or
/// [`SetDefinition::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDefinition {
    parts: SetParts,
    /// For each policy, the waivers that name it, by their place.
    waivers_of: Vec<Vec<usize>>,
    /// The ids of the trusted keys, by name: of those in the manifest, and of those that were found since.
    key_ids: BTreeMap<String, Sha256>,
}

/// The parts of a [`SetDefinition`], unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetParts {
    /// The set's name: 1 to 64 bytes of `a-z 0-9 - _ .`.
    pub name: String,
    /// What a `when` on a field that the request lacks does.
    pub absent: Absent,
    /// How long a proceeding decision holds, in seconds: 1 to [`MAX_VALID_FOR_SECONDS`].
    pub valid_for_seconds: u32,
    /// The policies, in the manifest's order.
    pub policies: Vec<PolicySpec>,
    /// The combination tree; each policy is in it exactly once.
    pub root: Node,
    /// The waivers, in the manifest's order.
    pub waivers: Vec<Waiver>,
    /// What of a request is masked before it is decided.
    pub masks: Vec<Mask>,
    /// Whose signatures and reviews modules need.
    pub trust: Trust,
}

/// One policy of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySpec {
    /// Unique in the set: 1 to 64 bytes of `a-z 0-9 - _ .`; not `portcullis`, which is the host's.
    pub name: String,
    /// The component's file, relative to the manifest, or `oci://` and an [`OciReference`](crate::OciReference).
    pub module: String,
    /// The strongest outcome that it may cause.
    pub enforce: Outcome,
    /// Which requests it concerns.
    pub when: When,
    /// What `configure` gets.
    pub settings: Settings,
    /// Reference documents: names, and files relative to the manifest.
    pub data: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
}

/// Where a policy's settings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// From the manifest, as canonical JSON text: keys sorted, no spaces. `{}` where there are none.
    Inline(String),
    /// From a file relative to the manifest, byte for byte.
    File(String),
}

/// A set as it was loaded: its definition and the digests that a decision names.
#[derive(Clone, Debug)]
pub struct PinnedSet {
    /// What to run and how to combine it.
    pub definition: SetDefinition,
    /// The set's digest, [`Lock::set_sha256`](crate::Lock).
    pub sha256: Sha256,
    /// What was loaded for each policy, in the manifest's order.
    pub pins: Vec<PolicyPin>,
    /// What evaluates the policies.
    pub engine: EngineIdentity,
}

/// The digests of what was loaded for one policy; `None` where a file could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyPin {
    /// Of the component.
    pub module_sha256: Option<Sha256>,
    /// Of the settings text.
    pub settings_sha256: Option<Sha256>,
}

/// What evaluates policies.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineIdentity {
    /// Name and version of the engine.
    pub version: String,
    /// Digest of everything in the engine's configuration that a policy could notice.
    pub configuration_sha256: Sha256,
}

impl SetDefinition {
    /// Checks the parts of a set.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with its place.
    pub fn new(parts: SetParts) -> Result<SetDefinition, Vec<Problem>> {
        let problems = check::check(&parts);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut waivers_of = vec![Vec::new(); parts.policies.len()];
        for (place, waiver) in parts.waivers.iter().enumerate() {
            if let Some(waivers) = waivers_of.get_mut(waiver.policy) {
                waivers.push(place);
            }
        }
        let inline = parts.trust.keys.iter().filter_map(|key| match &key.source {
            KeySource::Inline(public) => Some((key.name.clone(), public.id())),
            KeySource::File(_) => None,
        });
        let key_ids = inline.collect();
        Ok(SetDefinition { parts, waivers_of, key_ids })
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// What a `when` on a field that the request lacks does.
    #[must_use]
    pub fn absent(&self) -> Absent {
        self.parts.absent
    }

    /// How long a proceeding decision holds, in seconds.
    #[must_use]
    pub fn valid_for_seconds(&self) -> u32 {
        self.parts.valid_for_seconds
    }

    /// The policies, in the manifest's order.
    #[must_use]
    pub fn policies(&self) -> &[PolicySpec] {
        &self.parts.policies
    }

    /// The combination tree.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.parts.root
    }

    /// The waivers, in the manifest's order.
    #[must_use]
    pub fn waivers(&self) -> &[Waiver] {
        &self.parts.waivers
    }

    /// What of a request is masked before it is decided, in the manifest's order.
    #[must_use]
    pub fn masks(&self) -> &[Mask] {
        &self.parts.masks
    }

    /// Whose signatures and reviews modules need.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.parts.trust
    }

    /// The ids of the trusted keys by name; those in files are there once [`SetDefinition::find_keys`] was told of them.
    #[must_use]
    pub fn key_ids(&self) -> &BTreeMap<String, Sha256> {
        &self.key_ids
    }

    /// Says what the keys in files are. Those in the manifest stay what they are.
    pub fn find_keys(&mut self, found: &BTreeMap<String, Sha256>) {
        for key in &self.parts.trust.keys {
            if let (KeySource::File(_), Some(id)) = (&key.source, found.get(&key.name)) {
                self.key_ids.insert(key.name.clone(), *id);
            }
        }
    }

    /// The waivers that name a policy, with their place among all.
    pub(crate) fn waivers_of(&self, policy: usize) -> impl Iterator<Item = (usize, &Waiver)> {
        let places = self.waivers_of.get(policy).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| Some((*place, self.parts.waivers.get(*place)?)))
    }
}

impl PolicySpec {
    /// A policy with the defaults of a manifest: enforce deny, every request, no settings, no documents.
    #[must_use]
    pub fn new(name: impl Into<String>, module: impl Into<String>) -> PolicySpec {
        PolicySpec {
            name: name.into(),
            module: module.into(),
            enforce: Outcome::Deny,
            when: When::default(),
            settings: Settings::Inline("{}".into()),
            data: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// Whether the policy cannot stop a request: it does not count as having applied.
    #[must_use]
    pub fn is_advisory(&self) -> bool {
        self.enforce.proceeds()
    }
}

impl SetParts {
    /// A set with the defaults of a manifest: `absent = "match"`, 300 seconds, all-of every policy, no waivers.
    #[must_use]
    pub fn new(name: impl Into<String>, policies: Vec<PolicySpec>) -> SetParts {
        let members = (0..policies.len()).map(Member::Policy).collect();
        SetParts {
            name: name.into(),
            absent: Absent::Match,
            valid_for_seconds: DEFAULT_VALID_FOR_SECONDS,
            policies,
            root: Node { members, ..Node::default() },
            waivers: Vec::new(),
            masks: Vec::new(),
            trust: Trust::default(),
        }
    }
}

/// Largest manifest and lock, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1024 * 1024;
/// Most policies in a set.
pub const MAX_POLICIES: usize = 1000;
/// Most waivers in a set.
pub const MAX_WAIVERS: usize = 1000;
/// Longest name of a set, policy or document, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest that a proceeding decision may hold: a day.
pub const MAX_VALID_FOR_SECONDS: u32 = 86_400;
/// `valid-for-seconds` where the manifest does not say.
pub const DEFAULT_VALID_FOR_SECONDS: u32 = 300;

#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod manifest_tests;
#[cfg(test)]
mod trust_tests;
