//! The reference document `calendar` as it is written. Members that it does not name are refused: a misspelt
//! `environments` must not open a window for everyone.

use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

/// The whole document.
#[derive(Settings)]
pub struct Document {
    /// POSIX TZ strings by the names that windows and freezes use. `UTC` is always there.
    #[setting(default)]
    pub zones: BTreeMap<String, String>,
    /// When changes may be made. An environment without windows is open whenever no freeze covers it.
    #[setting(default, length = 0..=64)]
    pub windows: Vec<Window>,
    /// When they may not.
    #[setting(default, length = 0..=256)]
    pub freezes: Vec<Freeze>,
}

/// A span of hours on some days of the week.
#[derive(Settings)]
pub struct Window {
    /// For messages.
    pub name: Option<String>,
    /// `mon` to `sun`: the days on which it opens.
    #[setting(length = 1..=7)]
    pub days: Vec<String>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`, up to `24:00`. Not after `from`: on the next day.
    pub to: String,
    /// A name in `zones`, or `UTC`.
    pub zone: String,
    /// Absent: all of them.
    pub environments: Option<Vec<String>>,
}

/// A span between two dates.
#[derive(Settings)]
pub struct Freeze {
    /// For messages.
    #[setting(length = 1..=128)]
    pub name: String,
    /// `YYYY-MM-DDTHH:MM`.
    pub from: String,
    /// `YYYY-MM-DDTHH:MM`, exclusive.
    pub to: String,
    /// A name in `zones`, or `UTC`.
    pub zone: String,
    /// Absent: all of them.
    pub environments: Option<Vec<String>>,
    /// `true`: no role overrides it.
    #[setting(default = false)]
    pub hard: bool,
}
