//! Edges: the page on which somebody asks for a server: flavor, image, one network for each interface, security groups.
//!
//! One more network is one more row, which the form asks for by a button of its own: no script is needed.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{Flavor, Image, SecurityGroup, Server};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use coordinator_core::tenancy::NETWORKS_MAX;
use serde_json::{Value, json};

use super::{
    Ui,
    catalogue::Offer,
    form::{Choice, Faults, Field, Typed},
    page::{self, Frame, Posted},
    part::Part,
    session::Visitor,
    view,
};
use crate::problem::Problem;

/// Fields with one name; those of networks are numbered from 1.
const FIELDS: [&str; 7] = ["name", "flavor", "image", "networks", "security_groups", "key_name", "user_data"];

/// One network of the form.
struct Row {
    title: String,
    fields: [Field; 3],
}

#[derive(Template)]
#[template(path = "new_server.html")]
struct NewServerPage {
    frame: Frame,
    whole: Vec<String>,
    fields: Vec<Field>,
    rows: Vec<Row>,
    network_faults: Vec<String>,
    /// Whether there may be one more network.
    may_add: bool,
    groups: Part<Field>,
    group_faults: Vec<String>,
    more: Vec<Field>,
    more_open: bool,
    missing: Vec<String>,
}

/// How many networks the form has room for.
fn count(typed: &Typed) -> usize {
    typed.get("nics").parse().unwrap_or(1).clamp(1, NETWORKS_MAX)
}

impl NewServerPage {
    fn new(
        visitor: &Visitor,
        offer: &Offer,
        groups: Part<SecurityGroup>,
        typed: &Typed,
        faults: &Faults,
    ) -> Self {
        let text = |name, label| Field::text(name, label, typed).with(faults);
        let more = vec![
            text("key_name", "Key pair").optional().hint("Name of a Nova key pair; the image installs it."),
            Field::lines("user_data", "User data", typed)
                .optional()
                .hint("Passed to the image unchanged, such as #cloud-config.")
                .with(faults),
        ];
        let ticks = groups
            .items
            .into_iter()
            .map(|group| Field::tick(format!("group_{}", group.id), group.name, typed));
        let nics = count(typed);
        NewServerPage {
            frame: Frame::new(Some(visitor), "servers", "/ui/new"),
            whole: faults.whole.clone(),
            fields: vec![
                text("name", "Name").example("web1").hint("1 to 63 letters, digits and -."),
                Field::select("flavor", "Flavor", typed, flavors(offer)).with(faults),
                Field::select("image", "Image", typed, images(&offer.images.items)).with(faults),
            ],
            rows: (1..=nics).map(|number| row(number, nics, offer, typed, faults)).collect(),
            network_faults: faults.at("networks"),
            may_add: nics < NETWORKS_MAX.min(offer.networks.items.len()),
            groups: Part { items: ticks.collect(), away: groups.away },
            group_faults: faults.at("security_groups"),
            more_open: more.iter().any(|field| !field.value.is_empty() || !field.faults.is_empty()),
            more,
            missing: missing(offer),
        }
    }

    async fn answer(ui: &Ui, visitor: &Visitor, typed: &Typed, refused: Option<Problem>) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let faults = refused.map(|problem| placed(&problem, typed)).unwrap_or_default();
        let read = async {
            tokio::try_join!(Offer::read(ui, visitor), Part::read(ui, visitor, "/v1/security-groups"))
        };
        match read.await {
            Ok((offer, groups)) => page::show(status, &Self::new(visitor, &offer, groups, typed, &faults)),
            Err(problem) => page::failure(Some(visitor), &problem),
        }
    }
}

fn flavors(offer: &Offer) -> Vec<Choice> {
    let choice = |flavor: &Flavor| {
        let Flavor { name, free, cpus, disk_gb, .. } = flavor;
        let nics =
            if flavor.nics > 1 { format!(", {} networks or more", flavor.nics) } else { String::new() };
        let size = format!("{cpus} cpus, {}, disk {disk_gb} GiB{nics}", view::memory(&flavor.memory_mib));
        Choice::new(name, format!("{name}: {free} free ({size})"))
    };
    offer.flavors.items.iter().map(choice).collect()
}

