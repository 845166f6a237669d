//! A folder in which policies are begun, built and evaluated.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use portcullis_engine::{CacheOptions, CompileIn, Effort, Engine, EngineOptions, PolicySource};
use portcullis_gate::{Document, Fault, Faulted, Limits, Request, Said};
use portcullis_inspect::{InspectLimits, Report, inspect};

/// Every language, and what its tools come from.
pub const LANGUAGES: [(&str, Option<&str>); 6] = [
    ("rust", None),
    ("c", Some("pip")),
    ("go", Some("pip")),
    ("python", Some("pip")),
    ("javascript", Some("npm")),
    ("typescript", Some("npm")),
];

pub struct Site {
    folder: tempfile::TempDir,
}

/// A case as a file has it; `policy test` reads them strictly.
#[derive(serde::Deserialize)]
pub struct Case {
    pub name: String,
    pub request: serde_json::Value,
    #[serde(default)]
    pub settings: serde_json::Value,
}

/// Writes past the harness's capture.
pub fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Whether the language's tools can be had here; says so where not.
pub fn available(language: &str, registry: Option<&str>) -> bool {
    let missing = match registry {
        None => None,
        Some(_) if std::env::var("PORTCULLIS_FETCH").is_ok_and(|mode| mode == "off") => {
            Some("PORTCULLIS_FETCH=off".to_owned())
        }
        Some("npm") => [("node", "--version"), ("npm", "--version")].into_iter().find_map(lacks),
        Some(_) => (!succeeds(Command::new("python3").args(["-m", "pip", "--version"]))).then(|| "no pip".to_owned()),
    };
    let missing = missing.or_else(|| registry.and_then(|registry| fetchable(language, registry)));
    let Some(why) = missing else { return true };
    portcullis_skip::skip(language, &format!("policies in it were not tested: {why}"));
    false
}

fn lacks((program, argument): (&str, &str)) -> Option<String> {
    (!succeeds(Command::new(program).arg(argument))).then(|| format!("no {program}"))
}

/// What is in the cache needs no network.
fn fetchable(language: &str, registry: &str) -> Option<String> {
    let name = if language == "typescript" { "javascript" } else { language };
    let there = std::fs::read_dir(toolchains()).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{name}-")))
    });
    let reachable = match registry {
        _ if there => true,
        "npm" => succeeds(Command::new("npm").args(["ping", "--loglevel=error"])),
        _ => {
            succeeds(Command::new("python3").args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).args([
                env!("CARGO_TARGET_TMPDIR"),
                "--only-binary",
                ":all:",
                "componentize-py==0.25.1",
            ]))
        }
    };
    (!reachable).then(|| format!("{registry} cannot fetch anything"))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Where toolchains are kept between runs.
pub fn toolchains() -> PathBuf {
    match std::env::var_os("PORTCULLIS_TOOLCHAINS") {
        Some(named) => named.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("../toolchains"),
    }
}

impl Site {
    pub fn new() -> Site {
        Site { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(self.path());
        command.env("PORTCULLIS_TOOLCHAINS", toolchains());
        command.env("XDG_CACHE_HOME", self.path().join(".cache")).env("XDG_STATE_HOME", self.path().join(".state"));
        // Cargo's home stays the user's.
        command.output().unwrap()
    }

    /// Runs the command, which must succeed; its standard output and error.
    pub fn done(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        (out, err)
    }

    pub fn replace(&self, file: &str, changes: &[(&str, &str)]) {
        let path = self.path().join(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{file} does not hold {from:?}");
            text = text.replace(from, to);
        }
        std::fs::write(path, text).unwrap();
    }

    /// An engine that shares the command's cache of compiled drafts.
    pub fn engine(&self) -> Engine {
        let cache = CacheOptions {
            folder: self.path().join(".cache/portcullis"),
            key_file: self.path().join(".state/portcullis/cache.key"),
        };
        engine(Some(cache), Effort::Draft)
    }
}

/// An engine that compiles in a child: a test's executable is no compiler, the command is.
pub fn engine(cache: Option<CacheOptions>, effort: Effort) -> Engine {
    let args = vec![portcullis_engine::compile_worker::ARGUMENT.into()];
    let compile_in = CompileIn::Program { program: env!("CARGO_BIN_EXE_portcullis").into(), args };
    Engine::new(&EngineOptions { cache, effort, compile_in, ..EngineOptions::default() }).unwrap()
}

/// What a component shows without running. A host with the default limits for inspection admits it.
pub fn report(module: &[u8]) -> Report {
    inspect(module, &InspectLimits::default()).unwrap()
}

/// What the component says to each case, by the case's name.
pub fn said(engine: &Engine, module: &[u8], cases: &[Case]) -> BTreeMap<String, Said> {
    let mut limits = report(module).raised(Limits::default());
    limits.time_ms = 60_000;
    let mut loaded = BTreeMap::new();
    let mut said = BTreeMap::new();
    for case in cases {
        let settings = case.settings.to_string();
        let policy = loaded.entry(settings.clone()).or_insert_with(|| {
            let source = PolicySource {
                name: "it",
                settings: &settings,
                limits,
                data: Arc::new(BTreeMap::<String, Document>::new()),
                expected_sha256: None,
            };
            engine.load(module, &source)
        });
        let now = "2026-03-14T09:30:00Z".parse().unwrap();
        let request = Request::parse(case.request.to_string().as_bytes(), now).unwrap();
        let answer = match policy {
            Ok(policy) => policy.evaluate_with(&request, None).said,
            Err(error) => Said::Fault(Faulted { fault: Fault::Load(error.fault), detail: error.detail.clone() }),
        };
        said.insert(case.name.clone(), answer);
    }
    said
}
