//! The description of the API for people.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use crate::dashboard::layout;

/// `GET /api/docs`
pub(crate) async fn page() -> Response {
    let document = serde_json::to_value(super::document()).unwrap_or_default();
    let content = html! {
        h1 { (text(&document["info"]["title"])) }
        p { (prose(&document["info"]["description"])) }
        p { a href="/api/openapi.json" { "openapi.json" } " has the same for programs." }
        @for (path, operations) in members(&document["paths"]) {
            @for (method, operation) in members(operations) {
                (operation_section(path, method, operation))
            }
        }
        h2 { "Objects" }
        @for (name, schema) in members(&document["components"]["schemas"]) {
            (schema_section(name, schema))
        }
    };
    layout::page("API", &content)
}

fn operation_section(path: &str, method: &str, operation: &Value) -> Markup {
    let id = text(&operation["operationId"]);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { code { (method.to_uppercase()) " " (path) } }
            p { strong { (text(&operation["summary"])) ". " } (prose(&operation["description"])) }
            @let parameters = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query");
            @let parameters: Vec<_> = parameters.collect();
            @if !parameters.is_empty() {
                dl {
                    @for parameter in parameters {
                        dt { code { "?" (text(&parameter["name"])) } }
                        dd { (prose(&parameter["description"])) }
                    }
                }
            }
            @if !body.is_null() {
                p { "Body: " (type_of(body)) }
            }
            ul {
                @for (status, response) in members(&operation["responses"]) {
                    li {
                        code { (status) } " "
                        @let schema = &response["content"]["application/json"]["schema"];
                        @if !schema.is_null() { (type_of(schema)) " " }
                        (prose(&response["description"]))
                    }
                }
            }
        }
    }
}

fn schema_section(name: &str, schema: &Value) -> Markup {
    html! {
        section aria-labelledby={ "object-" (name) } {
            h3 id={ "object-" (name) } { (name) }
            p { (prose(&schema["description"])) }
            @if let Some(values) = schema["enum"].as_array() {
                p { @for value in values { code { (text(value)) } " " } }
            }
            dl {
                // A flattened object stands beside the properties of its own.
                @for part in schema["allOf"].as_array().into_iter().flatten() {
                    @if part["$ref"].is_string() { dt { "All of " (type_of(part)) } }
                    (properties(part))
                }
                (properties(schema))
            }
        }
    }
}

fn properties(schema: &Value) -> Markup {
    html! {
        @for (name, property) in members(&schema["properties"]) {
            dt { code { (name) } ": " (type_of(property)) }
            dd { (prose(&property["description"])) }
        }
    }
}

/// A type in a few words, with links to the objects of this page.
fn type_of(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
    {
        return html! { a href={ "#object-" (name) } { (name) } };
    }
    let alternatives: Vec<&Value> = ["oneOf", "anyOf", "allOf"]
        .iter()
        .filter_map(|key| schema[*key].as_array())
        .flatten()
        .collect();
    if !alternatives.is_empty() {
        return html! {
            @for (place, alternative) in alternatives.into_iter().enumerate() {
                @if place > 0 { " or " }
                (type_of(alternative))
            }
        };
    }
    match &schema["type"] {
        Value::Array(names) => html! { (names.iter().map(text).collect::<Vec<_>>().join(" or ")) },
        name if name == "array" => html! { "list of " (type_of(&schema["items"])) },
        name => html! { (text(name)) },
    }
}

/// A description; what stands between backticks is code.
fn prose(value: &Value) -> Markup {
    html! {
        @for (place, part) in text(value).split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
