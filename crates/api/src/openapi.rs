//! The description of the API for programs, generated from the code, and a page that shows it.

mod page;

use axum::Json;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

pub(crate) use page::page;

use crate::{deliveries, halted_keys, recoveries, stats, test_event, test_receiver, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "postrider management API",
        description = "Webhooks of a chatbot: who gets which events, and what became of them. All calls but those of the \
                       test receiver and this document need the session of a user who owns the chatbot. Calls that \
                       change something with the session cookie need Content-Type: application/json and must come from \
                       a page of the same site.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        webhooks::list::list, webhooks::create::create, webhooks::read::read, webhooks::update::update,
        webhooks::update::patch, webhooks::delete::delete, webhooks::rotate_secret::rotate_secret,
        webhooks::pause::pause, webhooks::resume::resume, test_event::send,
        deliveries::list::list, deliveries::read::read, deliveries::resend::resend,
        halted_keys::list::list, halted_keys::release::release,
        recoveries::start::start, recoveries::list::list, recoveries::read::read,
        stats::stats, test_receiver::receive::receive,
    ),
    modifiers(&Sessions),
)]
struct Document;

/// The two ways to send a session, and what every call that needs one can answer.
struct Sessions;

impl Modify for Sessions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = ApiKeyValue::with_description("session", "The name of the cookie is configured.");
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for (path, item) in &mut document.paths.paths {
            if path.starts_with("/api/v1/") {
                for operation in operations(item) {
                    operation.security = Some(
                        ["bearer", "cookie"]
                            .map(|name| SecurityRequirement::new(name, [""; 0]))
                            .into(),
                    );
                    for (status, description) in REFUSALS {
                        let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
                        let response = ResponseBuilder::new()
                            .description(description)
                            .content("application/json", content);
                        operation
                            .responses
                            .responses
                            .insert(status.to_owned(), response.build().into());
                    }
                }
            }
        }
    }
}

const REFUSALS: [(&str, &str); 3] = [
    ("401", "Nobody is logged in."),
    ("404", "There is no such thing, or it is somebody else's."),
    ("503", "The database cannot be used at the moment."),
];

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// `GET /api/openapi.json`
pub(crate) async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

/// The description.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
