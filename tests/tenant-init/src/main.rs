//! Edges: the only program of the test image. It reads its configuration drive, gets its addresses by DHCP, over
//! VLANs where the drive says so, and answers HTTP with its instance id and how often it was booted; it leaves a secret on the
//! disk for the cleaning to remove.

mod config_drive;
mod networks;
mod page;
mod state;
mod vlan;

use std::{process, thread, time::Duration};

use ramdisk::{network, power_button, say, system};

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

/// A network: the interface that it is on, and the tag of its frames.
type Place = (network::Interface, Option<u16>);

/// Gets an address on a network.
fn configure((interface, tag): &Place) -> Result<(), network::NetworkError> {
    let over = match tag {
        None => interface.clone(),
        Some(tag) => vlan::over(interface, *tag)
            .map_err(|_| network::NetworkError::NoInterface(format!("{} with VLAN {tag}", interface.name)))?,
    };
    let address = network::configure(&over, None, VENDOR_CLASS)?;
    say!("{} ({}) has {address}", over.name, over.mac);
    Ok(())
}

/// Gets an address on a further network once its interface has a link. It may never have one: not every card is plugged in.
fn configure_further(place: &Place) {
    loop {
        if place.0.carrier() {
            match configure(place) {
                Ok(()) => return,
                // It has its address; the default route is the first network's.
                Err(network::NetworkError::SetUp(..)) => return,
                Err(error) => say!("{}: {error}", place.0.name),
            }
        }
        thread::sleep(NETWORK_PAUSE);
    }
}

fn run() -> Result<(), String> {
    system::mount_kernel_file_systems().map_err(|error| error.to_string())?;
    system::load_modules(system::MODULES_LIST).map_err(|error| error.to_string())?;
    power_button::watch();
    state::wait_for_disk();
    let identity = config_drive::read().unwrap_or_else(|reason| {
        say!("no configuration drive: {reason}");
        config_drive::Identity::default()
    });
    let boot_count = state::record_boot().unwrap_or_else(|reason| {
        say!("no state: {reason}");
        0
    });
    say!("instance {} ({}), boot {boot_count}", identity.instance_id, identity.hostname);
    let places = |interface: network::Interface| {
        let tags = networks::tags(&identity.network_data, &interface.mac.to_string());
        tags.into_iter().map(move |tag| (interface.clone(), tag)).collect::<Vec<Place>>()
    };
    let first = loop {
        let configured = network::bring_up(None).and_then(|interface| {
            let first = places(interface).into_iter().next();
            first.iter().try_for_each(configure).map(|()| first)
        });
        match configured {
            Ok(first) => break first,
            Err(error) => say!("{error}"),
        }
        thread::sleep(NETWORK_PAUSE);
    };
    let is_first =
        |place: &Place| first.as_ref().is_some_and(|first| (first.0.mac, first.1) == (place.0.mac, place.1));
    for further in network::interfaces().into_iter().flat_map(places).filter(|place| !is_first(place)) {
        thread::spawn(move || configure_further(&further));
    }
    page::serve(&identity, boot_count).map_err(|error| error.to_string())
}
