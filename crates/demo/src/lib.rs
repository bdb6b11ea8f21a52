//! The smallest main app: users, sessions, chatbots and leads in its own schema, and a lead written together with its
//! event in one transaction. `postrider dev`, the tests and the README use it; read [`lead`] to see how a main app
//! enqueues.

mod chatbot;
mod error;
mod id;
pub mod lead;
mod router;
mod session;
mod setup;
mod user;

pub use chatbot::create_chatbot;
pub use router::router;
pub use session::{OWNERSHIP_QUERY, SESSION_QUERY, create_session};
pub use setup::{ROLE, setup};
pub use user::create_user;
