//! Edges: the administrator's pages by which servers come in: one by a form, many by a file.
//!
//! The form writes an import file of one server. So both are checked by the same importer, and refused in the same words.

use std::sync::Arc;

use api_types::{Imported, ImportedNode};
use askama::Template;
use axum::{extract::State, response::Response};
use domain::url_text::segment;
use protocol::hex;
use sha2::{Digest, Sha256};

use super::{
    Ui,
    form::{Choice, Faults, Field, Typed, server_file},
    page::{self, Frame, Posted},
    session::Visitor,
    upload::Uploaded,
};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage {
    frame: Frame,
    whole: Vec<String>,
    server: Vec<Field>,
    bmc: Vec<Field>,
    port: Vec<Field>,
    second: Vec<Field>,
    second_open: bool,
}

impl AddPage {
    fn new(visitor: &Visitor, typed: &Typed, faults: &Faults) -> Self {
        let text = |name, label| Field::text(name, label, typed).with(faults);
        let modes = vec![Choice::new("uefi", "UEFI"), Choice::new("bios", "BIOS")];
        let drivers = vec![Choice::new("redfish", "Redfish"), Choice::new("ipmi", "IPMI 2.0")];
        let second_open = faults.fields.iter().any(|(name, _)| name.starts_with("port2_"))
            || typed.filled("port2_mac").is_some();
        AddPage {
            frame: Frame::new(Some(visitor), "nodes", ""),
            whole: faults.whole.clone(),
            server: vec![
                text("name", "Name").example("srv1"),
                text("rack", "Rack").default_value(typed, "rack1").hint("Its agent must reach the BMC."),
                text("resource_class", "Resource class")
                    .default_value(typed, "baremetal")
                    .hint("Flavors of this class select it."),
                Field::select("boot_mode", "Firmware", typed, modes)
                    .default_value(typed, "uefi")
                    .with(faults),
            ],
            bmc: vec![
                Field::select("driver", "Protocol", typed, drivers)
                    .default_value(typed, "redfish")
                    .with(faults),
                text("bmc_address", "Address")
                    .hint("Redfish: host or host:port, by HTTPS unless it begins with http://. IPMI: host."),
                text("bmc_port", "IPMI port").optional().example("623"),
                text("bmc_user", "User"),
                Field::password("bmc_password", "Password", "new-password")
                    .hint("Stored encrypted, never shown again.")
                    .with(faults),
            ],
            port: vec![
                text("port_name", "Name").default_value(typed, "eth0"),
                text("mac", "MAC address").example("52:54:00:12:34:56"),
                text("switch", "Switch").hint("Name of the physical router in Contrail."),
                text("switch_port", "Switch port").example("xe-0/0/0"),
            ],
            second: vec![
                text("port2_name", "Name").optional().default_value(typed, "eth1"),
                text("port2_mac", "MAC address").optional(),
                text("port2_switch", "Switch").optional(),
                text("port2_switch_port", "Switch port").optional(),
            ],
            second_open,
        }
    }
}

/// The form for one server.
pub async fn add_form(visitor: Visitor) -> Response {
    page::show(None, &AddPage::new(&visitor, &Typed::default(), &Faults::default()))
}

/// Adds one server.
pub async fn add(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let (rack, class) = (typed.get("rack"), typed.get("resource_class"));
    let wanted = Wanted { rack, class, format: "yaml", dry_run: false, in_use: false };
    match wanted.import(&ui, &visitor, server_file(&typed)).await {
        Ok(_) => page::done(&format!("/ui/nodes/{}", segment(typed.get("name"))), "enrolled"),
        Err(problem) => {
            let shown = AddPage::new(&visitor, &typed, &Faults::of_server(&problem));
            page::show(Some(page::status_of(&problem)), &shown)
        }
    }
}

struct Wanted<'a> {
    rack: &'a str,
    class: &'a str,
    format: &'a str,
    dry_run: bool,
    in_use: bool,
}

impl Wanted<'_> {
    async fn import(&self, ui: &Ui, visitor: &Visitor, text: String) -> Result<Imported, Problem> {
        let Wanted { rack, class, format, dry_run, in_use } = self;
        let query = format!(
            "rack={}&resource_class={}&format={}&dry_run={dry_run}&bmc_of_servers_in_use={in_use}",
            segment(rack),
            segment(if class.is_empty() { "baremetal" } else { class }),
            segment(if format.is_empty() { "yaml" } else { format }),
        );
        ui.rest.upload(visitor, &format!("/v1/nodes/import?{query}"), text).await
    }
}

/// What a file would change.
struct Diff {
    added: Vec<ImportedNode>,
    changed: Vec<ImportedNode>,
    unchanged: Vec<ImportedNode>,
    /// Of the file and of what it would change: what is imported is what was shown, or it is shown anew.
    seal: String,
}

