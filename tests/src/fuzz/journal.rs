//! Decisions: the agent's files of records, and what is in them.

use agent::{journal::scan, results, uplink::spool};

/// The records lie one behind the other in what is used of the file, and each is read or passed over.
pub fn run(data: &[u8]) {
    let (records, used) = scan(data);
    assert!(used <= data.len() && records.iter().map(Vec::len).sum::<usize>() <= used);
    assert_eq!(scan(&data[..used]), (records.clone(), used));
    for record in records.iter().map(Vec::as_slice).chain([data]) {
        if let Some(result) = results::decode(record) {
            assert_eq!(results::decode(&results::encode(&result)), Some(result));
        }
        let _ = spool::decode(record);
    }
}
