//! Reading settings, all pure.

use std::collections::HashMap;
use std::io::Write;

use postrider_core::secret::KeyRing;

use super::*;

/// A key ring of one key, all zeros.
const KEYS_SETTING: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn environment(settings: &[(&str, &str)]) -> Environment {
    let mut environment = HashMap::from([
        ("PATH".to_owned(), "/bin".to_owned()),
        (
            "POSTRIDER_DATABASE_URL".to_owned(),
            "postgres://u:hidden@db.example/app".to_owned(),
        ),
        ("POSTRIDER_ENCRYPTION_KEYS".to_owned(), KEYS_SETTING.to_owned()),
    ]);
    for (key, value) in settings {
        environment.insert(format!("POSTRIDER_{}", key.to_uppercase()), (*value).to_owned());
    }
    environment
}

fn worker(settings: &[(&str, &str)]) -> Result<WorkerConfig, BadConfig> {
    Config::load(None, environment(settings)).worker()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

#[test]
fn the_documented_defaults_are_those_of_the_worker() {
    let read = worker(&[]).expect("nothing is wrong");
    let key_ring = KeyRing::parse(KEYS_SETTING).expect("it is a key ring");
    let expected = postrider_worker::Settings::new(read.settings.database.clone(), key_ring);
    assert_eq!(format!("{:?}", read.settings), format!("{expected:?}"));
    assert_eq!(read.threads, 1);
}

#[test]
fn every_listed_key_is_documented_once() {
    let all: Vec<&Key> = KEYS.iter().flat_map(|(_, keys)| keys.iter()).collect();
    let names: std::collections::HashSet<&str> = all.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), all.len());
    for key in all {
        assert!(
            table().contains(&format!("\n{}  ({}; ", key.name, key.unit)),
            "{}",
            key.name
        );
    }
}

#[test]
fn every_wrong_setting_is_named_in_one_error() {
    let error = worker(&[
        ("worker_threads", "none"),
        ("worker_claim_batch", "0"),
        ("wrong_key", "1"),
    ])
    .expect_err("three settings are wrong");
    let subjects: Vec<&str> = error.0.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(subjects, ["wrong_key", "worker_claim_batch", "worker_threads"]);
    assert!(error.to_string().starts_with("3 settings are wrong:\n"), "{error}");
}

#[test]
fn bounds_and_words_are_checked() {
    for (key, value, part) in [
        (
            "worker_concurrency",
            "many",
            "a whole number from 1 to 65536, or auto; got \"many\"",
        ),
        ("worker_concurrency", "65537", "a whole number from 1 to 65536, or auto"),
        ("worker_wake", "sometimes", "must be gate or poll"),
        ("worker_poll_interval_ms", "1", "from 10 to 60000"),
        ("worker_poll_interval_ms", "1s", "from 10 to 60000"),
        (
            "worker_lease_time_ms",
            "4000",
            "at least three times worker_heartbeat_interval_ms",
        ),
        ("worker_retry_after_floor_ms", "3600001", "from 0 to 3600000"),
        ("worker_tls_ca_file", "/no/such/file.pem", "a file that can be read"),
        ("worker_monitoring_listen", "9464", "an address and a port"),
        ("allow_http", "yes", "must be true or false"),
        ("allow_networks", "10.0.0.0/8,x", "networks with commas between"),
        ("retention_days", "0", "from 1 to 3650"),
        ("log", "a=b=c", "error parsing level filter"),
        ("log_format", "xml", "must be text or json"),
        (
            "database_url",
            "mysql://u:hidden@h/d",
            "must be postgres://USER:PASSWORD@HOST",
        ),
        ("encryption_keys", "k1:hidden", ""),
    ] {
        let error = worker(&[(key, value)]).expect_err(key);
        assert_eq!(error.0.len(), 1, "{error}");
        assert_eq!(error.0[0].subject, key);
        assert!(error.to_string().contains(part), "{error}");
        assert!(
            error.to_string().contains(&format!("POSTRIDER_{}", key.to_uppercase())),
            "{error}"
        );
        assert!(!error.to_string().contains("hidden"), "a secret is printed: {error}");
    }
}

#[test]
fn values_are_read() {
    let read = worker(&[
        ("worker_concurrency", " 7 "),
        ("worker_wake", "Poll"),
        ("allow_networks", "10.0.0.0/8, ::1/128"),
        ("worker_lease_time_ms", "9000"),
        ("worker_heartbeat_interval_ms", "3000"),
        ("worker_drain_timeout_ms", ""),
    ]);
    let settings = read.expect("nothing is wrong").settings;
    assert_eq!((settings.concurrency, settings.wake), (7, postrider_worker::Wake::Poll));
    assert_eq!(settings.address_policy.allow_networks.len(), 2);
    assert_eq!(settings.lease_time.as_secs(), 9);
    assert_eq!(settings.drain_timeout.as_secs(), 17);
}

