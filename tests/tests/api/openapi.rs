use std::collections::BTreeSet;

use postrider_api::{Access, routes};

use crate::app::{App, send};

#[tokio::test]
async fn the_document_describes_every_route_of_the_api() {
    let app = App::start().await;
    let document = send(app.request("GET", "/api/openapi.json")).await.expect(200);
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap()),
                "two operations have one id: {operation}"
            );
        }
    }
    let about_itself = ["/api/openapi.json", "/api/docs"];
    let served: BTreeSet<_> = routes()
        .into_iter()
        .filter(|route| route.access != Access::OwnerPage && !about_itself.contains(&route.path))
        .filter(|route| route.path.starts_with("/api/"))
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(described, served);
}

#[tokio::test]
async fn a_page_shows_it_without_anything_from_elsewhere() {
    let app = App::start().await;
    let page = send(app.request("GET", "/api/docs")).await;
    assert_eq!(
        (page.status, page.headers["content-type"].as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.headers["content-security-policy"].starts_with("default-src 'none'"));
    assert!(
        page.text
            .contains("/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/rotate-secret")
    );
    for outside in [
        "http://",
        "src=\"https",
        "href=\"https",
        "<script>",
        "<style",
        " style=",
    ] {
        assert!(!page.text.contains(outside), "{outside}");
    }
}
