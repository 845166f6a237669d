use std::path::Path;

use anyhow::bail;

/// What a policy is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Language {
    /// The smallest and fastest components
    Rust,
    /// Components of 12 MB
    #[value(alias = "js")]
    Javascript,
    /// As JavaScript, with its types checked
    #[value(alias = "ts")]
    Typescript,
    /// Components of 18 MB
    Python,
    /// Components of some MB
    Go,
    /// Components of some KB
    C,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 6] =
        [Language::Rust, Language::Javascript, Language::Typescript, Language::Python, Language::Go, Language::C];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Javascript => "javascript",
            Language::Typescript => "typescript",
            Language::Python => "python",
            Language::Go => "go",
            Language::C => "c",
        }
    }

    /// The file by which a folder is known to hold a policy in this language.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Language::Rust => "Cargo.toml",
            Language::Javascript => "policy.js",
            Language::Typescript => "policy.ts",
            Language::Python => "policy.py",
            Language::Go => "policy.go",
            Language::C => "policy.c",
        }
    }

    /// The language of the policy in a folder; `None` where there is no policy.
    ///
    /// # Errors
    /// There are several.
    pub fn of(folder: &Path) -> anyhow::Result<Option<Language>> {
        let there: Vec<Language> = Language::ALL.into_iter().filter(|it| folder.join(it.source()).is_file()).collect();
        match there.as_slice() {
            [] => Ok(None),
            [language] => Ok(Some(*language)),
            several => {
                let files: Vec<&str> = several.iter().map(|language| language.source()).collect();
                bail!("{} holds {}: which of them is the policy? Keep one", folder.display(), files.join(" and "))
            }
        }
    }
}
