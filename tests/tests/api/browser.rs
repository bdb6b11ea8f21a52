use std::path::PathBuf;
use std::time::Duration;

use postrider_core::address::AddressPolicy;
use postrider_core::ids::WebhookId;
use postrider_tests::receiver::{Answer, in_turn};
use postrider_tests::{Receiver, installed, target_folder};
use sqlx::{Executor, PgPool};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::app::App;
use crate::rows::{halted_key, open_breaker};

/// Chromium or a browser like it; the environment variable `CHROMIUM` names another one.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let folders = std::env::split_paths(&std::env::var_os("PATH")?).collect::<Vec<_>>();
    let candidates = ["chromium", "chromium-browser", "google-chrome"];
    let mut programs = candidates
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.find(|program| program.exists())
}

/// The test event arrives; the lead and its retry fail; sent again, it arrives.
const STATUSES: [u16; 4] = [200, 500, 500, 200];

async fn only_webhook(pool: &PgPool) -> WebhookId {
    let id = sqlx::query_scalar("select id from postrider.webhook");
    WebhookId(id.fetch_one(pool).await.unwrap())
}

#[tokio::test]
async fn an_owner_walks_through_the_dashboard() {
    let Some(chromium) = chromium() else {
        let missing = "there is no Chromium; install it with: apt-get install chromium";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    };
    let hostile = |status| Answer::Response(status, Vec::new(), "<script>alert(1)</script>".into());
    let receiver = Receiver::start_with(in_turn(STATUSES.map(hostile))).await;
    let app = App::start_with(|settings| {
        let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        settings.address_policy = AddressPolicy {
            allow_http: true,
            allow_networks,
        };
    })
    .await;
    let product = app.product();
    let _worker = product.worker().await;

    let screenshots = target_folder().join("tmp/screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut walk = installed::install("browser")
        .await
        .command("walk.mjs")
        .env("CHROMIUM", chromium)
        .env("PROFILE", profile.path())
        .env("SCREENSHOTS", &screenshots)
        .env("SITE", app.url.replace("127.0.0.1", "localhost"))
        .env("CHATBOT", "clp123chatbot456")
        .env("SESSION", "mine")
        .env("RECEIVER", receiver.url())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(walk.stdout.take().unwrap()).lines();
    let walking = async {
        while let Some(line) = said.next_line().await.unwrap() {
            match line.as_str() {
                "commit a lead" => {
                    let lead = r#"{"name": "Ada"}"#;
                    product.commit("clp123chatbot456", "LEAD_CREATED", lead).await;
                }
                "take the receiver down" => {
                    let webhook = only_webhook(&app.pool).await;
                    halted_key(&app.pool, webhook, "conversation-7", 90).await;
                    open_breaker(&app.pool, webhook, 150).await;
                }
                "mend the receiver" => {
                    let mend = "update postrider.lane set opened_at = null, open_until = null, failing_since = null";
                    app.pool.execute(mend).await.unwrap();
                }
                other => panic!("{other}"),
            }
        }
        let mut complaint = String::new();
        walk.stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .await
            .unwrap();
        assert!(
            walk.wait().await.unwrap().success(),
            "{complaint}\nsee {}/mishap.png",
            screenshots.display()
        );
    };
    tokio::time::timeout(Duration::from_secs(180), walking)
        .await
        .expect("the walk ends in time");
    assert_eq!(receiver.count(), STATUSES.len());
    assert!(
        receiver
            .requests()
            .iter()
            .all(|request| request.header("x-environment") == Some("browser"))
    );
}
