//! Decisions: the import file as a table (CSV, RFC 4180): one row per interface, one server per name.
//!
//! The first row names the columns. A row with the name of the row above, or without a name, is a further interface of the
//! server above; what it says of the server itself must be empty or the same. The rows become the same tree as a
//! YAML file, so that both are checked by the same code; each fault has the line of its row.

use marked_yaml::{
    Marker, Node, Span,
    types::{MarkedMappingNode, MarkedScalarNode, MarkedSequenceNode},
};

use super::{
    cells::{Row, fault, rows, unguarded},
    fields::{FAULTS_MAX, Fault},
};

/// Where a column's value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Of the server itself.
    Server,
    /// Of its `driver_info`.
    Driver,
    /// Of its `properties`.
    Properties,
    /// Of an interface.
    Port,
}

/// A column: its name in the first row, where it belongs, and its name there.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) field: &'static str,
}

const fn column(name: &'static str, place: Place) -> Column {
    Column { name, place, field: name }
}

/// Every column, in the order in which they are written.
pub(super) const COLUMNS: [Column; 34] = [
    column("name", Place::Server),
    column("rack", Place::Server),
    column("resource_class", Place::Server),
    column("driver", Place::Server),
    column("ipmi_address", Place::Driver),
    column("ipmi_port", Place::Driver),
    column("ipmi_username", Place::Driver),
    column("ipmi_password", Place::Driver),
    column("ipmi_cipher_suite", Place::Driver),
    column("ipmi_priv_level", Place::Driver),
    column("ipmi_hex_kg_key", Place::Driver),
    column("redfish_address", Place::Driver),
    column("redfish_username", Place::Driver),
    column("redfish_password", Place::Driver),
    column("redfish_system_id", Place::Driver),
    column("redfish_certificate_sha256", Place::Driver),
    column("bmc_quirks", Place::Driver),
    column("bmc_answer_wait_ms", Place::Driver),
    column("bmc_request_gap_ms", Place::Driver),
    column("bmc_poll_interval_ms", Place::Driver),
    column("bmc_requests_per_second", Place::Driver),
    column("bmc_sessions_max", Place::Driver),
    column("cpus", Place::Properties),
    column("cpu_arch", Place::Properties),
    column("memory_mb", Place::Properties),
    column("local_gb", Place::Properties),
    column("capabilities", Place::Properties),
    Column { name: "interface", place: Place::Port, field: "name" },
    column("mac_address", Place::Port),
    column("switch_name", Place::Port),
    column("port_name", Place::Port),
    column("switch_id", Place::Port),
    column("fabric", Place::Port),
    column("pxe_enabled", Place::Port),
];

/// Reads a table into the tree that a YAML file with the same servers would give.
pub(super) fn tree(text: &str) -> Result<Node, Vec<Fault>> {
    let rows = rows(text).map_err(|fault| vec![fault])?;
    let Some((header, rows)) = rows.split_first() else {
        return Err(vec![fault(0, "is empty")]);
    };
    let mut faults = Vec::new();
    let columns = columns(header, &mut faults);
    let mut servers: Vec<ServerRows> = Vec::new();
    for row in rows {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        if row.cells.len() > columns.len() {
            let message = format!("has {} values for {} columns", row.cells.len(), columns.len());
            faults.push(fault(row.line, message));
            continue;
        }
        let cells: Vec<(&Column, &str)> = columns
            .iter()
            .zip(&row.cells)
            .filter_map(|(column, cell)| column.map(|column| (column, unguarded(cell))))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        let name = cells.iter().find(|(column, _)| column.name == "name").map(|(_, name)| *name);
        let index = servers.len().saturating_sub(1);
        match servers.last_mut() {
            Some(server) if name.is_none() || name == server.name() => {
                server.further(index, row.line, &cells, &mut faults)
            }
            Some(_) | None => servers.push(ServerRows::first(row.line, &cells)),
        }
    }
    if !faults.is_empty() {
        faults.truncate(FAULTS_MAX);
        return Err(faults);
    }
    let nodes: Vec<Node> = servers.into_iter().map(ServerRows::into_node).collect();
    let list = MarkedSequenceNode::new(start(header.line), nodes);
    Ok(mapping(header.line, vec![("nodes", Node::from(list))]))
}

