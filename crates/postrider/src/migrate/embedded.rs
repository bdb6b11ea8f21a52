//! The migrations, compiled into the program.

use std::sync::LazyLock;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, description and SQL of each migration, oldest first.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("../../../../migrations/0001_tables.sql")),
    (2, "enqueue", include_str!("../../../../migrations/0002_enqueue.sql")),
    (
        3,
        "maintenance",
        include_str!("../../../../migrations/0003_maintenance.sql"),
    ),
    (4, "roles", include_str!("../../../../migrations/0004_roles.sql")),
    (5, "api", include_str!("../../../../migrations/0005_api.sql")),
    (
        6,
        "isolation_and_order",
        include_str!("../../../../migrations/0006_isolation_and_order.sql"),
    ),
];

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = MIGRATIONS.iter().map(|(version, description, sql)| {
        Migration::new(
            *version,
            (*description).into(),
            MigrationType::Simple,
            (*sql).into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // Our own schema: the application has its own migrations table.
    migrator.create_schema("postrider");
    migrator.dangerous_set_table_name("postrider.schema_migration");
    migrator
});

/// All migrations, for sqlx.
#[must_use]
pub fn migrator() -> &'static Migrator {
    &MIGRATOR
}

/// The schema version this program needs.
#[must_use]
pub fn latest_version() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_migrations_folder_is_embedded_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder exists")
            .map(|entry| {
                entry
                    .expect("the folder can be read")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let embedded: Vec<String> = MIGRATIONS
            .iter()
            .map(|(version, description, _)| format!("{version:04}_{description}.sql"))
            .collect();
        assert_eq!(files, embedded);
    }
}
