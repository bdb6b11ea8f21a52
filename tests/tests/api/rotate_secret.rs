use std::time::Duration;

use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};
use postrider_core::signature::Signer;
use postrider_tests::Receiver;
use serde_json::json;

use crate::app::{App, MINE};
use crate::rows::webhook_id;
use crate::snapshot::stable;

#[tokio::test]
async fn both_secrets_sign_until_the_overlap_ends() {
    let app = App::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"name": "a", "url": "https://example.com", "eventTypes": ["*"]});
    let created = app.post(MINE, &body).await.expect(201);
    let path = format!("{MINE}/{}", created["webhook"]["id"].as_str().unwrap());
    sqlx::query("update postrider.webhook set url = $1")
        .bind(receiver.url())
        .execute(&app.pool)
        .await
        .unwrap();

    let rotated = app.post(&format!("{path}/rotate-secret"), &json!({})).await;
    let secrets =
        [&created, &rotated.expect(200)].map(|answer| answer["webhook"]["secret"].as_str().unwrap().to_owned());
    assert_ne!(secrets[0], secrets[1]);
    insta::assert_snapshot!(stable(&rotated.text));
    app.wait_for(
        1,
        "select count(*) from postrider.webhook
          where previous_secret_expires_at between now() + interval '23 hours 59 minutes' and now() + interval '24 hours'",
    )
    .await;
    assert!(app.get(&path).await.expect(200)["webhook"]["previousSecretExpiresAt"].is_string());

    let product = app.product();
    let _worker = product.worker().await;
    product.commit("clp123chatbot456", "LEAD_CREATED", "{}").await;
    let request = receiver.wait_for(1, Duration::from_secs(30)).await[0].clone();
    let [old, new] = secrets.map(|secret| Signer::new(&Secret::parse(&secret).unwrap()));
    let header = |name: &str| request.header(name).unwrap().to_owned();
    assert_eq!(header("x-webhook-signature"), new.sign_body(&request.body));
    let seconds = header("webhook-timestamp").parse().unwrap();
    let standard = [new, old].map(|signer| signer.sign_standard(&header("webhook-id"), seconds, &request.body));
    assert_eq!(header("webhook-signature"), standard.join(" "));
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_is_gone() {
    let app = App::start().await;
    let path = app.webhook().await;
    app.post(&format!("{path}/rotate-secret"), &json!({"overlapSeconds": 60}))
        .await
        .expect(200);
    let answer = app
        .post(&format!("{path}/rotate-secret"), &json!({"overlapSeconds": 0}))
        .await
        .expect(200);
    assert_eq!(answer["webhook"]["previousSecretExpiresAt"], json!(null));
    let (stored, previous): (Vec<u8>, Option<Vec<u8>>) =
        sqlx::query_as("select secret, previous_secret from postrider.webhook")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(previous, None);
    let ring = KeyRing::parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let WebhookId(id) = webhook_id(&path);
    let secret = ring.decrypt(&stored, "clp123chatbot456", WebhookId(id)).unwrap();
    assert_eq!(answer["webhook"]["secret"], secret.expose());
}
