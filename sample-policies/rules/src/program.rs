//! The rules as a table of tests and a flat list of nodes: nothing is parsed, looked up or allocated for a rule when a request
//! is judged, and a test that several rules share runs once.

use portcullis_policy::prelude::*;

use crate::pattern::Pattern;

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 512;
/// Deepest nesting of conditions.
const MAX_DEPTH: usize = 16;

/// Tests and nodes of all rules.
#[derive(Default)]
pub struct Program {
    tests: Vec<Test>,
    nodes: Vec<Node>,
    /// The request fields that the tests read.
    pub pointers: Vec<String>,
}

/// The condition of one rule: a place in the list of nodes.
#[derive(Clone, Copy)]
pub struct Entry(usize);

/// A node stands before its parts; `end` is the place after them.
#[derive(Clone, Copy)]
enum Node {
    Test(usize),
    All { end: usize },
    Any { end: usize },
    Not,
}

/// One comparison of one field.
#[derive(PartialEq)]
struct Test {
    /// Which input.
    input: usize,
    check: Check,
}

#[derive(PartialEq)]
enum Check {
    Equal(Scalar, bool),
    /// Compared with a number: whether less, equal and greater will do.
    Order(Number, [bool; 3]),
    /// Among some values of one type: whether that is wanted.
    Among(Vec<Scalar>, bool),
    Contains(Scalar),
    Matches(Pattern),
    Exists(bool),
}

#[derive(Clone, Copy, PartialEq)]
enum Number {
    Integer(i64),
    Float(f64),
}

/// Whether a condition holds. `Open`: a field that would decide it is missing or of the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    No,
    Yes,
    Open(Reason),
}

/// Why a test is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Missing,
    WrongType,
}

/// The tests of one request, each run when it is first asked for.
pub struct Run<'a> {
    program: &'a Program,
    input: &'a Fields,
    results: Vec<Option<Truth>>,
}

impl Program {
    /// Adds a condition.
    ///
    /// # Errors
    /// What is wrong with it, with a pointer that starts with `at`.
    pub fn add(&mut self, condition: &Json, at: &str) -> Result<Entry, Problem> {
        let entry = Entry(self.nodes.len());
        self.node(condition, at, 0)?;
        Ok(entry)
    }

    /// The number of an input.
    pub fn input(&mut self, pointer: &str) -> usize {
        match self.pointers.iter().position(|known| known == pointer) {
            Some(n) => n,
            None => {
                self.pointers.push(pointer.to_owned());
                self.pointers.len().saturating_sub(1)
            }
        }
    }

    fn node(&mut self, condition: &Json, at: &str, depth: usize) -> Result<(), Problem> {
        if depth == MAX_DEPTH {
            return Err(Problem::new(at, "conditions are nested too deeply"));
        }
        let wrong = || Problem::new(at, "a condition is {field, op, value}, {all: [..]}, {any: [..]} or {not: ..}");
        let members = condition.as_object().ok_or_else(wrong)?;
        if let [(key, part)] = members {
            let here = self.nodes.len();
            self.nodes.push(Node::Not);
            let below = [at, "/", key].concat();
            if key == "not" {
                return self.node(part, &below, depth + 1);
            }
            let parts = part.as_array().filter(|parts| !parts.is_empty()).ok_or_else(wrong)?;
            for part in parts {
                self.node(part, &below, depth + 1)?;
            }
            let end = self.nodes.len();
            if let Some(node) = self.nodes.get_mut(here) {
                *node = match key.as_str() {
                    "all" => Node::All { end },
                    "any" => Node::Any { end },
                    _ => return Err(wrong()),
                };
            }
            return Ok(());
        }
        if members.iter().any(|(key, _)| !matches!(key.as_str(), "field" | "op" | "value")) {
            return Err(wrong());
        }
        let (Some(Json::Text(field)), Some(Json::Text(op))) = (condition.get("field"), condition.get("op")) else {
            return Err(wrong());
        };
        if !field.starts_with('/') {
            return Err(Problem::new(at, "a field is a JSON pointer, such as /context/change/cost_usd"));
        }
        let check = Check::new(op, condition.get("value")).map_err(|why| Problem::new(at, why))?;
        let test = Test { input: self.input(field), check };
        let n = match self.tests.iter().position(|known| *known == test) {
            Some(n) => n,
            None => {
                self.tests.push(test);
                self.tests.len().saturating_sub(1)
            }
        };
        self.nodes.push(Node::Test(n));
        Ok(())
    }
}

