//! The ramdisks' port of one isolated network, tried from the other one: whoever is on the wrong segment finds nobody, although
//! packets come and go.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Listener},
};
use async_trait::async_trait;
use protocol::network::BootNetwork;
use tests::netns::Netns;
use tokio::sync::mpsc;

const WAIT_MAX: Duration = Duration::from_secs(5);
const PROVISIONING: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const CLEANING: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 1);

struct NoImages;

#[async_trait]
impl Upstream for NoImages {
    async fn fetch(&self, id: &str, _: u64) -> Result<ImageStream, UpstreamError> {
        panic!("nobody asks for {id}")
    }
}

/// An agent with two segments, and a neighbour on each who knows the way to the other one.
struct World {
    agent: Netns,
    provisioning: Netns,
    cleaning: Netns,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let ns = async |part| Netns::create(&format!("seg{}{part}", std::process::id())).await;
        let (agent, provisioning, cleaning) = (ns("a").await?, ns("p").await?, ns("c").await?);
        let world = Self { agent, provisioning, cleaning };
        for (neighbour, interface, own, other) in [
            (&world.provisioning, "prov0", PROVISIONING, CLEANING),
            (&world.cleaning, "clean0", CLEANING, PROVISIONING),
        ] {
            let [a, b, c, _] = own.octets();
            let there = &neighbour.0;
            let add = format!("link add {interface} type veth peer name eth0 netns {there}\n");
            let up = format!("address add {own}/24 dev {interface}\nlink set {interface} up\n");
            world.agent.ip_batch(&(add + &up)).await?;
            let address = format!("address add {a}.{b}.{c}.60/24 dev eth0\nlink set eth0 up\n");
            neighbour.ip_batch(&(address + &format!("route add {other}/32 via {own}\n"))).await?;
        }
        Ok(world)
    }

    /// The agent's control of ramdisks, listening on both segments.
    fn control(&self, dir: &std::path::Path) -> anyhow::Result<Control> {
        let listener = |network, interface: &str, own| Listener {
            network,
            interface: interface.to_owned(),
            address: SocketAddrV4::new(own, 0),
            prefix_len: 24,
        };
        let config = ControlConfig {
            listeners: vec![
                listener(BootNetwork::Provisioning, "prov0", PROVISIONING),
                listener(BootNetwork::Cleaning, "clean0", CLEANING),
            ],
            state_dir: dir.to_owned(),
            boots: vec![],
            resume_wait: WAIT_MAX,
            step_silence: agent::ramdisk::STEP_SILENCE_MAX,
        };
        let images = Arc::new(Cache::open(dir.join("images"), 1 << 20, Arc::new(NoImages))?);
        let runtime = tokio::runtime::Handle::current();
        self.agent.within(move || {
            let _inside = runtime.enter();
            Ok(Control::start(config, images, mpsc::channel(16).0)?)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for ns in [&self.agent, &self.provisioning, &self.cleaning] {
            let _ = Command::new("ip").args(["netns", "del", &ns.0]).status();
        }
    }
}

/// Whether somebody there speaks with this neighbour; none: the connection is refused.
fn speaks(neighbour: &Netns, to: SocketAddr) -> anyhow::Result<Option<bool>> {
    neighbour.within(move || {
        let mut stream = match TcpStream::connect_timeout(&to, WAIT_MAX) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        stream.set_read_timeout(Some(WAIT_MAX))?;
        // TLS answers this by an alert.
        stream.write_all(b"no handshake at all")?;
        Ok(Some(stream.read(&mut [0; 16]).is_ok_and(|bytes| bytes > 0)))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ramdisks_port_is_open_on_its_own_segment_only() -> anyhow::Result<()> {
    let world = World::new().await?;
    let dir = tempfile::tempdir()?;
    let control = world.control(dir.path())?;
    let port = |network| control.address(network).expect("both listen");
    let (provisioning, cleaning) = (port(BootNetwork::Provisioning), port(BootNetwork::Cleaning));
    let check = |neighbour: &Netns, to, expected| -> anyhow::Result<()> {
        assert_eq!(speaks(neighbour, to)?, expected, "{} to {to}", neighbour.0);
        Ok(())
    };
    check(&world.provisioning, provisioning, Some(true))?;
    check(&world.cleaning, cleaning, Some(true))?;
    check(&world.cleaning, provisioning, None)?;
    check(&world.provisioning, cleaning, None)?;
    // It is not that there is no way: what is bound to the address alone is found from the other segment.
    let open = world.agent.within(|| Ok(TcpListener::bind((PROVISIONING, 0))?))?;
    let found = open.local_addr()?;
    world.cleaning.within(move || Ok(TcpStream::connect_timeout(&found, WAIT_MAX)?))?;
    control.stop().await;
    Ok(())
}
