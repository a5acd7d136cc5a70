//! Decisions: the script that iPXE runs.

use std::fmt::Write as _;

use protocol::mac::MacAddr;

/// Longest kernel command line: Linux takes 2048 bytes on x86, of which the boot loader adds some itself.
pub const MAX_COMMAND_LINE: usize = 1900;

/// How often a failed download is tried again before the server is reset.
const TRIES: u32 = 10;

/// What a script is made of.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// Start of the agent's URLs, without a slash at its end.
    pub base_url: &'a str,
    /// Whose script it is.
    pub mac: MacAddr,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Whether there is an initrd beside the kernel.
    pub has_initrd: bool,
}

/// Why a command line cannot be written into a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommandLine {
    /// The kernel would cut it off.
    #[error("it has {0} bytes, more than {MAX_COMMAND_LINE}")]
    TooLong(usize),
    /// A line break would begin another iPXE command.
    #[error("it has a character that is not printable ASCII")]
    Character,
    /// iPXE would understand a part of it.
    #[error("it has ${{...}}, &&, || or a word that begins with #, which iPXE would take for its own")]
    Syntax,
    /// GRUB would understand it.
    #[error("it has a quote or a backslash, which GRUB would take for its own")]
    Quote,
}

impl Script<'_> {
    /// Writes the script. It asks for kernel and ramdisk with the numbers of the NIC by which the server boots. It never ends in "exit": that would boot what is on the disk.
    pub fn render(&self) -> Result<String, InvalidCommandLine> {
        check(self.command_line)?;
        let Script { base_url, mac, command_line, has_initrd } = self;
        let (named, loaded) = match has_initrd {
            true => (
                " initrd=initrd",
                format!(
                    "initrd --name initrd {base_url}/boot/{mac}/initrd?nic=${{netX/busid:hexraw}} || goto failed\n"
                ),
            ),
            false => ("", String::new()),
        };
        let boot_if = mac.to_string().replace(':', "-");
        let mut script = String::with_capacity(1024);
        // Writing into a String cannot fail.
        let _ = write!(
            script,
            "#!ipxe\n\
             echo Booting by permission of the rack agent at {base_url}\n\
             set try:int32 0\n\
             :again\n\
             imgfree\n\
             kernel {base_url}/boot/{mac}/kernel?nic=${{netX/busid:hexraw}}{named} BOOTIF=01-{boot_if} {command_line} || goto failed\n\
             {loaded}boot || goto failed\n\
             :failed\n\
             inc try\n\
             iseq ${{try}} {TRIES} && goto reset ||\n\
             echo The boot failed; trying again in 3 seconds\n\
             sleep 3\n\
             goto again\n\
             :reset\n\
             reboot\n"
        );
        Ok(script)
    }
}

/// Whether a command line can be written into a script.
pub fn check(command_line: &str) -> Result<(), InvalidCommandLine> {
    if command_line.len() > MAX_COMMAND_LINE {
        return Err(InvalidCommandLine::TooLong(command_line.len()));
    }
    if !command_line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(InvalidCommandLine::Character);
    }
    let ours = |word: &str| word == "&&" || word == "||" || word.starts_with('#');
    if command_line.contains("${") || command_line.split(' ').any(ours) {
        return Err(InvalidCommandLine::Syntax);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(command_line: &str) -> Result<String, InvalidCommandLine> {
        let script = Script {
            base_url: "http://198.18.1.1",
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            command_line,
            has_initrd: true,
        };
        script.render()
    }

    #[test]
    fn the_kernel_gets_its_command_line() {
        let script = render("console=ttyS0 bms.agent=198.18.1.1:22030").unwrap();
        let kernel = "kernel http://198.18.1.1/boot/02:00:00:00:00:01/kernel?nic=${netX/busid:hexraw} initrd=initrd \
                      BOOTIF=01-02-00-00-00-00-01 console=ttyS0 bms.agent=198.18.1.1:22030 || goto failed\n";
        assert!(script.starts_with("#!ipxe\n") && script.contains(kernel), "{script}");
        assert!(!script.contains("exit"), "{script}");
    }

    #[test]
    fn nothing_slips_into_the_script() {
        let check = |line: &str, expected| assert_eq!(render(line).map(|_| ()), expected, "{line}");
        check("", Ok(()));
        check("a=b#c money=$5", Ok(()));
        check("a\nreboot", Err(InvalidCommandLine::Character));
        check("a=ä", Err(InvalidCommandLine::Character));
        check("a=${net0/mac}", Err(InvalidCommandLine::Syntax));
        check("a || shell", Err(InvalidCommandLine::Syntax));
        check("a && shell", Err(InvalidCommandLine::Syntax));
        check("a #b", Err(InvalidCommandLine::Syntax));
        check(&"x".repeat(MAX_COMMAND_LINE + 1), Err(InvalidCommandLine::TooLong(MAX_COMMAND_LINE + 1)));
    }

    proptest! {
        #[test]
        fn no_command_line_adds_a_command(line in ".{0,200}") {
            if let Ok(script) = render(&line) {
                prop_assert_eq!(script.lines().count(), render("quiet").unwrap().lines().count());
            }
        }
    }
}
