//! Edges: the racks' image caches on the page of images, and the forms that fetch an image into them and drop one.

use std::sync::Arc;

use api_types::{CachedImage, CachedImageStatus, Image, ImageCache, List, WarmImage};
use axum::{
    extract::{Path, State},
    response::{Redirect, Response},
};
use domain::url_text::segment;
use jiff::Timestamp;

use super::{
    Ui,
    form::{Choice, Field, Typed},
    new_server,
    page::{self, Posted},
    part::Part,
    session::Visitor,
    shelf,
    shelves::Images,
    view::{When, sentence},
};
use crate::problem::Problem;

/// The page that they stand on.
const PAGE: &str = "/ui/images";

/// A rack's cache.
pub struct Rack {
    pub cache: ImageCache,
    pub problem: Option<String>,
    pub rows: Vec<Row>,
}

/// An image in it.
pub struct Row {
    pub image: CachedImage,
    pub name: String,
    pub used: Option<When>,
    /// How much of it has come, in percent.
    pub percent: u64,
    /// Who needs it; empty: nobody, so that it can be dropped.
    pub needed: String,
}

impl Row {
    fn of(image: CachedImage, now: Timestamp) -> Self {
        let needed = [&image.in_use[..], &image.waiting[..]].concat().join(", ");
        let percent = image.bytes.saturating_mul(100) / image.size_bytes.unwrap_or_default().max(1);
        Row {
            name: image.name.clone().or(image.id.clone()).unwrap_or_else(|| "not in Glance".to_owned()),
            used: image.last_used.as_deref().and_then(|text| When::read(text, now)),
            percent: percent.min(100),
            needed,
            image,
        }
    }

    /// Whether it can be dropped.
    pub fn can_go(&self) -> bool {
        self.needed.is_empty() && self.image.status != CachedImageStatus::Fetching
    }
}

/// The caches, for who may see them.
pub async fn read(ui: &Ui, visitor: &Visitor) -> Result<Option<Part<Rack>>, Problem> {
    if !visitor.known.standing.sees_all() {
        return Ok(None);
    }
    let Part { items, away } = Part::<ImageCache>::read(ui, visitor, "/v1/image-caches").await?;
    let now = Timestamp::now();
    let rack = |mut cache: ImageCache| Rack {
        problem: cache.problem.as_deref().map(sentence),
        rows: std::mem::take(&mut cache.images).into_iter().map(|image| Row::of(image, now)).collect(),
        cache,
    };
    Ok(Some(Part { items: items.into_iter().map(rack).collect(), away }))
}

/// The form's fields.
pub fn fields(images: &[Image], racks: &[Rack]) -> [Field; 2] {
    let typed = Typed::default();
    let all = Choice::new("", "all racks");
    let each = racks.iter().map(|rack| Choice::new(&rack.cache.rack, &rack.cache.rack));
    [
        Field::select("image", "Image", &typed, new_server::images(images)).id("cache-image"),
        Field::select("rack", "Rack", &typed, std::iter::once(all).chain(each).collect())
            .id("cache-rack")
            .optional(),
    ]
}

/// Fetches an image into every rack's cache, or into one.
pub async fn warm(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let image = typed.get("image").to_owned();
    let wanted = WarmImage { image, rack: typed.filled("rack").map(str::to_owned) };
    match ui.rest.post::<List<ImageCache>>(&visitor, "/v1/image-caches", &wanted).await {
        Ok(_) => page::done(PAGE, "fetching"),
        Err(problem) => shelf::refused::<Images>(&ui, &visitor, problem).await,
    }
}

/// Drops an image from a rack's cache.
pub async fn remove(
    State(ui): State<Arc<Ui>>,
    Path((rack, image)): Path<(String, String)>,
    posted: Posted,
) -> Response {
    let path = format!("/v1/image-caches/{}/{}", segment(&rack), segment(&image));
    match ui.rest.delete(&posted.visitor, &path).await {
        Ok(()) => page::done(PAGE, "dropped"),
        Err(problem) => shelf::refused::<Images>(&ui, &posted.visitor, problem).await,
    }
}

/// A refused form's page has the form's address; whoever loads it again gets the list.
pub async fn to_images() -> Redirect {
    Redirect::to(PAGE)
}
