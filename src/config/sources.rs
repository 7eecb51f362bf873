//! Collects what the file, the environment and the flags say, and fills in the defaults.
//!
//! Owns the precedence (flag over environment over file over default) and the refusal of every name that is not a key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::given::{Given, Raw, Source};
use super::key::{FILE_SUFFIX, Fallback, Key, VARIABLE_PREFIX};
use super::table::SECTIONS;

/// The path of the file, which the command line reads.
const FILE_VARIABLE: &str = "FEDFLATTR_CONFIG";
/// What tests set for the program and for themselves; a public server refuses those that it would obey.
const TEST_PREFIX: &str = "FEDFLATTR_TEST_";

/// The federation library reads this one by itself, deep inside; see [`Sources::add_environment`].
const ALLOW_LOCAL_VARIABLE: &str = "DANGER_FEDERATION_ALLOW_LOCAL_IP";

pub fn all_keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

fn key_at(path: &str) -> Option<&'static Key> {
    all_keys().find(|key| key.path() == path)
}

/// The values so far and what is wrong with them. Fill it from the weakest source to the strongest.
#[derive(Default)]
pub struct Sources {
    pub given: Given,
    pub problems: Vec<Problem>,
}

impl Sources {
    pub fn add_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(Problem::Unreadable { path: path.to_owned(), reason: error.to_string() });
                return;
            }
        };
        let line_of = |span: Range<usize>| text[..span.start].matches('\n').count() + 1;
        let (document, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            self.add_table("", document.get_ref(), &|span| Source::File { path: path.to_owned(), line: line_of(span) });
        }
        // What a broken file seems to say is not judged: most of it would be a consequence of the first mistake.
        self.problems.extend(errors.iter().map(|error| Problem::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, line_of),
            reason: error.message().to_owned(),
        }));
    }

    /// - `prefix`: the path of the table, with a dot at its end unless it is empty.
    fn add_table(&mut self, prefix: &str, table: &DeTable, source_of: &dyn Fn(Range<usize>) -> Source) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let source = source_of(name.span());
            let below = format!("{path}.");
            let is_section = SECTIONS.iter().any(|section| format!("{}.", section.name).starts_with(&below));
            match value.get_ref() {
                DeValue::Table(inner) if is_section => self.add_table(&below, inner, source_of),
                value if is_section => self.problems.push(Problem::BadValue {
                    key: path,
                    origin: source,
                    reason: format!("expected a section with keys in it, found {}", raw_of(value).kind()),
                }),
                value => match key_at(&path) {
                    Some(_) => self.given.set(path, raw_of(value), source),
                    None => {
                        let suggestion = match value {
                            DeValue::Table(_) => nearest(&path, SECTIONS.iter().map(|section| section.name.to_owned())),
                            _ => nearest(&path, all_keys().map(Key::path)),
                        };
                        self.problems.push(Problem::Unknown { name: path, origin: source, suggestion });
                    }
                },
            }
        }
    }

    /// Takes `FEDFLATTR_...` from the variables of the process; all others are somebody else's, but for one.
    pub fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        // Sorted, so that the same mistakes always give the same report.
        let variables: BTreeMap<String, String> = variables.collect();
        if variables.contains_key(ALLOW_LOCAL_VARIABLE) {
            self.problems.push(Problem::Refused {
                key: ALLOW_LOCAL_VARIABLE,
                reason: "this variable switches off the check that keeps strangers from reaching into your network, \
                         whatever its value: remove it"
                    .to_owned(),
            });
        }
        for key in all_keys() {
            let value = variables.get_key_value(&key.variable());
            let file = key.file_variable().and_then(|name| variables.get_key_value(&name));
            match (value, file) {
                (None, None) => {}
                (Some((variable, value)), None) => {
                    let source = Source::Environment { variable: variable.clone() };
                    self.given.set(key.path(), Raw::Untyped(value.clone()), source);
                }
                (None, Some((variable, path))) => self.add_secret_file(key, variable, Path::new(path)),
                (Some((first, _)), Some((second, _))) => self.problems.push(Problem::GivenTwice {
                    key: key.path(),
                    first: first.clone(),
                    second: second.clone(),
                }),
            }
        }
        for variable in variables.into_keys().filter(|name| name.starts_with(VARIABLE_PREFIX)) {
            let is_known = variable == FILE_VARIABLE
                || variable.starts_with(TEST_PREFIX)
                || all_keys().any(|key| key.variable() == variable || key.file_variable().as_ref() == Some(&variable));
            if !is_known {
                let suggestion = nearest_variable(&variable);
                let source = Source::Environment { variable: variable.clone() };
                self.problems.push(Problem::Unknown { name: variable, origin: source, suggestion });
            }
        }
    }

    fn add_secret_file(&mut self, key: &Key, variable: &str, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&text);
                let secret = line.strip_suffix('\r').unwrap_or(line).to_owned();
                let source = Source::Environment { variable: variable.to_owned() };
                self.given.set(key.path(), Raw::Untyped(secret), source);
            }
            Err(error) => {
                let reason = format!("{error} (named by {variable})");
                self.problems.push(Problem::Unreadable { path: path.to_owned(), reason });
            }
        }
    }

    /// - `overrides`: pairs of a key's path and its value; of two for one key the last counts.
    pub fn add_flags(&mut self, overrides: &[(String, String)]) {
        for (path, value) in overrides {
            match key_at(path) {
                Some(_) => self.given.set(path.clone(), Raw::Untyped(value.clone()), Source::Flag),
                None => {
                    let suggestion = nearest(path, all_keys().map(Key::path));
                    self.problems.push(Problem::Unknown { name: path.clone(), origin: Source::Flag, suggestion });
                }
            }
        }
    }

    /// Gives every key that is still missing its default, the derived ones last.
    pub fn add_defaults(&mut self) {
        let missing: Vec<&Key> = all_keys().filter(|key| self.given.get(&key.path()).is_none()).collect();
        for key in &missing {
            if let Fallback::Literal(literal) = key.fallback {
                let value = DeValue::parse(literal).expect("the defaults of the table are TOML");
                self.given.set(key.path(), raw_of(value.get_ref()), Source::Default);
            }
        }
        for key in &missing {
            if let Fallback::Derived { derive, .. } = key.fallback
                && let Some(value) = derive(&self.given)
            {
                self.given.set(key.path(), Raw::Text(value), Source::Default);
            }
        }
    }
}

