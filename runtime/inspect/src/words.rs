//! Plain words for names that a reviewer need not know.

use wasmparser::ComponentExternalKind;

/// What an import gives its importer.
pub(crate) fn import(name: &str, kind: ComponentExternalKind) -> &'static str {
    match name {
        "log" => return "writes lines to the log of the evaluation",
        "data" => return "reads the reference documents that the policy set pins for it",
        HISTORY => return "reads the ledger's history: how often and when something was decided",
        "request" => return "reads any field of the request, chosen while it runs",
        _ => {}
    }
    let known = FOREIGN.iter().find(|(prefix, _)| name.starts_with(prefix));
    match (known, kind) {
        (Some((_, words)), _) => words,
        (None, ComponentExternalKind::Module) => "a core module that the host would have to supply",
        (None, ComponentExternalKind::Component) => "a component that the host would have to supply",
        (None, ComponentExternalKind::Type) => "a type of the host's, possibly a handle to something of the host's",
        (None, ComponentExternalKind::Func | ComponentExternalKind::Instance | ComponentExternalKind::Value) => {
            "something that this host does not know"
        }
    }
}

/// What an export is for.
pub(crate) fn export(name: &str) -> &'static str {
    match name {
        "configure" => "called once, at load, with the settings",
        "evaluate" => "called for each decision",
        _ => "not part of the contract",
    }
}

/// A request field that a policy reads.
pub(crate) fn field(pointer: &str) -> String {
    if pointer.is_empty() { WHOLE_REQUEST.to_owned() } else { format!("{pointer}: {}", meaning(pointer)) }
}

/// What a request field holds.
pub(crate) fn meaning(pointer: &str) -> &'static str {
    let mut segments = pointer.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (None, _) => WHOLE_REQUEST,
        (Some("subject"), Some("id")) => "who asks, by their id",
        (Some("subject"), Some("type")) => "what kind of caller asks",
        (Some("subject"), Some("properties")) => "what is said of who asks",
        (Some("subject"), _) => "who asks",
        (Some("action"), Some("properties")) => "particulars of what they want to do",
        (Some("action"), _) => "what they want to do",
        (Some("resource"), Some("id")) => "what they want to do it to, by its id",
        (Some("resource"), Some("type")) => "what kind of thing they want to do it to",
        (Some("resource"), Some("properties")) => "particulars of what they want to do it to",
        (Some("resource"), _) => "what they want to do it to",
        (Some("context"), None) => "all the circumstances",
        (Some("context"), Some(_)) => "the circumstances",
        (Some("now"), _) => "the host's clock",
        (Some(_), _) => "no field that requests have",
    }
}

/// What an admissible policy cannot do: the engine gives it nothing but what it imports of the contract.
pub(crate) fn cannot(report: &crate::Report) -> Vec<&'static str> {
    let imports = |name: &str| report.calls.iter().any(|call| call.name == name);
    let mut words = vec![
        "reach files, the network, the environment, other processes, random numbers or a running clock",
        "change the request, or what other policies see and say",
        "keep anything from one decision to the next: each has a sandbox of its own",
        "run without end, or use more memory than the policy set gives it",
    ];
    let conditional = [
        ("request", "ask for more request fields while it runs"),
        ("data", "read reference documents"),
        (HISTORY, "learn what was decided before"),
        ("log", "write to the log"),
    ];
    words.extend(conditional.iter().filter(|(import, _)| !imports(import)).map(|(_, words)| *words));
    words
}

/// The import that reads the ledger.
pub(crate) const HISTORY: &str = "history";

/// Whoever imports `request` or declares the empty pointer reads this.
pub(crate) const WHOLE_REQUEST: &str = "the whole request";
/// The description says so.
pub(crate) const FROM_SETTINGS: &str = "the request fields that its settings name; `configure` says which";
/// There is no description.
pub(crate) const UNDECLARED: &str =
    "the request fields that `configure` names; it has no description that would say which";
/// The list of declared inputs is empty.
pub(crate) const NOTHING: &str = "nothing of the request";

/// How to build without what a host does not give.
pub(crate) fn without(name: &str) -> &'static str {
    if name.starts_with("wasi") {
        "build it without WASI (Rust: target wasm32-unknown-unknown; JavaScript: disable the runtime's features; Python: \
         `--stub-wasi`; C and Go: a stub adapter)"
    } else {
        "take the import out of its world"
    }
}

/// By prefix of an import's name; the longest come first.
const FOREIGN: [(&str, &str); 27] = [
    ("wasi:cli/environment", "environment variables and command-line arguments"),
    ("wasi:cli/exit", "ending the process"),
    ("wasi:cli/stdin", "standard input"),
    ("wasi:cli/stdout", "standard output"),
    ("wasi:cli/stderr", "standard error"),
    ("wasi:cli/terminal", "the terminal"),
    ("wasi:cli/", "the command line"),
    ("wasi:clocks/", "the clock"),
    ("wasi:random/", "random numbers"),
    ("wasi:filesystem/", "files"),
    ("wasi:sockets/", "network sockets"),
    ("wasi:http/", "HTTP requests"),
    ("wasi:io/", "input and output streams"),
    ("wasi:keyvalue/", "a key-value store"),
    ("wasi:blobstore/", "a blob store"),
    ("wasi:messaging/", "a message queue"),
    ("wasi:sql/", "a database"),
    ("wasi:config/", "configuration at run time"),
    ("wasi:runtime-config/", "configuration at run time"),
    ("wasi:logging/", "the host's log"),
    ("wasi:nn/", "machine-learning models"),
    ("wasi:webgpu/", "the graphics processor"),
    ("wasi:threads/", "threads"),
    ("wasi:", "a system interface (WASI)"),
    ("wasi_", "a system interface (WASI)"),
    ("portcullis:policy/", "the contract in another version than this host's, or a part that it does not have"),
    ("portcullis:", "an interface of Portcullis that policies do not get"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        for (n, (prefix, _)) in FOREIGN.iter().enumerate() {
            assert!(!FOREIGN[..n].iter().any(|(earlier, _)| prefix.starts_with(earlier)), "{prefix} is never reached");
        }
        assert_eq!(import("wasi:sockets/tcp@0.2.0", ComponentExternalKind::Instance), "network sockets");
        assert_eq!(import("x", ComponentExternalKind::Module), "a core module that the host would have to supply");
    }

    #[test]
    fn fields_in_words() {
        assert_eq!(field(""), "the whole request");
        assert_eq!(field("/now"), "/now: the host's clock");
        assert_eq!(field("/context/change/kind"), "/context/change/kind: the circumstances");
        assert_eq!(field("/context"), "/context: all the circumstances");
        assert_eq!(field("/subject/properties/role"), "/subject/properties/role: what is said of who asks");
        assert_eq!(field("/nowhere"), "/nowhere: no field that requests have");
    }
}
