//! The short form of the fault harness, with the real binary; see `docs/fault-harness.md`.

use std::process::Command;

#[test]
#[ignore = "takes minutes and wants the machine for itself: cargo test --workspace --test faults -- --ignored"]
fn no_fault_loses_an_event_sends_a_rolled_back_one_or_repeats_more_than_it_may() {
    let output = Command::new(env!("CARGO_BIN_EXE_faults"))
        .args(["short", "--seed", "1"])
        .output()
        .expect("the harness is built with this test");
    let report = String::from_utf8_lossy(&output.stdout);
    // Also when all is well: what was skipped is in it.
    println!("{report}");
    assert!(
        output.status.success(),
        "{}\n{report}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!report.contains(" 0 passed"), "every scenario was skipped");
    // Not every machine lets anybody make namespaces, but packages can be installed.
    assert!(
        std::env::var_os("CI").is_none() || !report.contains("is missing (package"),
        "a scenario was skipped for want of a package"
    );
}
