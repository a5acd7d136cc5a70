//! Values: the links at `GET /`, by which Contrail's own client finds everything else.

use serde_json::{Value, json};

use super::kind::KINDS;

/// What can be done beside reading and writing objects: name, path, method.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("name-to-id", "fqname-to-id", "POST"),
    ("id-to-name", "id-to-fqname", "POST"),
    ("ref-update", "ref-update", "POST"),
];

/// The page, with links that begin with this URL.
pub fn page(url: &str) -> Value {
    let link = |rel: &str, name: &str, path: &str, method: Option<&str>| json!({ "link": { "rel": rel, "name": name, "href": format!("{url}/{path}"), "method": method } });
    let mut links = vec![link("root", "config-root", "config-root", None)];
    for kind in KINDS {
        links.push(link("collection", kind.name, &format!("{}s", kind.name), None));
        links.push(link("resource-base", kind.name, kind.name, None));
    }
    links.extend(ACTIONS.iter().map(|(name, path, method)| link("action", name, path, Some(method))));
    json!({ "href": url, "links": links })
}
