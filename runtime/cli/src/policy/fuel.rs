//! Fuel of each case, kept in `fuel.json` beside a policy's cases, so that a change that makes a policy dearer is seen.
//!
//! Fuel is the same for the same bytes, settings and request, on every machine. Another toolchain gives other bytes, and
//! other fuel; so a change is a warning unless its author asks for more.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use portcullis_gate::{Document, Sha256};
use serde::{Deserialize, Serialize};

/// The file's name, in the policy's folder.
pub const FUEL_FILE: &str = "fuel.json";

/// What `fuel.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fuel {
    /// The format's version: 1.
    pub version: u32,
    /// The component that used it.
    pub module_sha256: Sha256,
    /// The engine's configuration: what else fuel depends on.
    pub engine_sha256: Sha256,
    /// Fuel of each case that is evaluated, by the case's name.
    pub cases: BTreeMap<String, u64>,
}

/// What became of the fuel of a policy's cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kept", rename_all = "kebab-case")]
pub enum Compared {
    /// There is no `fuel.json`.
    Absent,
    /// It was written just now.
    Written {
        /// Cases in it.
        cases: usize,
    },
    /// It was compared.
    Present(Difference),
}

/// Fuel now against fuel kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whether the component is the one that the fuel was kept of.
    pub same_module: bool,
    /// Whether the engine is configured alike.
    pub same_engine: bool,
    /// Cases that were compared.
    pub compared: usize,
    /// Those whose fuel changed by more than the tolerance, the largest change first.
    pub changes: Vec<Change>,
    /// Cases that `fuel.json` does not know.
    pub unknown: Vec<String>,
    /// Cases that only `fuel.json` knows. Empty where not all cases ran.
    pub gone: Vec<String>,
}

/// A case whose fuel changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The case's name.
    pub case: String,
    /// Fuel as it is kept.
    pub from: u64,
    /// Fuel now.
    pub to: u64,
}

impl Fuel {
    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or is malformed.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Fuel>> {
        let path = dir.join(FUEL_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let parse = || -> anyhow::Result<Fuel> {
            let document = Document::parse(&bytes)?;
            let fuel: Fuel = serde_json::from_str(document.text())?;
            if fuel.version != VERSION {
                bail!("version {}, and this command reads version {VERSION}", fuel.version);
            }
            Ok(fuel)
        };
        let mend = "write it anew with `portcullis policy test --update-fuel`";
        parse().map(Some).with_context(|| format!("{} is malformed; {mend}", path.display()))
    }

    /// Writes the file, in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let text = crate::decide::printable(&serde_json::to_string_pretty(self)?) + "\n";
        let path = dir.join(FUEL_FILE);
        crate::policy_build::write(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Compares fuel now with what was kept. `complete`: every case of the policy ran.
    #[must_use]
    pub fn compare(&self, kept: &Fuel, tolerance_percent: f64, complete: bool) -> Difference {
        let mut difference = Difference {
            same_module: self.module_sha256 == kept.module_sha256,
            same_engine: self.engine_sha256 == kept.engine_sha256,
            ..Difference::default()
        };
        for (case, to) in &self.cases {
            match kept.cases.get(case) {
                None => difference.unknown.push(case.clone()),
                Some(from) => {
                    difference.compared = difference.compared.saturating_add(1);
                    let change = Change { case: case.clone(), from: *from, to: *to };
                    if change.percent().abs() > tolerance_percent {
                        difference.changes.push(change);
                    }
                }
            }
        }
        if complete {
            difference.gone = kept.cases.keys().filter(|case| !self.cases.contains_key(*case)).cloned().collect();
        }
        difference.changes.sort_by(|a, b| b.percent().abs().total_cmp(&a.percent().abs()));
        difference
    }
}

impl Change {
    /// By how much it grew, in percent of what it was.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.from == self.to { 0.0 } else { (self.to as f64 - self.from as f64) * 100.0 / self.from as f64 }
    }
}

impl Compared {
    /// What is not as it is kept, a line each.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Compared::Absent => vec![format!("there is no {FUEL_FILE}; write it with --update-fuel")],
            Compared::Written { .. } => Vec::new(),
            Compared::Present(difference) => {
                let changed = |change: &Change| format!("{}: {} → {}", change.case, change.from, change.to);
                let unknown = difference.unknown.iter().map(|case| format!("not in {FUEL_FILE}: {case}"));
                let gone = difference.gone.iter().map(|case| format!("only in {FUEL_FILE}: {case}"));
                difference.changes.iter().map(changed).chain(unknown).chain(gone).collect()
            }
        }
    }

    /// Whether every case used what is kept of it, within the tolerance.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        match self {
            Compared::Absent => false,
            Compared::Written { .. } => true,
            Compared::Present(difference) => {
                difference.changes.is_empty() && difference.unknown.is_empty() && difference.gone.is_empty()
            }
        }
    }
}