impl Diff {
    fn new(typed: &Typed, checked: Imported) -> Self {
        let mut hash = Sha256::new();
        for field in ["text", "rack", "resource_class", "format", "in_use"] {
            // Browsers send other ends of lines than they were given.
            let text = typed.0.get(field).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
            hash.update(text.trim_end());
            hash.update([0]);
        }
        hash.update(serde_json::to_vec(&checked).unwrap_or_default());
        let seal = hex::encode(hash.finalize());
        let (added, known): (Vec<_>, Vec<_>) = checked.nodes.into_iter().partition(|node| node.created);
        let (unchanged, changed) = known.into_iter().partition(|node| node.changes.is_empty());
        Diff { added, changed, unchanged, seal }
    }
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    fields: Vec<Field>,
    text: String,
    text_faults: bool,
    diff: Option<Diff>,
    /// Something else would happen than was shown.
    is_other: bool,
}

impl ImportPage {
    fn new(visitor: &Visitor, typed: &Typed, refused: Option<Problem>, diff: Option<Diff>) -> Self {
        let faults = refused.as_ref().map(|problem| Faults::of(problem, &["rack", "resource_class"]));
        let faults = faults.unwrap_or_default();
        let text = |name, label| Field::text(name, label, typed).with(&faults);
        let formats = vec![Choice::new("yaml", "YAML or JSON"), Choice::new("csv", "CSV, one row per port")];
        ImportPage {
            fields: vec![
                text("rack", "Rack")
                    .default_value(typed, "rack1")
                    .hint("For servers for which the file names none."),
                text("resource_class", "Resource class")
                    .default_value(typed, "baremetal")
                    .hint("For servers for which the file names none."),
                Field::select("format", "Format", typed, formats),
                Field::tick(
                    "in_use".to_owned(),
                    "Allow changes to the BMC of servers in use.".to_owned(),
                    typed,
                ),
            ],
            text: typed.0.get("text").cloned().unwrap_or_default(),
            text_faults: refused.as_ref().is_some_and(|problem| !problem.faults.is_empty()),
            frame: Frame::new(Some(visitor), "nodes", "").refused(refused),
            is_other: diff.is_some() && typed.get("do") == "import",
            diff,
        }
    }
}

/// The form for a file.
pub async fn import_form(visitor: Visitor) -> Response {
    page::show(None, &ImportPage::new(&visitor, &Typed::default(), None, None))
}

/// Shows what a file would change, or imports what was shown.
pub async fn import(State(ui): State<Arc<Ui>>, uploaded: Uploaded) -> Response {
    let Uploaded { visitor, typed } = uploaded;
    let (rack, class, format) = (typed.get("rack"), typed.get("resource_class"), typed.get("format"));
    let in_use = typed.filled("in_use").is_some();
    let wanted = |dry_run| Wanted { rack, class, format, dry_run, in_use };
    let text = typed.0.get("text").cloned().unwrap_or_default();
    let done = async {
        let checked = wanted(true).import(&ui, &visitor, text.clone()).await?;
        let diff = Diff::new(&typed, checked);
        if typed.get("do") != "import" || diff.seal != typed.get("seal") {
            return Ok(Some(diff));
        }
        wanted(false).import(&ui, &visitor, text).await.map(|_| None)
    };
    match done.await {
        Ok(None) => page::done("/ui/nodes", "imported"),
        Ok(diff) => page::show(None, &ImportPage::new(&visitor, &typed, None, diff)),
        Err(problem) => {
            let status = page::status_of(&problem);
            page::show(Some(status), &ImportPage::new(&visitor, &typed, Some(problem), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_shown_has_another_seal() {
        let typed = |text: &str, rack: &str| {
            Typed(
                [("text", text), ("rack", rack)]
                    .map(|(name, text)| (name.to_owned(), text.to_owned()))
                    .into(),
            )
        };
        let node = |name: &str, created, changes: usize| ImportedNode {
            id: None,
            name: name.into(),
            created,
            changes: (0..changes)
                .map(|number| domain::import::FieldChange {
                    field: number.to_string(),
                    old: "a".into(),
                    new: "b".into(),
                })
                .collect(),
            note: None,
        };
        let answer = |changes| Imported {
            nodes: vec![node("new", true, 0), node("known", false, changes), node("same", false, 0)],
            dry_run: true,
        };
        let diff = Diff::new(&typed("a\nb\n", "rack1"), answer(2));
        assert_eq!((diff.added.len(), diff.changed.len(), diff.unchanged.len()), (1, 1, 1));
        let check = |typed: &Typed, changes, same: bool| {
            assert_eq!(Diff::new(typed, answer(changes)).seal == diff.seal, same, "{typed:?} {changes}");
        };
        check(&typed("a\r\nb\r\n", "rack1"), 2, true);
        check(&typed("a\nc\n", "rack1"), 2, false);
        check(&typed("a\nb\n", "rack2"), 2, false);
        check(&typed("a\nb\n", "rack1"), 1, false);
    }
}