/// Images that can be booted now.
pub fn images(images: &[Image]) -> Vec<Choice> {
    let active = images.iter().filter(|image| image.status == "active");
    active
        .map(|image| Choice::new(&image.id, format!("{} ({})", image.name, view::size(image.size_bytes))))
        .collect()
}

fn row(number: usize, of: usize, offer: &Offer, typed: &Typed, faults: &Faults) -> Row {
    let networks =
        offer.networks.items.iter().map(|network| {
            Choice::new(network.id.to_string(), format!("{} ({})", network.name, network.subnet))
        });
    let none = (number > 1).then(|| Choice::new("", "none"));
    let network = Field::select(
        format!("network_{number}"),
        "Network",
        typed,
        none.into_iter().chain(networks).collect(),
    );
    let network = if number > 1 { network.optional() } else { network };
    let address = Field::text(format!("address_{number}"), "Address", typed)
        .optional()
        .hint("Leave empty for any free address of the network.");
    let vlan = Field { kind: "number", ..Field::text(format!("vlan_{number}"), "VLAN tag", typed) }
        .optional()
        .hint("Leave empty for untagged frames.");
    let title = match (number, of) {
        (1, 1) => "Network".to_owned(),
        (1, _) => "Network 1, of the interface that boots".to_owned(),
        (number, _) => format!("Network {number}"),
    };
    Row { title, fields: [network, address, vlan].map(|field| field.with(faults)) }
}

/// Why nothing can be asked for now.
fn missing(offer: &Offer) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |is_none: bool, away: &Option<String>, what: &str, none: &str| match away {
        Some(why) => {
            missing.push(format!("{what} cannot be shown now. {why} Until then no server can be created."))
        }
        None if is_none => missing.push(none.to_owned()),
        None => {}
    };
    look(
        flavors(offer).is_empty(),
        &offer.flavors.away,
        "The flavors",
        "There is no flavor: ask an administrator to create one for the servers' resource class.",
    );
    look(
        images(&offer.images.items).is_empty(),
        &offer.images.away,
        "The images",
        "There is no image: upload one with bmsctl image create, or ask an administrator for a public one.",
    );
    look(
        offer.networks.items.is_empty(),
        &offer.networks.away,
        "The networks",
        "The project has no network: create one under Networks first.",
    );
    missing
}

/// The numbers of the rows in which a network is chosen: the request's networks, in order.
fn rows(typed: &Typed) -> Vec<usize> {
    (1..=count(typed)).filter(|number| typed.filled(&format!("network_{number}")).is_some()).collect()
}

/// A refusal beside the fields that it is about.
fn placed(problem: &Problem, typed: &Typed) -> Faults {
    let rows = rows(typed);
    Faults::placed(problem, |field| {
        if let Some((position, part)) = field.strip_prefix("networks[").and_then(|rest| rest.split_once("]."))
        {
            let row = rows.get(position.parse::<usize>().ok()?)?;
            return Some(format!("{part}_{row}"));
        }
        let list = field.split_once('[').map_or(field, |(list, _)| list);
        FIELDS.contains(&list).then(|| list.to_owned())
    })
}

/// What the form asks for. What is empty is left out.
fn wanted(typed: &Typed) -> Result<Value, Problem> {
    let mut networks = Vec::new();
    for number in 1..=count(typed) {
        let field = |what: &str| format!("{what}_{number}");
        let (address, vlan) = (field("address"), field("vlan"));
        let Some(network) = typed.filled(&field("network")) else {
            if let Some(lost) = typed.filled(&address).or(typed.filled(&vlan)) {
                let lost = format!("{lost} is given for network {number}, which does not exist");
                return Err(Problem::bad_at("networks", lost));
            }
            continue;
        };
        let mut wanted = json!({ "network": network });
        if let Some(address) = typed.filled(&address) {
            wanted["address"] = json!(address);
        }
        if let Some(tag) = typed.filled(&vlan) {
            let place = format!("networks[{}].vlan", networks.len());
            let tag: u16 = tag
                .parse()
                .map_err(|_| Problem::bad_at(&place, format!("VLAN tag {tag} must be 1 to 4093")))?;
            wanted["vlan"] = json!(tag);
        }
        networks.push(wanted);
    }
    let groups = typed.0.keys().filter_map(|name| name.strip_prefix("group_"));
    let mut wanted = json!({
        "name": typed.get("name"), "flavor": typed.get("flavor"), "image": typed.get("image"),
        "networks": networks, "security_groups": groups.collect::<Vec<_>>(),
    });
    for name in ["key_name", "user_data"] {
        if let Some(text) = typed.filled(name) {
            wanted[name] = json!(text);
        }
    }
    Ok(wanted)
}

