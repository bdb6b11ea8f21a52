//! A page that cannot be shown, as a page.

use axum::response::{IntoResponse, Response};
use maud::html;

use super::layout::page;
use crate::error::{ApiError, FieldProblem};

/// An [`ApiError`] that a person reads in a browser.
#[derive(Debug)]
pub(crate) struct PageError(pub(crate) ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.log();
        let (title, advice) = match &self.0 {
            ApiError::Unauthorized => (
                "Log in first",
                "Your session is over, or you have not logged in yet".to_owned(),
            ),
            ApiError::NotFound => (
                "Not found",
                "There is no such page, or it belongs to somebody else".to_owned(),
            ),
            other => ("This did not work", other.message()),
        };
        let problems: &[FieldProblem] = match &self.0 {
            ApiError::Invalid(problems) => problems,
            _ => &[],
        };
        let content = html! {
            h1 { (title) }
            p { (advice) "." }
            @if !problems.is_empty() {
                ul { @for problem in problems { li { code { (problem.field) } " " (problem.message) } } }
            }
        };
        let mut response = page(title, &content);
        *response.status_mut() = self.0.status();
        self.0.mark(&mut response);
        response
    }
}
