//! Edges: the administrator's page of the rules by which machines are accepted without a person.

use api_types::DiscoveryRule;
use askama::Template;
use serde_json::{Value, json};

use super::{
    Ui,
    form::{Field, Typed},
    page::Frame,
    session::Visitor,
    shelf::{Shelf, Shown},
};
use crate::problem::Problem;

/// Rules of discovery.
pub struct Rules;

#[derive(Template)]
#[template(path = "discovery_rules.html")]
pub struct RulesPage {
    frame: Frame,
    shown: Shown<DiscoveryRule>,
    which: Vec<Field>,
    what: Vec<Field>,
}

/// Fields that are left out when they are empty.
const TEXTS: [&str; 6] = ["rack", "manufacturer", "product", "node_name", "resource_class", "bmc_username"];

impl Shelf for Rules {
    type Item = DiscoveryRule;
    type Page = RulesPage;
    const WORD: &'static str = "discovery-rules";
    const FIELDS: &'static [&'static str] = &[
        "name",
        "rack",
        "ranges",
        "manufacturer",
        "product",
        "switch_ports",
        "node_name",
        "resource_class",
        "bmc_username",
    ];

    fn wanted(typed: &Typed) -> Result<Value, Problem> {
        let mut wanted = json!({ "name": typed.get("name"), "ranges": typed.words("ranges"),
            "switch_ports": typed.words("switch_ports") });
        for name in TEXTS {
            if let Some(text) = typed.filled(name) {
                wanted[name] = json!(text);
            }
        }
        // A password may begin or end with a blank.
        if let Some(password) = typed.0.get("bmc_password").filter(|password| !password.is_empty()) {
            wanted["bmc_password"] = json!(password);
        }
        Ok(wanted)
    }

    async fn page(
        _: &Ui,
        _: &Visitor,
        frame: Frame,
        shown: Shown<DiscoveryRule>,
    ) -> Result<RulesPage, Problem> {
        let text = |name, label| Field::text(name, label, &shown.typed).with(&shown.faults);
        let which = vec![
            text("name", "Name").example("r650").hint("Shown in the event when a machine is accepted."),
            text("rack", "Rack").optional().example("rack1"),
            text("ranges", "BMC address in")
                .optional()
                .example("198.51.100.0/27")
                .hint("Ranges, separated by spaces."),
            text("manufacturer", "Manufacturer").optional().example("Dell*").hint("* matches any text."),
            text("product", "Product").optional().example("*R650"),
        ];
        let what = vec![
            text("switch_ports", "Switch ports")
                .example("leaf1:xe-0/0/10-20")
                .hint("Where new machines are connected, separated by spaces; leaf1 for a whole switch. A machine that \
                       claims another port waits for an administrator."),
            text("node_name", "Node's name")
                .default_value(&shown.typed, "{rack}-{serial}")
                .hint("With {serial}, {rack}, {bmc} or {uuid}."),
            text("resource_class", "Resource class").default_value(&shown.typed, "baremetal"),
            text("bmc_username", "BMC user")
                .optional()
                .hint("For BMCs that have accepted no credential yet, and for scans within the ranges; only with a range, \
                       because the password is sent to anything that answers there."),
            Field::password("bmc_password", "BMC password", "new-password")
                .optional()
                .hint("Stored encrypted, never shown again."),
        ];
        Ok(RulesPage { frame, shown, which, what })
    }
}
