//! Edges: the passwords that BMCs have from their factory, in the API, for administrators: imported as a file, listed without the passwords.

use std::sync::Arc;

use api_types::{FactoryPassword, FactoryPasswordsImported, List};
use axum::{Json, extract::State, http::StatusCode};
use domain::{
    events::EventKind,
    factory_password::{Line, Stage},
    import::{self, Format},
};
use serde::Deserialize;
use store::NotImported;

use super::{
    Api,
    auth::User,
    import::read_file,
    request::{Path, Query, TextBody},
    time,
};
use crate::problem::Problem;

/// How a file is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct FileQuery {
    /// Format of the file: `csv`, or `json`, a list of objects. Absent: `csv`.
    #[serde(default = "csv")]
    format: Format,
}

fn csv() -> Format {
    Format::Csv
}

/// Lists the factory passwords of BMCs, without the passwords.
#[utoipa::path(get, path = "/v1/bmc-factory-passwords", operation_id = "list_bmc_factory_passwords", responses((status = 200, body = List<FactoryPassword>)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<FactoryPassword>>, Problem> {
    let lines = api.inventory.factory_passwords().await?;
    Ok(Json(List { items: lines.into_iter().map(view).collect() }))
}

/// Imports a file with the factory passwords of BMCs, all of it or nothing.
///
/// Each line has `username`, `password`, at least one of `serial`, `mac` and `uuid`, and `rack` if only that rack's agent may be given it. A line
/// that is in the list already changes nothing.
#[utoipa::path(post, path = "/v1/bmc-factory-passwords", operation_id = "import_bmc_factory_passwords", params(FileQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = FactoryPasswordsImported), (status = 422, body = Problem)))]
pub async fn import(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<FileQuery>,
    TextBody(text): TextBody,
) -> Result<Json<FactoryPasswordsImported>, Problem> {
    let lines = read_file(move || import::factory_passwords(&text, query.format)).await?;
    let done = match api.inventory.import_factory_passwords(&lines).await {
        Ok(done) => done,
        Err(NotImported::Faults(faults)) => return Err(Problem::faults(faults)),
        Err(NotImported::Inventory(error)) => return Err(error.into()),
    };
    let text = format!(
        "{} imported {} factory passwords of BMCs; {} more were in the list already",
        user.name(),
        done.added,
        done.known
    );
    api.inventory.record_event(None, None, EventKind::Asked, text).await;
    Ok(Json(FactoryPasswordsImported { added: done.added, unchanged: done.known }))
}

/// Removes a line from the list of factory passwords.
#[utoipa::path(delete, path = "/v1/bmc-factory-passwords/{id}", operation_id = "remove_bmc_factory_password",
    params(("id" = Uuid, Path, description = "id")), responses((status = 204)))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let lines = api.inventory.factory_passwords().await?;
    let line = lines.into_iter().find(|line| line.id.to_string() == id);
    let line = line.ok_or_else(|| Problem::not_found("factory password", &id))?;
    api.inventory.delete_factory_password(line.id).await?;
    let text = format!("{} removed the factory password of the BMC known by {}", user.name(), line.whose);
    api.inventory.record_event(None, line.whose.rack, EventKind::Asked, text).await;
    Ok(StatusCode::NO_CONTENT)
}

fn view(line: Line) -> FactoryPassword {
    let stage = line.stage.name().to_owned();
    let (place, node, at_us, problem) = match line.stage {
        Stage::Waiting => (None, None, None, None),
        Stage::Given { place, at_us, problem, .. } => (Some(place), None, Some(at_us), problem),
        Stage::Refused { place, at_us, problem } => (Some(place), None, Some(at_us), Some(problem)),
        Stage::Accepted { place, at_us } => (Some(place), None, Some(at_us), None),
        Stage::Claimed { node, at_us } => (None, Some(node), Some(at_us), None),
    };
    let whose = line.whose;
    FactoryPassword {
        id: line.id,
        serial: whose.serial,
        mac: whose.mac.map(|mac| mac.to_string()),
        uuid: whose.uuid.map(|uuid| uuid.to_string()),
        rack: whose.rack.map(|rack| rack.to_string()),
        bmc_username: whose.username,
        added: time(line.added_us),
        stage,
        bmc: place.map(|place| place.to_string()),
        node,
        since: at_us.and_then(time),
        problem,
    }
}
