use portcullis::{ClaimedEvidence, evidence_of};
use portcullis_attest::Kind;
use portcullis_gate::Sha256;
use serde::Serialize;

use super::page::{Item, Page, Tone};
use crate::text::shown;

/// Where a module came from, as far as it is known outside of it: what the module itself says of that is a claim and stands
/// with the claims.
#[derive(Debug, Serialize)]
pub struct Origin {
    /// The file that was read.
    pub file: String,
    /// What the files of evidence beside it claim. Nothing is verified here: only a key proves who signed.
    pub evidence: Vec<Claimed>,
    /// Why the evidence beside it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_problem: Option<String>,
}

/// What one file of evidence claims of the module.
#[derive(Debug, Serialize)]
pub struct Claimed {
    /// The file's name.
    pub file: String,
    /// `signature` or `review`; absent where it claims nothing of this module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The key's id, as the bundle hints at it.
    pub key: String,
    /// Who reviewed, as the review says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// When, as the signer says (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Why it claims nothing of this module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Origin {
    /// What is known of the file at `path`, whose bytes have that digest.
    pub fn of(path: &std::path::Path, sha256: Sha256) -> Origin {
        let (evidence, evidence_problem) = match evidence_of(path, sha256) {
            Ok(found) => (found.into_iter().map(Claimed::of).collect(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Origin { file: path.display().to_string(), evidence, evidence_problem }
    }

    /// Adds what is known to the report.
    pub fn show(&self, page: &mut Page) {
        page.list("Where it came from", [Item::from(format!("the file {}", shown(&self.file)))]);
        let problem = self
            .evidence_problem
            .iter()
            .map(|problem| Item::new(Tone::Look, format!("the evidence beside it was not read: {}", shown(problem))));
        page.list("Who says that they signed or reviewed it", self.evidence.iter().map(Claimed::item).chain(problem));
    }
}

impl Claimed {
    fn of(found: ClaimedEvidence) -> Claimed {
        let (claim, problem) = match found.claim {
            Ok(claim) => (Some(claim), None),
            Err(problem) => (None, Some(problem)),
        };
        Claimed {
            file: found.name,
            kind: claim.as_ref().map(|claim| match claim.kind {
                Kind::Signature => "signature",
                Kind::Review => "review",
            }),
            key: found.key_hint,
            reviewer: claim.as_ref().and_then(|claim| claim.review.as_ref()).map(|review| review.reviewer.clone()),
            time: claim.and_then(|claim| claim.time).map(|time| time.to_string()),
            problem,
        }
    }

    fn item(&self) -> Item {
        let file = shown(&self.file);
        let (Some(kind), None) = (self.kind, &self.problem) else {
            let problem = self.problem.as_deref().unwrap_or("it claims nothing");
            return Item::new(Tone::Look, format!("{file} counts for nothing: {}", shown(problem)));
        };
        let by = self.reviewer.as_ref().map(|name| format!(" by {}", shown(name))).unwrap_or_default();
        let at = self.time.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
        let key: String = self.key.chars().take(KEY_DIGITS).collect();
        Item::from(format!("a {kind}{by}{at}, by its own account with the key {}; not verified here", shown(&key)))
    }
}

/// As other reports shorten a key's id.
const KEY_DIGITS: usize = 12;