impl<'a> Run<'a> {
    pub fn new(program: &'a Program, input: &'a Fields) -> Run<'a> {
        Run { program, input, results: vec![None; program.tests.len()] }
    }

    /// Whether the condition holds, in Kleene's logic: what is open stays open unless the rest decides.
    pub fn holds(&mut self, entry: Entry) -> Truth {
        self.node(entry.0).0
    }

    /// The fields that leave the condition open, by number of input.
    pub fn open(&mut self, entry: Entry) -> Vec<(usize, Reason)> {
        let mut found = Vec::new();
        self.collect(entry.0, &mut found);
        found
    }

    /// The truth of a node and the place after it.
    fn node(&mut self, at: usize) -> (Truth, usize) {
        match self.program.nodes.get(at).copied() {
            Some(Node::Test(n)) => (self.test(n), at + 1),
            Some(Node::Not) => {
                let (truth, after) = self.node(at + 1);
                (truth.not(), after)
            }
            Some(Node::All { end }) => (self.fold(at + 1, end, Truth::No, Truth::Yes), end),
            Some(Node::Any { end }) => (self.fold(at + 1, end, Truth::Yes, Truth::No), end),
            None => (Truth::Open(Reason::WrongType), at + 1),
        }
    }

    /// The first part that is `decisive` decides; else an open one; else `rest`.
    fn fold(&mut self, from: usize, end: usize, decisive: Truth, rest: Truth) -> Truth {
        let mut result = rest;
        let mut at = from;
        while at < end {
            let (truth, after) = self.node(at);
            if truth == decisive {
                return truth;
            }
            if truth != rest && result == rest {
                result = truth;
            }
            at = after;
        }
        result
    }

    fn collect(&mut self, at: usize, found: &mut Vec<(usize, Reason)>) -> usize {
        let (truth, after) = self.node(at);
        let Truth::Open(reason) = truth else { return after };
        match self.program.nodes.get(at).copied() {
            Some(Node::Test(n)) => {
                let input = self.program.tests.get(n).map_or(0, |test| test.input);
                if !found.iter().any(|(known, _)| *known == input) {
                    found.push((input, reason));
                }
            }
            Some(Node::Not | Node::All { .. } | Node::Any { .. }) => {
                let mut part = at + 1;
                while part < after {
                    part = self.collect(part, found);
                }
            }
            None => {}
        }
        after
    }

    fn test(&mut self, n: usize) -> Truth {
        let (Some(test), Some(result)) = (self.program.tests.get(n), self.results.get_mut(n)) else {
            return Truth::Open(Reason::WrongType);
        };
        *result.get_or_insert_with(|| test.check.of(self.input.get(test.input)))
    }
}

impl Truth {
    fn not(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Yes => Truth::No,
            Truth::Open(reason) => Truth::Open(reason),
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Truth {
        if holds { Truth::Yes } else { Truth::No }
    }
}

impl Check {
    fn new(op: &str, value: Option<&Json>) -> Result<Check, &'static str> {
        if op == "exists" {
            return match value {
                None => Ok(Check::Exists(true)),
                Some(Json::Boolean(wanted)) => Ok(Check::Exists(*wanted)),
                Some(_) => Err("exists takes true, false or no value"),
            };
        }
        let value = value.ok_or("this test needs a value")?;
        match op {
            "==" => Ok(Check::Equal(scalar(value)?, true)),
            "!=" => Ok(Check::Equal(scalar(value)?, false)),
            ">" => Ok(Check::Order(number(value)?, [false, false, true])),
            ">=" => Ok(Check::Order(number(value)?, [false, true, true])),
            "<" => Ok(Check::Order(number(value)?, [true, false, false])),
            "<=" => Ok(Check::Order(number(value)?, [true, true, false])),
            "in" => Ok(Check::Among(scalars(value)?, true)),
            "not_in" => Ok(Check::Among(scalars(value)?, false)),
            "contains" => Ok(Check::Contains(scalar(value)?)),
            "matches" => pattern(value),
            _ => Err("op is one of == != > >= < <= in not_in contains matches exists"),
        }
    }

    fn of(&self, value: &Value) -> Truth {
        let there = !matches!(value, Value::Missing | Value::Null);
        if let Check::Exists(wanted) = self {
            return Truth::from(there == *wanted);
        }
        if !there {
            return Truth::Open(Reason::Missing);
        }
        let answer = match self {
            Check::Equal(wanted, holds) => same(wanted, value).map(|same| same == *holds),
            Check::Order(limit, [less, equal, greater]) => order(value, *limit).map(|order| match order {
                std::cmp::Ordering::Less => *less,
                std::cmp::Ordering::Equal => *equal,
                std::cmp::Ordering::Greater => *greater,
            }),
            Check::Among(values, holds) => among(values, value).map(|among| among == *holds),
            Check::Contains(wanted) => contains(wanted, value),
            Check::Matches(pattern) => match value {
                Value::Text(text) => Some(pattern.describes(text)),
                _ => None,
            },
            Check::Exists(_) => None,
        };
        answer.map_or(Truth::Open(Reason::WrongType), Truth::from)
    }
}

