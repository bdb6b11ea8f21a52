//! The frame of every page.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};

/// Only our own files, and nothing inline: what an attacker gets into a page stays text.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A step on the way to a page: its name and where it is.
pub(super) type Crumb<'a> = (&'a str, String);

/// A whole page with this title and content.
pub(crate) fn page(title: &str, content: &Markup) -> Response {
    page_below(&[], title, content)
}

/// A whole page, and the way to it.
pub(super) fn page_below(way: &[Crumb<'_>], title: &str, content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Webhooks" }
                link rel="icon" type="image/svg+xml" href=(ICON_PATH);
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                @if !way.is_empty() {
                    header {
                        nav aria-label="Way to this page" {
                            ol.way {
                                @for (name, link) in way {
                                    li { a href=(link) { bdi { (name) } } }
                                }
                                li aria-current="page" { bdi { (title) } }
                            }
                        }
                    }
                }
                main id="content" tabindex="-1" {
                    // What an action did, said by the script after the page was loaded again.
                    div.notice id="notice" role="status" {}
                    noscript {
                        p.problem { "Without JavaScript this page shows everything, but cannot change anything." }
                    }
                    (content)
                }
            }
        }
    };
    let mut response = document.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
    response
}
