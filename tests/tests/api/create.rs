use postrider_core::secret::{KeyRing, Secret};
use serde_json::{Value, json};

use crate::app::{App, MINE, THEIRS};
use crate::rows::webhook_id;
use crate::snapshot::stable;

const KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test]
async fn a_webhook_is_created_as_documented() {
    let app = App::start().await;
    let body = json!({
        "name": "Lead Notifications", "url": "https://yourapp.com/webhooks/leads", "eventTypes": ["LEAD_CREATED"],
        "maxRetries": 3, "retryDelay": 1000,
    });
    let created = app.post(MINE, &body).await;
    created.expect(201);
    insta::assert_snapshot!(stable(&created.text));
}

#[tokio::test]
async fn what_is_not_sent_gets_the_defaults_of_the_table() {
    let app = App::start().await;
    let short = app.webhook().await;
    // What the columns default to.
    let (by_api, by_table): (Value, Value) = sqlx::query_as(
        "with other as (
            insert into postrider.webhook (tenant, name, url, event_types, secret) values ('x', 'x', 'x', '{*}', '')
            returning *
         )
         select to_jsonb(w) - drop, to_jsonb(o) - drop
           from postrider.webhook w, other o,
                (select array['id', 'tenant', 'name', 'url', 'event_types', 'secret', 'created_at', 'updated_at'] as drop) d",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(by_api, by_table);
    let detail = app.get(&short).await;
    insta::assert_snapshot!(stable(&detail.text));
}

#[tokio::test]
async fn every_setting_can_be_chosen() {
    let app = App::start().await;
    let body = json!({
        "name": "Ünïcode 🎣", "url": "http://example.com:8080/a?b=c", "eventTypes": ["*"], "isActive": false,
        "maxRetries": 20, "retryDelay": 3_600_000, "timeoutMs": 30_000, "maxInFlight": 1, "rateLimitPerSecond": 10,
        "headers": {"X-Environment": "test", "Authorization": "Bearer a"}, "ordering": "key", "onGiveUp": "halt",
    });
    let created = app.post(MINE, &body).await.expect(201);
    let path = format!("{MINE}/{}", created["webhook"]["id"].as_str().unwrap());
    insta::assert_snapshot!(stable(&app.get(&path).await.text));
}

#[tokio::test]
async fn the_secret_is_shown_once_and_stored_encrypted() {
    let app = App::start().await;
    let body = json!({"name": "a", "url": "https://example.com", "eventTypes": ["LEAD_CREATED"]});
    let created = app.post(MINE, &body).await.expect(201);
    let secret = created["webhook"]["secret"].as_str().unwrap();
    let id = webhook_id(created["webhook"]["id"].as_str().unwrap());

    let stored: Vec<u8> = sqlx::query_scalar("select secret from postrider.webhook")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let key = secret.strip_prefix("whsec_").unwrap().as_bytes();
    assert!(!stored.windows(key.len()).any(|window| window == key));
    let ring = KeyRing::parse(KEYS).unwrap();
    assert_eq!(
        ring.decrypt(&stored, "clp123chatbot456", id),
        Ok(Secret::parse(secret).unwrap())
    );
    assert!(
        ring.decrypt(&stored, "clp123chatbot789", id).is_err(),
        "the tenant is associated data"
    );

    for path in [MINE.to_owned(), format!("{MINE}/{id}")] {
        let text = app.get(&path).await.text;
        assert!(!text.contains("whsec_") && !text.contains("secret\""), "{text}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_now_is_accepted() {
    let app = App::start().await;
    for host in ["nowhere.example.com", "silent.example.com"] {
        let body = json!({"name": "a", "url": format!("https://{host}/"), "eventTypes": ["*"]});
        let begun = std::time::Instant::now();
        app.post(MINE, &body).await.expect(201);
        assert!(begun.elapsed().as_secs() < 10, "{host} was waited for");
    }
}

#[tokio::test]
async fn nothing_is_created_for_somebody_else() {
    let app = App::start().await;
    let body = json!({"name": "a", "url": "https://example.com", "eventTypes": ["*"]});
    app.post(THEIRS, &body).await.expect(404);
    app.wait_for(0, "select count(*) from postrider.webhook").await;
}
