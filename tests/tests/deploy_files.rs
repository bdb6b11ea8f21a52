//! What `deploy/` names exists: every setting, and every metric.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use postrider::config::{Config, KEYS};

const METRICS: &str = include_str!("../../crates/worker/src/metrics.rs");

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Words made of letters, digits and underscores that begin like this.
fn words<'a>(text: &'a str, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(move |word| word.starts_with(beginning))
}

/// Names of the series that the worker exports, without the suffixes of a histogram.
fn exported() -> BTreeSet<&'static str> {
    let quoted = METRICS.split('"').skip(1).step_by(2);
    let names: BTreeSet<_> = quoted.filter(|text| text.starts_with("postrider_")).collect();
    assert!(names.contains("postrider_deliveries_total"));
    names
}

fn metrics_named_in(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(deploy().join(file)).unwrap();
    let names = words(&text, "postrider_").map(|word| {
        let histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| word.strip_suffix(suffix));
        histogram.unwrap_or(word).to_owned()
    });
    let names: BTreeSet<String> = names.collect();
    assert!(!names.is_empty(), "{file} names no metric");
    names
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let exported = exported();
    for file in ["prometheus/rules.yaml", "grafana/dashboard.json"] {
        for name in metrics_named_in(file) {
            assert!(
                exported.contains(name.as_str()),
                "{file} names {name}, which no worker exports"
            );
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown = metrics_named_in("grafana/dashboard.json");
    let missing: Vec<_> = exported().into_iter().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
    let text = fs::read_to_string(deploy().join("grafana/dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
}

#[test]
fn manifests_name_settings_that_exist() {
    let settings: BTreeSet<String> = KEYS
        .iter()
        .flat_map(|(_, keys)| keys.iter())
        .map(|key| format!("POSTRIDER_{}", key.name.to_uppercase()))
        // Names the file with the settings.
        .chain(["POSTRIDER_CONFIG".to_owned()])
        .collect();
    let mut named = 0;
    for file in files_below(&deploy()) {
        for word in words(&fs::read_to_string(&file).unwrap(), "POSTRIDER_") {
            // In a comment, the prefix alone.
            assert!(
                word == "POSTRIDER_" || settings.contains(word),
                "{} names {word}, which is no setting",
                file.display()
            );
            named += 1;
        }
    }
    assert!(named > 20, "found only {named}");
}

#[test]
fn the_settings_file_of_systemd_is_accepted() {
    let file = deploy().join("systemd/postrider.toml");
    let secrets = [
        ("POSTRIDER_DATABASE_URL", "postgres://worker:word@localhost/app"),
        (
            "POSTRIDER_ENCRYPTION_KEYS",
            "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
    ];
    let environment: HashMap<String, String> = secrets
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let config = Config::load(Some(&file), environment).worker().unwrap();
    assert_eq!(config.monitoring_listen.to_string(), "127.0.0.1:9464");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}
