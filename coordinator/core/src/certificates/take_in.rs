//! Edges: a certificate that a BMC showed is judged by the site's rules, stored and told.

use domain::{
    events::EventKind,
    records::Server,
    upkeep::certificate::{CertificateFacts, Course, SiteRenewals, heard as judge},
};
use protocol::shown_certificate::ShownCertificate;
use store::{Inventory, InventoryError};

use super::vouched::is_vouched_for;

/// Takes in what the BMC of a server showed at this place. Whether another certificate is pinned now: its agent must be told.
pub async fn heard(
    inventory: &Inventory,
    renewals: &SiteRenewals,
    server: &Server,
    place: &str,
    shown: &ShownCertificate,
) -> Result<bool, InventoryError> {
    if server.bmc.place() != place {
        return Ok(false);
    }
    let now_us = inventory.clock().now_us();
    let rules = renewals.of(&server.rack);
    let is_vouched_for = is_vouched_for(&rules.authorities, shown, &server.bmc.address, now_us / 1_000_000);
    let name = &server.name;
    match judge(server, shown, &rules, is_vouched_for, now_us) {
        Course::Nothing => Ok(false),
        Course::Known { kept, is_back } => {
            inventory.set_bmc_certificates(server, &kept).await?;
            if is_back {
                let text = format!("the BMC of {name} shows its pinned certificate again");
                inventory.record(server.id, EventKind::Upkeep, text).await;
            }
            Ok(false)
        }
        Course::Accepted { kept, pin, by } => {
            inventory.pin_certificate(server, &kept, &pin).await?;
            let now = CertificateFacts::of(shown.own());
            let text = format!(
                "the certificate of the BMC of {name} was renewed and accepted, because {}: {now}",
                by.words()
            );
            inventory.record(server.id, EventKind::Upkeep, text).await;
            Ok(true)
        }
        Course::Asked { kept } => {
            inventory.set_bmc_certificates(server, &kept).await?;
            let asked = inventory.server(server.id).await?;
            if let Some(text) = asked.as_ref().and_then(Server::certificate_words) {
                inventory.record(server.id, EventKind::Alarm, text).await;
            }
            Ok(false)
        }
    }
}
