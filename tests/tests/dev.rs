//! `postrider dev`: the main job with one command, and a clean end however it ends.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use postrider_tests::Postrider;
use postrider_tests::http::{answer, client};
use postrider_tests::process::{self, run};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tempfile::TempDir;

/// Long, because it only ends the wait of a test that fails.
const SOON: Duration = Duration::from_secs(60);

/// A running `dev` in a folder of its own.
struct Dev {
    process: Postrider,
    home: Home,
    env: HashMap<String, String>,
}

/// The folder that a `dev` is run in; it outlives the process.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dev-")
            .tempdir_in(postrider_tests::target_folder())
            .unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn env_file(&self) -> PathBuf {
        self.path().join("env")
    }

    fn data(&self) -> PathBuf {
        self.path().join("data folder")
    }

    /// The process of the private Postgres, from the first line of its own file; `None` when it has stopped.
    fn postgres(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data().join("server/data/postmaster.pid")).ok()?;
        Some(Pid::from_raw(text.lines().next()?.trim().parse().ok()?))
    }

    fn spawn(&self, arguments: &[&str]) -> Postrider {
        let (data, env_file) = (self.data(), self.env_file());
        let mut all = vec!["dev", "--port", "0", "--data-dir", data.to_str().unwrap()];
        all.extend(["--env-file", env_file.to_str().unwrap()]);
        all.extend(arguments);
        let mut command = process::command(&all, &[]);
        // As from a shell: Ctrl-C goes to the whole group.
        command.process_group(0);
        Postrider::spawn_command(command)
    }

    async fn dev(self, arguments: &[&str]) -> Dev {
        let mut process = self.spawn(arguments);
        process
            .wait_for_stdout(SOON, |text| text.contains("Everything runs. Ctrl-C stops it"))
            .await;
        let env = fs::read_to_string(self.env_file()).unwrap();
        let env = env
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        Dev {
            process,
            home: self,
            env,
        }
    }
}

impl Dev {
    fn env(&self, name: &str) -> &str {
        &self.env[name]
    }