fn raw_of(value: &DeValue) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other("a number that is too large"),
        },
        DeValue::Float(_) => Raw::Other("a decimal number"),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(elements) => Raw::List(elements.iter().map(Spanned::get_ref).map(raw_of).collect()),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

/// The candidate that was probably meant: close in spelling, or of the same name in another section.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    let distance_max = 1 + last(name).len() / 3;
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= distance_max || last(candidate) == last(name))
        .min()
        .map(|(_, candidate)| candidate)
}

/// As [`nearest`], for a variable: compared as a path, so that a forgotten section or underscore is seen through.
fn nearest_variable(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(VARIABLE_PREFIX).unwrap_or(variable);
    let (name, is_file) = name.strip_suffix(FILE_SUFFIX).map_or((name, false), |name| (name, true));
    let path = nearest(&name.to_lowercase().replace("__", "."), all_keys().map(Key::path))?;
    let key = key_at(&path).expect("the candidates are keys");
    if is_file { key.file_variable().or_else(|| Some(key.variable())) } else { Some(key.variable()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_made_only_when_it_is_close() {
        let check = |name: &str, suggestion: Option<&str>| {
            assert_eq!(nearest(name, all_keys().map(Key::path)).as_deref(), suggestion, "{name}");
        };
        check("server.domian", Some("server.domain"));
        check("sever.domain", Some("server.domain"));
        check("domain", Some("server.domain"));
        check("instance.currency", Some("money.currency"));
        check("server.xyz", None);
        check("", None);
    }

    #[test]
    fn a_variable_is_recognised_without_its_section_or_an_underscore() {
        let check = |name: &str, suggestion: Option<&str>| {
            assert_eq!(nearest_variable(name).as_deref(), suggestion, "{name}");
        };
        check("FEDFLATTR_DOMAIN", Some("FEDFLATTR_SERVER__DOMAIN"));
        check("FEDFLATTR_SERVER_DOMAIN", Some("FEDFLATTR_SERVER__DOMAIN"));
        check("FEDFLATTR_BRIDGE_GITHUB_TOKEN_FILE", Some("FEDFLATTR_BRIDGE__GITHUB__TOKEN_FILE"));
        check("FEDFLATTR_SERVER__DOMAIN_FILE", Some("FEDFLATTR_SERVER__DOMAIN"));
        check("FEDFLATTR_COFFEE", None);
    }
}
