//! Having a test here makes cargo build the binary, which the tests of the workspace start and signal.

use std::process::Command;

#[test]
fn the_binary_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_postrider"))
        .arg("--version")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
