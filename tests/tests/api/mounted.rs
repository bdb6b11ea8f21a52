use axum::Router;
use axum::routing::get;
use postrider_api::{Api, Auth, AuthError, Settings};
use postrider_core::secret::KeyRing;
use postrider_tests::TestDatabase;

use crate::app::{client, send};

/// A main app that knows its users without any table.
struct MainApp;

impl Auth for MainApp {
    async fn user(&self, session: &str) -> Result<Option<String>, AuthError> {
        match session.strip_prefix("session of ") {
            Some("nobody") => Err("the session store is away".into()),
            user => Ok(user.map(str::to_owned)),
        }
    }

    async fn owns(&self, user: &str, chatbot: &str) -> Result<bool, AuthError> {
        Ok(chatbot == format!("bot of {user}"))
    }
}

#[tokio::test]
async fn a_main_app_mounts_the_router_and_says_who_its_users_are() {
    let database = TestDatabase::new().await;
    let mut settings = Settings::new(database.options_as("postrider_api"), KeyRing::generate());
    settings.session_cookie = "main-app".into();
    let api = Api::new(settings, MainApp);
    let app = Router::new()
        .route("/", get(async || "the main app"))
        .merge(postrider_api::router(api));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let client = client();
    let ask = async |session: &str, path: &str| {
        send(
            client
                .get(format!("{site}{path}"))
                .header("cookie", format!("main-app={session}")),
        )
        .await
        .status
    };
    assert_eq!(ask("", "/").await, 200);
    for path in [
        "/api/v1/chatbots/bot%20of%20ada/webhooks",
        "/chatbots/bot%20of%20ada/webhooks",
    ] {
        assert_eq!(ask("session of ada", path).await, 200);
        assert_eq!(ask("session of eve", path).await, 404);
        assert_eq!(ask("something else", path).await, 401);
        assert_eq!(ask("session of nobody", path).await, 503);
    }
    assert_eq!(ask("session of ada", "/elsewhere").await, 404);
    serving.abort();
}
