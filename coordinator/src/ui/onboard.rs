//! Edges: the administrator's pages by which servers come in: one by a form, many by a file.
//!
//! The form writes an import file of one server. So both are checked by the same importer, and refused in the same words.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Multipart, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    Ui,
    form::{Choice, Faults, Field, Typed, server_file},
    page::{self, AdminPosted, Frame, Posted},
    rest::segment,
    session::{self, AdminVisitor, Visitor},
};
use crate::api::types::{Imported, Problem};

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
                    .hint("Redfish: host or host:port, https:// unless http:// is written. IPMI: host."),
                text("bmc_port", "IPMI port").optional().example("623"),
                text("bmc_user", "User"),
                Field::password("bmc_password", "Password", "new-password")
                    .hint("Kept sealed, never shown again.")
                    .with(faults),
            ],
            port: vec![
                text("port_name", "Name").default_value(typed, "eth0"),
                text("mac", "MAC address").example("52:54:00:12:34:56"),
                text("switch", "Switch").hint("The physical router's name in Contrail."),
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
pub async fn add_form(AdminVisitor(visitor): AdminVisitor) -> Response {
    page::show(None, &AddPage::new(&visitor, &Typed::default(), &Faults::default()))
}

/// Adds one server.
pub async fn add(State(ui): State<Arc<Ui>>, AdminPosted(posted): AdminPosted) -> Response {
    let Posted { visitor, typed } = posted;
    let wanted = Wanted { rack: typed.get("rack"), class: typed.get("resource_class"), dry_run: false };
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
    dry_run: bool,
}

impl Wanted<'_> {
    async fn import(&self, ui: &Ui, visitor: &Visitor, text: String) -> Result<Imported, Problem> {
        let Wanted { rack, class, dry_run } = self;
        let query = format!(
            "rack={}&resource_class={}&dry_run={dry_run}",
            segment(rack),
            segment(if class.is_empty() { "baremetal" } else { class })
        );
        ui.rest.upload(visitor, &format!("/v1/nodes/import?{query}"), text).await
    }
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    fields: Vec<Field>,
    text: String,
    text_faults: bool,
    checked: Option<Imported>,
}

impl ImportPage {
    fn new(visitor: &Visitor, typed: &Typed, refused: Option<Problem>, checked: Option<Imported>) -> Self {
        let faults = refused.as_ref().map(|problem| Faults::of(problem, &["rack", "resource_class"]));
        let faults = faults.unwrap_or_default();
        let text = |name, label| Field::text(name, label, typed).with(&faults);
        ImportPage {
            fields: vec![
                text("rack", "Rack")
                    .default_value(typed, "rack1")
                    .hint("Of servers for which the file names none."),
                text("resource_class", "Resource class")
                    .default_value(typed, "baremetal")
                    .hint("Of servers for which the file names none."),
            ],
            text: typed.0.get("text").cloned().unwrap_or_default(),
            text_faults: refused.as_ref().is_some_and(|problem| !problem.faults.is_empty()),
            frame: Frame::new(Some(visitor), "nodes", "").refused(refused),
            checked,
        }
    }
}

/// The form for a file.
pub async fn import_form(AdminVisitor(visitor): AdminVisitor) -> Response {
    page::show(None, &ImportPage::new(&visitor, &Typed::default(), None, None))
}

/// Checks a file, or imports it.
pub async fn import(
    State(ui): State<Arc<Ui>>,
    AdminVisitor(visitor): AdminVisitor,
    headers: HeaderMap,
    parts: Multipart,
) -> Response {
    let read = async {
        session::check_origin(&headers)?;
        let typed = read_parts(parts).await?;
        visitor.check_csrf(typed.get("csrf"))?;
        Ok::<_, Problem>(typed)
    };
    let typed = match read.await {
        Ok(typed) => typed,
        Err(problem) => return page::failure(&ui, Some(&visitor), &problem),
    };
    let dry_run = typed.get("do") != "import";
    let wanted = Wanted { rack: typed.get("rack"), class: typed.get("resource_class"), dry_run };
    let text = typed.0.get("text").cloned().unwrap_or_default();
    match wanted.import(&ui, &visitor, text).await {
        Ok(_) if !dry_run => page::done("/ui/nodes", "imported"),
        Ok(checked) => page::show(None, &ImportPage::new(&visitor, &typed, None, Some(checked))),
        Err(problem) => {
            let status = page::status_of(&problem);
            page::show(Some(status), &ImportPage::new(&visitor, &typed, Some(problem), None))
        }
    }
}

/// The parts of a form with a file. A chosen file counts for more than the text that was there.
async fn read_parts(mut parts: Multipart) -> Result<Typed, Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::bad(format!("the form cannot be read: {error}"));
    let (mut typed, mut file) = (BTreeMap::new(), None);
    while let Some(part) = parts.next_field().await.map_err(|e| bad(&e.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let text = part.bytes().await.map_err(|e| bad(&e.body_text()))?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| Problem::bad("the file is not text in UTF-8; it must be YAML or JSON"))?;
        if name == "file" {
            file = Some(text).filter(|text| !text.is_empty());
        } else {
            typed.insert(name, text);
        }
    }
    typed.extend(file.map(|text| ("text".to_owned(), text)));
    Ok(Typed(typed))
}
