//! `postrider migrate`.

use crate::config::Config;
use crate::logging;
use crate::migrate::{Migrated, migrate as migrate_schema};

use super::runtime;

/// Applies the missing migrations and says what changed.
pub(crate) fn migrate(config: &Config) -> anyhow::Result<()> {
    let database = config.migrate()?;
    logging::start(&config.log());
    let Migrated { from, to } = runtime(1)?.block_on(migrate_schema(&database))?;
    match from {
        None => println!("migrated an empty database to schema version {to}"),
        Some(from) if from == to => println!("the schema has version {to} already"),
        Some(from) => println!("migrated from schema version {from} to {to}"),
    }
    Ok(())
}
