//! Decisions: which loader a server's UEFI firmware is given.

use protocol::boot::BootLoader;
use serde::Deserialize;

/// What a site wants for servers of which nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoaderRule {
    /// The shim, unless Secure Boot is known to be off.
    #[default]
    Auto,
    /// iPXE for all.
    Ipxe,
    /// The shim for all.
    Shim,
}

/// Which loaders a rack has, and its rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loaders {
    /// Whether it has a shim and a GRUB.
    pub has_shim: bool,
    /// The site's rule.
    pub rule: LoaderRule,
}

impl Loaders {
    /// What a server is given, for which this is wanted, and of whose Secure Boot this is known.
    pub fn choose(self, wanted: Option<BootLoader>, secure_boot: Option<bool>) -> BootLoader {
        if !self.has_shim {
            return BootLoader::Ipxe;
        }
        match (wanted, self.rule, secure_boot) {
            (Some(wanted), _, _) => wanted,
            (None, LoaderRule::Ipxe, _) | (None, LoaderRule::Auto, Some(false)) => BootLoader::Ipxe,
            (None, LoaderRule::Shim, _) | (None, LoaderRule::Auto, Some(true) | None) => BootLoader::Shim,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_start_signed_programs_only_is_given_the_shim() {
        use BootLoader::{Ipxe, Shim};
        let check = |rule, wanted, secure_boot, expected| {
            let found = Loaders { has_shim: true, rule }.choose(wanted, secure_boot);
            assert_eq!(found, expected, "{rule:?} {wanted:?} {secure_boot:?}");
            let without = Loaders { has_shim: false, rule };
            assert_eq!(without.choose(wanted, secure_boot), Ipxe, "there is no shim");
        };
        check(LoaderRule::Auto, None, None, Shim);
        check(LoaderRule::Auto, None, Some(true), Shim);
        check(LoaderRule::Auto, None, Some(false), Ipxe);
        check(LoaderRule::Ipxe, None, Some(true), Ipxe);
        check(LoaderRule::Shim, None, Some(false), Shim);
        check(LoaderRule::Ipxe, Some(Shim), None, Shim);
        check(LoaderRule::Shim, Some(Ipxe), Some(true), Ipxe);
    }
}
