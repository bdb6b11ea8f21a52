use serde_json::json;

use crate::app::{App, MINE, send};
use crate::rows::webhook_id;
use crate::snapshot::stable;

#[tokio::test]
async fn a_chatbot_without_webhooks_has_an_empty_list() {
    let app = App::start().await;
    assert_eq!(app.get(MINE).await.expect(200), json!({"webhooks": [], "total": 0}));
}

#[tokio::test]
async fn webhooks_are_listed_as_documented_with_exact_figures() {
    let app = App::start().await;
    let first = webhook_id(&app.webhook().await);
    app.webhook().await;
    sqlx::query(
        "with folded as (
            insert into postrider.webhook_stats values ($1, 20, 1, 1, '2023-11-04T15:30:56.789Z', '2023-11-04T15:00:00Z')
         )
         insert into postrider.stats_delta
                (webhook_ids, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
         values (array[5, $1], '{9, 4}', '{9, 0}', '{0, 0}', '{now, 2023-11-04T16:00:00Z}',
                 '{now, 2023-11-04T16:00:00Z}'),
                (array[$1], '{1}', '{1}', '{0}', '{2023-11-04T15:45:00Z}', '{null}')",
    )
    .bind(first.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let list = app.get(MINE).await;
    let first = &list.expect(200)["webhooks"][0];
    assert_eq!(
        [
            &first["successCount"],
            &first["failureCount"],
            &first["lastTriggeredAt"],
            &first["lastSuccessAt"]
        ],
        [
            &json!(25),
            &json!(2),
            &json!("2023-11-04T16:00:00.000Z"),
            &json!("2023-11-04T16:00:00.000Z")
        ]
    );
    insta::assert_snapshot!(stable(&list.text));
}

#[tokio::test]
async fn only_webhooks_of_the_chatbot_are_listed() {
    let app = App::start().await;
    app.webhook().await;
    let theirs = send(app.request("GET", crate::app::THEIRS).bearer_auth("theirs")).await;
    assert_eq!(theirs.expect(200)["total"], 0);
}
