//! Edges: the first process of a server in our hands.

use std::{collections::HashMap, fs, iter, net::SocketAddr, process, thread, time::Duration};

use protocol::ramdisk::BootArguments;
use ramdisk::{
    console, disk,
    driver::{fetch::Source, load, seek},
    hardware, lldp, network,
    network::{Interface, NetworkError},
    rescue, say, session,
    session_end::SessionEnd,
    system,
};

/// How DHCP servers know us.
const VENDOR_CLASS: &str = "bms-ramdisk";

fn main() {
    if load::was_asked_by_the_kernel() {
        return;
    }
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
    console::open_all();
    say!("ramdisk {} at {} s", env!("CARGO_PKG_VERSION"), uptime());
    let line = system::read("/proc/cmdline").map_err(|e| text(&e))?;
    let arguments = BootArguments::parse(&line).map_err(|e| text(&e))?;
    seek::start();
    network::silence_ipv6();
    let interface = network::bring_up(arguments.mac).map_err(|e| without_network(&e))?;
    let address = network::configure(&interface, arguments.address, VENDOR_CLASS).map_err(|e| text(&e))?;
    say!("{} ({}) has {address} at {} s", interface.name, interface.mac, uptime());
    if let Some(port) = arguments.parts_port {
        let agent = SocketAddr::new(arguments.agent.ip(), port);
        seek::fetch_from(Source { agent, mac: interface.mac });
    }
    // It waits for the drivers as well, and with them for interfaces that appear late.
    disk::settled();
    network::bring_up_late();
    let heard = match arguments.lldp_seconds {
        Some(seconds) => lldp::listen(&network::interfaces(), Duration::from_secs(seconds.into())),
        None => HashMap::new(),
    };
    for fault in seek::faults() {
        say!("{fault}");
    }
    let end = session::run(&arguments, &|| hardware::report((interface.mac, address), &heard));
    Ok((interface, end))
}

/// Why there is no network, with what of the hardware stays unused: a driver that is missing is among it.
fn without_network(error: &NetworkError) -> String {
    let faults = seek::faults();
    iter::once(error.to_string()).chain(faults).collect::<Vec<_>>().join("; ")
}

/// Seconds since the kernel started, for the console.
fn uptime() -> String {
    let line = fs::read_to_string("/proc/uptime").unwrap_or_default();
    line.split_whitespace().next().unwrap_or("?").to_owned()
}
