//! What a ledger keeps of the evidence that a set was loaded with: the keys, and for each policy the bundles that count.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_attest::{Bundle, Evidence, NamedKey, Unmet, judge};
use portcullis_gate::{Lock, Manifest, PublicKey, Sha256};
use portcullis_ledger::Reader;
use serde::{Deserialize, Serialize};

use crate::activation::activation_of;
use crate::{LOCK_FILE, MANIFEST_FILE};

/// The evidence of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetEvidence {
    pub keys: Vec<NamedKey>,
    /// By the policy's name.
    pub policies: BTreeMap<String, PolicyEvidence>,
}

/// The evidence of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyEvidence {
    pub module: Sha256,
    /// The places of the rules that it had to meet.
    pub rules: Vec<usize>,
    /// The bundles, each as its file was.
    pub bundles: Vec<String>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    portcullis_evidence: u32,
    keys: BTreeMap<String, Key>,
    policies: BTreeMap<String, PolicyEvidence>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Key {
    public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
}

impl PolicyEvidence {
    pub(crate) fn bytes(&self) -> usize {
        self.bundles.iter().map(String::len).sum()
    }
}

impl SetEvidence {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let key = |key: &NamedKey| (key.name.clone(), Key { public_key: key.key.to_pem(), not_after: key.not_after });
        let record = Record {
            portcullis_evidence: 1,
            keys: self.keys.iter().map(key).collect(),
            policies: self.policies.clone(),
        };
        // Maps of it have keys that are text: it can always be written.
        serde_json::to_vec(&record).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Result<SetEvidence, String> {
        let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.portcullis_evidence != 1 {
            return Err("it is of a format that this version does not know".into());
        }
        let key = |(name, key): (String, Key)| {
            let public = PublicKey::parse(&key.public_key).map_err(|problem| format!("the key {name:?}: {problem}"))?;
            Ok(NamedKey { name, key: public, not_after: key.not_after })
        };
        let keys = record.keys.into_iter().map(key).collect::<Result<_, String>>()?;
        Ok(SetEvidence { keys, policies: record.policies })
    }
}

/// Who signed and who reviewed the modules of a recorded set. Read from the ledger and verified again, with the keys that
/// the recorded lock pins.
#[derive(Clone, Debug, Default)]
pub struct RecordedEvidence {
    /// By the policy's name. A policy that needed nothing is not in it.
    pub policies: BTreeMap<String, RecordedPolicy>,
}

/// Who signed and who reviewed one module.
#[derive(Clone, Debug)]
pub struct RecordedPolicy {
    /// The key's name in the set, and what it says.
    pub evidence: Vec<(String, Evidence)>,
    /// What is wrong with the record: a bundle that proves nothing, a rule that is not met by what is recorded.
    pub problems: Vec<String>,
}

/// The evidence that the set of a decision at `index` was loaded with; empty where it asked for none.
///
/// # Errors
/// What is missing or damaged in the ledger.
pub fn recorded_evidence(reader: &Reader, policy_set: Sha256, index: u64) -> Result<RecordedEvidence, String> {
    let body = activation_of(reader, policy_set, index).map_err(|error| error.to_string())?;
    let stored = |what: &str, sha256: Sha256| {
        let found = reader.blob(&sha256).map_err(|error| error.to_string())?;
        found.ok_or_else(|| format!("{what} ({sha256}) is not in the ledger"))
    };
    let manifest = stored("the manifest", body.manifest_sha256)?;
    let lock = stored("the lock", body.lock_sha256)?;
    let manifest = Manifest::parse(MANIFEST_FILE, &manifest, Timestamp::MIN).map_err(|error| error.to_string())?;
    let lock = Lock::parse(LOCK_FILE, &lock).map_err(|error| error.to_string())?;
    let trust = manifest.definition.trust();
    let Some(sha256) = body.evidence_sha256 else {
        if trust.asks() {
            return Err("the set asks for evidence, and none is recorded".into());
        }
        return Ok(RecordedEvidence::default());
    };
    let record = SetEvidence::from_bytes(&stored("the evidence", sha256)?)?;
    for key in &record.keys {
        if lock.keys.get(&key.name) != Some(&key.key.id()) {
            return Err(format!("the recorded key {:?} is not the one that the lock pins", key.name));
        }
    }
    let mut policies = BTreeMap::new();
    for (name, policy) in &record.policies {
        let mut found = RecordedPolicy { evidence: Vec::new(), problems: Vec::new() };
        if lock.policy(name).map(|locked| locked.module_sha256) != Some(policy.module) {
            found.problems.push("the evidence is of another module than the lock names".into());
        }
        for bundle in &policy.bundles {
            let verified = Bundle::parse(bundle.as_bytes())
                .and_then(|bundle| bundle.verify(policy.module, record.keys.iter().map(|key| &key.key)));
            match verified {
                Ok(one) => {
                    let named = record.keys.iter().find(|key| key.key == *one.key());
                    found.evidence.push((named.map(|key| key.name.clone()).unwrap_or_default(), one));
                }
                Err(error) => found.problems.push(error.to_string()),
            }
        }
        let rules = policy.rules.iter().filter_map(|place| trust.rules.get(*place));
        let all: Vec<Evidence> = found.evidence.iter().map(|(_, one)| one.clone()).collect();
        // Whether keys had ended was asked when the set was loaded.
        let unmet = judge(policy.module, rules, &all, &record.keys, Timestamp::MIN);
        found.problems.extend(unmet.iter().map(Unmet::to_string));
        policies.insert(name.clone(), found);
    }
    Ok(RecordedEvidence { policies })
}
