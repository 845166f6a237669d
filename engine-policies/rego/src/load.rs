//! What is done once, at load: parse, look for what cannot run here, find the rules, prepare.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_policy::prelude::{Json, Problem};
use regorus::Engine;
use serde_json::Value;

use crate::CODES;
use crate::input::from_json;
use crate::say::Asked;
use crate::settings::{BuiltinErrors, Meaning, Settings, Version, escaped, reason};

/// Parses and checks the modules.
///
/// # Errors
/// Everything that is wrong with them, with file, line and column.
pub fn load(settings: &Settings) -> Result<(Engine, Vec<Asked>), Vec<Problem>> {
    let mut engine = Engine::new();
    engine.set_rego_v0(settings.version == Version::V0);
    engine.set_strict_builtin_errors(settings.builtin_errors == BuiltinErrors::Fault);
    let mut problems = Vec::new();
    for (name, text) in &settings.modules {
        if let Err(error) = engine.add_policy(name.clone(), text.clone()) {
            problems.push(Problem::new(format!("/modules/{}", escaped(name)), explained(&format!("{error:#}"))));
        }
    }
    let data = from_json(&settings.data).and_then(|data| engine.add_data(data).map_err(|error| format!("{error:#}")));
    problems.extend(data.err().map(|error| Problem::new("/data", error)));
    if !problems.is_empty() {
        return Err(problems);
    }
    let modules = Modules::read(&engine).map_err(|error| vec![Problem::new("/modules", error)])?;
    modules.missing_functions(&mut problems);
    let asked = modules.asked(settings, &mut problems);
    // Analyses the rules; the value is of no interest.
    if let Err(error) = engine.eval_query("true".into(), false) {
        problems.push(Problem::new("/modules", explained(&format!("{error:#}"))));
    }
    if problems.is_empty() { Ok((engine, asked)) } else { Err(problems) }
}

/// The engine's message on one line: `deploy.rego:3:5: expected .. in "the line"`.
pub fn explained(error: &str) -> String {
    let lines: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let place = lines.iter().rev().find_map(|line| line.strip_prefix("--> "));
    let what = lines.iter().rev().find_map(|line| line.strip_prefix("error: ")).or(lines.last().copied());
    let source = lines.iter().rev().find_map(|line| {
        let (number, source) = line.split_once("| ")?;
        number.trim().bytes().all(|byte| byte.is_ascii_digit()).then(|| source.trim()).filter(|text| !text.is_empty())
    });
    match (place, what, source) {
        (Some(place), Some(what), Some(source)) if source != "^" => format!("{place}: {what}, in `{source}`"),
        (Some(place), Some(what), _) => format!("{place}: {what}"),
        _ => lines.join(" "),
    }
}

/// The parsed modules, from the engine's own syntax tree.
struct Modules {
    modules: Vec<Module>,
    /// Full paths of the functions that the modules define.
    functions: BTreeSet<String>,
}

struct Module {
    file: String,
    package: Vec<String>,
    /// Path segments by the name under which a module imports them.
    imports: BTreeMap<String, Vec<String>>,
    rules: Vec<Rule>,
    calls: Vec<Call>,
}

struct Rule {
    path: Vec<String>,
    is_function: bool,
    line: u64,
}

struct Call {
    path: Vec<String>,
    line: u64,
    column: u64,
}

impl Modules {
    fn read(engine: &Engine) -> Result<Modules, String> {
        let text = engine.get_ast_as_json().map_err(|error| format!("{error:#}"))?;
        let tree: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let modules = tree.iter().map(Module::read).collect::<Option<Vec<_>>>();
        let modules = modules.ok_or("the engine's syntax tree has another shape than this policy knows")?;
        let functions = modules.iter().flat_map(|module| {
            let functions = module.rules.iter().filter(|rule| rule.is_function);
            functions.map(|rule| dotted(&[&["data".to_owned()], &*module.package, &rule.path].concat()))
        });
        Ok(Modules { functions: functions.collect(), modules })
    }

