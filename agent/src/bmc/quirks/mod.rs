//! Decisions: which quirks a BMC has, by what it says of itself and by what the site says of it.
//!
//! ```text
//!   Get Device ID, or Redfish's Manufacturer, Model and FirmwareVersion --> Maker --.
//!   rows of the tables (ipmi.rs, redfish.rs) ---------------------------------------+--> Deviations
//!   what the import file says of this server ("efi-disk-is-remote", "no-...") ------'    the site has the last word
//! ```
//!
//! A row names whose BMCs it is about and where it was reported; the code that talks to a BMC asks only whether it has a quirk,
//! and knows no vendor. What every BMC may do without a row ([`taken_of_all`]) is described beside, for the same readers:
//! `docs/bmc-quirks.md` is written from both by a test.

mod ipmi;
mod redfish;
mod version;

use std::{collections::BTreeSet, fmt};

use protocol::{
    command::PasswordLength,
    hardware::BmcIdentity,
    quirk::{Quirk, SaidQuirk},
};

pub use version::Version;

/// How a BMC known by its IANA enterprise number is named in [`BmcIdentity::manufacturer`].
const IANA: &str = "IANA enterprise ";

/// Who made a BMC, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    vendor: String,
    product: String,
    firmware: Version,
}

impl From<&BmcIdentity> for Maker {
    fn from(identity: &BmcIdentity) -> Self {
        Self {
            vendor: identity.manufacturer.trim().to_lowercase(),
            product: identity.product.trim().to_lowercase(),
            firmware: Version::of(&identity.firmware),
        }
    }
}

impl Maker {
    /// Whether a row is about some firmware of this maker's only.
    pub fn differs_by_firmware(&self) -> bool {
        rows().any(|row| row.of.asks_firmware(self))
    }
}

/// Whose BMCs a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// IPMI: the manufacturer's IANA enterprise number (section 20.1).
    Iana(u32),
    /// IPMI: it gives no manufacturer (number 0).
    Unsaid,
    /// Redfish: its `Manufacturer` begins so, in whatever case.
    Named(&'static str),
}

impl Vendor {
    fn is(self, maker: &Maker) -> bool {
        match self {
            Vendor::Iana(number) => {
                maker.vendor.strip_prefix(&IANA.to_lowercase()).is_some_and(|said| said == number.to_string())
            }
            Vendor::Unsaid => maker.vendor.is_empty(),
            Vendor::Named(name) => maker.vendor.starts_with(&name.to_lowercase()),
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vendor::Iana(number) => write!(f, "{number}"),
            Vendor::Unsaid => f.write_str("0"),
            Vendor::Named(name) => f.write_str(name),
        }
    }
}

/// Which BMCs a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those that say so themselves.
    Maker {
        /// Their maker.
        vendor: Vendor,
        /// Their product, as IPMI's number in hexadecimal (`0x0f02`) or the beginning of Redfish's model; none: any.
        product: Option<&'static str>,
        /// Firmware from this version on; none: any.
        from: Option<&'static str>,
        /// Firmware below this version, in which it was mended; none: any.
        below: Option<&'static str>,
    },
    /// These, which say nothing by which they could be told: the site names the quirk for its server.
    BySite,
}

impl Of {
    /// All BMCs of a maker.
    const fn all(vendor: Vendor) -> Self {
        Of::Maker { vendor, product: None, from: None, below: None }
    }

    /// Whether it is about a range of this maker's firmware.
    fn asks_firmware(self, maker: &Maker) -> bool {
        match self {
            Of::BySite => false,
            Of::Maker { vendor, product, from, below } => {
                (from.is_some() || below.is_some()) && vendor.is(maker) && product_is(product, maker)
            }
        }
    }

    fn is(self, maker: &Maker) -> bool {
        match self {
            Of::BySite => false,
            Of::Maker { vendor, product, from, below } => {
                let firmware = &maker.firmware;
                vendor.is(maker)
                    && product_is(product, maker)
                    && from.is_none_or(|from| firmware.is_known() && *firmware >= Version::of(from))
                    && below.is_none_or(|below| firmware.is_known() && *firmware < Version::of(below))
            }
        }
    }
}

fn product_is(product: Option<&str>, maker: &Maker) -> bool {
    product.is_none_or(|product| maker.product.starts_with(&product.to_lowercase()))
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which BMCs.
    pub of: Of,
    /// The same for people: maker and models.
    pub whose: &'static str,
    /// What they have.
    pub quirks: &'static [Quirk],
    /// Where it was reported.
    pub source: &'static str,
}

/// Something that is taken of every BMC, so that no row is needed.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Whose BMCs were seen to do it.
    pub whose: &'static str,
    /// What they do.
    pub what: &'static str,
    /// What we do.
    pub remedy: &'static str,
    /// Where it was reported.
    pub source: &'static str,
}

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ipmi::ROWS.iter().chain(redfish::ROWS)
}

/// All that is taken of every BMC.
pub fn taken_of_all() -> impl Iterator<Item = &'static Taken> {
    ipmi::TAKEN_OF_ALL.iter().chain(redfish::TAKEN_OF_ALL)
}

/// The quirks of one BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deviations(BTreeSet<Quirk>);

impl Deviations {
    /// What the table says of this BMC, and then what the site says of it.
    pub fn of(maker: &Maker, said: &[SaidQuirk]) -> Self {
        let known = rows().filter(|row| row.of.is(maker)).flat_map(|row| row.quirks);
        let mut quirks: BTreeSet<Quirk> = known.copied().collect();
        for said in said {
            match said {
                SaidQuirk::Has(quirk) => quirks.insert(*quirk),
                SaidQuirk::HasNot(quirk) => quirks.remove(quirk),
            };
        }
        Self(quirks)
    }

    /// Whether it has this one.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    /// How long its passwords are, as far as is known of its like; `most`: what its protocol takes.
    pub fn password_length(&self, most: u32) -> PasswordLength {
        let known = [
            (Quirk::PasswordSixteenMost, 16),
            (Quirk::PasswordNineteenMost, 19),
            (Quirk::PasswordTwentyMost, 20),
        ];
        let known = known.into_iter().filter(|(quirk, _)| self.has(*quirk)).map(|(_, max)| max);
        let max = known.fold(most, u32::min);
        let min = if self.has(Quirk::PasswordTwentyLeast) { 20 } else { 0 };
        // What a BMC cuts off lets nobody in: where both are said, that limit counts.
        PasswordLength { min: min.min(max), max }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|quirk| quirk.name()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests;
