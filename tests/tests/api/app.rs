//! The API of a test, with two users who own a chatbot each.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::Router;
use postrider_api::{Api, Resolver, Settings, SqlAuth, SqlAuthSettings};
use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use postrider_tests::TestDatabase;
use postrider_tests::product::Product;
use serde_json::Value;
use sqlx::{Executor, PgPool};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The same as that of the workers in `product`.
const ENCRYPTION_KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The chatbot of the user whose session a request has unless told.
pub(crate) const MINE: &str = "/api/v1/chatbots/clp123chatbot456/webhooks";

/// A chatbot of somebody else.
pub(crate) const THEIRS: &str = "/api/v1/chatbots/clp123chatbot789/webhooks";

pub(crate) struct App {
    pub(crate) database: TestDatabase,
    /// Connects as the superuser.
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    /// What the test receiver printed.
    pub(crate) printed: Arc<Mutex<String>>,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: Option<JoinHandle<io::Result<()>>>,
}

/// An answer, its body as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, when the status is this.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The names of the fields that were refused.
    pub(crate) fn refused_fields(&self) -> Vec<String> {
        let body = self.expect(422);
        let fields = body["error"]["fields"].as_array().unwrap().iter();
        fields
            .map(|problem| problem["field"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        // Shown with a test that fails: what went wrong inside, which no caller is told.
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let database = TestDatabase::new().await;
        let pool = database.pool();
        pool.execute(
            "create schema product;
             create table product.session (token text primary key, user_id int not null, expires_at timestamptz not null);
             create table product.chatbot (id text primary key, owner_id int not null);
             insert into product.session values ('mine', 1, now() + interval '1 day'),
                ('theirs', 2, now() + interval '1 day'), ('over', 1, now() - interval '1 second');
             insert into product.chatbot values ('clp123chatbot456', 1), ('clp123chatbot789', 2);",
        )
        .await
        .unwrap();
        let mut app = Self {
            pool,
            url: String::new(),
            printed: Arc::default(),
            client: client(),
            stop: CancellationToken::new(),
            serving: None,
            database,
        };
        app.serve(change).await;
        app
    }

    /// Serves the API until `stop`.
    async fn serve(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::new(
            self.database.options_as("postrider_api"),
            KeyRing::parse(ENCRYPTION_KEYS).unwrap(),
        );
        settings.resolver = Resolver::new(resolve);
        settings.address_policy = AddressPolicy {
            allow_http: true,
            ..AddressPolicy::default()
        };
        let printed = Arc::clone(&self.printed);
        settings.test_receiver = Some(postrider_api::test_receiver::TestReceiver::new(move |block| {
            printed.lock().unwrap().push_str(block)
        }));
        change(&mut settings);
        let auth = SqlAuth::connect(auth_settings(&self.database)).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        self.stop = CancellationToken::new();
        let serving = postrider_api::serve(Api::new(settings, auth), Router::new(), listener, self.stop.clone());
        self.serving = Some(tokio::spawn(serving));
    }

    /// Stops the API as a signal would, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        // Idle connections would keep a graceful end waiting.
        self.client = client();
        self.stop.cancel();
        self.serving.take().unwrap().await.unwrap().unwrap();
    }

    pub(crate) async fn start_again(&mut self) {
        self.serve(|_| {}).await;
    }

    /// postrider as its users set it up, on the database of this API.
    pub(crate) fn product(&self) -> Product {
        Product::on(&self.database)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path).bearer_auth("mine")).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_raw(method, path, body.to_string()).await
    }

    pub(crate) async fn call_raw(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self
            .request(method, path)
            .bearer_auth("mine")
            .header("content-type", "application/json");
        send(request.body(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, body).await
    }

    /// Creates a webhook of mine and returns its path.
    pub(crate) async fn webhook(&self) -> String {
        let body = serde_json::json!({"name": "Leads", "url": "https://example.com/a", "eventTypes": ["LEAD_CREATED"]});
        let created = self.post(MINE, &body).await.expect(201);
        format!("{MINE}/{}", created["webhook"]["id"].as_str().unwrap())
    }

    /// Waits until a query, which yields one number, yields this one.
    pub(crate) async fn wait_for(&self, expected: i64, query: &'static str) {
        self.product().wait_for(expected, query).await;
    }
}

pub(crate) fn auth_settings(database: &TestDatabase) -> SqlAuthSettings {
    SqlAuthSettings {
        database: database.options(),
        session_query: "select user_id from product.session where token = $1 and expires_at > now();".into(),
        ownership_query: "select 1 from product.chatbot where owner_id = $1::int and id = $2".into(),
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(header).collect(),
        text: response.text().await.unwrap(),
    }
}

pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .unwrap()
}

/// A resolver that knows a public name, a private one, one that does not exist, and one that never answers.
async fn resolve(host: String) -> io::Result<Vec<IpAddr>> {
    match host.as_str() {
        "nowhere.example.com" => Err(io::Error::other("no such name")),
        "silent.example.com" => std::future::pending().await,
        "private.example.com" => Ok(vec![[93, 184, 215, 14].into(), [10, 1, 2, 3].into()]),
        _ => Ok(vec![[93, 184, 215, 14].into()]),
    }
}
