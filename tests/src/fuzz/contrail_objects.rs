//! Decisions: objects as Contrail's API shows them.

use contrail::{
    object::{Interface, PhysicalInterface, PortGroup},
    parked::{Keeper, Parked, parked},
    vlans::Note,
};
use serde_json::Value;

/// Objects are read as far as they can be, and a note is read as it was written.
pub fn run(data: &[u8]) {
    let _ = serde_json::from_slice::<PhysicalInterface>(data);
    if let Ok(group) = serde_json::from_slice::<PortGroup>(data) {
        let _ = (group.name(), group.is_internal(), group.members());
    }
    if let Ok(keeper) = serde_json::from_slice::<Keeper>(data) {
        let _ = keeper.parked();
    }
    if let (Ok(interface), Ok(whole)) =
        (serde_json::from_slice::<Interface>(data), serde_json::from_slice::<Value>(data))
    {
        let note = parked(&interface, &whole);
        let written = serde_json::to_string(&note).expect("a note is JSON");
        assert_eq!(serde_json::from_str::<Parked>(&written).expect("a note is read again"), note);
    }
    if let Some(note) = Note::parse(&String::from_utf8_lossy(data)) {
        assert_eq!(Note::parse(&note.to_string()), Some(note));
    }
}
