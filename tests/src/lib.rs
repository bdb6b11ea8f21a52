//! What the end-to-end tests share: a real Postgres with a database for each test, and the real binary.
//!
//! Run them with `cargo test --workspace`, or `cargo nextest run -p postrider -p postrider-tests NAME`: naming the
//! package `postrider` too is what builds the binary.
#![expect(clippy::unwrap_used, reason = "a test harness fails by panicking")]

pub mod database;
pub mod foreign_receiver;
pub mod http;
pub mod installed;
pub mod private_cluster;
pub mod process;
pub mod product;
pub mod receiver;
mod shared_cluster;

use std::path::PathBuf;

pub use database::TestDatabase;
pub use foreign_receiver::ForeignReceiver;
pub use private_cluster::PrivateCluster;
pub use process::Postrider;
pub use receiver::Receiver;

/// The target folder this test was built in.
#[must_use]
pub fn target_folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let tagged = executable
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    // Doc tests run from a temporary folder.
    tagged.map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    )
}

/// A folder below the target folder for files of running tests.
fn scratch_folder() -> PathBuf {
    let folder = target_folder().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
