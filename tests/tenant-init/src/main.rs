//! Edges: the only program of the test image. It reads its configuration drive, gets its address by DHCP, and answers
//! HTTP with its instance id and how often it was booted; it leaves a secret on the disk for the cleaning to remove.

mod config_drive;
mod page;
mod power_button;
mod state;

use std::{process, thread, time::Duration};

use ramdisk::{network, say, system};

/// How DHCP servers know us.
const VENDOR_CLASS: &str = "bms-tenant";
/// Pause after a failure to get an address; like any operating system, this one keeps trying.
const NETWORK_PAUSE: Duration = Duration::from_secs(1);

fn main() {
    if process::id() != 1 {
        say!("this program is the first process of the test image");
        process::exit(2);
    }
    std::panic::set_hook(Box::new(|panic| say!("panic: {panic}")));
    if let Err(reason) = run() {
        say!("the end: {reason}");
        thread::sleep(Duration::from_secs(2));
    }
    system::power_off();
}

/// Gives a further interface its address once it has a link. It may never have one: not every card is plugged in.
fn configure_further(interface: &network::Interface) {
    loop {
        if interface.carrier() {
            match network::configure(interface, None, VENDOR_CLASS) {
                Ok(address) => {
                    say!("{} ({}) has {address}", interface.name, interface.mac);
                    return;
                }
                // It has its address; the default route is the first interface's.
                Err(network::NetworkError::SetUp(..)) => return,
                Err(error) => say!("{}: {error}", interface.name),
            }
        }
        thread::sleep(NETWORK_PAUSE);
    }
}

fn run() -> Result<(), String> {
    system::mount_kernel_file_systems().map_err(|error| error.to_string())?;
    system::load_modules().map_err(|error| error.to_string())?;
    power_button::watch();
    let identity = config_drive::read().unwrap_or_else(|reason| {
        say!("no configuration drive: {reason}");
        config_drive::Identity::default()
    });
    let boot_count = state::record_boot().unwrap_or_else(|reason| {
        say!("no state: {reason}");
        0
    });
    say!("instance {} ({}), boot {boot_count}", identity.instance_id, identity.hostname);
    let first = loop {
        let configured = network::bring_up(None).and_then(|interface| {
            let address = network::configure(&interface, None, VENDOR_CLASS)?;
            say!("{} ({}) has {address}", interface.name, interface.mac);
            Ok(interface)
        });
        match configured {
            Ok(interface) => break interface,
            Err(error) => say!("{error}"),
        }
        thread::sleep(NETWORK_PAUSE);
    };
    for further in network::interfaces().into_iter().filter(|other| other.mac != first.mac) {
        thread::spawn(move || configure_further(&further));
    }
    page::serve(&identity, boot_count).map_err(|error| error.to_string())
}
