//! Decisions: the kernel command line by which a ramdisk finds its agent.

use protocol::ramdisk::BootArguments;

/// What is read is written so that it is read again.
pub fn run(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    if let Ok(arguments) = BootArguments::parse(&line) {
        assert_eq!(BootArguments::parse(&arguments.to_string()), Ok(arguments));
    }
}
