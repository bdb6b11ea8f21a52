//! All settings: the one list that reading, documentation and the search for unknown keys share.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name in the file; in the environment `POSTRIDER_` and the name in capitals.
    pub name: &'static str,
    /// Its default, in the form it is written in; `None` means it must be set, an empty text that it may be left out.
    pub default: Option<&'static str>,
    /// Unit or form of the value.
    pub unit: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Whether the value is never printed.
    pub secret: bool,
}

const fn key(name: &'static str, default: &'static str, unit: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default: Some(default),
        unit,
        meaning,
        secret: false,
    }
}

const fn secret(name: &'static str, default: Option<&'static str>, unit: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        unit,
        meaning,
        secret: true,
    }
}

/// Every key, grouped by the command that reads it.
pub const KEYS: &[(&str, &[Key])] = &[
    ("All commands", COMMON),
    ("worker and api", SHARED),
    ("worker", WORKER),
    ("api", API),
];

const COMMON: &[Key] = &[
    secret(
        "database_url",
        None,
        "URL",
        "The Postgres database with the postrider schema: postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    ),
    key(
        "database_role",
        "",
        "role",
        "Role to take on after connecting, such as postrider_worker; empty: none",
    ),
    key(
        "log",
        "info",
        "filter",
        "What to log: a level, or directives such as info,postrider_worker=debug",
    ),
    key(
        "log_format",
        "text",
        "text or json",
        "Form of a log line; logs go to standard error",
    ),
];

const SHARED: &[Key] = &[
    secret(
        "encryption_keys",
        None,
        "ID:KEY,...",
        "Keys of the webhook secrets, also for rekey: the first encrypts, all decrypt; make one with `postrider keygen`",
    ),
    key(
        "allow_http",
        "false",
        "true or false",
        "Whether webhook URLs may begin with http://",
    ),
    key(
        "allow_networks",
        "",
        "CIDR,...",
        "Networks that webhooks may reach although they are not public; metadata addresses stay closed",
    ),
];

const WORKER: &[Key] = &[
    key(
        "worker_monitoring_listen",
        "127.0.0.1:9464",
        "address:port",
        "Where /healthz, /readyz and /metrics are served",
    ),
    key(
        "worker_threads",
        "1",
        "threads",
        "Runtime threads; one is fastest on small shared machines",
    ),
    key(
        "worker_concurrency",
        "auto",
        "requests",
        "Most requests open at a time; auto: 64 for each core, at least 64, at most 1024",
    ),
    key("worker_claim_batch", "500", "events", "Most events taken by one claim"),
    key(
        "worker_wake",
        "gate",
        "gate or poll",
        "How it learns of new events: woken by Postgres, or by looking; behind a pooler only poll works",
    ),
    key(
        "worker_poll_interval_ms",
        "1000",
        "milliseconds",
        "Longest sleep between two looks for events",
    ),
    key(
        "worker_heartbeat_interval_ms",
        "3000",
        "milliseconds",
        "Time between two signs of life",
    ),
    key(
        "worker_lease_time_ms",
        "15000",
        "milliseconds",
        "A worker silent this long loses what it holds",
    ),
    key(
        "worker_park_after_ms",
        "1000",
        "milliseconds",
        "A first attempt that waits or runs longer moves to the lane of its webhook",
    ),
    key(
        "worker_connect_timeout_ms",
        "5000",
        "milliseconds",
        "Limit of opening a connection, TLS included",
    ),
    key(
        "worker_breaker_failures",
        "10",
        "failures",
        "So many failures in a row open the breaker of a webhook: its deliveries wait in its lane",
    ),
    key(
        "worker_breaker_open_ms",
        "10000",
        "milliseconds",
        "How long an open breaker waits for its first probes; each time they fail, twice as long",
    ),
    key(
        "worker_breaker_longest_open_ms",
        "3600000",
        "milliseconds",
        "Longest wait of an open breaker",
    ),
    key(
        "worker_disable_after_days",
        "5",
        "days",
        "A webhook of which every attempt failed for so long is deactivated; 0: never",
    ),
    key(
        "worker_retry_delay_cap_ms",
        "3600000",
        "milliseconds",
        "Longest delay between two attempts",
    ),
    key(
        "worker_retry_after_floor_ms",
        "1000",
        "milliseconds",
        "A shorter Retry-After is raised to this",
    ),
    key(
        "worker_retry_after_cap_ms",
        "3600000",
        "milliseconds",
        "A longer Retry-After is lowered to this",
    ),
    key(
        "worker_drain_timeout_ms",
        "17000",
        "milliseconds",
        "How long a stopping worker lets open requests finish",
    ),
    key(
        "worker_tls_ca_file",
        "",
        "path",
        "PEM file of certificate authorities trusted beside those of the system",
    ),
    key(
        "retention_days",
        "14",
        "days",
        "How long events, attempts and dead letters are kept",
    ),
    key(
        "partition_days_ahead",
        "7",
        "days",
        "For how many days ahead partitions are kept ready",
    ),
];

const API: &[Key] = &[
    key(
        "api_listen",
        "127.0.0.1:3000",
        "address:port",
        "Where the management API and the dashboard are served",
    ),
    Key {
        name: "api_session_query",
        default: None,
        unit: "SQL",
        meaning: "$1 is a session token; gives the id of its user, or no row",
        secret: false,
    },
    Key {
        name: "api_ownership_query",
        default: None,
        unit: "SQL",
        meaning: "$1 is a user's id, $2 a chatbot's; gives a row if the chatbot is the user's",
        secret: false,
    },
    secret(
        "api_auth_database_url",
        Some(""),
        "URL",
        "Where the two queries run; empty: database_url",
    ),
    key(
        "api_auth_database_role",
        "",
        "role",
        "Role of the two queries; empty: none",
    ),
    key("api_session_cookie", "session", "name", "Name of the session cookie"),
    key(
        "api_max_connections",
        "8",
        "connections",
        "Most database connections of the API",
    ),
    key(
        "api_statement_timeout_ms",
        "5000",
        "milliseconds",
        "Longest SQL statement of a request",
    ),
    key(
        "api_test_receiver",
        "true",
        "true or false",
        "Whether POST /api/test-webhook is served",
    ),
];

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .flat_map(|(_, keys)| keys.iter())
        .find(|key| key.name == name)
}
