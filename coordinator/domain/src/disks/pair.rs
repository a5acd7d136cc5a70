//! Decisions: which disk that was seen is which one of the register.

use protocol::hardware::Disk;

/// For each disk of the register the place of the seen one that it is. Each seen disk stands for one, and earlier ones on either
/// side are paired first where several are alike; a better likeness goes before that.
pub fn pair(known: &[&Disk], seen: &[&Disk]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; known.len()];
    let mut free = vec![true; seen.len()];
    let degrees: [fn(&Disk, &Disk) -> bool; 3] = [
        |one, two| one.size_bytes == two.size_bytes && one.name == two.name,
        |one, two| one.size_bytes == two.size_bytes,
        |_, _| true,
    ];
    for as_good in degrees {
        for (disk, pair) in known.iter().zip(&mut pairs).filter(|(_, pair)| pair.is_none()) {
            let is_it =
                |index: &usize| free[*index] && disk.is_like(seen[*index]) && as_good(disk, seen[*index]);
            *pair = (0..seen.len()).find(is_it);
            if let Some(index) = *pair {
                free[index] = false;
            }
        }
    }
    pairs
}
