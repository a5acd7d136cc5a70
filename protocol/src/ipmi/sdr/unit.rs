//! Values: what a sensor's number counts (table 43-15).

/// What a sensor's number counts (table 43-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// First byte of the units without the format: rate, modifier, percent.
    pub shape: u8,
    /// Base unit.
    pub base: u8,
    /// Modifier unit.
    pub modifier: u8,
}

/// Signs or names of base units, from 0.
const UNITS: [&str; 93] = [
    "",
    "°C",
    "°F",
    "K",
    "V",
    "A",
    "W",
    "J",
    "C",
    "VA",
    "nit",
    "lm",
    "lx",
    "cd",
    "kPa",
    "psi",
    "N",
    "CFM",
    "rpm",
    "Hz",
    "µs",
    "ms",
    "s",
    "min",
    "h",
    "days",
    "weeks",
    "mil",
    "in",
    "ft",
    "cu in",
    "cu ft",
    "mm",
    "cm",
    "m",
    "cu cm",
    "cu m",
    "l",
    "fl oz",
    "rad",
    "sr",
    "revolutions",
    "cycles",
    "g",
    "oz",
    "lbf",
    "ft lb",
    "oz in",
    "gauss",
    "gilbert",
    "H",
    "mH",
    "F",
    "µF",
    "Ω",
    "S",
    "mol",
    "Bq",
    "ppm",
    "reserved",
    "dB",
    "dBA",
    "dBC",
    "Gy",
    "Sv",
    "colour K",
    "bit",
    "kbit",
    "Mbit",
    "Gbit",
    "B",
    "kB",
    "MB",
    "GB",
    "words",
    "dwords",
    "qwords",
    "lines",
    "hits",
    "misses",
    "retries",
    "resets",
    "overruns",
    "underruns",
    "collisions",
    "packets",
    "messages",
    "characters",
    "errors",
    "correctable errors",
    "uncorrectable errors",
    "fatal errors",
    "g",
];

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |code: u8| UNITS.get(usize::from(code)).copied().unwrap_or("");
        let base = if self.shape & 1 != 0 { "%" } else { name(self.base) };
        let rate = ["", "/µs", "/ms", "/s", "/min", "/h", "/day", ""][usize::from(self.shape >> 3 & 7)];
        match self.shape >> 1 & 3 {
            1 => write!(f, "{base}/{}{rate}", name(self.modifier)),
            2 => write!(f, "{base} {}{rate}", name(self.modifier)),
            _ => write!(f, "{base}{rate}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_people_write_them() {
        let check = |shape, base, modifier, expected: &str| {
            assert_eq!(Unit { shape, base, modifier }.to_string(), expected);
        };
        check(0, 1, 0, "°C");
        check(0, 18, 0, "rpm");
        check(1, 0, 0, "%");
        check(0b10, 70, 22, "B/s");
        check(0b011000, 82, 0, "overruns/s");
        check(0, 200, 0, "");
    }
}
