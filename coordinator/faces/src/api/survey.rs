//! Edges: the survey in the API, for administrators.

use std::{collections::HashMap, sync::Arc};

use api_types::{Fault, Finding, FindingKind, Severity, Survey};
use axum::{Json, extract::State};
use domain::{
    adoption::judge::{Question, judge},
    import::{self, ImportedNode},
    survey::{findings::findings, picture::Picture},
};
use uuid::Uuid;

use super::{Api, import::read_file};
use crate::problem::Problem;

/// Lists contradictions between Ironic, Nova, Contrail and the inventory, of all nodes.
///
/// Nothing is changed.
#[utoipa::path(get, path = "/v1/survey", responses((status = 200, body = Survey)))]
pub async fn all(State(api): State<Arc<Api>>) -> Result<Json<Survey>, Problem> {
    let (picture, not_seen) = api.survey.look().await?;
    Ok(Json(Survey { servers: picture.known.len(), findings: findings(&picture), not_seen }))
}

/// Lists contradictions of the servers of a file, with the file and between the services.
///
/// The file is as for an adoption; `instance` may be left out. Nothing is changed.
#[utoipa::path(post, path = "/v1/survey", request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = Survey), (status = 422, body = Problem)))]
pub async fn of_file(State(api): State<Arc<Api>>, text: String) -> Result<Json<Survey>, Problem> {
    let read = read_file(move || import::parse_running(&text, false)).await?;
    let mut faults = Vec::new();
    let resolved = api.resolve(&read, &mut faults).await?;
    let (picture, not_seen) = api.survey.look().await?;
    let mut found: Vec<Finding> = faults.into_iter().map(|fault| of_fault(&read, fault)).collect();
    for ((node, _), wanted) in read.iter().zip(resolved) {
        let Some(wanted) = wanted else { continue };
        // A server that is adopted is a known one: what contradicts there is found below.
        let owners: HashMap<Uuid, String> = owners(&picture, &wanted.name, &wanted.project_id);
        let adopted = picture.tenants.iter().any(|tenant| {
            tenant.server.is_adopted()
                && (&tenant.server.name, &tenant.server.project_id) == (&wanted.name, &wanted.project_id)
        });
        let Some(interfaces) = picture.interfaces.as_ref().filter(|_| !adopted) else { continue };
        let judged =
            judge(Question { cables: &node.ports, wanted: &wanted, interfaces, made: &[], owners: &owners });
        for against in judged.err().into_iter().flatten() {
            found.push(Finding {
                contrail: against.message,
                seen: format!("the file's {}", against.field),
                ..Finding::new(
                    Severity::Error,
                    FindingKind::EntryContradicts,
                    &node.name,
                    "correct the file or Contrail; the server is not adopted as long as they contradict",
                )
            });
        }
    }
    found.extend(findings(&picture).into_iter().filter(|finding| is_about(finding, &read, &picture)));
    Ok(Json(Survey { servers: read.len(), findings: found, not_seen }))
}

fn of_fault(read: &[(ImportedNode, Option<import::Running>)], fault: Fault) -> Finding {
    let number =
        fault.path.strip_prefix("nodes[").and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
    let server = number.and_then(|number| read.get(number)).map_or("", |(node, _)| &node.name);
    Finding {
        seen: format!("the file's {}", fault.path),
        remedy: fault.message,
        ..Finding::new(Severity::Error, FindingKind::EntryContradicts, server, "")
    }
}

fn owners(picture: &Picture, but_name: &str, but_project: &str) -> HashMap<Uuid, String> {
    let others = picture.tenants.iter().filter(|tenant| {
        (tenant.server.name.as_str(), tenant.server.project_id.as_str()) != (but_name, but_project)
    });
    let ports = |tenant: &domain::survey::picture::Tenant| {
        let name = tenant.server.name.clone();
        let ids: Vec<Uuid> = tenant.ports.iter().map(|port| port.id).collect();
        ids.into_iter().map(move |id| (id, name.clone()))
    };
    others.flat_map(ports).collect()
}

/// Whether a finding is about a server of the file: by its name, its MAC addresses, or its switch ports.
fn is_about(finding: &Finding, read: &[(ImportedNode, Option<import::Running>)], picture: &Picture) -> bool {
    read.iter().any(|(node, running)| {
        let named = finding.server == node.name
            || running.as_ref().is_some_and(|running| finding.server == running.name);
        let of_port = node.ports.iter().any(|port| {
            let said = &finding.contrail;
            let on_port = picture
                .interfaces
                .iter()
                .flatten()
                .any(|found| found.is_on(&port.link) && said.contains(&found.id.to_string()));
            finding.server == port.mac.to_string() || on_port
        });
        named || of_port
    })
}
