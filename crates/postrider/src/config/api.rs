//! Settings of `postrider api`.

use std::net::SocketAddr;

use postrider_api::test_receiver::TestReceiver;
use postrider_api::{Settings, SqlAuthSettings};
use sqlx::postgres::PgConnectOptions;

use super::reader::{Reader, connection};
use super::worker::{address_policy, key_ring};

/// What `postrider api` needs.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// For the API itself.
    pub settings: Settings,
    /// How sessions and ownership are looked up.
    pub auth: SqlAuthSettings,
    /// Where it is served.
    pub listen: SocketAddr,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<ApiConfig> {
    let database = reader.database();
    let key_ring = key_ring(reader);
    let address_policy = address_policy(reader);
    let listen = reader.listen("api_listen");
    let session_query = reader.text("api_session_query");
    let ownership_query = reader.text("api_ownership_query");
    let auth_database = auth_database(reader);
    let session_cookie = cookie_name(reader);
    let max_connections = reader.number("api_max_connections", 1..=1000);
    let statement_timeout = reader.milliseconds("api_statement_timeout_ms", 100..=600_000);
    let test_receiver = reader.boolean("api_test_receiver");
    let settings = Settings {
        max_connections: max_connections?,
        statement_timeout: statement_timeout?,
        address_policy: address_policy?,
        session_cookie: session_cookie?,
        test_receiver: test_receiver?.then(TestReceiver::stdout),
        ..Settings::new(database?, key_ring?)
    };
    let auth = SqlAuthSettings {
        database: auth_database?,
        session_query: session_query?,
        ownership_query: ownership_query?,
    };
    Some(ApiConfig {
        settings,
        auth,
        listen: listen?,
    })
}

/// The database of the two queries: its own, or that of everything else under another role.
fn auth_database(reader: &mut Reader<'_>) -> Option<PgConnectOptions> {
    let url = reader.optional("api_auth_database_url")?;
    let role = reader.optional("api_auth_database_role")?;
    match url {
        Some(url) => reader.connection("api_auth_database_url", &url, role),
        // What is wrong with it was noted when it was read.
        None => connection(&reader.given("database_url")?, role),
    }
}

/// A cookie name is a token of RFC 9110.
fn cookie_name(reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.text("api_session_cookie")?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.is_empty() && name.chars().all(is_token) {
        return Some(name);
    }
    reader.wrong(
        "api_session_cookie",
        "must be a cookie name: letters, digits and !#$%&'*+-.^_`|~".to_owned(),
    )
}
