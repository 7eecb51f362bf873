//! The commented example file, written from the table.
//!
//! Owns `config/fedflattr.example.toml`: a test fails when the file and the table differ.

use std::collections::BTreeMap;

use super::Config;
use super::key::{Fallback, Key};
use super::setting::Shown;
use super::table::SECTIONS;

const HEADER: &str = "\
# fedflattr: every key, with its default. Copy this file and uncomment what should be different.
#
# A flag beats a variable of the environment, a variable beats this file, this file beats the default.
# A name that is not below is an error, here as in the environment. See docs/configuration.md.
#
# Written from src/config/table.rs. After a change there: UPDATE_EXPECTED=1 cargo test --lib config
";

/// The text of `config/fedflattr.example.toml`.
pub fn example() -> String {
    let defaults: BTreeMap<String, Shown> =
        Config::default().shown().into_iter().map(|(key, value)| (key.path(), value)).collect();
    let mut out = HEADER.to_owned();
    for section in SECTIONS {
        out.push('\n');
        section.docs.iter().for_each(|line| push_comment(&mut out, line));
        out.push_str(&format!("[{}]\n", section.name));
        for key in section.keys {
            out.push('\n');
            push_key(&mut out, key, defaults[&key.path()].as_deref());
        }
    }
    out
}

/// - `value`: the default as TOML writes it; `None` when the key has none.
fn push_key(out: &mut String, key: &Key, value: Option<&str>) {
    key.docs.iter().for_each(|line| push_comment(out, line));
    push_comment(out, &format!("Takes {}.", (key.expected)(key)));
    let sample = match &key.fallback {
        // What is written is the default itself.
        Fallback::Literal(literal) => literal,
        Fallback::Derived { rule, .. } => {
            push_comment(out, &format!("Default: {rule}"));
            value.expect("the derived keys have a value when all others have their defaults")
        }
        Fallback::Unset { sample } => {
            push_comment(out, "Default: not set");
            sample
        }
    };
    let file = key.file_variable().map(|variable| format!(" or {variable}")).unwrap_or_default();
    push_comment(out, &format!("Environment: {}{file}", key.variable()));
    out.push_str(&format!("#{} = {sample}\n", key.name));
}

fn push_comment(out: &mut String, line: &str) {
    out.push_str(&format!("# {}\n", line.trim()));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::sources::all_keys;

    fn load(text: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("example.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), std::iter::empty(), &[]).unwrap_or_else(|error| panic!("{error}")).config
    }

    #[test]
    fn the_example_file_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/fedflattr.example.toml");
        if std::env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
            std::fs::write(&path, example()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(committed == example(), "{} is out of date: run with UPDATE_EXPECTED=1", path.display());
    }

    #[test]
    fn the_example_loads_and_changes_nothing() {
        assert_eq!(load(&example()), Config::default());
    }

    /// `#key` is a value; `# text` is a comment.
    #[test]
    fn the_example_with_every_key_uncommented_loads() {
        let is_value = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
        let text = example();
        let uncommented: Vec<&str> = text.lines().map(|line| if is_value(line) { &line[1..] } else { line }).collect();
        assert_eq!(text.lines().filter(|line| is_value(line)).count(), all_keys().count());
        let config = load(&uncommented.join("\n"));
        assert_eq!(config.bridge.github.token.map(|token| token.expose().to_owned()).as_deref(), Some("ghp_example"));
        assert_eq!(config.server, Config::default().server);
    }

    #[test]
    fn no_line_of_the_example_is_wider_than_the_source() {
        let wide: Vec<String> =
            example().lines().filter(|line| line.chars().count() > 120).map(str::to_owned).collect();
        assert_eq!(wide, Vec::<String>::new());
    }
}
