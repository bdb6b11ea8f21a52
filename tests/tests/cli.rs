//! The command line: help, settings that are wrong, exit codes.

use postrider_tests::process::{Finished, run};

const KEYS: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn code(finished: &Finished) -> Option<i32> {
    finished.status.code()
}

#[tokio::test]
async fn help_names_the_commands_and_the_exit_codes() {
    let help = run(&["--help"], &[]).await;
    assert_eq!(code(&help), Some(0));
    insta::assert_snapshot!("help", help.stdout);
}

#[tokio::test]
async fn help_of_dev_names_its_options() {
    let help = run(&["dev", "--help"], &[]).await;
    assert_eq!(code(&help), Some(0));
    insta::assert_snapshot!("help_dev", help.stdout);
}

#[tokio::test]
async fn every_setting_is_printed_with_meaning_unit_and_default() {
    let config = run(&["config"], &[("database_url", "postgres://u:hidden@h/d")]).await;
    assert_eq!(code(&config), Some(0));
    assert!(!config.stdout.contains("hidden"), "{}", config.stdout);
    insta::assert_snapshot!("config", config.stdout);
}

#[tokio::test]
async fn all_wrong_settings_of_a_worker_are_one_error() {
    let refused = run(
        &["worker"],
        &[
            ("encryption_keys", "k1:c2hvcnQ="),
            ("worker_threads", "two"),
            ("worker_lease_time_ms", "5000"),
            ("worker_leese_time_ms", "5000"),
            ("allow_networks", "10.0.0.0/33"),
        ],
    )
    .await;
    assert_eq!(code(&refused), Some(2));
    assert_eq!(refused.stdout, "");
    insta::assert_snapshot!("wrong_settings_worker", refused.stderr);
}

#[tokio::test]
async fn all_wrong_settings_of_the_api_are_one_error() {
    let refused = run(
        &["api"],
        &[
            ("database_url", "app:hidden@host/db"),
            ("encryption_keys", KEYS),
            ("api_listen", "3000"),
            ("api_session_cookie", "a b"),
            ("api_test_receiver", "maybe"),
        ],
    )
    .await;
    assert_eq!(code(&refused), Some(2));
    assert!(!refused.stderr.contains("hidden"));
    insta::assert_snapshot!("wrong_settings_api", refused.stderr);
}

#[tokio::test]
async fn an_unknown_argument_fails_with_the_usage() {
    let refused = run(&["worker", "--fast"], &[]).await;
    assert_eq!(code(&refused), Some(2));
    assert!(
        refused.stderr.contains("unexpected argument '--fast'"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn a_generated_key_is_one_that_the_settings_accept() {
    let (one, other) = (run(&["keygen"], &[]).await, run(&["keygen"], &[]).await);
    let (one, other) = (one.stdout.trim(), other.stdout.trim());
    let ring = format!("{one},{other}");
    let refused = run(&["worker"], &[("encryption_keys", &ring), ("worker_threads", "0")]).await;
    assert!(!refused.stderr.contains("encryption_keys"), "{}", refused.stderr);
    for key in [one, other] {
        assert!(!refused.stderr.contains(key), "{}", refused.stderr);
    }
}