/// The columns in their order; none for one that is empty or a fault.
fn columns(header: &Row, faults: &mut Vec<Fault>) -> Vec<Option<&'static Column>> {
    let mut columns = Vec::with_capacity(header.cells.len());
    for cell in &header.cells {
        let name = cell.trim();
        let column = COLUMNS.iter().find(|column| column.name == name);
        let mut fault =
            |message: String| faults.push(Fault { line: header.line, path: name.to_owned(), message });
        if column.is_none() && !name.is_empty() {
            let known: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
            fault(format!("is not a known column; known columns are {}", known.join(", ")));
        }
        if column
            .is_some_and(|column| columns.iter().flatten().any(|other: &&Column| other.name == column.name))
        {
            fault("appears twice in the first row".to_owned());
        }
        columns.push(column);
    }
    columns
}

/// A server while its rows are read.
struct ServerRows {
    line: usize,
    said: Vec<(&'static str, String)>,
    places: [Vec<(&'static str, Node)>; 3],
    ports: Vec<Node>,
}

impl ServerRows {
    fn first(line: usize, cells: &[(&Column, &str)]) -> Self {
        let mut server = ServerRows { line, said: Vec::new(), places: Default::default(), ports: Vec::new() };
        for (column, cell) in cells {
            let place = match column.place {
                Place::Server => 0,
                Place::Driver => 1,
                Place::Properties => 2,
                Place::Port => continue,
            };
            server.said.push((column.name, (*cell).to_owned()));
            server.places[place].push((column.field, scalar(line, cell)));
        }
        server.add_port(line, cells);
        server
    }

    fn name(&self) -> Option<&str> {
        self.said.iter().find(|(name, _)| *name == "name").map(|(_, value)| value.as_str())
    }

    fn further(&mut self, index: usize, line: usize, cells: &[(&Column, &str)], faults: &mut Vec<Fault>) {
        for (column, cell) in cells.iter().filter(|(column, _)| column.place != Place::Port) {
            let same = self.said.iter().any(|(name, value)| *name == column.name && value == cell);
            if !same {
                let message =
                    "differs from the server's first row: leave it empty or write the same".to_owned();
                faults.push(Fault { line, path: format!("nodes[{index}].{}", column.name), message });
            }
        }
        self.add_port(line, cells);
    }

    fn add_port(&mut self, line: usize, cells: &[(&Column, &str)]) {
        let fields: Vec<(&'static str, Node)> = cells
            .iter()
            .filter(|(column, _)| column.place == Place::Port)
            .map(|(column, cell)| (column.field, scalar(line, cell)))
            .collect();
        if !fields.is_empty() {
            self.ports.push(mapping(line, fields));
        }
    }

    fn into_node(self) -> Node {
        let line = self.line;
        let [mut server, driver, properties] = self.places;
        if !driver.is_empty() {
            server.push(("driver_info", mapping(line, driver)));
        }
        if !properties.is_empty() {
            server.push(("properties", mapping(line, properties)));
        }
        server.push(("ports", Node::from(MarkedSequenceNode::new(start(line), self.ports))));
        mapping(line, server)
    }
}

fn start(line: usize) -> Span {
    Span::new_start(Marker::new(0, 0, line, 1))
}

fn scalar(line: usize, text: &str) -> Node {
    let mut scalar = MarkedScalarNode::new(start(line), text);
    // What stands in a cell is there, even if YAML would take it for nothing.
    scalar.set_coerce(false);
    Node::from(scalar)
}

fn mapping(line: usize, fields: Vec<(&'static str, Node)>) -> Node {
    let named = fields.into_iter().map(|(name, node)| (MarkedScalarNode::new(start(line), name), node));
    let mut mapping: MarkedMappingNode = named.collect();
    *mapping.span_mut() = start(line);
    Node::from(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::bounds::ENTRIES_MAX;

    #[test]
    fn width_and_length_are_bounded() {
        let check = |text: String, line: usize, words: &str| {
            let faults = tree(&text).unwrap_err();
            assert!(faults.len() <= FAULTS_MAX, "{} faults", faults.len());
            assert!(faults[0].line == line && faults[0].message.contains(words), "{}", faults[0]);
        };
        check(",".repeat(1 << 20), 1, "columns");
        check(format!("name\n{}", ",".repeat(1 << 20)), 2, "columns");
        check(format!("{}name\n", "name,".repeat(1 << 18)), 1, "columns");
        check(format!("name\n{}", "a\n".repeat(ENTRIES_MAX + 1)), ENTRIES_MAX + 1, "values");
        check(format!("name\n{}", "a,b\n".repeat(FAULTS_MAX * 2)), 2, "has 2 values for 1 columns");
        // Rows without a value are nothing.
        check(format!("name\n{}a,b", ",,\n".repeat(1 << 18)), (1 << 18) + 2, "has 2 values");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z,\"\n\r ]{0,80}") {
            let _ = tree(&text);
        }
    }
}
