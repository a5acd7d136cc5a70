//! Decisions: files of servers.

use domain::import::{FAULTS_MAX, Fault, Format, ImportedNode, parse_as, parse_running, write};

/// What is read is written in every format so that it is read again as the same, but for the lines; faults are bounded.
fn again(read: Result<Vec<ImportedNode>, Vec<Fault>>) {
    match read {
        Err(faults) => assert!((1..=FAULTS_MAX).contains(&faults.len()), "{} faults", faults.len()),
        Ok(nodes) => {
            for format in [Format::Yaml, Format::Json, Format::Csv] {
                let written = write(&nodes, format);
                let again =
                    parse_as(&written, format).unwrap_or_else(|faults| panic!("{faults:?}: {written}"));
                assert_eq!(without_lines(again), without_lines(nodes.clone()), "{written}");
            }
        }
    }
}

fn without_lines(mut nodes: Vec<ImportedNode>) -> Vec<ImportedNode> {
    nodes.iter_mut().for_each(|node| node.line = 0);
    nodes
}

/// YAML or JSON, of servers that are free or in use.
pub fn described(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    again(parse_as(&text, Format::Yaml));
    for must in [false, true] {
        let _ = parse_running(&text, must);
    }
}

/// A table.
pub fn table(data: &[u8]) {
    again(parse_as(&String::from_utf8_lossy(data), Format::Csv));
}
