//! `portcullis policy readme`.
//!
//! What is written holds no digest, fuel or time, so that it does not depend on the toolchain which built the component.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portcullis_engine::Engine;
use portcullis_gate::{Fault, Said};
use portcullis_inspect::{DeclaredInputs, InspectLimits, Report, inspect};
use serde_json::Value;
use similar::TextDiff;

use super::cases::{self, Case};
use super::suite::{self, Loader};
use super::{compare, markdown, verdict};
use crate::args::ReadmeArgs;
use crate::exit::Exit;
use crate::text::{counted, shown};
use crate::{cache, report};

const BEGIN: &str = "<!-- begin portcullis policy readme: ";
const CASE: &str = "the case ";
const CATALOGUE: &str = "the catalogue";
const CLOSE: &str = " -->";
const END: &str = "<!-- end portcullis policy readme -->";

/// Characters on a line of JSON.
const WIDTH: usize = 110;
/// Most inputs and codes named in one row of the catalogue.
const MAX_NAMED: usize = 6;
/// Most lines of a difference shown.
const MAX_LINES: usize = 20;

/// A README as it is and as it should be.
struct Readme {
    path: PathBuf,
    is: Option<String>,
    should: String,
}

/// Writes or checks READMEs.
///
/// # Errors
/// A component is missing or refused, a README's comments are damaged, or a case does not pass.
pub fn run(args: &ReadmeArgs) -> anyhow::Result<Exit> {
    let engine = cache::engine(&args.cache)?;
    let dirs = suite::folders(std::slice::from_ref(&args.dir))?;
    let is_one = dirs.first() == Some(&args.dir);
    let mut readmes = Vec::new();
    let mut rows = String::new();
    for dir in &dirs {
        let name = suite::name(dir)?;
        let module = suite::read_module(&suite::find_module(dir, &name, "build it first")?)?;
        let report = match inspect(&module, &InspectLimits::default()) {
            Ok(report) => report,
            Err(refusal) => bail!("{}: the component is refused: {refusal}", dir.display()),
        };
        readmes.push(policy(&engine, dir, &name, &module, &report)?);
        rows.push_str(&row(&name, &report));
    }
    if !is_one {
        let table = format!("| policy | what it decides | it reads | its codes | |\n|---|---|---|---|---|\n{rows}");
        readmes.push(Readme::of(args.dir.join("README.md"), "# Policies\n", CATALOGUE, |_| {
            Ok((CATALOGUE.into(), table))
        })?);
    }
    let stale: Vec<&Readme> = readmes.iter().filter(|readme| !readme.is_current()).collect();
    let mut out = String::new();
    for readme in &stale {
        if args.write {
            let path = &readme.path;
            crate::policy_build::write(path, readme.should.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            _ = writeln!(out, "wrote {}", shown(&path.display().to_string()));
        } else {
            out.push_str(&readme.difference());
        }
    }
    let current = if args.write { readmes.len() } else { readmes.len().saturating_sub(stale.len()) };
    _ = writeln!(out, "{} current", counted(current, "README is", "READMEs are"));
    if args.check && !stale.is_empty() {
        let dir = shown(&args.dir.display().to_string());
        _ = writeln!(out, "{} not; `portcullis policy readme {dir} --write` writes what is missing", stale.len());
    }
    report::out(&out)?;
    Ok(if args.write || stale.is_empty() { Exit::Done } else { Exit::Error })
}

fn policy(engine: &Engine, dir: &Path, name: &str, module: &[u8], report: &Report) -> anyhow::Result<Readme> {
    let summary = report.description.as_ref().map(|description| markdown::text(&description.summary));
    let head = format!("# {}\n\n{}\n", markdown::text(name), summary.unwrap_or_default());
    Readme::of(dir.join("README.md"), &head, CASE, |named| {
        let cases = cases::read(&dir.join("cases"))?;
        let case = match named.strip_prefix(CASE) {
            None => cases.first().with_context(|| format!("{} holds no case", dir.display()))?,
            Some(text) => {
                let wanted: String = serde_json::from_str(text).context("the comment names no case")?;
                let found = cases.iter().find(|case| case.name == wanted);
                found.with_context(|| format!("there is no case {wanted:?}; name another in the comment"))?
            }
        };
        let ran = Loader::new(engine, name, module, suite::limits(module)).run(case)?;
        if let Some(difference) = compare::difference(&case.expect, &ran.said) {
            bail!("the case {:?} does not pass, so it is no example:\n{difference}", case.name);
        }
        let title = format!("{CASE}{}", serde_json::to_string(&case.name)?.replace('>', "\\u003e"));
        Ok((crate::decide::printable(&title), part(case, &ran.said)))
    })
}

/// A request, the settings, and what the policy says.
fn part(case: &Case, said: &Said) -> String {
    let json = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        markdown::block("json", &markdown::json(&value, WIDTH))
    };
    let mut out = format!("## Request\n\nAt {}:\n\n", markdown::code(case.request.now_text()));
    out += &markdown::block("json", &request(case));
    if let Some(past) = &case.past {
        out += "\nWhat the ledger holds:";
        out += if past.is_empty() { " nothing.\n" } else { "\n\n" };
        for one in past {
            let (action, resource) =
                (markdown::code(&one.action), format!("{} {}", one.resource_type, one.resource_id));
            _ = writeln!(out, "- {action} of {}: {}, at `{:.3}`", markdown::code(&resource), one.outcome, one.now);
        }
    }
    out += "\n## Settings\n\n";
    match &case.settings_file {
        Some(file) => {
            let path = beside(file);
            _ = writeln!(out, "Those in [{}]({}).", markdown::text(&path), markdown::target(&path));
        }
        None => out += &json(&case.settings),
    }
    for (name, document) in &case.data {
        _ = write!(out, "\nThe reference document {}:\n\n{}", markdown::code(name), json(document));
    }
    out += "\n## Decision\n\n";
    out += &markdown::block("text", &decision(said));
    out
}