/// The format's version.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn fuel(module: &[u8], cases: &[(&str, u64)]) -> Fuel {
        Fuel {
            version: VERSION,
            module_sha256: Sha256::of(module),
            engine_sha256: Sha256::of(b"engine"),
            cases: cases.iter().map(|(name, fuel)| ((*name).to_owned(), *fuel)).collect(),
        }
    }

    #[test]
    fn a_change_beyond_the_tolerance_is_one_either_way() {
        let kept =
            fuel(b"a", &[("dearer", 1000), ("cheaper", 1000), ("within", 1000), ("from nothing", 0), ("gone", 1)]);
        let now = fuel(b"b", &[("dearer", 1051), ("cheaper", 900), ("within", 1050), ("from nothing", 1), ("new", 7)]);
        let found = now.compare(&kept, 5.0, true);
        assert_eq!((found.same_module, found.same_engine, found.compared), (false, true, 4));
        let changed: Vec<_> = found.changes.iter().map(|change| change.case.as_str()).collect();
        assert_eq!(changed, ["from nothing", "cheaper", "dearer"]);
        assert_eq!((found.unknown, found.gone), (vec!["new".to_owned()], vec!["gone".to_owned()]));
        assert!(now.compare(&kept, 5.0, false).gone.is_empty());
        assert_eq!(now.compare(&kept, 4.9, true).changes.len(), 4);
    }

    #[test]
    fn only_what_was_compared_and_is_alike_is_unchanged() {
        let kept = fuel(b"a", &[("one", 10), ("two", 20)]);
        let present = |now: Fuel| Compared::Present(now.compare(&kept, 5.0, true));
        assert!(present(kept.clone()).is_unchanged());
        assert!(present(fuel(b"other bytes, same fuel", &[("one", 10), ("two", 20)])).is_unchanged());
        for now in [&[("one", 11), ("two", 20)][..], &[("one", 10)], &[("one", 10), ("two", 20), ("three", 30)]] {
            assert!(!present(fuel(b"a", now)).is_unchanged(), "{now:?}");
        }
        assert!(!Compared::Absent.is_unchanged());
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Fuel::read(folder.path()).unwrap(), None);
        let fuel = fuel(b"a", &[("one \u{202e}", 10)]);
        fuel.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FUEL_FILE)).unwrap();
        assert!(text.contains("one \\u202e") && text.ends_with("}\n"), "{text}");
        assert_eq!(Fuel::read(folder.path()).unwrap(), Some(fuel));
        for (from, to, says) in [
            ("\"version\": 1", "\"version\": 2", "version 2"),
            ("\"cases\"", "\"case\"", "unknown field `case`"),
            (": 10", ": -10", "invalid value"),
            ("\"version\": 1", "\"version\": 1, \"version\": 1", "twice"),
        ] {
            std::fs::write(folder.path().join(FUEL_FILE), text.replace(from, to)).unwrap();
            let error = format!("{:#}", Fuel::read(folder.path()).unwrap_err());
            assert!(error.contains(says) && error.contains("--update-fuel"), "{error}");
        }
    }
}