/// The form; what was chosen in the catalogue is filled in.
pub async fn form(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    NewServerPage::answer(&ui, &visitor, &Typed(query), None).await
}

/// Asks for the server, or for room for one more network.
pub async fn create(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, mut typed } = posted;
    if typed.get("do") == "more" {
        typed.0.insert("nics".to_owned(), (count(&typed) + 1).to_string());
        return NewServerPage::answer(&ui, &visitor, &typed, None).await;
    }
    let made = async {
        let wanted = wanted(&typed)?;
        ui.rest.post::<Server>(&visitor, "/v1/servers", &wanted).await
    };
    match made.await {
        Ok(server) => page::done(&format!("/ui/servers/{}", server.id), "created"),
        Err(problem) => NewServerPage::answer(&ui, &visitor, &typed, Some(problem)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> Typed {
        Typed(fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn networks_are_asked_for_in_order_and_empty_ones_left_out() {
        let check = |fields: &[(&str, &str)], expected: Value| {
            assert_eq!(wanted(&typed(fields)).unwrap()["networks"], expected, "{fields:?}");
        };
        check(&[("network_1", "blue")], json!([{ "network": "blue" }]));
        check(
            &[
                ("nics", "3"),
                ("network_1", "blue"),
                ("address_1", "192.0.2.50"),
                ("network_2", ""),
                ("network_3", "red"),
                ("vlan_3", "100"),
            ],
            json!([{ "network": "blue", "address": "192.0.2.50" }, { "network": "red", "vlan": 100 }]),
        );
        // Nobody gets more rows than there may be networks.
        assert_eq!(count(&typed(&[("nics", "99999")])), NETWORKS_MAX);
        let ticked = wanted(&typed(&[("network_1", "blue"), ("group_7", "yes")])).unwrap();
        assert_eq!(ticked["security_groups"], json!(["7"]));
        for bad in [("vlan_1", "many"), ("vlan_1", "70000")] {
            assert!(wanted(&typed(&[("network_1", "blue"), bad])).is_err());
        }
        assert!(wanted(&typed(&[("network_1", ""), ("address_1", "192.0.2.50")])).is_err());
    }

    #[test]
    fn a_refused_address_stands_at_its_field() {
        // The second row has no network: the third is the request's second network.
        let fields = [
            ("nics", "3"),
            ("network_1", "blue"),
            ("address_1", "192.0.2.5"),
            ("network_3", "red"),
            ("address_3", "192.0.2.5"),
        ];
        let check = |problem: Problem, expected: &str| {
            let faults = placed(&problem, &typed(&fields));
            let at = faults.fields.first().map_or("", |(field, _)| field.as_str());
            assert_eq!(at, expected, "{problem:?}");
        };
        check(Problem::bad_at("networks[0].address", "it is taken"), "address_1");
        check(Problem::bad_at("networks[1].address", "it is taken"), "address_3");
        check(Problem::bad_at("networks[1].vlan", "must be 1 to 4093"), "vlan_3");
        check(Problem::bad_at("networks[1].network", "red is named twice"), "network_3");
        check(Problem::bad_at("networks", "give at least one"), "networks");
        check(Problem::bad_at("security_groups[3]", "there is none"), "security_groups");
        check(Problem::bad_at("networks[7].vlan", "is nowhere"), "");
        // What a sentence says decides nothing.
        check(Problem::bad("address 192.0.2.5 is taken"), "");
    }
}
