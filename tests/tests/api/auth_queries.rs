use postrider_api::{Auth, SqlAuth, SqlAuthSettings};
use postrider_tests::TestDatabase;
use sqlx::Executor;

const SESSIONS: &str = "select user_id from session where token = $1";
const CHATBOTS: &str = "select from chatbot where owner = $1::uuid and id = $2::int";

async fn settings(database: &TestDatabase, session_query: &str, ownership_query: &str) -> SqlAuthSettings {
    database
        .pool()
        .execute(
            "create table if not exists session (token text, user_id uuid);
             create table if not exists chatbot (id int, owner uuid);
             insert into session values ('a', '00000000-0000-0000-0000-000000000001'), ('nobody', null);
             insert into chatbot values (7, '00000000-0000-0000-0000-000000000001');",
        )
        .await
        .unwrap();
    SqlAuthSettings {
        database: database.options(),
        session_query: session_query.into(),
        ownership_query: ownership_query.into(),
    }
}

#[tokio::test]
async fn two_queries_say_who_is_calling_and_what_is_theirs() {
    let database = TestDatabase::empty().await;
    let commented = format!("{SESSIONS} -- of the shop\n;\n");
    let auth = SqlAuth::connect(settings(&database, &commented, CHATBOTS).await)
        .await
        .unwrap();
    let user = auth.user("a").await.unwrap().unwrap();
    assert_eq!(user, "00000000-0000-0000-0000-000000000001");
    for other in ["", "b", "nobody", "' or true --"] {
        assert_eq!(auth.user(other).await.unwrap(), None, "{other}");
    }
    for (user, chatbot, owns) in [
        (user.as_str(), "7", true),
        (&user, "8", false),
        ("00000000-0000-0000-0000-000000000002", "7", false),
        // Not of the form of the columns, so nobody's: not a failure of the database.
        (&user, "seven", false),
        (&user, "99999999999999", false),
        ("admin", "7", false),
    ] {
        assert_eq!(auth.owns(user, chatbot).await.unwrap(), owns, "{user} {chatbot}");
    }
}

#[tokio::test]
async fn a_bad_query_is_named_at_the_start() {
    let database = TestDatabase::empty().await;
    for (session, ownership, expected) in [
        (
            "select 1 from sesion where token = $1",
            CHATBOTS,
            "the session query cannot be prepared: select 1 from sesion",
        ),
        (
            "select user_id from session",
            CHATBOTS,
            "the session query must use 1 parameter(s), this one has 0",
        ),
        (
            SESSIONS,
            "select 1 where $1 = 'a'",
            "the ownership query must use 2 parameter(s), this one has 1",
        ),
        (SESSIONS, "", "the ownership query cannot be prepared"),
    ] {
        let error = SqlAuth::connect(settings(&database, session, ownership).await)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
