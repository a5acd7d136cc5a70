//! What the fake REST API shows to choose from, in the API's own types: images, flavors, networks; and agents.

use api_types::{
    Agent, AgentCertificate, CachedImage, CachedImageStatus, CertificateOrigin, CertificateState, Flavor,
    Image, ImageCache, ImageFirmware, OtherServers, TenantNetwork,
};
use uuid::Uuid;

pub fn images() -> Vec<Image> {
    let demo = Image {
        id: "7c0d6f0e-1111-4222-8333-444455556666".to_owned(),
        name: "demo".to_owned(),
        format: "qcow2".to_owned(),
        size_bytes: 13_212_876,
        status: "active".to_owned(),
        visibility: "public".to_owned(),
        project_id: Some("admin-id".to_owned()),
        boot_mode: ImageFirmware::Both,
        min_disk_gb: 1,
        sector_bytes: Some(4096),
        sha512: None,
        created: None,
    };
    let debian = Image {
        id: "7c0d6f0e-1111-4222-8333-444455556667".to_owned(),
        name: "debian-12".to_owned(),
        format: "raw".to_owned(),
        size_bytes: 2_147_483_648,
        visibility: "private".to_owned(),
        project_id: Some("demo-id".to_owned()),
        boot_mode: ImageFirmware::Uefi,
        min_disk_gb: 0,
        sector_bytes: None,
        ..demo.clone()
    };
    vec![demo, debian]
}

/// A rack whose cache has an image in use, one on its way and one that failed, and a rack without an agent.
pub fn image_caches() -> Vec<ImageCache> {
    let demo = CachedImage {
        name: Some("demo".to_owned()),
        id: Some(images()[0].id.clone()),
        sha512: "a".repeat(128),
        status: CachedImageStatus::Cached,
        bytes: 13_212_876,
        size_bytes: Some(13_212_876),
        unpacked: false,
        last_used: Some("2026-11-30T12:00:00Z".to_owned()),
        problem: None,
        waiting: Vec::new(),
        in_use: vec!["srv1".to_owned()],
    };
    let coming = CachedImage {
        name: Some("debian-12".to_owned()),
        sha512: "b".repeat(128),
        status: CachedImageStatus::Fetching,
        bytes: 1_073_741_824,
        size_bytes: Some(2_147_483_648),
        last_used: None,
        waiting: vec!["srv2".to_owned(), "srv3".to_owned()],
        in_use: Vec::new(),
        ..demo.clone()
    };
    let failed = CachedImage {
        name: None,
        id: None,
        sha512: "c".repeat(128),
        status: CachedImageStatus::Failed,
        bytes: 0,
        problem: Some("image x cannot be fetched: <b>no bytes</b> for 60 s".to_owned()),
        waiting: Vec::new(),
        ..coming.clone()
    };
    let rack1 = ImageCache {
        rack: "rack1".to_owned(),
        problem: None,
        max_bytes: 21_474_836_480,
        free_bytes: 10_737_418_240,
        images: vec![demo, coming, failed],
        left_out: 0,
    };
    let problem = Some("the agent of rack rack2 has been disconnected since 12:00".to_owned());
    let rack2 = ImageCache { rack: "rack2".to_owned(), problem, images: Vec::new(), ..rack1 };
    vec![rack1, rack2]
}

pub fn flavors() -> Vec<Flavor> {
    let metal = Flavor {
        id: "f1".to_owned(),
        name: "metal".to_owned(),
        resource_class: "baremetal".to_owned(),
        cpus: 32,
        memory_mib: 262_144,
        disk_gb: 1788,
        manufacturer: None,
        nics: 1,
        public: true,
        projects: Vec::new(),
        free: 3,
        others: Some(OtherServers { used: 12, cleaning: 1, broken: 1, preparing: 0 }),
    };
    let uefi = Flavor {
        id: "f2".to_owned(),
        name: "metal-uefi".to_owned(),
        resource_class: "baremetal-uefi".to_owned(),
        cpus: 8,
        memory_mib: 65_536,
        disk_gb: 480,
        manufacturer: Some("CUSTOM_QEMU".to_owned()),
        public: false,
        free: 0,
        others: Some(OtherServers { used: 2, cleaning: 0, broken: 0, preparing: 1 }),
        ..metal.clone()
    };
    vec![metal, uefi]
}

pub fn networks() -> Vec<TenantNetwork> {
    let network = |last: u128, name: &str, subnet: &str, gateway: &str| TenantNetwork {
        id: Uuid::from_u128(0x3f0e_6f0e_1111_4222_8333_4444_5555_6660 + last),
        name: name.to_owned(),
        project_id: "demo-id".to_owned(),
        subnet: subnet.to_owned(),
        gateway: gateway.to_owned(),
        name_servers: Vec::new(),
    };
    vec![network(6, "blue", "192.0.2.0/24", "192.0.2.1"), network(7, "green", "198.18.7.0/24", "198.18.7.1")]
}

pub fn agents() -> Vec<Agent> {
    let text = |text: &str| Some(text.to_owned());
    let certificate = AgentCertificate {
        fingerprint: "0123456789abcdef".repeat(4),
        state: CertificateState::Good,
        in_use: true,
        origin: CertificateOrigin::Renewed,
        given: text("2026-11-30T00:00:00Z"),
        used: text("2026-11-30T00:00:00Z"),
        ends: text("2027-02-28T00:00:00Z"),
    };
    let here = Agent {
        rack: "rack1".to_owned(),
        connected: true,
        address: text("192.0.2.7"),
        acknowledged: 4711,
        last_seen: Some(jiff::Timestamp::now().to_string()),
        certificate_ends: text("2027-02-28T00:00:00Z"),
        certificates: vec![certificate],
    };
    let gone = Agent {
        rack: "rack2".to_owned(),
        connected: false,
        address: None,
        acknowledged: 12,
        last_seen: text("2026-01-02T03:04:05Z"),
        certificate_ends: None,
        certificates: Vec::new(),
    };
    vec![here, gone]
}
