//! What is decided: files, standard input, and what the command line adds to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use portcullis_gate::{Document, MAX_DOCUMENT_BYTES, Pointer, RequestError, Value};

use super::Undecided;
use crate::report::usage;

/// Where a payload comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The payloads that the arguments name; standard input where they name none.
///
/// # Errors
/// Wrong usage: nothing to read, or standard input twice.
pub fn sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if files.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(usage("nothing to decide: name a file, or pipe a payload into standard input"));
        }
        return Ok(vec![Source::Stdin]);
    }
    let source = |file: &PathBuf| if file == Path::new("-") { Source::Stdin } else { Source::File(file.clone()) };
    let sources: Vec<Source> = files.iter().map(source).collect();
    if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
        return Err(usage("standard input (-) is named twice"));
    }
    Ok(sources)
}

/// What `--context` adds under `/context`.
///
/// # Errors
/// Wrong usage: a file that cannot be read, text that is not strict JSON, a member that is given twice.
pub fn context(given: &[String]) -> anyhow::Result<BTreeMap<String, Document>> {
    let mut context = BTreeMap::new();
    for argument in given {
        for (key, document) in members(argument).map_err(|problem| usage(format!("--context {argument}: {problem}")))? {
            if context.contains_key(&key) {
                return Err(usage(format!("--context gives {key:?} twice")));
            }
            context.insert(key, document);
        }
    }
    Ok(context)
}

fn members(argument: &str) -> Result<Vec<(String, Document)>, String> {
    if let Some(path) = argument.strip_prefix('@') {
        let document = read_document(path)?;
        let root = pointer("")?;
        if document.is_object(&root) != Some(true) {
            return Err("the file does not hold a JSON object; write KEY=@FILE to give it a name".into());
        }
        return document.keys(&root).map(|key| Ok((key.to_owned(), member(&document, key)?))).collect();
    }
    let (key, document) = match argument.split_once('=') {
        Some((key, value)) if key.ends_with(':') => (key.trim_end_matches(':'), parse(value.as_bytes())?),
        Some((key, value)) => match value.strip_prefix('@') {
            Some(path) => (key, read_document(path)?),
            None => (key, parse(serde_json::Value::from(value).to_string().as_bytes())?),
        },
        None => return Err("write KEY=TEXT, KEY:=JSON, KEY=@FILE or @FILE".into()),
    };
    if key.is_empty() {
        return Err("the key is empty".into());
    }
    Ok(vec![(key.to_owned(), document)])
}

fn member(document: &Document, key: &str) -> Result<Document, String> {
    let json = match document.get(&pointer(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))?) {
        Value::Missing | Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => serde_json::Value::from(value).to_string(),
        Value::Text(text) => serde_json::Value::from(text).to_string(),
        Value::Json(json) => json.to_string(),
    };
    parse(json.as_bytes())
}

fn pointer(text: &str) -> Result<Pointer, String> {
    Pointer::new(text).map_err(|problem| format!("{text}: {problem}"))
}

fn parse(json: &[u8]) -> Result<Document, String> {
    Document::parse(json).map_err(|error| format!("not strict JSON: {error}"))
}

fn read_document(path: &str) -> Result<Document, String> {
    let source = Source::File(path.into());
    parse(&source.read().map_err(|undecided| undecided.message)?)
}

/// A source, with its payload where that had to be read before.
pub struct Input {
    source: Source,
    read: Option<Result<Vec<u8>, Undecided>>,
}

impl Input {
    /// Reads now what may keep this command waiting: standard input and pipes. A file can be read when its turn comes.
    pub fn new(source: Source) -> Input {
        let read = (!source.is_plain_file()).then(|| source.read());
        Input { source, read }
    }

    /// What the caller calls it.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The payload.
    ///
    /// # Errors
    /// As for [`Source::read`].
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Undecided> {
        match &self.read {
            Some(read) => read.as_deref().map(Cow::Borrowed).map_err(Clone::clone),
            None => self.source.read().map(Cow::Owned),
        }
    }
}

impl Source {
    fn is_plain_file(&self) -> bool {
        matches!(self, Source::File(path) if std::fs::metadata(path).is_ok_and(|found| found.is_file()))
    }

    /// The payload, at most one byte more than a document may have.
    ///
    /// # Errors
    /// It cannot be read, or is larger than that.
    pub fn read(&self) -> Result<Vec<u8>, Undecided> {
        let read = match self {
            Source::Stdin => read_bounded(std::io::stdin().lock()),
            Source::File(path) => std::fs::File::open(path).and_then(read_bounded),
        };
        let bytes =
            read.map_err(|error| Undecided::new("payload.unreadable", format!("cannot read {self}: {error}")))?;
        if bytes.iter().all(u8::is_ascii_whitespace) && bytes.len() <= MAX_DOCUMENT_BYTES {
            let message = if *self == Source::Stdin { "standard input is empty" } else { "the file is empty" };
            return Err(RequestError { code: "request.syntax", message: message.into() }.into());
        }
        if bytes.len() > MAX_DOCUMENT_BYTES {
            let message = format!("more than {MAX_DOCUMENT_BYTES} bytes");
            return Err(RequestError { code: "request.size", message }.into());
        }
        Ok(bytes)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Stdin => f.write_str("standard input"),
            Source::File(path) => path.display().fmt(f),
        }
    }
}

fn read_bounded(input: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<Vec<(String, String)>, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let context = context(&arguments).map_err(|error| error.to_string())?;
        Ok(context.into_iter().map(|(key, document)| (key, document.text().to_owned())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, json)| ((*key).to_owned(), (*json).to_owned())).collect()
    }

    #[test]
    fn context_is_text_unless_it_says_json() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("more.json");
        std::fs::write(&file, r#"{"x/y~":[1, 2.50],"t":"\u0041","n":null}"#).unwrap();
        let file = file.display();
        let all =
            given(&["ticket=12", "count:=12", "empty=", "url=a=b", &format!("file=@{file}"), &format!("@{file}")]);
        assert_eq!(
            all.unwrap(),
            pairs(&[
                ("count", "12"),
                ("empty", "\"\""),
                ("file", r#"{"x/y~":[1, 2.50],"t":"\u0041","n":null}"#),
                ("n", "null"),
                ("t", "\"A\""),
                ("ticket", "\"12\""),
                ("url", "\"a=b\""),
                ("x/y~", "[1,2.5]"),
            ])
        );
    }

    #[test]
    fn wrong_context_says_how_to_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.json");
        std::fs::write(&list, "[1]").unwrap();
        for (arguments, says) in [
            (vec!["ticket"], "write KEY=TEXT"),
            (vec!["=x"], "the key is empty"),
            (vec!["a:={\"b\":1,\"b\":2}"], "appears twice"),
            (vec!["a:=yes"], "not strict JSON"),
            (vec!["a=@/nowhere/at/all"], "cannot read /nowhere/at/all"),
            (vec!["a=1", "a=2"], "gives \"a\" twice"),
            (vec![&format!("@{}", list.display())], "does not hold a JSON object"),
        ] {
            let error = given(&arguments).unwrap_err();
            assert!(error.contains(says), "{error} does not say {says}");
        }
    }

    #[test]
    fn standard_input_is_named_once() {
        assert_eq!(sources(&["-".into(), "a".into()]).unwrap(), [Source::Stdin, Source::File("a".into())]);
        assert!(sources(&["-".into(), "-".into()]).is_err());
    }

    #[test]
    fn reading_stops_after_what_a_document_may_have() {
        assert_eq!(read_bounded(std::io::repeat(b' ')).unwrap().len(), MAX_DOCUMENT_BYTES + 1);
    }
}
