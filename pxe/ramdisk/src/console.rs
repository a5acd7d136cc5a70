//! Edges: the consoles: one line for each thing that happens, for the person who watches the boot, wherever that is: at the serial
//! port that the firmware names, at the first two, or before the screen.

use std::{
    fmt::Arguments,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use nix::{
    libc::{B9600, B19200, B57600, B115200, O_NOCTTY, O_NONBLOCK},
    sys::termios::{ControlFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr},
};
use protocol::text::Shown;

use crate::{
    spcr::{self, Spcr},
    system::read_line,
};

const TERMINALS: &str = "/sys/class/tty";
const SPCR_TABLE: &str = "/sys/firmware/acpi/tables/SPCR";
/// The screen, and the serial ports that a BMC may carry.
const USUAL: [&str; 3] = ["tty0", "ttyS0", "ttyS1"];
/// Serial ports that are looked at for the firmware's.
const PORTS_MAX: usize = 32;
/// Speed of a serial port that nobody has set.
const SPEED: u32 = 115_200;

/// Consoles beside the kernel's own, which is our standard output.
static OTHERS: OnceLock<Mutex<Vec<File>>> = OnceLock::new();

/// Writes one line. Nobody may be listening, so a failure to write is no failure, and who does not take it at once loses it.
pub fn say(line: Arguments<'_>) {
    let line = format!("bms: {}\r\n", Shown(line));
    let _ = io::stdout().lock().write_all(line.as_bytes());
    let others = OTHERS.get().map(|others| others.lock().unwrap_or_else(PoisonError::into_inner));
    for other in others.iter().flat_map(|others| others.iter()) {
        let _ = (&mut &*other).write_all(line.as_bytes());
    }
}

/// From now on lines go to all consoles that are there. Needs `/sys` and `/dev`.
pub fn open_all() {
    let active = read_line(Path::new(TERMINALS).join("console/active"));
    let kernels: Vec<_> = active.split_whitespace().collect();
    let firmware = spcr::parse(&fs::read(SPCR_TABLE).unwrap_or_default());
    let named = firmware.and_then(port_of);
    let mut names: Vec<&str> = kernels.clone();
    names.extend(named.as_deref());
    names.extend(USUAL);
    let mut done: Vec<&str> = kernels.last().copied().into_iter().collect();
    let mut files = Vec::new();
    for name in names {
        if done.contains(&name) || !is_there(name) {
            continue;
        }
        done.push(name);
        let speed = firmware.filter(|_| named.as_deref() == Some(name)).and_then(|spcr| spcr.speed);
        // The kernel has set the speed of its own.
        let speed = (!kernels.contains(&name)).then_some(speed.unwrap_or(SPEED));
        files.extend(open(name, speed));
    }
    let _ = OTHERS.set(Mutex::new(files));
}

/// The serial port at this address.
fn port_of(spcr: Spcr) -> Option<String> {
    let file = if spcr.is_port { "port" } else { "iomem_base" };
    let wanted = format!("0x{:X}", spcr.address);
    let names = (0..PORTS_MAX).map(|number| format!("ttyS{number}"));
    names.into_iter().find(|name| read_line(Path::new(TERMINALS).join(name).join(file)) == wanted)
}

/// A name of a serial port may stand for none: then its type is 0.
fn is_there(name: &str) -> bool {
    let terminal = Path::new(TERMINALS).join(name);
    let kind = terminal.join("type");
    terminal.exists() && (!kind.exists() || read_line(kind) != "0")
}

fn open(name: &str, speed: Option<u32>) -> Option<File> {
    let path = Path::new("/dev").join(name);
    let file = OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path).ok()?;
    if let Some(speed) = speed.filter(|_| name.starts_with("ttyS")) {
        let _ = set_up(&file, speed);
    }
    Some(file)
}

/// Eight bits as they are, without waiting for a carrier.
fn set_up(port: &File, speed: u32) -> nix::Result<()> {
    let mut settings = tcgetattr(port)?;
    cfmakeraw(&mut settings);
    settings.control_flags.insert(ControlFlags::CLOCAL);
    let speed = match speed {
        9600 => B9600,
        19_200 => B19200,
        57_600 => B57600,
        _ => B115200,
    };
    // By hand: `cfsetspeed` is not in every static C library that Rust's `libc` names it of.
    settings.control_flags.remove(ControlFlags::CBAUD);
    settings.control_flags.insert(ControlFlags::from_bits_retain(speed));
    tcsetattr(port, SetArg::TCSANOW, &settings)
}

/// `say!("text {}", value)`: one line on every console.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::console::say(format_args!($($words)*)) };
}
