//! Edges: an import file with faults is refused as a whole, and every fault is named.

use anyhow::ensure;

use super::{super::site::import_file, Lab, Steps, write_import};

/// What is wrong in the file: the text that is replaced, what replaces it, the path that must be named, and text of the
/// line that must be named.
const FAULTS: [(&str, &str, &str, &str); 3] = [
    ("52:54:00:0b:05:03", "52:54:00:0b:05:zz", "nodes[2].ports[0].mac_address", "52:54:00:0b:05:zz"),
    // A double is told at the second server that has it.
    ("198.51.100.12", "198.51.100.11", "nodes[1].driver_info", "name: srv2"),
    ("resource_class: baremetal-uefi", "colour: blue", "nodes[2].colour", "colour: blue"),
];

/// Plays it.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("refuse an import file with three faults as a whole", refused(lab)).await
}

async fn refused(lab: &Lab) -> anyhow::Result<()> {
    let before = lab.admin.run("-o json node list").await?;
    let mut text = import_file();
    for (good, bad, ..) in FAULTS {
        ensure!(text.contains(good), "the lab's import file has no {good}");
        text = text.replace(good, bad);
    }
    let path = write_import(lab, &text).await?;
    let words = lab.admin.refused(&format!("node import {}", path.display())).await?;
    for (_, _, path, wrong) in FAULTS {
        let number = text.lines().take_while(|line| !line.contains(wrong)).count() + 1;
        let named = format!("line {number}: {path}: ");
        ensure!(words.contains(&named), "the refusal does not say {named:?}: {words}");
    }
    let after = lab.admin.run("-o json node list").await?;
    ensure!(before == after, "a refused file changed the nodes from {before} to {after}");
    Ok(())
}
