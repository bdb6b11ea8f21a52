//! The examples of `docs/enqueue.md` run as they are printed there, with the rights of `postrider_enqueue`.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use postrider_tests::TestDatabase;
use postrider_tests::installed::install;
use sqlx::PgPool;
use tokio::process::Command;

const PAGE: &str = include_str!("../../docs/enqueue.md");

#[tokio::test]
async fn the_examples_for_psql_enqueue() {
    let folder = tempfile::tempdir().unwrap();
    for (example, name) in examples("sql") {
        let file = folder.path().join(name);
        fs::write(&file, &example).unwrap();
        let database = database().await;
        let url = database.url_as("postrider_enqueue");
        let mut psql = Command::new("psql");
        psql.arg(url)
            .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(file);
        enqueues(&database, psql).await;
    }
}

#[tokio::test]
async fn the_examples_for_python_enqueue() {
    runs_in("python", "clients/psycopg", "py").await;
}

#[tokio::test]
async fn the_examples_for_node_enqueue() {
    runs_in("javascript", "clients/node-pg", "js").await;
}

#[test]
fn no_example_is_in_a_language_that_is_not_run() {
    let languages: Vec<&str> = fenced_blocks().map(|(language, _)| language).collect();
    for run in ["sql", "python", "javascript"] {
        assert!(languages.contains(&run), "no example in {run}");
    }
    for language in languages {
        assert!(
            ["sql", "python", "javascript", "text"].contains(&language),
            "nothing runs the examples in {language:?}; call what is no example \"text\""
        );
    }
}

async fn runs_in(language: &str, folder: &str, extension: &str) {
    let installed = install(folder).await;
    for (example, name) in examples(language) {
        let file = format!("{name}.{extension}");
        fs::write(installed.folder().join(&file), &example).unwrap();
        let database = database().await;
        let mut program = installed.command(&file);
        program.env("DATABASE_URL", database.url_as("postrider_enqueue"));
        enqueues(&database, program).await;
    }
}

/// A database where the role may have tables of its own, as the role of an application does.
async fn database() -> TestDatabase {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let grant = "grant create on schema public to postrider_enqueue";
    sqlx::query(grant).execute(&pool).await.unwrap();
    database
}

/// Runs an example, which must write leads, an event for each, and print the id of the event or, in bulk, how many.
async fn enqueues(database: &TestDatabase, mut program: Command) {
    let output = program.kill_on_drop(true).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{:?}: {}\n{printed}{}",
        program.as_std(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );

    let pool = database.pool();
    let events = ids(&pool, "select id from postrider.event order by id").await;
    let expected = match events.as_slice() {
        [] => panic!("no event was written\n{printed}"),
        [id] => id.to_string(),
        several => several.len().to_string(),
    };
    assert!(printed.contains(&expected), "it should print {expected}:\n{printed}");

    let waiting = ids(&pool, "select event_id from postrider.outbox order by event_id").await;
    assert_eq!(waiting, events);
    let leads_with_event = ids(
        &pool,
        "select e.id from postrider.event e join public.leads l
            on e.tenant = 'clp123chatbot456' and e.type = 'LEAD_CREATED'
           and e.payload ->> 'id' = l.id and e.payload ->> 'name' = l.name
          order by e.id",
    )
    .await;
    assert_eq!(leads_with_event, events);
}

async fn ids(pool: &PgPool, statement: &'static str) -> Vec<i64> {
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}

/// Examples in a language, with a name for the file of each.
fn examples(language: &str) -> Vec<(String, String)> {
    let found = fenced_blocks().filter(|(found, _)| *found == language);
    let named = found
        .enumerate()
        .map(|(number, (_, block))| (block, format!("enqueue-{number}")));
    named.collect()
}

/// Language and text of each block between lines of three backticks.
fn fenced_blocks() -> impl Iterator<Item = (&'static str, String)> {
    let mut lines = PAGE.lines();
    std::iter::from_fn(move || {
        let language = lines.by_ref().find_map(|line| line.strip_prefix("```"))?;
        let block = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"]);
        Some((language, block.collect()))
    })
}
