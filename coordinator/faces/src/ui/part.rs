//! Edges: a part of a page that comes from one list of the API, and that may be missing while the rest of the page is there.
//!
//! A service that is away takes away its part of a page and no more: the part says what is missing, why, and what next.

use api_types::List;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::{Ui, session::Visitor, view::sentence};
use crate::problem::Problem;

/// What a list says, or why it says nothing.
pub struct Part<T> {
    /// The things.
    pub items: Vec<T>,
    /// Why there are none to be shown; none: these are all.
    pub away: Option<String>,
}

impl<T> Part<T> {
    /// Of an answer. Only when the visitor is nobody any more is there no page at all.
    pub fn of(answer: Result<List<T>, Problem>) -> Result<Self, Problem> {
        match answer {
            Ok(list) => Ok(Part { items: list.items, away: None }),
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED => Err(problem),
            Err(problem) => Ok(Part { items: Vec::new(), away: Some(sentence(&problem.detail)) }),
        }
    }

    /// Whether it is known that there are none.
    pub fn is_none(&self) -> bool {
        self.items.is_empty() && self.away.is_none()
    }
}

impl<T: DeserializeOwned> Part<T> {
    /// Asks the API.
    pub async fn read(ui: &Ui, visitor: &Visitor, path: &str) -> Result<Self, Problem> {
        Self::of(ui.rest.get(visitor, path).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_says_why_and_an_ended_session_ends_the_page() {
        let refused = |status, detail: &str| Part::<u8>::of(Err(Problem::new(status, "x", detail)));
        let part = refused(StatusCode::SERVICE_UNAVAILABLE, "nova is away; try again").unwrap();
        assert_eq!(part.away.as_deref(), Some("Nova is away; try again."));
        assert!(!part.is_none());
        assert!(refused(StatusCode::FORBIDDEN, "the policy says no").unwrap().away.is_some());
        assert!(refused(StatusCode::UNAUTHORIZED, "the token ended").is_err());
        assert!(Part::<u8>::of(Ok(List { items: Vec::new() })).unwrap().is_none());
    }
}
