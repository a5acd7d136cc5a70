//! Decisions: names that Contrail takes. It joins names with colons, and so has none in them.

use super::ImportedNode;
use crate::records::Server;

/// Every new name of the node that Contrail would refuse: its field, and what to write. What the inventory has already stays as it
/// is: its name in Contrail has another character there.
pub fn unfit(node: &ImportedNode, known: Option<&Server>) -> Vec<(String, String)> {
    let mut names = vec![("name".to_owned(), node.name.as_str())];
    for (number, port) in node.ports.iter().enumerate() {
        let field = |field: &str| format!("ports[{number}].{field}");
        names.push((field("name"), &port.name));
        names.push((field("switch_name"), &port.link.switch));
        names.extend(port.link.fabric.as_deref().map(|fabric| (field("fabric"), fabric)));
    }
    names.retain(|(_, name)| name.contains(':') && !known.is_some_and(|server| has(server, name)));
    let told = |(field, name)| {
        (field, format!("{name:?} has a colon, which Contrail does not allow in names; use - or _ instead"))
    };
    names.into_iter().map(told).collect()
}

fn has(server: &Server, name: &str) -> bool {
    let of_ports = |port: &crate::records::Port| {
        [Some(&port.name), Some(&port.link.switch), port.link.fabric.as_ref()]
            .into_iter()
            .flatten()
            .any(|known| known == name)
    };
    server.name == name || server.ports.iter().any(of_ports)
}
