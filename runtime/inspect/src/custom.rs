//! Custom sections: their sizes, the description, and what the toolchain says about itself.

use wasmparser::{CustomSectionReader, KnownCustom, ProducersSectionReader};

use crate::stop::wide;
use crate::{CustomSection, ToolchainClaim, text};

/// The custom section that holds a policy's description.
pub(crate) const DESCRIPTION_SECTION: &str = "portcullis-policy";

/// What the custom sections hold.
#[derive(Debug, Default)]
pub(crate) struct Customs<'a> {
    /// Descriptions in the outermost component.
    pub in_component: Vec<&'a [u8]>,
    /// Descriptions in the core modules of the outermost component, where the tool that made the component left them.
    pub in_modules: Vec<&'a [u8]>,
    pub claims: Vec<ToolchainClaim>,
    /// Claims that were not kept.
    pub claims_left_out: u64,
    /// Name, count and bytes.
    pub sections: Vec<(&'a str, u64, u64)>,
    /// Sections of further names.
    pub left_out: u64,
}

impl<'a> Customs<'a> {
    /// A section in a core module or component; `depth` is how many components are open.
    pub(crate) fn add(&mut self, section: &CustomSectionReader<'a>, in_module: bool, depth: usize) {
        let bytes = wide(section.data().len());
        let entry = self.sections.iter_mut().find(|(name, ..)| *name == section.name());
        if let Some((_, count, sum)) = entry {
            *count = count.saturating_add(1);
            *sum = sum.saturating_add(bytes);
        } else if self.sections.len() < MAX_NAMES {
            self.sections.push((section.name(), 1, bytes));
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        if depth > 1 {
            return;
        }
        if section.name() == DESCRIPTION_SECTION {
            if in_module { &mut self.in_modules } else { &mut self.in_component }.push(section.data());
        }
        if section.data().len() <= MAX_CLAIM_BYTES
            && let KnownCustom::Producers(producers) = section.as_known()
        {
            self.claim(producers);
        }
    }

    /// The first 64 names.
    pub(crate) fn sizes(&self) -> Vec<CustomSection> {
        let shown = |(name, count, bytes): &(&str, u64, u64)| CustomSection {
            name: text::name(name),
            count: *count,
            bytes: *bytes,
        };
        self.sections.iter().map(shown).collect()
    }

    /// Takes what is well-formed: nothing depends on it.
    fn claim(&mut self, producers: ProducersSectionReader<'a>) {
        for field in producers.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                let claim = ToolchainClaim {
                    field: text::name(field.name),
                    name: text::name(value.name),
                    version: text::name(value.version),
                };
                if self.claims.contains(&claim) {
                    continue;
                }
                if self.claims.len() < MAX_NAMES {
                    self.claims.push(claim);
                } else {
                    self.claims_left_out = self.claims_left_out.saturating_add(1);
                }
            }
        }
    }
}

/// Most custom section names and most toolchain claims in a report.
const MAX_NAMES: usize = 64;
/// Largest `producers` section that is read.
const MAX_CLAIM_BYTES: usize = 16 * 1024;
