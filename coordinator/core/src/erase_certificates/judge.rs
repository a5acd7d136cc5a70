//! Decisions: whether an agent's statement says what was ordered and what its report says.

use domain::{disks::Account, records::Server};
use protocol::{erase_certificate::Statement, hardware::Disk, step::ErasedDisk};

/// What a statement says otherwise; none: nothing.
pub(super) fn difference(
    server: &Server,
    account: &Account,
    reported: &ErasedDisk,
    statement: &Statement,
) -> Option<&'static str> {
    let reported = ErasedDisk { statement: String::new(), ..reported.clone() };
    let ordered: Vec<_> = account.left_out.iter().map(|(known, _)| &known.disk).collect();
    if statement.server.id != server.id {
        Some("it is about another server")
    } else if statement.rack != server.rack {
        Some("it is of another rack")
    } else if statement.erased != reported {
        Some("it names another disk, method or number of bytes")
    } else if !are_the_same(&statement.left_out.iter().collect::<Vec<_>>(), &ordered) {
        Some("it names other disks that were left out")
    } else if statement.began_at > statement.ended_at || statement.ended_at > statement.signed_at {
        Some("its times are not in order")
    } else {
        None
    }
}

/// In any order.
fn are_the_same(stated: &[&Disk], ordered: &[&Disk]) -> bool {
    let mut left = ordered.to_vec();
    stated.len() == ordered.len()
        && stated.iter().all(|disk| {
            let place = left.iter().position(|other| other == disk);
            place.map(|place| left.swap_remove(place)).is_some()
        })
}
