//! The demo main app: a lead and its event are written together or not at all, by the owner of the chatbot alone.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use postrider_tests::TestDatabase;
use postrider_tests::http::{answer, client};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

/// The app on a real socket, its database, and one owner with a chatbot.
struct App {
    database: TestDatabase,
    url: String,
    chatbot_id: String,
    token: String,
    other_token: String,
}

impl App {
    async fn start() -> Self {
        let database = TestDatabase::new().await;
        let admin = database.pool();
        postrider_demo::setup(&mut admin.acquire().await.unwrap())
            .await
            .unwrap();
        let pool = database.pool_as(postrider_demo::ROLE);
        let user = postrider_demo::create_user(&pool, "owner@example.com").await.unwrap();
        let other = postrider_demo::create_user(&pool, "other@example.com").await.unwrap();
        let chatbot_id = postrider_demo::create_chatbot(&pool, &user, "Chatbot").await.unwrap();
        let token = postrider_demo::create_session(&pool, &user).await.unwrap();
        let other_token = postrider_demo::create_session(&pool, &other).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/api/v1/chatbots/{chatbot_id}/leads",
            listener.local_addr().unwrap()
        );
        tokio::spawn(async move { axum::serve(listener, postrider_demo::router(pool)).await });
        Self {
            database,
            url,
            chatbot_id,
            token,
            other_token,
        }
    }

    fn admin(&self) -> PgPool {
        self.database.pool()
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(&self.token, path, body.to_string()).await
    }

    async fn send(&self, token: &str, path: &str, body: String) -> (StatusCode, Value) {
        let request = client().post(format!("{}{path}", self.url)).bearer_auth(token);
        answer(request.header("content-type", "application/json").body(body)).await
    }

    /// Leads, events and outbox rows in the database.
    async fn rows(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "select (select count(*) from demo.leads), (select count(*) from postrider.event),
                    (select count(*) from postrider.outbox)",
        )
        .fetch_one(&self.admin())
        .await
        .unwrap()
    }
}

fn john() -> Value {
    json!({
        "name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "Acme Corp",
        "message": "Interested in your services", "preferredMethod": "email", "urgency": "medium",
        "tags": ["website", "inquiry"], "customFields": {"budget": "10000", "timeline": "Q1 2024"}
    })
}

#[tokio::test]
async fn a_lead_is_answered_stored_and_announced_with_the_same_content() {
    let app = App::start().await;
    let (status, lead) = app.post("", &john()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        (&lead["name"], &lead["status"], &lead["chatbotId"]),
        (&json!("John Doe"), &json!("NEW"), &json!(app.chatbot_id))
    );
    assert_eq!(app.rows().await, (1, 1, 1));
    let (tenant, event_type, payload): (String, String, String) =
        sqlx::query_as("select tenant, type, payload::text from postrider.event")
            .fetch_one(&app.admin())
            .await
            .unwrap();
    assert_eq!((tenant, event_type.as_str()), (app.chatbot_id.clone(), "LEAD_CREATED"));
    assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), lead);
    let stored: (String, Vec<String>, String, String) = sqlx::query_as(
        "select id, tags, custom_fields ->> 'budget', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
           from demo.leads",
    )
    .fetch_one(&app.admin())
    .await
    .unwrap();
    assert_eq!(json!(stored.0), lead["id"]);
    assert_eq!(
        (stored.1, stored.2.as_str()),
        (vec!["website".to_owned(), "inquiry".to_owned()], "10000")
    );
    assert_eq!(json!(stored.3), lead["createdAt"]);
}

