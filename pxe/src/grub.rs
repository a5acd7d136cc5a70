//! Decisions: the configuration that GRUB reads where Secure Boot lets nothing unsigned run.
//!
//! Microsoft has signed a shim, the shim knows its distribution's key, and with that GRUB and a kernel are signed. GRUB is started without our
//! words, so it asks for `grub.cfg` as every server does, and is given its own server's by the address that this has leased. Debian's GRUB
//! reads nothing but TFTP; kernel and ramdisk come by that.

use std::fmt::Write as _;

use protocol::mac::MacAddr;

use crate::ipxe::script::{InvalidCommandLine, MAX_COMMAND_LINE};

/// The shim, as it is called in TFTP requests.
pub const SHIM: &str = "shimx64.efi";

/// What the shim asks for, beside itself.
pub const GRUB: &str = "grubx64.efi";

/// What GRUB asks for, in several directories.
pub const CONFIG: &str = "grub.cfg";

/// The kernel, as our configuration calls it.
pub const KERNEL: &str = "bms.kernel";

/// The ramdisk, as our configuration calls it.
pub const INITRD: &str = "bms.initrd";

/// How often a failed download is tried again before the server is reset.
const TRIES: u32 = 10;

/// What a configuration is made of.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// Whose it is.
    pub mac: MacAddr,
    /// The kernel's command line.
    pub command_line: &'a str,
}

impl Config<'_> {
    /// Writes it. It never ends in "exit": that would boot what is on the disk.
    pub fn render(&self) -> Result<String, InvalidCommandLine> {
        check(self.command_line)?;
        let Config { mac, command_line } = self;
        let boot_if = mac.to_string().replace(':', "-");
        let tries = (1..=TRIES).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let quoted: String = command_line.split_ascii_whitespace().map(|word| format!(" '{word}'")).collect();
        let mut text = String::with_capacity(1024);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "echo 'Booting by permission of the rack agent'\n\
             for try in {tries}; do\n\
             if linux /{KERNEL} BOOTIF=01-{boot_if}{quoted}; then\n\
             if initrd /{INITRD}; then boot; fi\n\
             fi\n\
             echo 'The boot failed; trying again in 3 seconds'\n\
             sleep 3\n\
             done\n\
             reboot\n"
        );
        Ok(text)
    }
}

/// Every word is quoted, so that the quote itself is all that could end it.
fn check(command_line: &str) -> Result<(), InvalidCommandLine> {
    if command_line.len() > MAX_COMMAND_LINE {
        return Err(InvalidCommandLine::TooLong(command_line.len()));
    }
    if !command_line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(InvalidCommandLine::Character);
    }
    // GRUB writes a quote and a backslash into the kernel's command line with another one before it.
    if command_line.contains(['\'', '"', '\\']) {
        return Err(InvalidCommandLine::Quote);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(command_line: &str) -> Result<String, InvalidCommandLine> {
        Config { mac: MacAddr([2, 0, 0, 0, 0, 1]), command_line }.render()
    }

    #[test]
    fn the_kernel_gets_its_command_line_word_by_word() {
        let text = render("console=ttyS0  bms.agent=198.18.1.1:22030 a=$b;reboot").unwrap();
        let kernel = "if linux /bms.kernel BOOTIF=01-02-00-00-00-00-01 'console=ttyS0' \
                      'bms.agent=198.18.1.1:22030' 'a=$b;reboot'; then\n";
        assert!(text.contains(kernel) && text.contains("if initrd /bms.initrd; then boot; fi\n"), "{text}");
        assert!(text.ends_with("done\nreboot\n") && !text.contains("exit"), "{text}");
    }

    #[test]
    fn nothing_slips_into_the_configuration() {
        let check = |line: &str, expected| assert_eq!(render(line).map(drop), expected, "{line}");
        check("", Ok(()));
        check("a\nreboot", Err(InvalidCommandLine::Character));
        check("a=ä", Err(InvalidCommandLine::Character));
        check("a=' ; exit", Err(InvalidCommandLine::Quote));
        check("a=\"b\"", Err(InvalidCommandLine::Quote));
        check("a=b\\", Err(InvalidCommandLine::Quote));
        check(&"x".repeat(MAX_COMMAND_LINE + 1), Err(InvalidCommandLine::TooLong(MAX_COMMAND_LINE + 1)));
    }

    proptest! {
        #[test]
        fn no_command_line_ends_its_quotes(line in ".{0,200}") {
            if let Ok(text) = render(&line) {
                prop_assert_eq!(text.lines().count(), render("quiet").unwrap().lines().count());
                let linux = text.lines().find(|line| line.starts_with("if linux ")).unwrap();
                let outside: String = linux.split('\'').step_by(2).collect();
                prop_assert!(outside.ends_with("; then") && !outside.contains(['$', '&', '|', '"']), "{}", outside);
            }
        }
    }
}
