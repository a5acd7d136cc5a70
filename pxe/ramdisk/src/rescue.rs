//! Edges: the rescue system: the ramdisk after it has let go of its server, which is its tenant's from then on.
//!
//! ```text
//!   hand-over: tools there, modules loaded -> the agent has ended the session and answers no boot of this server any more
//!     -> our address is given up -> DHCP, again and again: answered only once the port is on the tenant's network
//!     -> only now an SSH server: user `rescue`, the password whose hash Ironic sent
//! ```
//!
//! What must stay true: nothing listens before there is an address of the tenant's network, and nobody but `rescue` can log in.
//! The tools are Debian's busybox, dropbear and e2fsck, in an archive of their own (`pack::rescue`) that no other boot loads.

use std::{
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command},
    thread,
    time::Duration,
};

use nix::{
    mount::{MsFlags, mount},
    sys::wait::wait,
};
use protocol::secret::Secret;

use crate::{kernel, network, network::Interface, power_button, say, system};

/// Who logs in; with all rights.
pub const USER: &str = "rescue";
/// Modules that only a rescue system needs.
pub const MODULES_LIST: &str = "/lib/rescue.list";
/// How DHCP servers know us.
const VENDOR_CLASS: &str = "bms-rescue";
const BUSYBOX: &str = "/bin/busybox";
const SSH_SERVER: &str = "/sbin/dropbear";
/// Pause after a failure to get an address or to start the SSH server.
const PAUSE: Duration = Duration::from_secs(1);
/// What the tenant writes is on his disk after this time: `unrescue` takes the power without asking.
const SYNC_EVERY: Duration = Duration::from_secs(2);
/// Longest hash: SHA-512 with the longest salt and a number of rounds has 123 characters.
const HASH_BYTES_MAX: usize = 128;
const MOTD: &str = "\
Rescue system. Your disks are as you left them and nothing of them is mounted: fdisk -l, mount /dev/... /mnt.
It lasts as long as the power does; `server unrescue` boots your own disk again. Unmount first.
";

/// Why there is no rescue system.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The layer with the tools was not loaded.
    #[error(
        "this ramdisk has no rescue tools: name the file `rescue` that ramdisk-pack makes as `boot.rescue` in the agent's \
         configuration"
    )]
    NoTools,
    /// Not what crypt(3) writes.
    #[error("the password's hash is none of crypt's SHA-256 ($5$) or SHA-512 ($6$)")]
    Hash,
    /// A file or a program.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// Makes everything ready that can be made ready before the hand-over, so that what is missing fails while somebody hears it.
pub fn prepare(password_hash: &Secret) -> Result<(), RescueError> {
    if !Path::new(SSH_SERVER).exists() || !Path::new(BUSYBOX).exists() {
        return Err(RescueError::NoTools);
    }
    if !is_hash(password_hash.reveal()) {
        return Err(RescueError::Hash);
    }
    if let Err(error) = system::load_modules(MODULES_LIST) {
        say!("{error}");
    }
    for dir in ["/dev/pts", "/etc", "/etc/dropbear", "/root", "/run", "/tmp", "/usr/bin", "/usr/sbin", "/mnt"]
    {
        fs::create_dir_all(dir).map_err(|error| RescueError::Io(dir, error))?;
    }
    let terminals = mount(Some("devpts"), "/dev/pts", Some("devpts"), MsFlags::empty(), Some("mode=0620"));
    match terminals {
        Ok(()) | Err(nix::Error::EBUSY) => {}
        Err(error) => return Err(RescueError::Io("mount /dev/pts", error.into())),
    }
    let names = Command::new(BUSYBOX).args(["--install", "-s"]).status();
    names.map_err(|error| RescueError::Io(BUSYBOX, error))?;
    accounts(Path::new("/etc"), password_hash.reveal()).map_err(|error| RescueError::Io("/etc", error))
}

