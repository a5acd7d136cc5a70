//! Edges: the administrator's page of pools: rules in the order in which they are asked, how the servers of the flavors behind
//! them stand, and which servers are not where they belong.

use std::sync::Arc;

use api_types::{Flavor, List, OtherServers, Pool, PoolMove};
use askama::Template;
use axum::{extract::State, response::Response};
use domain::rim::custom_resource;
use serde_json::{Value, json};

use super::{
    Ui,
    form::{Choice, Field, Typed},
    page::{self, Frame, Posted},
    part::Part,
    session::Visitor,
    shelf::{self, Shelf, Shown},
};
use crate::problem::Problem;

/// Pools.
pub struct Pools;

/// A pool with the flavors that ask for its class.
struct Row {
    pool: Pool,
    flavors: Vec<Flavor>,
}

#[derive(Template)]
#[template(path = "pools.html")]
pub struct PoolsPage {
    frame: Frame,
    shown: Part<Row>,
    /// Flavors of classes that no pool gives.
    others: Vec<Flavor>,
    /// Why nothing is known of flavors.
    flavors_away: Option<String>,
    moves: Part<PoolMove>,
    whole: Vec<String>,
    fields: Vec<Field>,
}

impl PoolsPage {
    fn counts(flavor: &Flavor) -> OtherServers {
        flavor.others.unwrap_or(OtherServers { used: 0, cleaning: 0, broken: 0, preparing: 0 })
    }
}

impl Shelf for Pools {
    type Item = Pool;
    type Page = PoolsPage;
    const WORD: &'static str = "pools";
    const FIELDS: &'static [&'static str] = &["name", "resource_class", "match", "before"];

    fn wanted(typed: &Typed) -> Result<Value, Problem> {
        let conditions = typed.get("match").lines().map(str::trim).filter(|line| !line.is_empty());
        let conditions: Vec<_> = conditions.collect();
        let mut wanted = json!({ "name": typed.get("name"), "resource_class": typed.get("resource_class"), "match": conditions });
        if let Some(before) = typed.filled("before") {
            wanted["before"] = json!(before);
        }
        Ok(wanted)
    }

    async fn page(
        ui: &Ui,
        visitor: &Visitor,
        frame: Frame,
        shown: Shown<Pool>,
    ) -> Result<PoolsPage, Problem> {
        let (flavors, moves) =
            tokio::join!(Part::<Flavor>::read(ui, visitor, "/v1/flavors"), moves(ui, visitor),);
        let (flavors, moves) = (flavors?, Part::of(moves)?);
        let Shown { list, typed, faults } = shown;
        let pools = list.items.iter().map(|pool| Choice::new(&pool.name, format!("before {}", pool.name)));
        let places = std::iter::once(Choice::new("", "after all others")).chain(pools).collect();
        let fields = vec![
            Field::text("name", "Name", &typed).example("large"),
            Field::text("resource_class", "Resource class", &typed)
                .example("large")
                .hint("The resource class that its servers get and that a flavor selects."),
            Field::select("before", "Asked", &typed, places).optional(),
            Field::lines("match", "Conditions", &typed)
                .example("cpus>=32\nmanufacturer=Dell*")
                .hint("One per line, all must hold: cpus, memory_mib, disks, disk_mib, nics, nic_mbps, name, rack, \
                       manufacturer, product, cpu_model, architecture, boot_mode with = != >= <= > <; * matches any text."),
        ];
        let (rows, others) = by_class(list.items, flavors.items);
        Ok(PoolsPage {
            frame,
            shown: Part { items: rows, away: list.away },
            others,
            flavors_away: flavors.away,
            moves,
            fields: fields.into_iter().map(|field| field.with(&faults)).collect(),
            whole: faults.whole,
        })
    }
}

/// What would be moved, for those who may move it.
async fn moves(ui: &Ui, visitor: &Visitor) -> Result<List<PoolMove>, Problem> {
    if !visitor.may_write() {
        return Ok(List { items: Vec::new() });
    }
    ui.rest.post(visitor, "/v1/pool-moves", &json!({ "dry_run": true })).await
}

/// Puts each flavor beside the pools of its class; gives the rest, too.
fn by_class(pools: Vec<Pool>, flavors: Vec<Flavor>) -> (Vec<Row>, Vec<Flavor>) {
    // Placement's spelling loses small letters and dashes.
    let same = |pool: &Pool, flavor: &Flavor| {
        custom_resource(&pool.resource_class) == custom_resource(&flavor.resource_class)
    };
    let others = flavors.iter().filter(|flavor| !pools.iter().any(|pool| same(pool, flavor))).cloned();
    let others = others.collect();
    let row = |pool: Pool| Row {
        flavors: flavors.iter().filter(|flavor| same(&pool, flavor)).cloned().collect(),
        pool,
    };
    (pools.into_iter().map(row).collect(), others)
}

/// Puts the servers where they belong.
pub async fn apply(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, .. } = posted;
    let moved = ui.rest.post::<List<PoolMove>>(&visitor, "/v1/pool-moves", &json!({})).await;
    match moved {
        Ok(_) => page::done("/ui/pools", "moved"),
        Err(problem) => shelf::refused::<Pools>(&ui, &visitor, problem).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_lines_and_flavors_find_their_pools() {
        let typed =
            [("name", "large"), ("resource_class", "metal-2"), ("match", " cpus>=2 \r\n\r\nname=a b\r\n")];
        let typed = Typed(typed.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
        let wanted = Pools::wanted(&typed).unwrap();
        assert_eq!(wanted["match"], json!(["cpus>=2", "name=a b"]));
        assert!(wanted.get("before").is_none());

        let pool = json!({ "name": "large", "position": 1, "resource_class": "metal-2", "match": [], "servers": [] });
        let flavor = |name: &str, class: &str| {
            let flavor = json!({ "id": name, "name": name, "resource_class": class, "cpus": 1, "memory_mib": 1, "disk_gb": 1 });
            serde_json::from_value::<Flavor>(flavor).unwrap()
        };
        let flavors = vec![flavor("a", "metal_2"), flavor("b", "metal")];
        let (rows, others) = by_class(vec![serde_json::from_value(pool).unwrap()], flavors);
        assert_eq!((rows[0].flavors.len(), rows[0].flavors[0].name.as_str()), (1, "a"));
        assert_eq!((others.len(), others[0].name.as_str()), (1, "b"));
    }
}
