use portcullis_policy::json::Reader;
use portcullis_policy::prelude::*;

use crate::settings::{Approval, Row, Settings, Stop};

pub const RESOURCE_TYPE: &str = "/resource/type";
pub const ENVIRONMENT: &str = "/context/environment";
pub const CHANGE: &str = "/context/change/kind";
pub const ACTION: &str = "/action/name";

/// The settings with every field of every row looked up in the list of inputs.
pub struct Matrix {
    settings: Settings,
    rows: Vec<Compiled>,
    /// The inputs: the four above, then what rows look at.
    pointers: Vec<String>,
}

/// A row, with indices into the inputs.
struct Compiled {
    row: Row,
    fields: Vec<(usize, Vec<String>)>,
    needs: Vec<usize>,
}

/// What the matrix says about a request.
pub enum Search<'a> {
    /// A resource of another type.
    NotOurs,
    /// This row decides.
    Row(&'a Row),
    /// These fields are missing.
    Needs(Vec<&'a str>),
    /// This field is not a text.
    Malformed(&'a str),
    UnknownEnvironment(&'a str),
    UnknownChange(&'a str),
    NoRow,
}

impl Matrix {
    pub fn search<'a>(&'a self, input: &'a Fields) -> Search<'a> {
        if !text(input.get(0)).is_some_and(|name| self.settings.resource_types.iter().any(|known| known == name)) {
            return Search::NotOurs;
        }
        let mut missing = Vec::new();
        for (n, pointer) in [(2, ENVIRONMENT), (3, CHANGE)] {
            match input.get(n) {
                Value::Missing | Value::Null => missing.push(pointer),
                Value::Text(_) => {}
                _ => return Search::Malformed(pointer),
            }
        }
        let (Some(action), Some(environment), Some(change)) =
            (text(input.get(1)), text(input.get(2)), text(input.get(3)))
        else {
            return Search::Needs(missing);
        };
        if !self.settings.environments.iter().any(|known| known == environment) {
            return Search::UnknownEnvironment(environment);
        }
        if !self.rows.iter().any(|one| one.row.change.iter().any(|known| known == change)) {
            return Search::UnknownChange(change);
        }
        for compiled in &self.rows {
            let row = &compiled.row;
            if !(named(&row.environment, environment) && named(&row.change, change) && named(&row.action, action)) {
                continue;
            }
            match compiled.fit(input) {
                Fit::No => {}
                Fit::Malformed(n) => return Search::Malformed(self.pointer(n)),
                Fit::Yes(missing) if missing.is_empty() => return Search::Row(row),
                Fit::Yes(missing) => return Search::Needs(missing.into_iter().map(|n| self.pointer(n)).collect()),
            }
        }
        Search::NoRow
    }

    /// What a missing field gets.
    pub fn missing(&self) -> Stop {
        self.settings.missing
    }

    /// What gets that no row decides.
    pub fn unknown(&self) -> Stop {
        self.settings.unknown
    }

    /// The known environments, for a message.
    pub fn environments(&self) -> String {
        self.settings.environments.join(", ")
    }

    fn pointer(&self, n: usize) -> &str {
        self.pointers.get(n).map_or("", String::as_str)
    }
}

/// Whether a row fits a request.
enum Fit {
    No,
    /// It fits, or would if the missing fields (by input) say so.
    Yes(Vec<usize>),
    Malformed(usize),
}

impl Compiled {
    /// A field with another value settles that the row does not fit, whatever else is missing.
    fn fit(&self, input: &Fields) -> Fit {
        let mut missing = Vec::new();
        for (n, allowed) in &self.fields {
            match input.get(*n) {
                Value::Missing | Value::Null => missing.push(*n),
                Value::Text(text) if allowed.contains(text) => {}
                Value::Text(_) => return Fit::No,
                _ => return Fit::Malformed(*n),
            }
        }
        let lacks = |n: &usize| !missing.contains(n) && matches!(input.get(*n), Value::Missing | Value::Null);
        let needs: Vec<usize> = self.needs.iter().copied().filter(lacks).collect();
        missing.extend(needs);
        Fit::Yes(missing)
    }
}

impl Prepared for Matrix {
    type Settings = Settings;

    fn prepare(mut settings: Settings) -> Result<Matrix, Vec<Problem>> {
        let rows = match settings.matrix.take() {
            Some(rows) => rows,
            None => Reader::read_all(include_str!("../default-matrix.json"))?,
        };
        let mut pointers: Vec<String> = [RESOURCE_TYPE, ACTION, ENVIRONMENT, CHANGE].map(str::to_owned).to_vec();
        let mut index = |pointer: &String| match pointers.iter().position(|known| known == pointer) {
            Some(n) => n,
            None => {
                pointers.push(pointer.clone());
                pointers.len().saturating_sub(1)
            }
        };
        let rows = rows
            .into_iter()
            .map(|mut row| Compiled {
                fields: std::mem::take(&mut row.fields).into_iter().map(|(at, values)| (index(&at), values)).collect(),
                needs: row.needs.iter().map(&mut index).collect(),
                row,
            })
            .collect();
        Ok(Matrix { settings, rows, pointers })
    }
}

impl NamesInputs for Matrix {
    fn input_pointers(&self) -> Vec<String> {
        self.pointers.clone()
    }
}

impl Row {
    /// What the row decides: one finding, or one for each approval that it takes.
    pub fn findings(&self) -> Vec<Finding> {
        let code = format!("sample.environment-gate.{}", self.name);
        if self.approvals.is_empty() {
            let finding = say(self.outcome, code, &self.message);
            return match &self.statement {
                Some(statement) => vec![finding.statement(statement)],
                None => vec![finding],
            };
        }
        let asks = |approval: &Approval| {
            let message = format!("{}: approval by {}", self.message, approval.roles.join(" or "));
            let finding = say(self.outcome, &code, message).approve(approval.roles.clone(), approval.count);
            match approval.within_minutes {
                Some(minutes) => finding.within_minutes(minutes),
                None => finding,
            }
        };
        self.approvals.iter().map(asks).collect()
    }
}

fn named(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one == "*" || one == name)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