#[test]
fn the_role_is_taken_on_after_connecting() {
    let settings = worker(&[("database_role", "postrider_worker")])
        .expect("nothing is wrong")
        .settings;
    assert_eq!(settings.database.get_options(), Some("-c role=postrider_worker"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = file(
        "worker_threads = 3\nworker_claim_batch = 50\nallow_networks = [\"10.0.0.0/8\", \"127.0.0.0/8\"]\nallow_http = true",
    );
    let config = Config::load(Some(file.path()), environment(&[("worker_threads", "2")]));
    let read = config.worker().expect("nothing is wrong");
    assert_eq!((read.threads, read.settings.claim_batch), (2, 50));
    assert!(read.settings.address_policy.allow_http);
    assert_eq!(read.settings.address_policy.allow_networks.len(), 2);
}

#[test]
fn a_file_that_is_wrong_is_named_without_its_secrets() {
    for (text, subject, part) in [
        ("worker_treads = 1", "worker_treads", "there is no such setting"),
        ("[worker]\nthreads = 1", "worker", "there is no such setting"),
        (
            "log = [[1]]",
            "log",
            "must be a text, a number, a truth value or a list",
        ),
        ("encryption_keys = \"k1:hidden", "", "is not TOML"),
        (
            "database_url = 'postgres://u:hidden@h/d'\nlog = info",
            "",
            "is not TOML",
        ),
    ] {
        let file = file(text);
        let path = file.path().display().to_string();
        let error = Config::load(Some(file.path()), environment(&[]))
            .worker()
            .expect_err(text);
        assert_eq!(error.0.len(), 1, "{error}");
        assert_eq!(
            error.0[0].subject,
            if subject.is_empty() { path.as_str() } else { subject },
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains(&path) && text.contains(part) && !text.contains("hidden"),
            "{text}"
        );
    }
    let error = Config::load(Some(Path::new("/no/such.toml")), environment(&[]))
        .worker()
        .expect_err("there is no such file");
    assert!(error.to_string().contains("/no/such.toml: cannot be read: "), "{error}");
}

#[test]
fn what_dev_writes_for_scripts_is_no_unknown_key() {
    let written = [
        ("url", "x"),
        ("metrics_url", "x"),
        ("chatbot_id", "x"),
        ("session_token", "x"),
        ("config", "x"),
    ];
    assert!(worker(&written).is_ok());
}

#[test]
fn logging_needs_nothing_else_to_be_right() {
    let config = Config::load(
        None,
        environment(&[("log", "warn"), ("log_format", "json"), ("database_url", "x")]),
    );
    assert_eq!(
        config.log(),
        LogConfig {
            filter: "warn".to_owned(),
            format: LogFormat::Json
        }
    );
    let silent = Config::load(None, environment(&[]));
    assert_eq!(
        (silent.log().filter.as_str(), silent.log_with("warn").filter.as_str()),
        ("info", "warn")
    );
}

#[test]
fn the_documented_defaults_are_those_of_the_api() {
    let queries = [
        ("api_session_query", "select $1"),
        ("api_ownership_query", "select 1 where $1 = $2"),
    ];
    let read = Config::load(None, environment(&queries))
        .api()
        .expect("nothing is wrong");
    let key_ring = KeyRing::parse(KEYS_SETTING).expect("it is a key ring");
    let expected = postrider_api::Settings::new(read.settings.database.clone(), key_ring);
    assert_eq!(format!("{:?}", read.settings), format!("{expected:?}"));
    assert_eq!(read.auth.database.get_host(), "db.example");
}

#[test]
fn the_queries_of_the_api_may_run_elsewhere_under_another_role() {
    let settings = [
        ("api_session_query", "select $1"),
        ("api_ownership_query", "select 1 where $1 = $2"),
        ("database_role", "postrider_api"),
        ("api_auth_database_role", "reader"),
    ];
    let same = Config::load(None, environment(&settings))
        .api()
        .expect("nothing is wrong");
    assert_eq!(same.settings.database.get_options(), Some("-c role=postrider_api"));
    assert_eq!(
        (same.auth.database.get_host(), same.auth.database.get_options()),
        ("db.example", Some("-c role=reader"))
    );

    let mut elsewhere = environment(&settings);
    elsewhere.insert(
        "POSTRIDER_API_AUTH_DATABASE_URL".to_owned(),
        "postgres://u@app.example/app".to_owned(),
    );
    let elsewhere = Config::load(None, elsewhere).api().expect("nothing is wrong");
    assert_eq!(elsewhere.auth.database.get_host(), "app.example");
}

#[test]
fn a_database_url_that_is_wrong_is_named_once() {
    let error = Config::load(None, environment(&[("database_url", "x")]))
        .api()
        .expect_err("three settings are wrong");
    let subjects: Vec<&str> = error.0.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(subjects, ["database_url", "api_session_query", "api_ownership_query"]);
}
