//! `docs/GUARANTEES.md` names tests that exist, and a test for each promise.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

const GUARANTEES: &str = include_str!("../../docs/GUARANTEES.md");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Text in backquotes that names a test: a file of `tests/tests`, or a module of a crate.
fn named() -> impl Iterator<Item = &'static str> {
    let quoted = GUARANTEES.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains(".rs::") || text.starts_with("crates/") && text.contains("::"))
}

fn has_function(source: &str, name: &str) -> bool {
    source.contains(&format!("fn {name}("))
}

/// Every source file below a folder, one after the other.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            fs::read_to_string(&path).unwrap_or_default()
        }
    });
    texts.collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let mut missing = Vec::new();
    let mut count = 0;
    for test in named() {
        let (place, name) = test.rsplit_once("::").unwrap();
        let source = match place.split_once(' ') {
            Some((package, _module)) => sources(&repository().join(package).join("src")),
            None => fs::read_to_string(repository().join("tests/tests").join(place)).unwrap_or_default(),
        };
        count += 1;
        if !has_function(&source, name) {
            missing.push(test);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 150, "only {count} tests were found");
}

#[test]
fn every_promise_has_a_test() {
    let rows = GUARANTEES
        .lines()
        .filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let without: Vec<&str> = rows
        .filter(|row| !row.starts_with("| promise"))
        .filter(|row| {
            let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            !last.contains("::") && !last.starts_with("the same")
        })
        .collect();
    assert!(without.is_empty(), "{without:#?}");
}
