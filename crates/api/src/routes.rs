//! The table of routes. The router is built from it and from nothing else, so that whatever walks the table walks the
//! router.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use futures_util::FutureExt;

use crate::api::Api;
use crate::auth::{guard_api, guard_page};
use crate::error::ApiError;
use crate::{dashboard, deliveries, halted_keys, openapi, recoveries, stats, test_event, test_receiver, webhooks};

/// Longest time one request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The owner of the chatbot in the path; refusals are JSON.
    Owner,
    /// The owner of the chatbot in the path; refusals are pages.
    OwnerPage,
}

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with parameters as `{chatbotId}`, `{webhookId}`, `{deliveryId}` and so on.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    handler: MethodRouter<Api>,
}

impl Route {
    fn new<H, T>(access: Access, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("only methods that axum knows are used");
        Self {
            method,
            path,
            access,
            handler: MethodRouter::new().on(filter, handler),
        }
    }
}

macro_rules! api {
    ($tail:literal) => {
        concat!("/api/v1/chatbots/{chatbotId}/webhooks", $tail)
    };
}

macro_rules! page {
    ($tail:literal) => {
        concat!("/chatbots/{chatbotId}/webhooks", $tail)
    };
}

/// Every route of the API and the dashboard.
#[must_use]
pub fn routes() -> Vec<Route> {
    use Access::{Owner, OwnerPage, Public};

    vec![
        Route::new(Owner, Method::GET, api!(""), webhooks::list::list),
        Route::new(Owner, Method::POST, api!(""), webhooks::create::create),
        Route::new(Owner, Method::GET, api!("/{webhookId}"), webhooks::read::read),
        Route::new(Owner, Method::PUT, api!("/{webhookId}"), webhooks::update::update),
        Route::new(Owner, Method::PATCH, api!("/{webhookId}"), webhooks::update::patch),
        Route::new(Owner, Method::DELETE, api!("/{webhookId}"), webhooks::delete::delete),
        Route::new(
            Owner,
            Method::POST,
            api!("/{webhookId}/rotate-secret"),
            webhooks::rotate_secret::rotate_secret,
        ),
        Route::new(Owner, Method::POST, api!("/{webhookId}/pause"), webhooks::pause::pause),
        Route::new(
            Owner,
            Method::POST,
            api!("/{webhookId}/resume"),
            webhooks::resume::resume,
        ),
        Route::new(Owner, Method::POST, api!("/{webhookId}/test"), test_event::send),
        Route::new(
            Owner,
            Method::GET,
            api!("/{webhookId}/deliveries"),
            deliveries::list::list,
        ),
        Route::new(
            Owner,
            Method::GET,
            api!("/{webhookId}/deliveries/{deliveryId}"),
            deliveries::read::read,
        ),
        Route::new(
            Owner,
            Method::POST,
            api!("/{webhookId}/deliveries/{deliveryId}/resend"),
            deliveries::resend::resend,
        ),
        Route::new(
            Owner,
            Method::POST,
            api!("/{webhookId}/recover"),
            recoveries::start::start,
        ),
        Route::new(
            Owner,
            Method::GET,
            api!("/{webhookId}/recoveries"),
            recoveries::list::list,
        ),
        Route::new(
            Owner,
            Method::GET,
            api!("/{webhookId}/recoveries/{recoveryId}"),
            recoveries::read::read,
        ),
        Route::new(
            Owner,
            Method::GET,
            api!("/{webhookId}/halted-keys"),
            halted_keys::list::list,
        ),
        Route::new(
            Owner,
            Method::POST,
            api!("/{webhookId}/halted-keys/release"),
            halted_keys::release::release,
        ),
        Route::new(Owner, Method::GET, api!("/{webhookId}/stats"), stats::stats),
        Route::new(OwnerPage, Method::GET, page!(""), dashboard::list::list),
        Route::new(OwnerPage, Method::GET, page!("/new"), dashboard::create::create),
        Route::new(
            OwnerPage,
            Method::GET,
            page!("/test-receiver"),
            dashboard::received::received,
        ),
        Route::new(
            OwnerPage,
            Method::GET,
            page!("/{webhookId}"),
            dashboard::webhook::webhook,
        ),
        Route::new(
            OwnerPage,
            Method::GET,
            page!("/{webhookId}/edit"),
            dashboard::edit::edit,
        ),
        Route::new(
            OwnerPage,
            Method::GET,
            page!("/{webhookId}/deliveries"),
            dashboard::deliveries::deliveries,
        ),
        Route::new(
            OwnerPage,
            Method::GET,
            page!("/{webhookId}/deliveries/{deliveryId}"),
            dashboard::delivery::delivery,
        ),
        Route::new(
            Public,
            Method::GET,
            "/postrider/dashboard.css",
            dashboard::assets::style,
        ),
        Route::new(Public, Method::GET, "/postrider/icon.svg", dashboard::assets::icon),
        Route::new(
            Public,
            Method::GET,
            "/postrider/dashboard.js",
            dashboard::assets::script,
        ),
        Route::new(
            Public,
            Method::POST,
            "/api/test-webhook",
            test_receiver::receive::receive,
        ),
        Route::new(Public, Method::GET, "/api/openapi.json", openapi::json),
        Route::new(Public, Method::GET, "/api/docs", openapi::page),
    ]
}

/// The router of all [`routes`], to be merged into the router of a main app.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = match route.access {
            Access::Public => route.handler,
            Access::Owner => route.handler.route_layer(from_fn_with_state(api.clone(), guard_api)),
            Access::OwnerPage => route.handler.route_layer(from_fn_with_state(api.clone(), guard_page)),
        };
        router = router.route(route.path, handler);
    }
    router
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn(frame))
        .with_state(api)
}

/// What holds for every answer.
pub(crate) async fn frame(request: Request, next: Next) -> Response {
    // A defect ends one request, in the shape of every failure, and not the connection.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(REQUEST_TIME, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => ApiError::Defect.into_response(),
        Err(_) => ApiError::RequestTimeout.into_response(),
    };
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
