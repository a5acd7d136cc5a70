//! Edges: the first process of a server in our hands.

use std::{collections::HashMap, fs, process, thread, time::Duration};

use protocol::ramdisk::BootArguments;
use ramdisk::{
    disk, hardware, lldp, network, network::Interface, rescue, say, session, session_end::SessionEnd, system,
};

/// How DHCP servers know us.
const VENDOR_CLASS: &str = "bms-ramdisk";

fn main() {
    if process::id() != 1 {
        say!("this program is the first process of a ramdisk; it would switch this machine off");
        process::exit(2);
    }
    std::panic::set_hook(Box::new(|panic| {
        say!("panic: {panic}");
        system::power_off();
    }));
    let end = run();
    say!("the end: {end}");
    thread::sleep(session::LOST_AGENT_WAIT.saturating_mul(u32::from(end != "told")));
    system::power_off();
}

/// Runs from the kernel's hand-over to the reason for power off.
fn run() -> String {
    match serve() {
        Ok((_, SessionEnd::Told)) => "told".to_owned(),
        Ok((interface, SessionEnd::HandedOver { password_hash })) => rescue::run(&interface, &password_hash),
        Ok((_, end @ (SessionEnd::Refused(_) | SessionEnd::Lost(_) | SessionEnd::Confused))) => {
            end.to_string()
        }
        Err(reason) => reason,
    }
}

/// Serves the agent. What it needs for that, the token above all, is gone when it returns.
fn serve() -> Result<(Interface, SessionEnd), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    system::mount_kernel_file_systems().map_err(|e| text(&e))?;
    say!("ramdisk {} at {} s", env!("CARGO_PKG_VERSION"), uptime());
    let line = system::read("/proc/cmdline").map_err(|e| text(&e))?;
    let arguments = BootArguments::parse(&line).map_err(|e| text(&e))?;
    system::load_modules(system::MODULES_LIST).map_err(|e| text(&e))?;
    network::silence_ipv6();
    let interface = network::bring_up(arguments.mac).map_err(|e| text(&e))?;
    let address = network::configure(&interface, arguments.address, VENDOR_CLASS).map_err(|e| text(&e))?;
    say!("{} ({}) has {address} at {} s", interface.name, interface.mac, uptime());
    let heard = match arguments.lldp_seconds {
        Some(seconds) => lldp::listen(&network::interfaces(), Duration::from_secs(seconds.into())),
        None => HashMap::new(),
    };
    disk::settled();
    let end = session::run(&arguments, &|| hardware::report((interface.mac, address), &heard));
    Ok((interface, end))
}

/// Seconds since the kernel started, for the console.
fn uptime() -> String {
    let line = fs::read_to_string("/proc/uptime").unwrap_or_default();
    line.split_whitespace().next().unwrap_or("?").to_owned()
}
