//! Decisions: what `--help` of a verb shows: its own options and examples. Those that all verbs share are shown once, by `bmc --help`.

use clap::Command as CommandLine;

/// The same command line; below `bmc` the shared options are taken as ever and not shown.
pub fn shortened(mut all: CommandLine) -> CommandLine {
    // Shared options reach the verbs only now.
    all.build();
    all.mut_subcommand("bmc", |bmc| bmc.mut_subcommands(without_shared))
}

fn without_shared(verb: CommandLine) -> CommandLine {
    let verb = verb.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    verb.mut_subcommands(without_shared)
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::tool::args::BmcArgs;

    fn command() -> CommandLine {
        CommandLine::new("bms-agent").subcommand(BmcArgs::augment_args(CommandLine::new("bmc")))
    }

    fn help(words: &str) -> String {
        let typed = shortened(command()).try_get_matches_from(words.split(' '));
        typed.expect_err("it shows help").to_string()
    }

    #[test]
    fn a_verb_shows_its_own_options_and_examples_and_all_are_shown_once() {
        for words in ["sel list", "bios set", "media insert", "power", "firmware update"] {
            let shown = help(&format!("bms-agent bmc {words} --help"));
            assert!(!shown.contains("--at-once") && !shown.contains("--hosts"), "{words}: {shown}");
            assert!(shown.lines().count() < 40, "{words}: {shown}");
        }
        let whole = help("bms-agent bmc --help");
        assert!(whole.contains("--at-once") && whole.contains("Which BMCs, and how:"), "{whole}");
        for verb in ["sel", "bios", "media", "power", "firmware", "probe", "users", "identify", "nmi"] {
            let shown = help(&format!("bms-agent bmc {verb} --help"));
            assert!(shown.contains("Examples:\n  bms-agent bmc -H 192.0.2.7"), "{verb}: {shown}");
        }
    }

    #[test]
    fn shared_options_are_taken_behind_a_verb_as_ever() {
        let typed = shortened(command())
            .try_get_matches_from(["bms-agent", "bmc", "bios", "get", "--by", "redfish", "-H", "192.0.2.7"])
            .unwrap();
        let args = BmcArgs::from_arg_matches(typed.subcommand_matches("bmc").unwrap()).unwrap();
        assert_eq!(args.whom.host.as_deref(), Some("192.0.2.7"));
        assert_eq!(args.whom.by, crate::tool::args::By::Redfish);
        // A verb's own words are not taken for a shared option's.
        let typed = shortened(command())
            .try_get_matches_from(["bms-agent", "bmc", "-U", "root", "users", "disable", "guest"])
            .unwrap();
        let args = BmcArgs::from_arg_matches(typed.subcommand_matches("bmc").unwrap()).unwrap();
        assert_eq!(args.whom.user, "root");
    }
}
