use serde::Serialize;

use super::page::{Item, Page};
use crate::text::shown;

/// Where a module came from, as far as it is known outside of it: what the module itself says of that is a claim and stands
/// with the claims.
#[derive(Debug, Serialize)]
pub struct Origin {
    /// The file that was read.
    pub file: String,
}

impl Origin {
    /// What is known of the file at `path`.
    pub fn of(path: &std::path::Path) -> Origin {
        Origin { file: path.display().to_string() }
    }

    /// Adds what is known to the report.
    pub fn show(&self, page: &mut Page) {
        page.list("Where it came from", [Item::from(format!("the file {}", shown(&self.file)))]);
    }
}
