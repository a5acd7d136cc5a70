//! Edges: a form with a file in it, that one of our pages sent in the visitor's name.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Multipart, Request},
    response::Response,
};

use super::{
    Ui,
    form::Typed,
    page,
    session::{self, Visitor},
};
use crate::problem::Problem;

/// The form. A file that was chosen stands in its field `text`, in place of what was typed there.
pub struct Uploaded {
    /// Who sent it.
    pub visitor: Visitor,
    /// What was typed.
    pub typed: Typed,
}

impl FromRequest<Arc<Ui>> for Uploaded {
    type Rejection = Response;

    async fn from_request(request: Request, ui: &Arc<Ui>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        session::check_origin(&parts.headers).map_err(|problem| page::failure(None, &problem))?;
        let visitor = <Visitor as FromRequestParts<Arc<Ui>>>::from_request_parts(&mut parts, ui).await?;
        let failed = |problem: Problem| page::failure(Some(&visitor), &problem);
        let form = Multipart::from_request(Request::from_parts(parts, body), ui).await;
        let form = form.map_err(|error| failed(Problem::bad(error.body_text())))?;
        let typed = read(form).await.map_err(failed)?;
        visitor.check_csrf(typed.get("csrf")).map_err(failed)?;
        Ok(Uploaded { visitor, typed })
    }
}

/// The parts of a form with a file. A file whose name says that it is a table chooses the field `format`, too.
async fn read(mut parts: Multipart) -> Result<Typed, Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::bad(format!("the form cannot be read: {error}"));
    let (mut typed, mut file, mut is_table) = (BTreeMap::new(), None, false);
    while let Some(part) = parts.next_field().await.map_err(|e| bad(&e.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        is_table |= part.file_name().is_some_and(|file| file.to_ascii_lowercase().ends_with(".csv"));
        let text = part.bytes().await.map_err(|e| bad(&e.body_text()))?;
        let text =
            String::from_utf8(text.to_vec()).map_err(|_| Problem::bad("the file is not text in UTF-8"))?;
        if name == "file" {
            file = Some(text).filter(|text| !text.is_empty());
        } else {
            typed.insert(name, text);
        }
    }
    if is_table && file.is_some() {
        typed.insert("format".to_owned(), "csv".to_owned());
    }
    typed.extend(file.map(|text| ("text".to_owned(), text)));
    Ok(Typed(typed))
}
