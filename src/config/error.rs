//! What can be wrong with a configuration, told so that the operator can mend it without reading the source.
//!
//! Owns the rule that all problems are reported at once, and that none of the texts contains a secret's value.

use std::fmt;
use std::path::PathBuf;

use super::given::Source;

/// Every problem that was found; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}, line {line}: not TOML: {reason}", path.display())]
    Syntax { path: PathBuf, line: usize, reason: String },
    /// `suggestion` is spelt as the source spells it: a key in a file, a variable in the environment.
    #[error("{origin}: there is no `{name}`{}", did_you_mean(.suggestion.as_deref()))]
    Unknown { name: String, origin: Source, suggestion: Option<String> },
    #[error("{key} ({origin}): {reason}")]
    BadValue { key: String, origin: Source, reason: String },
    #[error("{key}: both {first} and {second} are set; remove one of them")]
    GivenTwice { key: String, first: String, second: String },
    /// Each value is well formed, but they do not go together.
    #[error("{key}: {reason}")]
    Refused { key: &'static str, reason: String },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => write!(f, "the configuration has a problem:\n  {problem}"),
            problems => {
                write!(f, "the configuration has {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}
