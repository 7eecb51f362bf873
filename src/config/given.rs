//! What was given for each key, before it is understood: the value in the form of its source, and the source.
//!
//! Owns the precedence by its order of filling: a later [`Given::set`] replaces an earlier one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "file {}, line {line}", path.display()),
            Source::Environment { variable } => write!(f, "env {variable}"),
            Source::Flag => f.write_str("flag"),
        }
    }
}

/// A value that nobody has interpreted yet.
#[derive(Clone, PartialEq)]
pub enum Raw {
    /// From the environment, a secret's file or a flag: a text that may stand for any type.
    Untyped(String),
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Raw>),
    /// What no key wants, by its name: a fraction, a date, a table.
    Other(&'static str),
}

impl Raw {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Raw::Untyped(text) | Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, without the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Raw::Untyped(_) | Raw::Text(_) => "a text",
            Raw::Integer(_) => "a whole number",
            Raw::Boolean(_) => "true or false",
            Raw::List(_) => "a list",
            Raw::Other(kind) => kind,
        }
    }

    /// What it is and, in short, its value. Not for secrets.
    pub fn describe(&self) -> String {
        match self {
            Raw::Untyped(text) | Raw::Text(text) => format!("`{}`", shorten(text)),
            Raw::Integer(number) => format!("the number {number}"),
            Raw::Boolean(value) => format!("`{value}`"),
            Raw::List(_) | Raw::Other(_) => self.kind().to_owned(),
        }
    }
}

/// An error quotes what was given, but never a screenful of it, and nothing that moves the cursor.
pub fn shorten(text: &str) -> String {
    let visible: String = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > 60 { format!("{visible}…") } else { visible }
}

/// The value and the source of each key that has one.
#[derive(Default)]
pub struct Given(BTreeMap<String, (Raw, Source)>);

impl Given {
    pub fn set(&mut self, path: String, raw: Raw, source: Source) {
        self.0.insert(path, (raw, source));
    }

    pub fn get(&self, path: &str) -> Option<&(Raw, Source)> {
        self.0.get(path)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.0.as_text()
    }

    /// Whether a key that takes a list has anything in it.
    pub fn has_elements(&self, path: &str) -> bool {
        self.get(path).is_some_and(|(raw, _)| match raw {
            Raw::List(elements) => !elements.is_empty(),
            Raw::Untyped(text) => !text.trim().trim_matches(['[', ']', ' ']).is_empty(),
            _ => false,
        })
    }
}
