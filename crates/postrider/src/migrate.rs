//! The schema: brings a database to this program's version, and checks that it is there.

mod embedded;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, migrate};
use thiserror::Error;

pub use embedded::{latest_version, migrator};

/// What [`migrate()`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Schema version before; `None` for a database without our schema.
    pub from: Option<i64>,
    /// Schema version now.
    pub to: i64,
}

/// Why the schema does not fit this program.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// No migration was ever applied.
    #[error("the database has no postrider schema, this program needs version {needed}: run `postrider migrate` first")]
    Missing {
        /// Version this program needs.
        needed: i64,
    },
    /// The database lags behind.
    #[error(
        "the database has postrider schema version {found}, this program needs version {needed}: run `postrider migrate` of this program first"
    )]
    Older {
        /// Version in the database.
        found: i64,
        /// Version this program needs.
        needed: i64,
    },
    /// A newer program migrated the database.
    #[error(
        "the database has postrider schema version {found}, this program knows only version {needed}: install the postrider that the database was migrated with, or a newer one"
    )]
    Newer {
        /// Version in the database.
        found: i64,
        /// Version this program needs.
        needed: i64,
    },
    /// An applied migration is not the one this program has.
    #[error(
        "migration {version} was applied to the database in another form than this program has: the two come from different builds, and applied migrations never change; use the program that the database was migrated with"
    )]
    Changed {
        /// Version of the migration.
        version: i64,
    },
    /// The schema cannot be read with the privileges of this connection.
    #[error("this database user may not read the postrider schema: grant it postrider_worker or postrider_api")]
    Forbidden(#[source] sqlx::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A migration failed and was rolled back.
    #[error("migration failed, and what it did was rolled back")]
    Migration(#[from] migrate::MigrateError),
}

/// Applies the missing migrations. Several programs may do so at the same time: one works, the others wait for it.
///
/// # Errors
/// [`SchemaError::Newer`] and [`SchemaError::Changed`] before anything is written; otherwise what failed. Every
/// migration is one transaction, tried again for a while when workers and applications hold locks that it needs.
pub async fn migrate(database: &PgConnectOptions) -> Result<Migrated, SchemaError> {
    // A connection of its own: the lock of a failed run ends with it.
    let mut connection = PgConnection::connect_with(database).await?;
    let from = match applied(&mut connection).await {
        Ok(applied) => {
            compare(&applied, Require::Known)?;
            applied.last().map(|last| last.version)
        }
        Err(SchemaError::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut tries = 1;
    while let Err(error) = migrator().run_direct(None, &mut connection, false).await {
        if tries == TRIES || !others_were_in_the_way(&error) {
            return Err(error.into());
        }
        tracing::warn!(%error, tries, "what works with the tables was in the way; nothing was changed, trying again");
        tokio::time::sleep(RETRY_DELAY).await;
        tries += 1;
    }
    connection.close().await?;
    Ok(Migrated {
        from,
        to: latest_version(),
    })
}

/// How often a migration is tried that workers and applications are in the way of.
const TRIES: u32 = 20;

const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Whether a lock was not to be had in time, or by a deadlock: the tables are in use.
fn others_were_in_the_way(error: &migrate::MigrateError) -> bool {
    let (migrate::MigrateError::Execute(error) | migrate::MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "55P03"))
}

/// Checks that the schema is exactly the one this program was built for.
///
/// # Errors
/// Which version was found and needed, and what to do.
pub async fn check_schema(connection: &mut PgConnection) -> Result<(), SchemaError> {
    compare(&applied(connection).await?, Require::Equal)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Require {
    /// Every migration of this program is applied, and no other.
    Equal,
    /// What is applied is known to this program.
    Known,
}

/// One row of the migrations table.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, SchemaError> {
    let needed = latest_version();
    let rows: Result<Vec<(i64, Vec<u8>)>, sqlx::Error> = sqlx::query_as(
        "/* migrate::applied */ select version, checksum from postrider.schema_migration where success order by version",
    )
    .fetch_all(connection)
    .await;
    match rows {
        Ok(rows) if rows.is_empty() => Err(SchemaError::Missing { needed }),
        Ok(rows) => Ok(rows
            .into_iter()
            .map(|(version, checksum)| Applied { version, checksum })
            .collect()),
        Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
            // undefined_table, invalid_schema_name
            Some("42P01" | "3F000") => Err(SchemaError::Missing { needed }),
            // insufficient_privilege
            Some("42501") => Err(SchemaError::Forbidden(error)),
            _ => Err(error.into()),
        },
    }
}

fn compare(applied: &[Applied], require: Require) -> Result<(), SchemaError> {
    let needed = latest_version();
    let found = applied.last().map_or(0, |last| last.version);
    if found > needed {
        return Err(SchemaError::Newer { found, needed });
    }
    for row in applied {
        let ours = migrator().iter().find(|ours| ours.version == row.version);
        if ours.is_none_or(|ours| *ours.checksum != *row.checksum) {
            return Err(SchemaError::Changed { version: row.version });
        }
    }
    if require == Require::Equal && found < needed {
        return Err(SchemaError::Older { found, needed });
    }
    Ok(())
}
