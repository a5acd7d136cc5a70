//! Decisions: what a kernel's own tables (`modules.dep`, `.alias`, `.softdep`, as depmod writes them) say of modules that are to be
//! packed, and which further ones these need.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::index::{Module, normal};

/// A kernel's tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// By name: the file below the modules' directory, and what it uses.
    files: BTreeMap<String, (String, Vec<String>)>,
    /// Pattern and module.
    aliases: Vec<(String, String)>,
    /// By name: what it wants loaded before and after.
    soft: BTreeMap<String, (Vec<String>, Vec<String>)>,
}

/// Modules to be packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Closure {
    /// By name: file, and what is written of it.
    pub modules: BTreeMap<String, (String, Module)>,
    /// Names that this kernel has no module for: built in, or not of its time.
    pub absent: Vec<String>,
}

impl Tables {
    pub(super) fn parse(dependencies: &str, aliases: &str, soft: &str) -> Self {
        let file = |line: &str| {
            let (file, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(module_name).collect();
            Some((module_name(file), (file.to_owned(), needs)))
        };
        let alias = |line: &str| {
            let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
            Some((pattern.to_owned(), normal(module)))
        };
        let mut tables = Self {
            files: dependencies.lines().filter_map(file).collect(),
            aliases: aliases.lines().filter_map(alias).collect(),
            soft: BTreeMap::new(),
        };
        tables.aliases.sort();
        for line in soft.lines() {
            tables.add_soft(line);
        }
        tables
    }

    /// `softdep NAME pre: A B post: C`; names may be aliases.
    fn add_soft(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(name)) = (words.next(), words.next()) else { return };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut list: Option<&mut Vec<String>> = None;
        for word in words {
            match (word, &mut list) {
                ("pre:", _) => list = Some(&mut before),
                ("post:", _) => list = Some(&mut after),
                (word, Some(list)) => list.extend(self.meant(word)),
                (_, None) => {}
            }
        }
        let kept = self.soft.entry(normal(name)).or_default();
        kept.0.extend(before);
        kept.1.extend(after);
    }

    /// Modules by a name or an alias; none: it is built in, or nobody has it.
    fn meant(&self, wish: &str) -> Vec<String> {
        if self.files.contains_key(&normal(wish)) {
            return vec![normal(wish)];
        }
        let named: BTreeSet<_> =
            self.aliases.iter().filter(|(alias, _)| alias == wish).map(|(_, m)| m).collect();
        named.into_iter().cloned().collect()
    }

    /// These modules and all that go with them.
    pub(super) fn closure(&self, names: &[&str]) -> Closure {
        let mut closure = Closure::default();
        let mut left: Vec<String> = Vec::new();
        for name in names {
            let meant = self.meant(name);
            if meant.is_empty() {
                closure.absent.push((*name).to_owned());
            }
            left.extend(meant);
        }
        while let Some(name) = left.pop() {
            let Some((file, needs)) = self.files.get(&name) else { continue };
            if closure.modules.contains_key(&name) {
                continue;
            }
            let (before, after) = self.soft.get(&name).cloned().unwrap_or_default();
            left.extend(needs.iter().chain(&before).chain(&after).cloned());
            let aliases = self.aliases.iter().filter(|(_, module)| *module == name);
            let aliases = aliases.map(|(pattern, _)| pattern.clone()).collect();
            let module = Module { needs: needs.clone(), before, after, aliases, ..Module::default() };
            closure.modules.insert(name, (file.clone(), module));
        }
        closure.absent.sort();
        closure
    }
}

/// The name in a path such as `kernel/drivers/net/e1000e.ko.xz`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    normal(file.split(".ko").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "kernel/drivers/scsi/sd_mod.ko: kernel/block/t10-pi.ko kernel/lib/crc-t10dif.ko\n\
        kernel/block/t10-pi.ko: kernel/lib/crc-t10dif.ko\nkernel/lib/crc-t10dif.ko:\n\
        kernel/crypto/crct10dif_generic.ko:\nkernel/arch/x86/crct10dif-pclmul.ko:\nkernel/drivers/net/e1000e.ko:\n\
        kernel/ipmi/ipmi_msghandler.ko:\nkernel/ipmi/ipmi_devintf.ko: kernel/ipmi/ipmi_msghandler.ko\n";
    const ALIASES: &str = "# Aliases\nalias scsi:t-0x00* sd_mod\nalias crct10dif crct10dif_generic\n\
        alias crct10dif crct10dif-pclmul\nalias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e\n";
    const SOFT: &str =
        "softdep crc_t10dif pre: crct10dif\nsoftdep ipmi_msghandler post: ipmi_devintf\nsoftdep cifs gcm\n";

    #[test]
    fn what_a_module_needs_goes_with_it() {
        let tables = Tables::parse(DEPENDENCIES, ALIASES, SOFT);
        let check = |names: &[&str], expected: &[&str], absent: &[&str]| {
            let closure = tables.closure(names);
            assert_eq!(closure.modules.keys().collect::<Vec<_>>(), expected, "{names:?}");
            assert_eq!(closure.absent, absent, "{names:?}");
        };
        check(&["e1000e", "nvme"], &["e1000e"], &["nvme"]);
        let disks = ["crc_t10dif", "crct10dif_generic", "crct10dif_pclmul", "sd_mod", "t10_pi"];
        check(&["sd-mod"], &disks, &[]);
        check(&["ipmi_msghandler"], &["ipmi_devintf", "ipmi_msghandler"], &[]);
        let closure = tables.closure(&["sd_mod"]);
        let (file, sd_mod) = &closure.modules["sd_mod"];
        assert_eq!(
            (file.as_str(), &sd_mod.aliases[..]),
            ("kernel/drivers/scsi/sd_mod.ko", &["scsi:t-0x00*".to_owned()][..])
        );
        assert_eq!(closure.modules["crc_t10dif"].1.before, ["crct10dif_generic", "crct10dif_pclmul"]);
    }

    #[test]
    fn the_order_of_the_tables_and_of_the_names_does_not_matter() {
        let reversed = |text: &str| text.lines().rev().map(|line| format!("{line}\n")).collect::<String>();
        let one = Tables::parse(DEPENDENCIES, ALIASES, SOFT).closure(&["sd_mod", "e1000e"]);
        let other = Tables::parse(&reversed(DEPENDENCIES), &reversed(ALIASES), &reversed(SOFT));
        assert_eq!(other.closure(&["e1000e", "sd_mod"]), one);
    }
}
