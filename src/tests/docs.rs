//! The pages keep their word: links lead somewhere, commands can be typed, and named tests exist.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::cli::Arguments;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// The pages at the top and below `docs`, each with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).expect("a readable directory") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    files_below(&root().join("docs"), "md", &mut found);
    assert!(found.len() > 10, "the pages were found");
    found.sort();
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("a readable page"))).collect()
}

/// The targets of all links of a page, outside its blocks of code.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|part| part.split("](").skip(1)).filter_map(|after| after.split(')').next()).collect()
}

/// The anchor that a heading has on the usual sites.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for (page, text) in pages() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().expect("a page has one").join(file) };
            assert!(target.exists(), "{}: `{link}` leads nowhere", page.display());
            if !heading.is_empty() {
                let target = fs::read_to_string(&target).expect("a readable page");
                assert!(anchors(&target).iter().any(|found| found == heading), "{}: no `{link}`", page.display());
            }
        }
    }
}

/// The lines of all blocks of code that begin with the name of the program.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.flat_map(str::lines).map(str::trim).filter(|line| line.starts_with("fedflattr ")).collect()
}

#[test]
fn every_command_on_a_page_can_be_typed() {
    let mut count = 0;
    for (page, text) in pages() {
        for line in commands(&text) {
            // The pages use no quotes inside commands, so words are words.
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{}: `{line}`: {}", page.display(), parsed.expect_err("not ok"));
            count += 1;
        }
    }
    assert!(count > 25, "the commands were found: {count}");
}

#[test]
fn every_page_that_a_comment_names_exists() {
    let mut sources = Vec::new();
    files_below(&root().join("src"), "rs", &mut sources);
    for source in sources {
        let text = fs::read_to_string(&source).expect("a readable source");
        for comment in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || "./_-".contains(c)));
            for page in words.map(|word| word.trim_end_matches('.')).filter(|word| word.ends_with(".md")) {
                let beside = source.parent().expect("a file has one").join(page);
                let exists = root().join(page).exists() || beside.exists();
                assert!(exists, "{} names `{page}`, which does not exist", source.display());
            }
        }
    }
}

#[test]
fn every_test_that_the_threat_table_names_exists() {
    let mut sources = Vec::new();
    files_below(&root().join("src"), "rs", &mut sources);
    files_below(&root().join("federation-tests"), "rs", &mut sources);
    let code: String = sources.iter().map(|path| fs::read_to_string(path).expect("a readable source")).collect();
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).expect("the page");
    let mut count = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let covered = row.split('|').nth(2).unwrap_or_default();
        for name in covered.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "there is no test `{name}`");
            count += 1;
        }
    }
    assert!(count > 30, "the names were found: {count}");
}