/// Whether a text is a hash as crypt(3) writes it, and nothing that would be read as more than one field of a line.
fn is_hash(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "./$=".contains(c);
    let kind = text.starts_with("$5$") || text.starts_with("$6$");
    kind && text.len() <= HASH_BYTES_MAX && text.chars().all(good) && text.matches('$').count() >= 3
}

/// The one account. There is no `root`: nobody can log in by that name.
fn accounts(etc: &Path, password_hash: &str) -> io::Result<()> {
    let write = |name: &str, mode: u32, text: String| {
        let path = etc.join(name);
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        fs::write(&path, text)
    };
    write("passwd", 0o644, format!("{USER}:x:0:0:{USER}:/root:/bin/sh\n"))?;
    write("group", 0o644, "root:x:0:\n".to_owned())?;
    write("shadow", 0o600, format!("{USER}:{password_hash}:1::::::\n"))?;
    write("profile", 0o644, "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n".to_owned())?;
    write("motd", 0o644, MOTD.to_owned())
}

/// Runs until the power goes. Returns only when there is nothing to run, with the reason.
pub fn run(interface: &Interface, password_hash: &Secret) -> String {
    debug_assert!(is_hash(password_hash.reveal()), "prepare() has looked");
    say!("the server is its tenant's now");
    power_button::watch();
    thread::spawn(|| {
        loop {
            thread::sleep(SYNC_EVERY);
            nix::unistd::sync();
        }
    });
    if let Err(error) = kernel::clear_address(&interface.name) {
        return format!("our address stays on {}: {error}", interface.name);
    }
    let address = address(interface);
    say!("{} ({}) has {address}; ssh {USER}@{address}", interface.name, interface.mac);
    loop {
        match serve_ssh() {
            Ok(mut server) => wait_for(&mut server),
            Err(error) => say!("{SSH_SERVER}: {error}"),
        }
        thread::sleep(PAUSE);
    }
}

/// An address of the network to which the server is moved sooner or later. On ours nobody answers any more.
fn address(interface: &Interface) -> Ipv4Addr {
    loop {
        match network::configure(interface, None, VENDOR_CLASS) {
            Ok(address) => return address,
            Err(error) => say!("no address yet: {error}"),
        }
        thread::sleep(PAUSE);
    }
}

/// A host key of its own is made for each boot (`-R`), by the first who connects.
fn serve_ssh() -> io::Result<Child> {
    Command::new(SSH_SERVER)
        .args(["-F", "-E", "-R", "-p", "22"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .spawn()
}

/// Waits for the SSH server to end, and buries what others have left: we are the first process.
fn wait_for(server: &mut Child) {
    let id = i32::try_from(server.id()).unwrap_or_default();
    loop {
        match wait() {
            Ok(ended) if ended.pid().is_some_and(|pid| pid.as_raw() == id) => break,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => break,
        }
    }
    say!("the SSH server has ended");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_is_taken_for_one() {
        let check = |text: &str, expected: bool| assert_eq!(is_hash(text), expected, "{text}");
        check("$5$XcWbyUQy0PMgLWTg$5ZK8CkVZTEUz1yKvvFcNV9vWoHfDl3kYgQO1cH2pYS3", true);
        check("$6$rounds=5000$abc.DEF/$0123456789abcdef", true);
        check("hunter2", false);
        check("$1$abc$def", false);
        check("$5$abc", false);
        check("$5$abc$def:0:0", false);
        check("$5$abc$def\nroot::1::::::", false);
        check(&format!("$6$abc${}", "x".repeat(HASH_BYTES_MAX)), false);
    }

    #[test]
    fn nobody_but_rescue_has_an_account() {
        let etc = tempfile::tempdir().unwrap();
        accounts(etc.path(), "$5$a$b").unwrap();
        let read = |name: &str| fs::read_to_string(etc.path().join(name)).unwrap();
        assert_eq!(read("passwd"), "rescue:x:0:0:rescue:/root:/bin/sh\n");
        assert_eq!(read("shadow"), "rescue:$5$a$b:1::::::\n");
        let mode = fs::metadata(etc.path().join("shadow")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