    /// Functions that nobody defines: in this engine, a mistake that would show only when the call is reached.
    fn missing_functions(&self, problems: &mut Vec<Problem>) {
        let mut known = BTreeMap::new();
        for module in &self.modules {
            for call in &module.calls {
                let name = dotted(&call.path);
                let local = dotted(&[&["data".to_owned()], &*module.package, &call.path].concat());
                let imported = call
                    .path
                    .split_first()
                    .and_then(|(first, rest)| module.imports.get(first).map(|target| dotted(&[target, rest].concat())));
                let ours = [Some(&name), Some(&local), imported.as_ref()];
                if ours.into_iter().flatten().any(|path| self.functions.contains(path)) {
                    continue;
                }
                if !*known.entry(name.clone()).or_insert_with(|| is_builtin(&name)) {
                    let place = format!("{}:{}:{}", module.file, call.line, call.column);
                    let at = format!("/modules/{}", escaped(&module.file));
                    problems.push(Problem::new(at, format!("{place}: {}", missing(&name))));
                }
            }
        }
    }

    fn asked(&self, settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Asked> {
        let mut found: BTreeMap<String, (&Rule, &Module)> = BTreeMap::new();
        for module in &self.modules {
            for rule in module.rules.iter().filter(|rule| !rule.is_function) {
                let path = spelled(&[&["data".to_owned()], &*module.package, &rule.path].concat());
                found.insert(path, (rule, module));
            }
        }
        let mut asked = Vec::new();
        let Some(rules) = &settings.rules else {
            for (path, (rule, module)) in &found {
                let Some((meaning, (first, more))) =
                    rule.path.split_first().and_then(|parts| Some((by_name(parts.0)?, parts)))
                else {
                    continue;
                };
                if more.is_empty() {
                    asked.push(Asked::new(path, first, meaning));
                } else {
                    let place = format!("{}:{}", module.file, rule.line);
                    problems.push(Problem::new("/rules", format!("{place}: say in `rules` what {path} means")));
                }
            }
            if asked.is_empty() && problems.is_empty() {
                let message = "no module has a rule named deny, violation, warn or allow: say which rules to ask";
                problems.push(Problem::new("/rules", message));
            }
            return asked;
        };
        for (path, meaning) in rules {
            match found.get(path).and_then(|(rule, _)| rule.path.last()) {
                Some(name) => asked.push(Asked::new(path, name, *meaning)),
                None => {
                    let known: Vec<&str> = found.keys().map(String::as_str).take(MAX_LISTED).collect();
                    let message = format!("no module has that rule; there are {}", known.join(", "));
                    problems.push(Problem::new(format!("/rules/{}", escaped(path)), message));
                }
            }
        }
        asked
    }
}

impl Asked {
    fn new(path: &str, name: &str, meaning: Meaning) -> Asked {
        Asked { path: path.to_owned(), meaning, code: format!("{CODES}.{}", reason(name)) }
    }
}

/// Conftest's and Gatekeeper's names for rules.
fn by_name(name: &str) -> Option<Meaning> {
    let is = |word: &str| name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    match name {
        "allow" => Some(Meaning::Allow),
        _ if is("deny") || is("violation") => Some(Meaning::Deny),
        _ if is("warn") => Some(Meaning::Warn),
        _ => None,
    }
}

/// Whether the engine has a function of that name, asked of the engine itself.
fn is_builtin(name: &str) -> bool {
    match Engine::new().eval_query(format!("{name}()"), false) {
        Ok(_) => true,
        Err(error) => !format!("{error:#}").contains("could not find function"),
    }
}

fn missing(name: &str) -> String {
    let why = match name {
        "time.now_ns" => "a policy has no clock: take `/now` of the request as an input",
        "rand.intn" | "uuid.rfc4122" => "a policy has no randomness",
        "http.send" | "net.lookup_ip_addr" => "a policy has no network",
        "opa.runtime" => "a policy has no environment",
        _ if name.starts_with("time.") => "the engine is built without time zones and calendars",
        _ => "no module defines it, and the engine does not have it",
    };
    format!("there is no function {name} here: {why}")
}

/// Most rules that a message lists.
const MAX_LISTED: usize = 20;

impl Module {
    fn read(tree: &Value) -> Option<Module> {
        let file = tree.pointer("/source/file")?.as_str()?.to_owned();
        let ast = tree.get("ast")?;
        let mut calls = Vec::new();
        push_calls(ast.get("rules")?, &mut calls);
        let text = tree.pointer("/source/contents")?.as_str()?;
        let imports = ast.get("imports")?.as_array()?.iter().filter_map(|import| {
            let path = path(import.get("refr")?)?;
            let name = import.get("as").and_then(|name| span(text, name)).or(path.last().map(String::as_str))?;
            Some((name.to_owned(), path))
        });
        Some(Module {
            file,
            package: path(ast.pointer("/package/refr")?)?,
            imports: imports.collect(),
            rules: ast.get("rules")?.as_array()?.iter().map(rule).collect::<Option<_>>()?,
            calls,
        })
    }
}

fn rule(tree: &Value) -> Option<Rule> {
    if let Some(default) = tree.get("Default") {
        let is_function = default.get("args").and_then(Value::as_array).is_some_and(|args| !args.is_empty());
        return Some(Rule { path: path(default.get("refr")?)?, is_function, line: line(default)? });
    }
    let (kind, head) = tree.pointer("/Spec/head")?.as_object()?.iter().next()?;
    Some(Rule { path: path(head.get("refr")?)?, is_function: kind == "Func", line: line(head)? })
}

/// The text of a span; `None` for `null`.
fn span<'a>(text: &'a str, span: &Value) -> Option<&'a str> {
    let at = |end: &str| usize::try_from(span.get(end)?.as_u64()?).ok();
    text.get(at("start")?..at("end")?)
}

