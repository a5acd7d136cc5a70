//! Decisions: what reading an object or a collection shows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    kind::Kind,
    page::{self, Page},
    refusal::Refusal,
    store::{Object, Ref, Store, href},
};

/// Query parameters of a GET.
pub type Query = BTreeMap<String, String>;

/// Fields wanted by the query; none: all.
fn wanted(query: &Query) -> Option<Vec<&str>> {
    query.get("fields").map(|fields| fields.split(',').map(str::trim).collect())
}

fn flag(query: &Query, name: &str) -> bool {
    query
        .get(name)
        .is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case("true") || value == "1")
}

/// One object, as GET shows it: always its name, parent and rights; other fields as the query wants them; empty fields
/// left out.
pub fn object(store: &Store, object: &Object, query: &Query) -> Value {
    let fields = wanted(query);
    let shown = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(&name));
    let mut all = store.summary(object);
    all["id_perms"] = json!({ "enable": true, "user_visible": true });
    all["perms2"] = json!({ "owner": "cloud-admin", "owner_access": 7, "global_access": 0, "share": [] });
    for (name, value) in &object.properties {
        if shown(name) {
            all[name] = value.clone();
        }
    }
    let mut lists: Map<String, Value> = Map::new();
    let mut push = |name: String, value: Value| {
        if shown(&name)
            && let Value::Array(list) = lists.entry(name).or_insert_with(|| json!([]))
        {
            list.push(value);
        }
    };
    for reference in &object.refs {
        if let Some(other) = store.get(reference.id) {
            push(format!("{}_refs", reference.kind.replace('-', "_")), show_ref(other, reference));
        }
    }
    if !flag(query, "exclude_back_refs") {
        for other in store.back_refs(object.id) {
            let reference = Ref { kind: other.kind.clone(), id: other.id, attr: Value::Null };
            push(format!("{}_back_refs", other.kind.replace('-', "_")), show_ref(other, &reference));
        }
    }
    if !flag(query, "exclude_children") {
        for child in store.children(object.id) {
            let shown = json!({ "to": child.fq_name, "uuid": child.id, "href": href(child) });
            push(format!("{}s", child.kind.replace('-', "_")), shown);
        }
    }
    if let Value::Object(all) = &mut all {
        all.extend(lists);
    }
    all
}

fn show_ref(other: &Object, reference: &Ref) -> Value {
    json!({ "to": other.fq_name, "uuid": other.id, "attr": reference.attr, "href": href(other) })
}

/// A collection, as GET shows it.
pub fn collection(store: &Store, kind: &'static Kind, query: &Query) -> Result<Value, Refusal> {
    let ids = |name: &str| query.get(name).map(|text| parse_ids(text));
    let (own, parents, referred) = (ids("obj_uuids"), ids("parent_id"), ids("back_ref_id"));
    let names = query.get("fq_names").map(|text| text.split(',').map(split_name).collect::<Vec<_>>());
    let parent_name = query.get("parent_fq_name_str").map(|text| split_name(text));
    let filters = filters(kind, query)?;
    let fits = |object: &&Object| {
        own.as_ref().is_none_or(|ids| ids.contains(&object.id))
            && parents.as_ref().is_none_or(|ids| object.parent.is_some_and(|parent| ids.contains(&parent)))
            && referred.as_ref().is_none_or(|ids| ids.iter().any(|id| object.refers_to(*id)))
            && names.as_ref().is_none_or(|names| names.contains(&object.fq_name))
            && parent_name
                .as_ref()
                .is_none_or(|name| object.fq_name.split_last().map(|(_, up)| up) == Some(name))
            && filters.iter().all(|(field, value)| object.properties.get(field) == Some(value))
    };
    let page = Page::read(query)?;
    let mut found: Vec<&Object> = store.of_kind(kind.name).filter(fits).collect();
    let plural = format!("{}s", kind.name);
    if flag(query, "count") {
        return Ok(json!({ plural: { "count": found.len() } }));
    }
    found.sort_by_key(|object| page::place(object));
    let marker = page.as_ref().map(|page| page.cut(&mut found));
    let rows: Vec<Value> = if flag(query, "detail") {
        found.iter().map(|one| json!({ kind.name: object(store, one, query) })).collect()
    } else {
        found
            .iter()
            .map(|one| {
                let mut row = json!({ "uuid": one.id, "fq_name": one.fq_name, "href": href(one) });
                for field in wanted(query).unwrap_or_default() {
                    if let Some(value) = object(store, one, query).get(field) {
                        row[field] = value.clone();
                    }
                }
                row
            })
            .collect()
    };
    let mut answer = json!({ plural: rows });
    if let Some(marker) = marker {
        answer["marker"] = json!(marker);
    }
    Ok(answer)
}

fn parse_ids(text: &str) -> Vec<Uuid> {
    text.split(',').filter_map(|id| Uuid::parse_str(id.trim()).ok()).collect()
}

fn split_name(text: &str) -> Vec<String> {
    text.split(':').map(str::to_owned).collect()
}

/// `filters=a=="x",b==true`; fields that the kind does not have are ignored, so that all rows come back.
fn filters(kind: &'static Kind, query: &Query) -> Result<Vec<(String, Value)>, Refusal> {
    let Some(text) = query.get("filters") else { return Ok(Vec::new()) };
    let mut filters = Vec::new();
    for part in text.split(',') {
        let (field, value) =
            part.split_once("==").ok_or_else(|| Refusal::new(400, format!("Invalid filter {part}")))?;
        let value = serde_json::from_str(value)
            .map_err(|_| Refusal::new(400, format!("Invalid filter {part}: the value is not JSON")))?;
        if kind.has_property(field) {
            filters.push((field.to_owned(), value));
        }
    }
    Ok(filters)
}
