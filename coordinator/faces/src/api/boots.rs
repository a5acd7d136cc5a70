//! Edges: a node's attempts to boot over the network in the API, each with what is missing first.

use std::sync::Arc;

use api_types::{BootAttempt, BootFinding, BootMark, BootPurpose, List};
use axum::{Json, extract::State};
use domain::{
    boots::{Attempt, Finding, Known, Mark, judge},
    records::Server,
};
use protocol::boot;

use super::{Api, request::Path, time::time};
use crate::problem::Problem;

/// Lists the last attempts of a node to boot over the network, newest first: what was seen of each, what is missing first, and what to do.
#[utoipa::path(get, path = "/v1/nodes/{node}/boots", operation_id = "list_boots", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = List<BootAttempt>), (status = 404, body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<List<BootAttempt>>, Problem> {
    let server = api.find_node(&name).await?;
    let attempts = api.inventory.boots(server.id).await?;
    let now_us = api.inventory.clock().now_us();
    let items = attempts.iter().enumerate();
    Ok(Json(List { items: items.map(|(age, attempt)| view(&server, attempt, age == 0, now_us)).collect() }))
}

fn view(server: &Server, attempt: &Attempt, is_newest: bool, now_us: u64) -> BootAttempt {
    let secure_boot = server.spec().secure_boot;
    let verdict = judge(attempt, &Known { boot_mode: server.boot_mode, secure_boot, is_newest, now_us });
    let began_us = attempt.marks.first().map_or(0, |mark| mark.at_us);
    let mark = |mark: &Mark| BootMark {
        at: time(mark.at_us).unwrap_or_default(),
        after_ms: mark.at_us.saturating_sub(began_us) / 1000,
        what: mark.what.words(),
    };
    BootAttempt {
        began: time(began_us).unwrap_or_default(),
        purpose: purpose(attempt.plan.purpose),
        network: attempt.plan.network.into(),
        finding: finding(verdict.finding),
        reason: verdict.reason,
        remedies: verdict.remedies.into_iter().map(str::to_owned).collect(),
        marks: attempt.marks.iter().map(mark).collect(),
    }
}

fn purpose(purpose: boot::BootPurpose) -> BootPurpose {
    match purpose {
        boot::BootPurpose::Inspect => BootPurpose::Inspect,
        boot::BootPurpose::Clean => BootPurpose::Clean,
        boot::BootPurpose::Deploy => BootPurpose::Deploy,
        boot::BootPurpose::Rescue => BootPurpose::Rescue,
    }
}

fn finding(finding: Finding) -> BootFinding {
    match finding {
        Finding::Complete => BootFinding::Complete,
        Finding::UnderWay => BootFinding::UnderWay,
        Finding::NoPower => BootFinding::NoPower,
        Finding::NoRequest => BootFinding::NoRequest,
        Finding::WrongNetwork => BootFinding::WrongNetwork,
        Finding::WrongInterface => BootFinding::WrongInterface,
        Finding::Refused => BootFinding::Refused,
        Finding::NoLease => BootFinding::NoLease,
        Finding::NoLoader => BootFinding::NoLoader,
        Finding::LoaderNotRun => BootFinding::LoaderNotRun,
        Finding::NoKernel => BootFinding::NoKernel,
        Finding::NoInitrd => BootFinding::NoInitrd,
        Finding::NoHello => BootFinding::NoHello,
        Finding::Loop => BootFinding::Loop,
        Finding::Unused => BootFinding::Unused,
        Finding::StepFailed => BootFinding::StepFailed,
    }
}

#[cfg(test)]
mod tests {
    use domain::{boots::What, samples};
    use protocol::{
        boot::{BootPlan, BootStage},
        mac::MacAddr,
        network::BootNetwork,
    };

    use super::*;

    #[test]
    fn an_attempt_is_told_as_a_timeline_with_what_is_missing() {
        let plan = BootPlan { purpose: boot::BootPurpose::Clean, network: BootNetwork::Cleaning };
        let stage = What::Stage {
            stage: BootStage::DhcpAck,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            detail: "198.18.2.50 for UEFI by TFTP".to_owned(),
        };
        let marks = [(1_000_000, What::Ordered(plan.clone())), (999_000, What::PowerOn), (3_500_000, stage)];
        let marks = marks.into_iter().map(|(at_us, what)| Mark { at_us, what }).collect();
        let shown = view(&samples::server(), &Attempt { plan, marks }, false, 4_000_000);
        assert_eq!((shown.purpose, shown.finding), (BootPurpose::Clean, BootFinding::NoLoader));
        assert_eq!(shown.marks.iter().map(|mark| mark.after_ms).collect::<Vec<_>>(), [0, 0, 2500]);
        assert_eq!(shown.marks[2].what, "DHCP lease (02:00:00:00:00:01): 198.18.2.50 for UEFI by TFTP");
        assert_eq!(shown.began, "1970-01-01T00:00:01.000Z");
        assert!(shown.remedies[0].contains("TFTP may be blocked"), "{:?}", shown.remedies);
    }

    #[test]
    fn every_finding_has_its_word() {
        let words: std::collections::HashSet<_> =
            Finding::ALL.into_iter().map(|one| finding(one).as_str()).collect();
        assert_eq!(words.len(), Finding::ALL.len());
    }
}