    fn api(&self, path: &str) -> String {
        format!(
            "{}/api/v1/chatbots/{}{path}",
            self.env("POSTRIDER_URL"),
            self.env("POSTRIDER_CHATBOT_ID")
        )
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(
            client()
                .get(self.api(path))
                .bearer_auth(self.env("POSTRIDER_SESSION_TOKEN")),
        )
        .await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = client()
            .post(self.api(path))
            .bearer_auth(self.env("POSTRIDER_SESSION_TOKEN"));
        answer(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await
    }

    async fn success_count(&self) -> i64 {
        let (status, list) = self.get("/webhooks").await;
        assert_eq!((status, &list["total"]), (StatusCode::OK, &json!(1)), "{list}");
        list["webhooks"][0]["successCount"].as_i64().unwrap()
    }

    /// Stops it with this signal and says where it lived; nothing of it is left.
    async fn stop(mut self, signal: Signal) -> Home {
        let postgres = self.home.postgres().expect("Postgres runs");
        self.process.signal(signal);
        let finished = self.process.wait(SOON).await;
        assert!(finished.status.success(), "{:?}\n{}", finished.status, finished.stderr);
        assert_eq!(finished.stderr, "");
        assert_eq!(self.home.postgres(), None, "Postgres left its pid file");
        assert!(!runs(postgres), "Postgres still runs");
        self.home
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn once_shows_one_checked_delivery_and_leaves_nothing() {
    let finished = run(&["dev", "--once"], &[]).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(finished.stderr, "");
    let mut expected = [
        "🎣 WEBHOOK TEST RECEIVED!",
        "==========================================",
        "⏰ Time: ",
        "📦 Payload: {",
        "🎯 LEAD INFORMATION:",
        "Name: John Doe",
        "Email: john@example.com",
        "Phone: +1234567890",
        "🔐 SIGNATURE INFO:",
        "Signature: sha256=",
        "Timestamp: ",
        "==========================================",
        "Delivery checked: arrived ",
    ]
    .into_iter()
    .peekable();
    for line in finished.stdout.lines() {
        expected.next_if(|start| line.starts_with(start));
    }
    assert_eq!(expected.next(), None, "{}", finished.stdout);
    let last = finished.stdout.lines().last().unwrap();
    assert!(last.ends_with("signature valid, successCount 1."), "{last}");
    let folder = finished
        .stdout
        .lines()
        .next()
        .unwrap()
        .strip_prefix("Starting a private Postgres in ")
        .unwrap();
    let folder = Path::new(folder.strip_suffix(" …").unwrap());
    assert!(
        !folder.exists() && !folder.parent().unwrap().exists(),
        "{}",
        folder.display()
    );
}

#[tokio::test]
async fn everything_written_for_scripts_works_and_sigterm_stops_postgres_too() {
    let mut dev = Home::new().dev(&[]).await;
    assert_eq!(dev.success_count().await, 1);

    let (status, lead) = dev.post("/leads", json!({"name": "Grace Hopper"})).await;
    assert_eq!(status, StatusCode::CREATED);
    dev.process
        .wait_for_stdout(SOON, |text| text.contains("Name: Grace Hopper"))
        .await;
    let (status, leads) = dev.post("/leads/bulk", json!([{"name": "One"}, {"name": "Two"}])).await;
    assert_eq!((status, &leads["total"]), (StatusCode::CREATED, &json!(2)));
    dev.process
        .wait_for_stdout(SOON, |text| text.contains("Name: One") && text.contains("Name: Two"))
        .await;
    let deadline = Instant::now() + SOON;
    while dev.success_count().await != 4 {
        assert!(Instant::now() < deadline);
    }

    let mut database = PgConnection::connect(dev.env("POSTRIDER_DATABASE_URL")).await.unwrap();
    let stored: String = sqlx::query_scalar("select name from demo.leads where id = $1")
        .bind(lead["id"].as_str().unwrap())
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(stored, "Grace Hopper");
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/nothing", 404),
    ] {
        let response = client()
            .get(format!("{}{path}", dev.env("POSTRIDER_METRICS_URL")))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    let mode = fs::metadata(dev.home.env_file()).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600,
        "others can read the session token"
    );
    dev.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn each_part_lives_on_the_privileges_of_its_own_role() {
    let mut dev = Home::new().dev(&[]).await;
    let mut database = PgConnection::connect(dev.env("POSTRIDER_DATABASE_URL")).await.unwrap();
    for statement in [
        "revoke execute on all functions in schema postrider from postrider_enqueue",
        "revoke insert on postrider.webhook from postrider_api",
        "revoke insert on postrider.attempt from postrider_worker",
    ] {
        database.execute(statement).await.unwrap();
    }
    assert_eq!(
        dev.post("/leads", json!({"name": "x"})).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let webhook = json!({"name": "w", "url": "http://localhost:1/", "eventTypes": ["*"]});
    assert!(dev.post("/webhooks", webhook).await.0.is_server_error());
    // The superuser may still enqueue; the worker may not record.
    sqlx::query("select postrider.enqueue($1, 'LEAD_CREATED', '{}')")
        .bind(dev.env("POSTRIDER_CHATBOT_ID"))
        .execute(&mut database)
        .await
        .unwrap();
    dev.process
        .wait_for_stderr(SOON, |log| log.contains("permission denied for table attempt"))
        .await;
    dev.process.signal(Signal::SIGKILL);
    until("Postgres stops", || dev.home.postgres().is_none()).await;
}

#[tokio::test]
async fn ctrl_c_in_a_terminal_stops_it_in_order_and_the_next_start_goes_on_with_the_data() {
    let dev = Home::new().dev(&[]).await;
    let (chatbot, port) = (
        dev.env("POSTRIDER_CHATBOT_ID").to_owned(),
        dev.env("POSTRIDER_DATABASE_URL").to_owned(),
    );
    let group = Pid::from_raw(dev.process.pid());
    let Dev { mut process, home, .. } = dev;
    killpg(group, Signal::SIGINT).unwrap();
    let finished = process.wait(SOON).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!((finished.stderr.as_str(), home.postgres()), ("", None));

    let again = home.dev(&[]).await;
    assert_eq!(
        (again.env("POSTRIDER_CHATBOT_ID"), again.env("POSTRIDER_DATABASE_URL")),
        (chatbot.as_str(), port.as_str())
    );
    assert_eq!(again.success_count().await, 2);
    again.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_second_dev_on_the_same_folder_says_so_and_does_no_harm() {
    let dev = Home::new().dev(&[]).await;
    let env_file = dev.home.path().join("other env");
    let data = dev.home.data();
    let second = run(
        &[
            "dev",
            "--port",
            "0",
            "--data-dir",
            data.to_str().unwrap(),
            "--env-file",
            env_file.to_str().unwrap(),
        ],
        &[],
    )
    .await;
    assert_eq!(second.status.code(), Some(1));
    let process = dev.process.pid();
    assert!(
        second
            .stderr
            .contains(&format!("is in use by another postrider (process {process})")),
        "{}",
        second.stderr
    );
    assert!(!env_file.exists());
    assert_eq!(
        dev.post("/leads", json!({"name": "Still there"})).await.0,
        StatusCode::CREATED
    );
    dev.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn killed_with_9_its_postgres_stops_by_itself_and_the_next_start_recovers() {
    let dev = Home::new().dev(&[]).await;
    assert_eq!(
        dev.post("/leads", json!({"name": "Before the kill"})).await.0,
        StatusCode::CREATED
    );
    let Dev { mut process, home, .. } = dev;
    process.signal(Signal::SIGKILL);
    assert!(!process.wait(SOON).await.status.success());
    until("Postgres stops", || home.postgres().is_none()).await;

    let again = home.dev(&[]).await;
    let (status, list) = again.get("/webhooks").await;
    assert_eq!((status, &list["total"]), (StatusCode::OK, &json!(1)));
    again.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_postgres_that_outlived_everything_is_stopped_by_the_next_start() {
    let dev = Home::new().dev(&[]).await;
    let Dev { mut process, home, .. } = dev;
    // The guard goes first, so that nobody stops Postgres.
    for guard in children_of(process.pid())
        .into_iter()
        .filter(|child| name_of(*child).as_deref() == Some("sh"))
    {
        kill(Pid::from_raw(guard), Signal::SIGKILL).unwrap();
    }
    process.signal(Signal::SIGKILL);
    process.wait(SOON).await;
    let orphan = home.postgres().expect("Postgres goes on");
    assert!(runs(orphan));

    let again = home.dev(&[]).await;
    assert!(
        again.process.stderr().contains("a killed postrider left behind"),
        "{}",
        again.process.stderr()
    );
    assert_ne!(again.home.postgres(), Some(orphan));
    assert!(!runs(orphan), "the orphan still runs");
    let Dev { mut process, home, .. } = again;
    process.signal(Signal::SIGTERM);
    assert!(process.wait(SOON).await.status.success());
    assert_eq!(home.postgres(), None);
}

#[tokio::test]
async fn strict_egress_keeps_the_rules_of_production() {
    let dev = Home::new().dev(&["--strict-egress"]).await;
    assert!(
        dev.process.stdout().contains("No webhook points at the test receiver"),
        "{}",
        dev.process.stdout()
    );
    assert_eq!(dev.get("/webhooks").await.1["total"], 0);
    for url in [
        "http://localhost:8080/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "http://example.com/",
    ] {
        let webhook = json!({"name": "w", "url": url, "eventTypes": ["*"]});
        let (status, refused) = dev.post("/webhooks", webhook).await;
        assert_eq!(
            (status, &refused["error"]["fields"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("url"))
        );
    }
    dev.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn the_login_link_leads_to_the_dashboard_with_a_cookie() {
    let dev = Home::new().dev(&[]).await;
    let stdout = dev.process.stdout();
    let link = stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("Dashboard"))
        .unwrap()
        .trim();
    let response = client().get(link).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let (status, list) = answer(client().get(dev.api("/webhooks")).header("cookie", session)).await;
    assert_eq!((status, &list["total"]), (StatusCode::OK, &json!(1)));
    let forged = link.replace("session=", "session=x%0d%0aSet-Cookie:%20y");
    assert_eq!(
        client().get(forged).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    dev.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = Home::new();
    let refused = run(
        &["dev", "--port", &port, "--data-dir", home.data().to_str().unwrap()],
        &[],
    )
    .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains(&format!("port {port} is in use")),
        "{}",
        refused.stderr
    );
    assert_eq!(home.postgres(), None);
}

#[tokio::test]
async fn a_folder_without_postgres_programs_is_named() {
    let home = Home::new();
    let bin = home.path().to_str().unwrap();
    let refused = run(&["dev", "--once", "--postgres-bin", bin], &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("has no working postgres and initdb programs"),
        "{}",
        refused.stderr
    );
}

/// Whether the process is there and not a zombie that nobody waited for: the state is the first field after the name.
fn runs(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

fn children_of(parent: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

fn name_of(process: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{process}/comm"))
        .ok()
        .map(|name| name.trim().to_owned())
}
