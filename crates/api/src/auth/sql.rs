//! Sessions and ownership read from the main app's own tables, with two configured queries.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, Connection, Either, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, SqlStr, Statement, Type,
};

use super::{Auth, AuthError};

/// The two queries, as their operator wrote them. Parameters are of type `text`: cast them where a column is not.
#[derive(Debug, Clone)]
pub struct SqlAuthSettings {
    /// Where the tables of the main app are, and a role that may read them.
    pub database: PgConnectOptions,
    /// `$1` is a session token; the first column of the first row is the id of its user. No row: no such session.
    /// The query decides what is over: `select user_id from session where token = $1 and expires_at > now()`.
    pub session_query: String,
    /// `$1` is a user's id and `$2` a chatbot's; a row means that it is theirs:
    /// `select 1 from chatbot where owner_id = $1::uuid and id = $2`.
    pub ownership_query: String,
}

/// A configured query that Postgres refuses, or with the wrong parameters or columns.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthQuery {
    /// It has another number of parameters.
    #[error("the {name} query must use {wanted} parameter(s), this one has {found}: {query}")]
    Parameters {
        /// `session` or `ownership`.
        name: &'static str,
        /// Wanted number.
        wanted: usize,
        /// Number found.
        found: usize,
        /// The query.
        query: String,
    },
    /// Postgres refuses it, or cannot be reached.
    #[error("the {name} query cannot be prepared: {query}")]
    Refused {
        /// `session` or `ownership`.
        name: &'static str,
        /// The query.
        query: String,
        /// What Postgres says.
        #[source]
        error: sqlx::Error,
    },
}

/// [`Auth`] by two SQL queries.
#[derive(Debug, Clone)]
pub struct SqlAuth {
    pool: PgPool,
    session: SqlStr,
    ownership: SqlStr,
}

impl SqlAuth {
    /// Connects and prepares both queries, so that a mistake in the configuration shows at the start.
    ///
    /// # Errors
    /// When a query does not have the right parameters, Postgres refuses it, or the database cannot be reached.
    pub async fn connect(settings: SqlAuthSettings) -> Result<Self, BadAuthQuery> {
        let SqlAuthSettings {
            database,
            session_query,
            ownership_query,
        } = settings;
        let database = database
            .application_name("postrider-api-auth")
            .options([("statement_timeout", "5000")]);
        let text = |query: &str| query.trim_end().trim_end_matches(';').to_owned();
        // The id may have any type: the wrapper makes it text. The line breaks end a comment on the last line.
        let session = format!(
            "select q.id::text from (\n{}\n) as q (id) limit 1",
            text(&session_query)
        );
        let ownership = format!("select exists (\n{}\n)", text(&ownership_query));
        Ok(Self {
            session: checked(&database, "session", session, session_query, 1).await?,
            ownership: checked(&database, "ownership", ownership, ownership_query, 2).await?,
            pool: PgPoolOptions::new()
                .max_connections(4)
                .acquire_timeout(Duration::from_secs(3))
                .connect_lazy_with(database),
        })
    }
}

async fn checked(
    database: &PgConnectOptions,
    name: &'static str,
    wrapped: String,
    query: String,
    wanted: usize,
) -> Result<SqlStr, BadAuthQuery> {
    // The operator's own configuration, as trusted as the URL of the database.
    let sql = AssertSqlSafe(wrapped).into_sql_str();
    match parameters(database, &sql, wanted).await {
        Ok(found) if found == wanted => Ok(sql),
        Ok(found) => Err(BadAuthQuery::Parameters {
            name,
            wanted,
            found,
            query,
        }),
        Err(error) => Err(BadAuthQuery::Refused { name, query, error }),
    }
}

/// How many parameters a query has, after it was prepared as it will be used: with texts.
async fn parameters(database: &PgConnectOptions, sql: &SqlStr, wanted: usize) -> sqlx::Result<usize> {
    let mut connection = PgConnection::connect_with(database).await?;
    // Without declared types, Postgres counts those that the query uses.
    let found = match connection.prepare(sql.clone()).await?.parameters() {
        Some(Either::Left(types)) => types.len(),
        Some(Either::Right(count)) => count,
        None => wanted,
    };
    connection.clear_cached_statements().await?;
    connection
        .prepare_with(sql.clone(), &vec![<str as Type<Postgres>>::type_info(); wanted])
        .await?;
    connection.close().await?;
    Ok(found)
}

/// A token or id that does not even have the form of the column it is cast to belongs to nobody.
fn no_row_for_malformed_input<T>(result: sqlx::Result<T>) -> Result<Option<T>, AuthError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code());
            // Class 22: data exceptions, such as a text that is no uuid.
            if code.is_some_and(|code| code.starts_with("22")) {
                Ok(None)
            } else {
                Err(error.into())
            }
        }
    }
}

impl Auth for SqlAuth {
    async fn user(&self, session: &str) -> Result<Option<String>, AuthError> {
        let found: sqlx::Result<Option<Option<String>>> = sqlx::query_scalar(self.session.clone())
            .bind(session)
            .fetch_optional(&self.pool)
            .await;
        Ok(no_row_for_malformed_input(found)?.flatten().flatten())
    }

    async fn owns(&self, user: &str, chatbot: &str) -> Result<bool, AuthError> {
        let found: sqlx::Result<bool> = sqlx::query_scalar(self.ownership.clone())
            .bind(user)
            .bind(chatbot)
            .fetch_one(&self.pool)
            .await;
        Ok(no_row_for_malformed_input(found)?.unwrap_or(false))
    }
}
