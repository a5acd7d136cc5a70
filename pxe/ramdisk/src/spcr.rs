//! Decisions: the serial port that the firmware names for a console (ACPI table SPCR, "Serial Port Console Redirection Table").

/// Places in the table: the generic address structure's address space and address, and the speed.
const ADDRESS_SPACE_AT: usize = 40;
const ADDRESS_AT: usize = 44;
const SPEED_AT: usize = 58;
const SIGNATURE: &[u8] = b"SPCR";
/// Value of the address space for I/O ports; 0 is memory.
const IO_PORTS: u8 = 1;

/// What the firmware says of its console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spcr {
    /// I/O port or address in memory.
    pub address: u64,
    /// Whether the address is an I/O port.
    pub is_port: bool,
    /// Bits per second; none: as it is.
    pub speed: Option<u32>,
}

/// Reads the table; none: it is cut off, is another one, or says that there is no console.
pub fn parse(table: &[u8]) -> Option<Spcr> {
    if !table.starts_with(SIGNATURE) {
        return None;
    }
    let address = u64::from_le_bytes(*table.get(ADDRESS_AT..)?.first_chunk()?);
    let speed = match table.get(SPEED_AT)? {
        3 => Some(9600),
        4 => Some(19_200),
        6 => Some(57_600),
        7 => Some(115_200),
        _ => None,
    };
    let is_port = *table.get(ADDRESS_SPACE_AT)? == IO_PORTS;
    (address != 0).then_some(Spcr { address, is_port, speed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_a_port_and_its_speed() {
        let table = |space: u8, address: u64, speed: u8| {
            let mut table = vec![0; 80];
            table[..4].copy_from_slice(SIGNATURE);
            table[ADDRESS_SPACE_AT] = space;
            table[ADDRESS_AT..ADDRESS_AT + 8].copy_from_slice(&address.to_le_bytes());
            table[SPEED_AT] = speed;
            table
        };
        let check = |table: &[u8], expected: Option<(u64, bool, Option<u32>)>| {
            let found = parse(table).map(|found| (found.address, found.is_port, found.speed));
            assert_eq!(found, expected);
        };
        check(&table(1, 0x2f8, 7), Some((0x2f8, true, Some(115_200))));
        check(&table(0, 0xfe03_6000, 0), Some((0xfe03_6000, false, None)));
        check(&table(1, 0, 7), None);
        check(&table(1, 0x2f8, 7)[..50], None);
        check(b"FACP", None);
    }
}
