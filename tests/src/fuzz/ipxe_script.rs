//! Decisions: what is put into a script of iPXE.

use protocol::mac::MacAddr;
use pxe::ipxe::script::Script;

fn lines(command_line: &str) -> Option<usize> {
    let script = Script {
        base_url: "http://198.18.1.1",
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        command_line,
        has_initrd: true,
    };
    script.render().ok().map(|script| script.lines().count())
}

/// No command line adds a command.
pub fn run(data: &[u8]) {
    if let Some(found) = lines(&String::from_utf8_lossy(data)) {
        assert_eq!(Some(found), lines("quiet"));
    }
}