/// A file that a case names, as seen from the policy's folder.
fn beside(file: &Path) -> String {
    let mut path = PathBuf::from("cases");
    for part in file.components() {
        match part {
            std::path::Component::ParentDir if path.file_name().is_some() => _ = path.pop(),
            other => path.push(other),
        }
    }
    path.display().to_string()
}

/// The request, its entities in the order in which people think of them.
fn request(case: &Case) -> String {
    let parsed: Value = serde_json::from_str(case.request.document().text()).unwrap_or_default();
    let member = |name: &str| {
        let member = parsed.get(name)?;
        Some(format!(
            "  \"{name}\": {}",
            markdown::json(member, WIDTH.saturating_sub(name.len())).replace('\n', "\n  ")
        ))
    };
    let members: Vec<String> = ["subject", "action", "resource", "context"].into_iter().filter_map(member).collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

/// What the policy says. A fault's detail is left out: it may quote places in the component.
fn decision(said: &Said) -> String {
    match said {
        Said::Fault(faulted) => {
            let fault: Fault = faulted.fault;
            format!("✖ FAULT  {} ({fault})", fault.explain())
        }
        Said::Answer(_) => anstream::adapter::strip_str(&verdict::human(said)).to_string(),
    }
}

/// One row of the catalogue.
fn row(name: &str, report: &Report) -> String {
    let link = markdown::target(&format!("{name}/README.md"));
    let summary = report.description.as_ref().map(|description| markdown::text(&description.summary));
    let mut reads = match &report.declared_inputs {
        DeclaredInputs::Unknown => vec!["what it asks for at load".to_owned()],
        DeclaredInputs::FromSettings => vec!["the fields that its settings name".to_owned()],
        DeclaredInputs::Listed(pointers) => named(pointers.iter().map(|pointer| match pointer.as_str() {
            "" => "the whole request".to_owned(),
            pointer => markdown::code(pointer),
        })),
    };
    reads.extend(report.data_documents.iter().map(|data| format!("the document {}", markdown::code(&data.name))));
    reads.extend(report.history.iter().map(|_| "the ledger's history".to_owned()));
    if reads.is_empty() {
        reads.push("nothing".to_owned());
    }
    format!(
        "| [{}]({link}) | {} | {} | {} | [settings]({link}#settings) |\n",
        markdown::text(name),
        summary.unwrap_or_default(),
        reads.join(", "),
        codes(report)
    )
}

/// The codes, after the part that all of them begin with.
fn codes(report: &Report) -> String {
    let codes: Vec<&str> = report.codes.iter().map(|code| code.code.as_str()).collect();
    let stem = |code: &&str| code.rfind('.').and_then(|dot| code.get(..=dot)).unwrap_or_default().to_owned();
    match codes.first().map(stem).filter(|prefix| !prefix.is_empty() && codes.iter().all(|code| stem(code) == *prefix))
    {
        Some(prefix) => {
            let reasons = named(codes.iter().filter_map(|code| code.strip_prefix(&prefix)).map(markdown::code));
            format!("{} {}", markdown::code(&prefix), reasons.join(", "))
        }
        None => named(codes.into_iter().map(markdown::code)).join(", "),
    }
}

/// The first of them, and how many more there are.
fn named(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut items: Vec<String> = items.collect();
    if let Some(more @ 2..) = items.len().checked_sub(MAX_NAMED) {
        items.truncate(MAX_NAMED);
        items.push(format!("and {more} more"));
    }
    items
}

impl Readme {
    /// Reads a README and replaces the part between the comments, or adds it at the end. `write` is given what the first
    /// comment says (empty where there is none) and answers what it should say, and the part. A comment that does not
    /// begin with `kind` is another's.
    fn of(
        path: PathBuf,
        head: &str,
        kind: &str,
        write: impl FnOnce(&str) -> anyhow::Result<(String, String)>,
    ) -> anyhow::Result<Readme> {
        let is = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let replace = || -> anyhow::Result<String> {
            let text = is.as_deref().unwrap_or(head);
            let (before, named, after) = split(text, kind)?;
            let (title, part) = write(named)?;
            Ok(format!("{before}{BEGIN}{title}{CLOSE}\n{part}{END}\n{after}"))
        };
        let should = replace().with_context(|| path.display().to_string())?;
        Ok(Readme { path, is, should })
    }

    fn is_current(&self) -> bool {
        self.is.as_deref() == Some(&*self.should)
    }

    fn difference(&self) -> String {
        let mut out = format!("✖ {} is not current\n", shown(&self.path.display().to_string()));
        let diff = TextDiff::from_lines(self.is.as_deref().unwrap_or_default(), &self.should);
        let changes = || diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
        for change in changes().take(MAX_LINES) {
            let sign = if change.tag() == similar::ChangeTag::Delete { '-' } else { '+' };
            _ = writeln!(out, "  {sign} {}", shown(change.value().trim_end_matches('\n')));
        }
        if let Some(more @ 1..) = changes().count().checked_sub(MAX_LINES) {
            _ = writeln!(out, "  and {} more", counted(more, "line", "lines"));
        }
        out
    }
}

/// What stands before the part, what its first comment says, and what stands after it. Without the comments, the part
/// comes at the end.
fn split<'t>(text: &'t str, kind: &str) -> anyhow::Result<(std::borrow::Cow<'t, str>, &'t str, &'t str)> {
    let Some((before, rest)) = text.split_once(BEGIN) else {
        if text.contains(END) {
            bail!("`{END}` has no comment before it that begins the part");
        }
        let gap = if text.ends_with("\n\n") { "" } else { "\n" };
        return Ok((format!("{}{gap}", text.trim_end_matches(' ')).into(), "", ""));
    };
    let (named, rest) = rest.split_once(CLOSE).context("the comment that begins the part does not end")?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the part does not end with `{END}`"))?;
    if after.contains(BEGIN) || after.contains(END) {
        bail!("there is more than one part between `{BEGIN}..` and `{END}`; leave one");
    }
    if !named.starts_with(kind) {
        bail!("the part is for {named:?}, not for {:?}", kind.trim_end());
    }
    Ok((before.into(), named, after.strip_prefix('\n').unwrap_or(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("README.md");
        std::fs::write(&path, text).unwrap();
        let write =
            |named: &str| Ok((if named.is_empty() { "the case 1".into() } else { named.to_owned() }, "new\n".into()));
        Readme::of(path, "# head\n", CASE, write).map(|readme| readme.should).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn only_the_part_between_the_comments_is_written() {
        let first = replaced("# a\n\nmine\n").unwrap();
        assert_eq!(first, format!("# a\n\nmine\n\n{BEGIN}the case 1{CLOSE}\nnew\n{END}\n"));
        assert_eq!(replaced(&first).unwrap(), first);
        let named = first.replace("case 1", "case \"x\"").replace("new\n", "old\nold\n") + "\nmine too\n";
        assert_eq!(replaced(&named).unwrap(), first.replace("case 1", "case \"x\"") + "\nmine too\n");
    }

    #[test]
    fn damaged_comments_are_refused() {
        let whole = replaced("").unwrap();
        for (text, says) in [
            (whole.replace(END, ""), "does not end with"),
            (whole.replace(BEGIN, ""), "no comment before it"),
            (whole.replace(CLOSE, ""), "the part does not end"),
            (format!("{whole}{whole}"), "more than one part"),
            (whole.replace("the case", "the catalogue"), "not for \"the case\""),
        ] {
            let error = replaced(&text).unwrap_err();
            assert!(error.contains(says) && error.contains("README.md"), "{error} does not say {says}");
        }
    }

    #[test]
    fn a_row_of_the_catalogue_is_one_row_whatever_a_description_says() {
        let mut report = *inspect(b"", &InspectLimits::default()).unwrap_err().report;
        report.description = Some(portcullis_inspect::Description {
            name: "t.p".into(),
            version: "1".into(),
            summary: "a | b <script> [x](javascript:y) ![](https://z.example) @all `c`".into(),
            sdk: None,
        });
        report.declared_inputs = DeclaredInputs::Listed(vec!["".into(), "/a|`b`".into()]);
        insta::assert_snapshot!(row("p q", &report), @r"| [p q](p%20q/README.md) | a \| b &lt;script&gt; \[x\]\(javascript:y\) \!\[\]\(https&#58;//z.example\) &#64;all \`c\` | the whole request, `` /a\|`b` `` |  | [settings](p%20q/README.md#settings) |");
        let of = |codes: &[&str]| {
            report.codes = codes
                .iter()
                .map(|code| portcullis_inspect::ReasonCode { code: (*code).into(), summary: String::new() })
                .collect();
            super::codes(&report)
        };
        let mut of = of;
        assert_eq!(of(&["t.p.a", "t.p.b"]), "`t.p.` `a`, `b`");
        assert_eq!(of(&["t.p.a", "t.q.b"]), "`t.p.a`, `t.q.b`");
        let many: Vec<String> = (0..9).map(|n| format!("t.p.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(of(&many), "`t.p.` `0`, `1`, `2`, `3`, `4`, `5`, and 3 more");
    }
}
