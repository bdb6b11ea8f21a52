//! Who is logged in: a random token at the browser, its hash in the database.

use axum::http::{HeaderMap, header};
use sqlx::PgPool;

use crate::error::ApiError;

/// The user of a session: `$1` is the token; one text column, no row for an unknown or expired session.
pub const SESSION_QUERY: &str =
    "select user_id from demo.sessions where token_sha256 = sha256(convert_to($1, 'UTF8')) and expires_at > now()";

/// Whether a user owns a chatbot: `$1` is the user, `$2` the chatbot; a row if so.
pub const OWNERSHIP_QUERY: &str = "select 1 from demo.chatbots where owner_id = $1 and id = $2";

/// Name of the session cookie.
const COOKIE: &str = "session";

/// Logs a user in for 30 days and returns the session token; it is not kept.
///
/// # Errors
/// What the database says.
pub async fn create_session(pool: &PgPool, user_id: &str) -> Result<String, sqlx::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    let token = format!("session_{}", hex::encode(bytes));
    sqlx::query(
        "/* demo::create_session */
         insert into demo.sessions (token_sha256, user_id, expires_at)
         values (sha256(convert_to($1, 'UTF8')), $2, now() + interval '30 days')",
    )
    .bind(&token)
    .bind(user_id)
    .execute(pool)
    .await?;
    Ok(token)
}

/// Lets the owner of the chatbot pass. Another's chatbot looks like none.
pub(crate) async fn require_owner(pool: &PgPool, headers: &HeaderMap, chatbot_id: &str) -> Result<(), ApiError> {
    let token = token(headers).ok_or(ApiError::NotLoggedIn)?;
    // Postgres has no text with this character; nor does anything of ours.
    if token.contains('\0') || chatbot_id.contains('\0') {
        return Err(ApiError::NoChatbot);
    }
    let user: Option<String> = sqlx::query_scalar(SESSION_QUERY)
        .bind(token)
        .fetch_optional(pool)
        .await?;
    let user = user.ok_or(ApiError::NotLoggedIn)?;
    let owned = sqlx::query(OWNERSHIP_QUERY)
        .bind(user)
        .bind(chatbot_id)
        .fetch_optional(pool)
        .await?;
    owned.map(|_| ()).ok_or(ApiError::NoChatbot)
}

/// The token of `Authorization: Bearer TOKEN`, or else of the session cookie.
fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then_some(token.trim());
    }
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, token)| token).next()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

    use super::token;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_token_is_read_from_the_header_or_the_cookie() {
        for (lines, expected) in [
            (vec![(header::AUTHORIZATION, "Bearer abc")], Some("abc")),
            (vec![(header::AUTHORIZATION, "bearer abc")], Some("abc")),
            (vec![(header::AUTHORIZATION, "Basic abc")], None),
            (vec![(header::COOKIE, "a=b; session=abc; c=d")], Some("abc")),
            (vec![(header::COOKIE, "mysession=abc")], None),
            (
                vec![(header::AUTHORIZATION, "Basic x"), (header::COOKIE, "session=abc")],
                None,
            ),
            (vec![], None),
        ] {
            assert_eq!(token(&headers(&lines)), expected, "{lines:?}");
        }
    }
}
