//! Rules of the house that a reader would otherwise have to check by eye, read from the sources themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each layer, the layers above it in `lib.rs` that it may use. A new layer is added here with its reason.
const LAYERS: [(&str, &[&str]); 17] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("clock", &["domain"]),
    ("fault", &[]),
    ("vault", &[]),
    ("storage", &["domain"]),
    ("bridges", &["domain", "config"]),
    ("rails", &["domain", "config"]),
    ("flows", &["domain", "config", "storage", "bridges", "rails"]),
    ("federation", &["domain", "config", "clock", "fault", "vault", "storage", "bridges", "rails", "flows"]),
    ("jobs", &["domain", "config", "fault", "vault", "storage", "bridges", "rails", "flows", "federation"]),
    (
        "console",
        &["domain", "config", "fault", "vault", "storage", "bridges", "rails", "flows", "federation", "jobs", "web"],
    ),
    (
        "web",
        &["domain", "config", "clock", "fault", "vault", "storage", "bridges", "rails", "flows", "federation", "jobs"],
    ),
    ("simulation", &["domain", "config", "storage", "bridges", "rails", "flows"]),
    // The platforms stand outside the product; they know values, and their tests the connectors.
    ("sandbox", &["domain"]),
    (
        "cli",
        &[
            "domain",
            "config",
            "clock",
            "fault",
            "vault",
            "storage",
            "bridges",
            "rails",
            "flows",
            "federation",
            "jobs",
            "console",
            "web",
            "sandbox",
        ],
    ),
    ("main", &["cli"]),
];

/// What the domain must not know: IO, the clock, randomness.
const NOT_IN_DOMAIN: [&str; 12] = [
    "tokio",
    "diesel",
    "actix_web",
    "reqwest",
    "std::fs",
    "std::net",
    "std::env",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "rand::",
    "thread::sleep",
];

/// Files of more than 600 lines, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src`: its path from there, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a readable directory") {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let source = root().join("src");
    let mut found = Vec::new();
    walk(&source, &mut found);
    found.sort();
    assert!(found.len() > 50, "the sources were found");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&source).expect("below src").to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(path).expect("a readable source"))
        })
        .collect()
}

/// The code of a file: without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let production = text.split("\n#[cfg(test)]\nmod ").next().expect("a split has a first part");
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    production.lines().filter(is_code).map(|line| format!("{line}\n")).collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("tests.rs")
}

/// The first segments of all `crate::` paths, those in braces too.
fn used_layers(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for after in code.split("crate::").skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut current = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.push(std::mem::take(&mut current)),
                    letter if depth == 0 => current.push(letter),
                    _ => {}
                }
            }
            used.push(current);
        } else {
            used.push(after.to_owned());
        }
    }
    let first = |path: String| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    used.into_iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[track_caller]
fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn each_layer_uses_only_those_above_it() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let layer = name.split(['/', '.']).next().expect("a first part");
        if is_test(&name) || matches!(layer, "lib" | "main") {
            continue;
        }
        let Some(allowed) = layers.get(layer) else {
            problems.push(format!("{name}: the layer `{layer}` is not in the list of this test"));
            continue;
        };
        for used in used_layers(&code(&text)) {
            let is_layer = layers.contains_key(used.as_str());
            if is_layer && used != layer && !allowed.contains(&used.as_str()) {
                problems.push(format!("{name}: `{layer}` must not use `{used}`"));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn paths_in_braces_are_seen_by_the_test_above() {
    assert_eq!(used_layers("use crate::{flows::{a, b}, storage};"), ["flows", "storage"]);
    assert_eq!(used_layers("crate::web::x(); $crate::storage::Tx"), ["web", "storage"]);
}

#[test]
fn the_domain_knows_no_io_no_clock_and_no_randomness() {
    let mut problems = Vec::new();
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("domain/") && !is_test(name)) {
        let code = code(&text);
        problems.extend(
            NOT_IN_DOMAIN.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: uses {word}")),
        );
    }
    assert_none(problems);
}

#[test]
fn every_module_says_what_it_is_for() {
    let is_silent = |(name, text): &(String, String)| name != "main.rs" && !text.starts_with("//!");
    assert_none(sources().into_iter().filter(is_silent).map(|(name, _)| format!("{name}: no `//!` header")).collect());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let is_long = |(name, text): &(String, String)| {
        text.lines().count() > LINES_MAX && !LONG_FILES.iter().any(|(long, _)| long == name)
    };
    let problem = |(name, text): (String, String)| format!("{name}: {} lines", text.lines().count());
    assert_none(sources().into_iter().filter(is_long).map(problem).collect());
}

#[test]
fn nothing_is_left_undone() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
    let mut problems = Vec::new();
    for (name, text) in sources() {
        problems.extend(words.iter().filter(|word| text.contains(**word)).map(|word| format!("{name}: {word}…)")));
    }
    assert_none(problems);
}

#[test]
fn money_is_never_a_float() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let layer = name.split('/').next().expect("a first part");
        if matches!(layer, "domain" | "storage" | "flows" | "rails") && !is_test(&name) {
            let code = code(&text);
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| matches!(word, "f32" | "f64")) {
                problems.push(format!("{name}: a float"));
            }
        }
    }
    assert_none(problems);
}

/// A failed query that becomes a default shows an outage as a wrong balance. A statement that asks the database and ends
/// in a default is refused; a default of something else is fine.
#[test]
fn a_failed_query_never_becomes_a_default() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let layer = name.split('/').next().expect("a first part");
        if !matches!(layer, "storage" | "flows") || is_test(&name) {
            continue;
        }
        for statement in code(&text).split(';') {
            let asks = ["both!", "(tx,", "(tx)", ".load(", ".first(", ".get_result", ".execute("];
            let hides = [".unwrap_or_default()", ".unwrap_or(", ".ok()", ".is_ok()"];
            // What has passed a `?` is no failure any more.
            let hidden = hides.iter().filter_map(|word| statement.find(word)).min();
            let Some(at) = hidden else { continue };
            let before = &statement[..at];
            let asked = asks.iter().filter_map(|word| before.rfind(word)).max();
            if asked.is_some_and(|asked| !before[asked..].contains('?')) {
                problems.push(format!("{name}: {}", statement.trim().lines().next().unwrap_or_default()));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn both_databases_have_the_same_migrations_each_with_a_way_back() {
    let names = |backend: &str| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(root().join("migrations").join(backend))
            .expect("the migrations")
            .map(|entry| entry.expect("a directory entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgresql"));
    for backend in ["sqlite", "postgresql"] {
        for name in names(backend) {
            let directory = root().join("migrations").join(backend).join(&name);
            for file in ["up.sql", "down.sql"] {
                let text = fs::read_to_string(directory.join(file)).expect("a migration has both ways");
                assert!(!text.trim().is_empty(), "{backend}/{name}/{file} is empty");
            }
        }
    }
}