#[tokio::test]
async fn many_leads_are_created_in_one_call_in_their_order() {
    let app = App::start().await;
    let leads: Vec<Value> = (0..1000)
        .map(|number| json!({"name": format!("Lead {number}")}))
        .collect();
    let (status, created) = app.post("/bulk", &json!(leads)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(created["total"], 1000);
    assert_eq!(created["leads"][999]["name"], "Lead 999");
    assert_eq!(app.rows().await, (1000, 1000, 1000));
    let names: Vec<String> = sqlx::query_scalar("select payload ->> 'name' from postrider.event order by id")
        .fetch_all(&app.admin())
        .await
        .unwrap();
    assert_eq!((names[0].as_str(), names[999].as_str()), ("Lead 0", "Lead 999"));

    for wrong in [json!([]), json!(vec![json!({"name": "x"}); 1001])] {
        assert_eq!(app.post("/bulk", &wrong).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (status, refused) = app.post("/bulk", &json!([{"name": "good"}, {"email": "bad"}])).await;
    assert_eq!(
        (status, &refused["error"]["fields"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("1.email"))
    );
    assert_eq!(app.rows().await, (1000, 1000, 1000));
}

#[tokio::test]
async fn a_lead_whose_event_is_refused_is_not_stored() {
    let app = App::start().await;
    // Too large for an event, found before anything is sent to the database.
    let large = json!({"name": "x", "customFields": {"text": "x".repeat(300_000)}});
    assert_eq!(app.post("", &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        app.post("/bulk", &json!([john(), large])).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    // Refused by the database itself, after the lead was inserted.
    app.admin()
        .execute("revoke execute on all functions in schema postrider from postrider_enqueue")
        .await
        .unwrap();
    for (path, body) in [("", john()), ("/bulk", json!([john()]))] {
        let (status, answer) = app.post(path, &body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal"))
        );
        assert!(!answer.to_string().contains("permission"), "{answer}");
    }
    assert_eq!(app.rows().await, (0, 0, 0));
}

#[tokio::test]
async fn the_event_of_a_lead_that_is_not_committed_is_gone() {
    let app = App::start().await;
    // Fails at the commit, when lead and event are both written.
    app.admin()
        .execute(
            "create function demo.refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
             create constraint trigger refuse after insert on demo.leads deferrable initially deferred
             for each row execute function demo.refuse()",
        )
        .await
        .unwrap();
    for (path, body) in [("", john()), ("/bulk", json!([john(), john()]))] {
        assert_eq!(app.post(path, &body).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(app.rows().await, (0, 0, 0));
    app.admin().execute("drop trigger refuse on demo.leads").await.unwrap();
    assert_eq!(app.post("", &john()).await.0, StatusCode::CREATED);
    assert_eq!(app.rows().await, (1, 1, 1));
}

#[tokio::test]
async fn only_the_logged_in_owner_may_create_leads() {
    let app = App::start().await;
    let body = john().to_string();
    let anonymous = client()
        .post(&app.url)
        .header("content-type", "application/json")
        .body(body.clone());
    assert_eq!(answer(anonymous).await.0, StatusCode::UNAUTHORIZED);
    for token in ["session_unknown", "", "\u{e9}"] {
        assert_eq!(
            app.send(token, "", body.clone()).await.0,
            StatusCode::UNAUTHORIZED,
            "{token}"
        );
    }
    assert_eq!(
        app.send(&app.other_token, "", body.clone()).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        app.send(&app.other_token, "/bulk", format!("[{body}]")).await.0,
        StatusCode::NOT_FOUND
    );
    app.admin()
        .execute("update demo.sessions set expires_at = now()")
        .await
        .unwrap();
    assert_eq!(app.send(&app.token, "", body).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows().await, (0, 0, 0));
}

#[tokio::test]
async fn the_session_cookie_works_for_json_alone() {
    let app = App::start().await;
    let with_cookie = |content_type: &'static str| {
        let request = client()
            .post(&app.url)
            .header("cookie", format!("a=b; session={}", app.token));
        request.header("content-type", content_type).body(john().to_string())
    };
    assert_eq!(
        answer(with_cookie("text/plain")).await.0,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        answer(with_cookie("application/json; charset=utf-8")).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_body_that_is_wrong_is_explained() {
    let app = App::start().await;
    for (body, status, code) in [
        ("{", 400, "malformed_json"),
        ("[]", 422, "invalid"),
        (r#"{"name":"x","nmae":"y"}"#, 422, "invalid"),
        (r#"{"name":7}"#, 422, "invalid"),
        (r#"{"name":"\u0000"}"#, 422, "invalid"),
        (r#"{"name":"x","customFields":{"a":"\u0000"}}"#, 422, "invalid"),
        ("{}", 422, "invalid"),
    ] {
        let (found, answer) = app.send(&app.token, "", body.to_owned()).await;
        assert_eq!(
            (found.as_u16(), &answer["error"]["code"]),
            (status, &json!(code)),
            "{body}: {answer}"
        );
    }
    assert_eq!(app.rows().await, (0, 0, 0));
}

#[tokio::test]
async fn the_tokens_of_sessions_are_not_stored() {
    let app = App::start().await;
    let found: bool = sqlx::query_scalar(
        "select exists (select from demo.sessions s where position(convert_to($1, 'UTF8') in s.token_sha256) > 0)",
    )
    .bind(&app.token)
    .fetch_one(&app.admin())
    .await
    .unwrap();
    assert!(!found);
    let hashed: bool = sqlx::query_scalar(
        "select exists (select from demo.sessions where token_sha256 = sha256(convert_to($1, 'UTF8')))",
    )
    .bind(&app.token)
    .fetch_one(&app.admin())
    .await
    .unwrap();
    assert!(hashed);
}

#[tokio::test]
async fn the_app_may_enqueue_and_nothing_else_of_postrider() {
    let app = App::start().await;
    let pool = app.database.pool_as(postrider_demo::ROLE);
    for statement in [
        "select count(*) from postrider.event",
        "select count(*) from postrider.webhook",
        "delete from postrider.outbox",
        "select postrider.create_partitions('event', 1)",
    ] {
        let denied = pool.execute(statement).await.unwrap_err();
        assert_eq!(
            denied.as_database_error().unwrap().code().unwrap(),
            "42501",
            "{statement}"
        );
    }
}