fn line(tree: &Value) -> Option<u64> {
    tree.pointer("/span/line")?.as_u64()
}

/// The literal segments at the start of a reference: `data.a["b"][x].c` is data, a, b.
fn path(tree: &Value) -> Option<Vec<String>> {
    let (kind, node) = tree.as_object()?.iter().next()?;
    match kind.as_str() {
        "Var" => Some(vec![node.get("value")?.as_str()?.to_owned()]),
        "RefDot" => {
            let (mut start, whole) = prefix(node.get("refr")?)?;
            if whole {
                start.push(node.pointer("/field/1")?.as_str()?.to_owned());
            }
            Some(start)
        }
        "RefBrack" => Some(prefix(tree)?.0),
        _ => None,
    }
}

/// The same, and whether that is all of the reference.
fn prefix(tree: &Value) -> Option<(Vec<String>, bool)> {
    let (kind, node) = tree.as_object()?.iter().next()?;
    if kind != "RefBrack" {
        return Some((path(tree)?, true));
    }
    let (mut start, whole) = prefix(node.get("refr")?)?;
    match node.pointer("/index/String/value").and_then(Value::as_str) {
        Some(segment) if whole => {
            start.push(segment.to_owned());
            Some((start, true))
        }
        _ => Some((start, false)),
    }
}

/// Every call in a tree.
fn push_calls(tree: &Value, calls: &mut Vec<Call>) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| push_calls(item, calls)),
        Value::Object(members) => {
            if let Some(call) = members.get("Call").and_then(call) {
                calls.push(call);
            }
            members.values().for_each(|member| push_calls(member, calls));
        }
        _ => {}
    }
}

fn call(node: &Value) -> Option<Call> {
    let number = |at| node.pointer(at).and_then(Value::as_u64);
    Some(Call { path: path(node.get("fcn")?)?, line: number("/span/line")?, column: number("/span/col")? })
}

fn dotted(path: &[String]) -> String {
    path.join(".")
}

/// As the engine takes it: `data.graph["1.0.0"].deny`.
fn spelled(path: &[String]) -> String {
    let is_name = |segment: &str| {
        segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !segment.starts_with(|first: char| first.is_ascii_digit())
            && !segment.is_empty()
    };
    path.iter().enumerate().fold(String::new(), |text, (n, segment)| match (n, is_name(segment)) {
        (0, _) => segment.clone(),
        (_, true) => format!("{text}.{segment}"),
        (_, false) => format!("{text}[{}]", Json::Text(segment.clone())),
    })
}
