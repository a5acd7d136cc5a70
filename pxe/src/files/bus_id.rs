//! Values: a NIC's place on its bus, as iPXE writes it (`netX/busid`): one byte for the kind of bus, then vendor and device.

/// The kind that stands for PCI.
const PCI: &str = "01";

/// Red Hat's numbers for a virtual machine's NIC (virtio 1.2, section 4.1.2): the transitional one, and the present one.
const VIRTIO_NICS: [&str; 2] = ["1af4:1000", "1af4:1041"];

/// A NIC on PCI, by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BusId(String);

impl BusId {
    /// Reads hexadecimal digits, with or without something between them; none: it is not on PCI.
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let numbers = digits.strip_prefix(PCI).filter(|numbers| numbers.len() == 8)?.to_ascii_lowercase();
        let (vendor, device) = numbers.split_at(4);
        Some(Self(format!("{vendor}:{device}")))
    }

    /// `8086:10d3`.
    pub(super) fn numbers(&self) -> &str {
        &self.0
    }

    /// Whether no physical server has it.
    pub(super) fn is_virtual(&self) -> bool {
        VIRTIO_NICS.contains(&self.numbers())
    }
}
