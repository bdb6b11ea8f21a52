//! Who calls, and what is theirs.

mod cross_site;
mod guard;
mod session;
mod sql;

use std::pin::Pin;

pub(crate) use cross_site::is_json;
pub(crate) use guard::{Tenant, guard_api, guard_page};
pub use sql::{BadAuthQuery, SqlAuth, SqlAuthSettings};

/// Why it could not be found out. Logged, never shown: the caller gets a 503.
pub type AuthError = Box<dyn std::error::Error + Send + Sync>;

/// What the main app knows about its users. Asked at every request, so keep the answers quick.
pub trait Auth: Send + Sync + 'static {
    /// The user whose session token this is. `None` when there is no such session, or it is over.
    fn user(&self, session: &str) -> impl Future<Output = Result<Option<String>, AuthError>> + Send;

    /// Whether this user owns this chatbot. `false` for a chatbot that does not exist.
    fn owns(&self, user: &str, chatbot: &str) -> impl Future<Output = Result<bool, AuthError>> + Send;
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

/// [`Auth`] behind a pointer, so that handlers are not generic over it.
pub(crate) trait ErasedAuth: Send + Sync {
    fn user<'a>(&'a self, session: &'a str) -> Answer<'a, Option<String>>;
    fn owns<'a>(&'a self, user: &'a str, chatbot: &'a str) -> Answer<'a, bool>;
}

impl<A: Auth> ErasedAuth for A {
    fn user<'a>(&'a self, session: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(Auth::user(self, session))
    }

    fn owns<'a>(&'a self, user: &'a str, chatbot: &'a str) -> Answer<'a, bool> {
        Box::pin(Auth::owns(self, user, chatbot))
    }
}