/// `None`: of different types.
fn same(wanted: &Scalar, value: &Value) -> Option<bool> {
    match (wanted, value) {
        (Scalar::Text(a), Value::Text(b)) => Some(a == b),
        (Scalar::Boolean(a), Value::Boolean(b)) => Some(a == b),
        (Scalar::Integer(a), _) => order(value, Number::Integer(*a)).map(|order| order.is_eq()),
        (Scalar::Number(a), _) => order(value, Number::Float(*a)).map(|order| order.is_eq()),
        _ => None,
    }
}

/// How a number of the request stands to another; `None` where it is no number.
#[expect(clippy::cast_precision_loss, reason = "an integer and a fraction are compared as fractions")]
fn order(value: &Value, limit: Number) -> Option<std::cmp::Ordering> {
    match (value, limit) {
        (Value::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
        (Value::Integer(a), Number::Float(b)) => (*a as f64).partial_cmp(&b),
        (Value::Number(a), Number::Integer(b)) => a.partial_cmp(&(b as f64)),
        (Value::Number(a), Number::Float(b)) => a.partial_cmp(&b),
        _ => None,
    }
}

fn among(values: &[Scalar], value: &Value) -> Option<bool> {
    for one in values {
        if same(one, value)? {
            return Some(true);
        }
    }
    Some(false)
}

fn contains(wanted: &Scalar, value: &Value) -> Option<bool> {
    match (wanted, value) {
        (Scalar::Text(part), Value::Text(text)) => Some(part.is_empty() || within(part.as_bytes(), text.as_bytes())),
        (_, Value::Json(text)) => match Json::parse(text).ok()? {
            Json::Array(members) => Some(members.into_iter().any(|member| {
                // A member of another type is another member.
                same(wanted, &scalar_value(member)).unwrap_or(false)
            })),
            _ => None,
        },
        _ => None,
    }
}

/// Byte by byte: the search of the standard library is larger than the rest of this file.
fn within(part: &[u8], text: &[u8]) -> bool {
    text.windows(part.len()).any(|here| here == part)
}

fn scalar_value(member: Json) -> Value {
    match member {
        Json::Boolean(flag) => Value::Boolean(flag),
        Json::Integer(n) => Value::Integer(n),
        Json::Number(n) => n.value().map_or(Value::Null, Value::Number),
        Json::Text(text) => Value::Text(text),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
    }
}

fn scalar(value: &Json) -> Result<Scalar, &'static str> {
    match value {
        Json::Text(text) => Ok(Scalar::Text(text.clone())),
        Json::Boolean(flag) => Ok(Scalar::Boolean(*flag)),
        Json::Integer(n) => Ok(Scalar::Integer(*n)),
        Json::Number(n) => n.value().map(Scalar::Number).ok_or("the number is too great"),
        Json::Null | Json::Array(_) | Json::Object(_) => Err("the value must be a string, number or boolean"),
    }
}

fn scalars(value: &Json) -> Result<Vec<Scalar>, &'static str> {
    let kind = |one: &Json| match one {
        Json::Text(_) => 0,
        Json::Boolean(_) => 1,
        _ => 2,
    };
    match value.as_array().and_then(<[Json]>::split_first) {
        None => Err("the value must be a list with something in it"),
        Some((first, rest)) if rest.iter().any(|one| kind(one) != kind(first)) => {
            Err("the values of a list must be of one type")
        }
        Some(_) => value.as_array().unwrap_or_default().iter().map(scalar).collect(),
    }
}

fn number(value: &Json) -> Result<Number, &'static str> {
    match value {
        Json::Integer(n) => Ok(Number::Integer(*n)),
        Json::Number(n) => n.value().map(Number::Float).ok_or("the number is too great"),
        _ => Err("the value must be a number"),
    }
}

fn pattern(value: &Json) -> Result<Check, &'static str> {
    match value.as_str() {
        Some(text) if text.len() <= MAX_PATTERN_BYTES => Ok(Check::Matches(Pattern::new(text))),
        Some(_) => Err("the pattern is longer than 512 bytes"),
        None => Err("the value must be a pattern, such as release/*"),
    }
}
