//! Edges: pages that show one list of the API, with a form for one more and a button beside each that deletes it.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    handler::Handler,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use domain::url_text::segment;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Routes, Ui,
    form::{Faults, Typed},
    page::{self, Frame, Posted},
    part::Part,
    session::Visitor,
};
use crate::problem::Problem;

/// One of these pages.
pub trait Shelf: 'static {
    /// What the list holds.
    type Item: DeserializeOwned + Send;
    /// The page.
    type Page: Template + Send;
    /// The last part of its address and of the list's.
    const WORD: &'static str;
    /// Its entry in the navigation.
    const NAV: &'static str = Self::WORD;
    /// The form's fields.
    const FIELDS: &'static [&'static str] = &[];

    /// What the form asks for; there may be no form.
    fn wanted(_typed: &Typed) -> Result<Value, Problem> {
        Err(Problem::bad("nothing can be created on this page"))
    }

    /// The page.
    fn page(
        ui: &Ui,
        visitor: &Visitor,
        frame: Frame,
        shown: Shown<Self::Item>,
    ) -> impl Future<Output = Result<Self::Page, Problem>> + Send;
}

/// What such a page shows.
pub struct Shown<T> {
    /// The list.
    pub list: Part<T>,
    /// What was typed into its form.
    pub typed: Typed,
    /// What is wrong with it.
    pub faults: Faults,
}

/// Adds the routes of one.
pub(super) fn routes<S: Shelf>(pages: Routes) -> Routes {
    routes_with::<S>(pages, get(list::<S>).post(create::<S>))
}

/// The same where a form comes with a file: `create` takes it.
pub(super) fn routes_of_files<S: Shelf, H, T>(pages: Routes, create: H) -> Routes
where
    H: Handler<T, Arc<Ui>>,
    T: 'static,
{
    routes_with::<S>(pages, get(list::<S>).post(create))
}

fn routes_with<S: Shelf>(pages: Routes, all: MethodRouter<Arc<Ui>>) -> Routes {
    let one = format!("{}/{{id}}/delete", url::<S>());
    pages
        .route(&url::<S>(), all)
        // A refusal's page has the form's address; whoever loads it again gets the list.
        .route(&one, post(delete::<S>).get(async || Redirect::to(&url::<S>())))
}

/// Its address.
pub(super) fn url<S: Shelf>() -> String {
    format!("/ui/{}", S::WORD)
}

async fn list<S: Shelf>(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    show::<S>(&ui, &visitor, &query, Typed::default(), None).await
}

async fn create<S: Shelf>(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let made = async {
        let wanted = S::wanted(&typed)?;
        ui.rest.post::<Value>(&visitor, &format!("/v1/{}", S::WORD), &wanted).await
    };
    match made.await {
        Ok(_) => page::done(&url::<S>(), "made"),
        Err(problem) => {
            let faults = Faults::of(&problem, S::FIELDS);
            show::<S>(&ui, &visitor, &BTreeMap::new(), typed, Some((problem, faults))).await
        }
    }
}

async fn delete<S: Shelf>(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let visitor = &posted.visitor;
    match ui.rest.delete(visitor, &format!("/v1/{}/{}", S::WORD, segment(&id))).await {
        Ok(()) => page::done(&url::<S>(), "deleted"),
        Err(problem) => refused::<S>(&ui, visitor, problem).await,
    }
}

/// The page with a refusal of something else that can be done there.
pub async fn refused<S: Shelf>(ui: &Ui, visitor: &Visitor, problem: Problem) -> Response {
    show::<S>(ui, visitor, &BTreeMap::new(), Typed::default(), Some((problem, Faults::default()))).await
}

/// The page with what was refused just now. What stands at the form need not stand above the page too.
async fn show<S: Shelf>(
    ui: &Ui,
    visitor: &Visitor,
    query: &BTreeMap<String, String>,
    typed: Typed,
    refused: Option<(Problem, Faults)>,
) -> Response {
    let (refused, faults) = refused.map_or((None, Faults::default()), |(p, f)| (Some(p), f));
    let status = refused.as_ref().map(page::status_of);
    let refused = refused.filter(|_| faults.is_empty());
    let read = async {
        let list = Part::read(ui, visitor, &format!("/v1/{}", S::WORD)).await?;
        let frame = Frame::new(Some(visitor), S::NAV, url::<S>()).done(query).refused(refused);
        S::page(ui, visitor, frame, Shown { list, typed, faults }).await
    };
    match read.await {
        Ok(page) => page::show(status, &page).into_response(),
        Err(problem) => page::failure(Some(visitor), &problem),
    }
}
