//! Decisions: which modules drive a device, and in which order modules are loaded.
//!
//! The packer writes a few lines for each module, so that archives of single modules can be put together in any way:
//!
//! ```text
//! module igb
//! needs i2c_algo_bit dca        the modules whose symbols it uses
//! before ptp                    wants these loaded first, if they are there
//! after ipmi_devintf            wants these loaded afterwards
//! firmware tigon/tg3.bin        loads this file, which was packed
//! alias pci:v00008086d000010C9sv*sd*bc*sc*i*
//! ```

use std::collections::BTreeMap;

use super::alias::matches;

/// What each module that is there says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    modules: BTreeMap<String, Module>,
}

/// One module. All names are written with underscores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Modules whose symbols it uses.
    pub needs: Vec<String>,
    /// Modules that it wants loaded first.
    pub before: Vec<String>,
    /// Modules that it wants loaded afterwards.
    pub after: Vec<String>,
    /// Files that it loads, as far as they were packed.
    pub firmware: Vec<String>,
    /// Patterns of the devices that it drives, and further names of its own.
    pub aliases: Vec<String>,
}

/// A module's name as the kernel writes it.
pub fn normal(name: &str) -> String {
    name.replace('-', "_")
}

impl Index {
    /// Adds a module.
    pub fn add(&mut self, name: &str, module: Module) {
        self.modules.insert(normal(name), module);
    }

    /// Reads what [`Index::render`] wrote, any number of them one after another; of one module the last counts. Lines that say nothing to us are passed over.
    pub fn parse(text: &str) -> Self {
        let (mut index, mut current) = (Self::default(), None);
        for line in text.lines() {
            let Some((word, rest)) = line.split_once(' ') else { continue };
            let names = || rest.split_whitespace().map(normal);
            if word == "module" {
                let name = normal(rest.trim());
                index.modules.insert(name.clone(), Module::default());
                current = Some(name);
            }
            let Some(name) = &current else { continue };
            let Some(module) = index.modules.get_mut(name) else { continue };
            match word {
                "needs" => module.needs.extend(names()),
                "before" => module.before.extend(names()),
                "after" => module.after.extend(names()),
                "firmware" => module.firmware.push(rest.to_owned()),
                "alias" => module.aliases.push(rest.to_owned()),
                _ => {}
            }
        }
        index
    }

    /// The lines of one module.
    pub fn render(name: &str, module: &Module) -> String {
        let mut text = format!("module {}\n", normal(name));
        let lists = [("needs", &module.needs), ("before", &module.before), ("after", &module.after)];
        for (word, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
            text.push_str(&format!("{word} {}\n", names.join(" ")));
        }
        for file in &module.firmware {
            text.push_str(&format!("firmware {file}\n"));
        }
        for alias in &module.aliases {
            text.push_str(&format!("alias {alias}\n"));
        }
        text
    }

    /// A module's patterns and further names.
    pub fn aliases(&self, name: &str) -> &[String] {
        self.modules.get(&normal(name)).map_or(&[], |module| &module.aliases)
    }

    /// The files that a module loads.
    pub fn firmware(&self, name: &str) -> &[String] {
        self.modules.get(name).map_or(&[], |module| &module.firmware)
    }

    /// The modules that a device's `modalias`, or what the kernel itself asks for, means: by pattern, or by name.
    pub fn meant(&self, wish: &str) -> Vec<&str> {
        if let Some((name, _)) = self.modules.get_key_value(&normal(wish)) {
            return vec![name];
        }
        let drives = |module: &Module| module.aliases.iter().any(|pattern| matches(pattern, wish));
        self.modules.iter().filter(|(_, module)| drives(module)).map(|(name, _)| name.as_str()).collect()
    }

    /// A module and all that goes with it, each once and behind what it needs. What is not here is built in, or was not packed.
    pub fn order(&self, name: &str) -> Vec<&str> {
        let (mut order, mut begun) = (Vec::new(), Vec::new());
        self.visit(&normal(name), &mut begun, &mut order);
        order
    }

    fn visit<'a>(&'a self, name: &str, begun: &mut Vec<&'a str>, order: &mut Vec<&'a str>) {
        let Some((name, module)) = self.modules.get_key_value(name) else { return };
        if begun.contains(&name.as_str()) {
            return;
        }
        begun.push(name);
        for first in module.before.iter().chain(&module.needs) {
            self.visit(first, begun, order);
        }
        order.push(name);
        for last in &module.after {
            self.visit(last, begun, order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "module igb\nneeds dca i2c-algo-bit\nbefore ptp\nalias pci:v00008086d000010C9sv*sd*bc*sc*i*\n\
                        module dca\nmodule i2c_algo_bit\nmodule ptp\nneeds pps_core\nmodule pps_core\nfirmware a/b.bin\n\
                        module ipmi_msghandler\nafter ipmi_devintf\nmodule ipmi_devintf\nneeds ipmi_msghandler\n\
                        module crc32c_generic\nalias crypto-crc32c\nalias crc32c\n";

    #[test]
    fn a_module_comes_behind_what_it_needs() {
        let index = Index::parse(TEXT);
        let check = |name: &str, expected: &[&str]| assert_eq!(index.order(name), expected, "{name}");
        check("igb", &["pps_core", "ptp", "dca", "i2c_algo_bit", "igb"]);
        check("i2c-algo-bit", &["i2c_algo_bit"]);
        // Each wants the other: it ends all the same.
        check("ipmi_msghandler", &["ipmi_msghandler", "ipmi_devintf"]);
        check("ipmi_devintf", &["ipmi_msghandler", "ipmi_devintf"]);
        check("not_there", &[]);
    }

    #[test]
    fn a_wish_is_a_device_or_a_name() {
        let index = Index::parse(TEXT);
        let check = |wish: &str, expected: &[&str]| assert_eq!(index.meant(wish), expected, "{wish}");
        check("pci:v00008086d000010C9sv00008086sd0000A03Cbc02sc00i00", &["igb"]);
        check("crypto-crc32c", &["crc32c_generic"]);
        check("i2c-algo-bit", &["i2c_algo_bit"]);
        check("pci:v00008086d00001572sv00008086sd00000000bc02sc00i00", &[]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let index = Index::parse(TEXT);
        let twice = Index::parse(&format!("{TEXT}{TEXT}"));
        assert_eq!(twice, index, "what is there twice is one");
        let text: String = index.modules.iter().map(|(name, module)| Index::render(name, module)).collect();
        assert_eq!(Index::parse(&text), index);
        assert_eq!(Index::parse("needs a\nnonsense\nmodule\n\u{0}"), Index::default());
    }
}
