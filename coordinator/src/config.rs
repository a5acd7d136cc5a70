//! Values: the coordinator's configuration file (TOML), checked whole before anything starts.
//!
//! ```toml
//! name = "lab"
//! state_dir = "/var/lib/bms"
//!
//! [listen]
//! api = "127.0.0.1:22020"
//! facade = "127.0.0.1:22021"
//! agents = "127.0.0.1:22022"
//!
//! [tls]
//! names = ["127.0.0.1", "localhost"]
//!
//! [openstack]
//! auth_url = "http://127.0.0.1:22000/v3"
//! username = "bms"
//! password_file = "/etc/bms/openstack-password"
//!
//! [contrail]
//! url = "http://127.0.0.1:22030"
//! ```

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
};

use contrail;
use coordinator_core::agents::CERTIFICATE_DAYS;
use domain::{
    disks::Thoroughness,
    health::{LimitRule, SiteLimits},
    media_sources::MediaSources,
    upkeep::{
        hold::AfterTenancy,
        policy::{DAYS_MAX, PER_RACK, PasswordPolicy},
    },
};
use faces::{access::RoleNames, api::HTTPS_ONLY_DAYS_MAX, ramdisk_api::SiteErase};
use ipnet::IpNet;
use listen::{
    hops::{self, ForwardedBy},
    terms,
};
use protocol::{
    erase::{ErasePolicy, ReadBack},
    hex,
    secret::Secret,
};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::certificate_rules::CertificateRules;

/// Ironic is never asked more often than this for all its nodes.
const POLL_MS_MIN: u64 = 200;

/// For how many at most: what is stolen is good for that long.
pub const CERTIFICATE_DAYS_MAX: u32 = 365;

/// The configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This coordinator's name, for the agents' logs.
    #[serde(default = "default_name")]
    pub name: String,
    /// Directory for the database, the key of sealed secrets and the certificates. Made when it is missing.
    pub state_dir: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// Names in our certificate.
    #[serde(default)]
    pub tls: Tls,
    /// How Ironic reaches the facades.
    #[serde(default)]
    pub facade: Facade,
    /// The racks' agents.
    #[serde(default)]
    pub agents: Agents,
    /// OpenStack.
    pub openstack: OpenStack,
    /// Contrail.
    pub contrail: Contrail,
    /// Who may do what by the REST API and the pages.
    #[serde(default)]
    pub api: Api,
    /// The passwords of BMCs.
    #[serde(default)]
    pub bmc_passwords: BmcPasswords,
    /// By which rules renewed certificates of BMCs are accepted; the first that is about a rack counts.
    #[serde(default)]
    pub bmc_certificates: Vec<CertificateRules>,
    /// Where new firmware comes from.
    #[serde(default)]
    pub firmware: Firmware,
    /// What a site may choose.
    #[serde(default)]
    pub site: Site,
    /// What a site thinks of its servers' hardware.
    #[serde(default)]
    pub hardware: Hardware,
}

/// What a site thinks of its servers' hardware.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hardware {
    /// Limits of sensors, over their own; the first rule that is about a sensor counts.
    pub limits: Vec<LimitRule>,
}

/// Where to listen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// REST API and its clients (HTTPS).
    pub api: SocketAddr,
    /// Facades towards Ironic (HTTPS).
    pub facade: SocketAddr,
    /// Agents (gRPC, certificates on both sides).
    pub agents: SocketAddr,
    /// Figures for Prometheus, in plain HTTP and for whoever asks; none: not given.
    pub metrics: Option<SocketAddr>,
}

/// Our certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Names and addresses by which we are reached.
    pub names: Vec<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()] }
    }
}

/// How Ironic reaches the facades.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facade {
    /// Base URL without a slash at the end; none: `https://` and the address in `listen.facade`.
    pub url: Option<String>,
    /// File with our authority's certificate on the conductors' hosts; none: the one in our state directory, which is right
    /// when they run on this machine.
    pub ca_file: Option<String>,
    /// Beginnings of addresses from which images may be put into servers' virtual drives; none: from nowhere.
    pub media_from: Vec<String>,
    /// Beginnings of addresses from which configuration drives are taken that Ironic keeps in an object store; none: from nowhere.
    pub config_drives_from: Vec<String>,
    /// Servers' consoles by IPMI, for Ironic's console interface `ipmitool-socat`; none: they are not offered, and the nodes' console
    /// interfaces are left as they are.
    pub ipmi_console: Option<IpmiConsole>,
}

/// Servers' consoles by IPMI.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpmiConsole {
    /// UDP address to listen on; the usual port of IPMI is 623.
    pub listen: SocketAddr,
    /// Name or address of this host as the conductors reach it; none: that of `listen`.
    pub address: Option<String>,
    /// UDP port as the conductors reach it; none: that of `listen`.
    pub port: Option<u16>,
}

impl IpmiConsole {
    /// Host and port that Ironic is told.
    pub fn told(&self) -> (String, u16) {
        let address = self.address.clone().unwrap_or_else(|| self.listen.ip().to_string());
        (address, self.port.unwrap_or(self.listen.port()))
    }

    fn can_be_told(&self) -> bool {
        let (address, port) = self.told();
        port != 0
            && !address.trim().is_empty()
            && !(self.address.is_none() && self.listen.ip().is_unspecified())
    }
}

impl Facade {
    /// From where images may be put into virtual drives. What the configuration's check has refused is no source.
    pub fn media_sources(&self) -> MediaSources {
        MediaSources::new(self.media_from.clone()).unwrap_or_default()
    }

    /// From where configuration drives may be taken; the same.
    pub fn drive_sources(&self) -> MediaSources {
        MediaSources::new(self.config_drives_from.clone()).unwrap_or_default()
    }
}

/// The racks' agents.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agents {
    /// For how many days an agent's certificate is given: 1 to [`CERTIFICATE_DAYS_MAX`]. It is renewed when a third is left.
    pub certificate_days: NonZeroU32,
}

impl Default for Agents {
    fn default() -> Self {
        Self { certificate_days: CERTIFICATE_DAYS }
    }
}

/// OpenStack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStack {
    /// Keystone's URL.
    pub auth_url: String,
    /// Our user. It needs the role `admin` in the system, because nodes without an owner are shown to nobody else.
    pub username: String,
    /// Name of the user's domain.
    #[serde(default = "default_domain")]
    pub user_domain: String,
    /// The password.
    pub password: Option<Secret>,
    /// A file with the password, which is better kept there.
    pub password_file: Option<PathBuf>,
    /// Project in which our user reads images and flavors.
    #[serde(default = "default_project")]
    pub project: String,
    /// Name of that project's domain.
    #[serde(default = "default_domain")]
    pub project_domain: String,
    /// Region whose endpoints are used; none: the first in the catalogue.
    pub region: Option<String>,
    /// Which endpoints are used: `public`, `internal` or `admin`.
    #[serde(default = "default_interface")]
    pub interface: String,
    /// File with the certificates to trust; none: the system's.
    pub ca_file: Option<PathBuf>,
}

/// Who may do what by the REST API and the pages, and how many connections one client may have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Id of the project whose admins are administrators here, beside those of the whole system; none: `openstack.project`.
    pub admin_project: Option<String>,
    /// What the site calls its roles.
    pub roles: RoleNames,
    /// Connections that one client, by its address, may have at once.
    pub connections_per_peer: usize,
    /// Addresses of proxies in front of the REST API: each stands for many clients and may have all connections.
    pub proxies: Vec<IpAddr>,
    /// Proxies whose word is believed on whom a request is from, by address or network; each may have all connections, too.
    #[serde(deserialize_with = "trusted_proxies")]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it. No other one is read.
    pub forwarded_by: ForwardedBy,
    /// For how many days browsers come by HTTPS only, to every port of our name; none: 30; 0: they forget it.
    pub https_only_days: Option<u32>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            admin_project: None,
            roles: RoleNames::default(),
            connections_per_peer: terms::API_PLACES_OF_PEER,
            proxies: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            https_only_days: None,
        }
    }
}

impl Api {
    /// Everybody who stands for many clients.
    pub fn all_proxies(&self) -> Vec<IpNet> {
        let addresses = self.proxies.iter().map(|address| IpNet::from(address.to_canonical()));
        addresses.chain(self.trusted_proxies.iter().copied()).collect()
    }
}

/// Addresses and networks; what is none, or is everybody, is refused.
fn trusted_proxies<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(given)?;
    let all = texts.iter().map(|text| {
        hops::network(text).map_err(|why| D::Error::custom(format!("api.trusted_proxies: {text:?} {why}")))
    });
    all.collect()
}

/// Contrail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrail {
    /// Base URL of the VNC API, or a list of them where it has several servers: the next is asked when one is away.
    pub url: Urls,
    /// File with the certificates (PEM) to trust; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Project that holds our interfaces; none: `["default-domain", "bms"]`.
    pub project: Option<Vec<String>>,
    /// The provisioning network; none: `provisioning` in the project of that default.
    pub provisioning: Option<Vec<String>>,
    /// The cleaning network.
    pub cleaning: Option<Vec<String>>,
    /// VLAN ids of the two isolated networks on switch ports; none: 3900 and 3901.
    #[serde(default)]
    pub native_vlans: contrail::NativeVlans,
    /// VLAN ids that tenants' networks get on switch ports that are on them untagged, each its own; none: `3000-3899`.
    pub tenant_native_vlans: Option<contrail::VlanRange>,
    /// What the one native VLAN of all networks was called; refused.
    pub native_vlan: Option<u16>,
    /// Sandesh collectors that are told of every server, each `HOST:PORT`, tried in turns; none: nobody is told.
    #[serde(default)]
    pub collectors: Vec<String>,
    /// Whether the VNC API wants a Keystone token.
    #[serde(default)]
    pub keystone: bool,
    /// Addresses of the agents on the two isolated networks, such as `198.18.1.1/32`; none: ports there may be talked to from
    /// anywhere, on the ports of a boot.
    #[serde(default)]
    pub agents: Vec<String>,
    /// TCP ports on which the agents serve boot files and ramdisks; none: 80 and 8444.
    pub boot_tcp_ports: Option<Vec<u16>>,
}

/// One URL or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "must be a URL, or a list of URLs")]
pub enum Urls {
    /// One.
    One(String),
    /// Several, in the order in which they are tried.
    Several(Vec<String>),
}

impl Urls {
    /// Them all.
    pub fn all(&self) -> Vec<String> {
        match self {
            Urls::One(url) => vec![url.clone()],
            Urls::Several(urls) => urls.clone(),
        }
    }
}

impl Contrail {
    /// As the client takes it.
    pub fn client(&self) -> contrail::Config {
        let defaults = contrail::Config::with_default_names("");
        contrail::Config {
            urls: self.url.all(),
            ca_file: self.ca_file.clone(),
            project: self.project.clone().unwrap_or(defaults.project),
            provisioning: self.provisioning.clone().unwrap_or(defaults.provisioning),
            cleaning: self.cleaning.clone().unwrap_or(defaults.cleaning),
            native_vlans: self.native_vlans,
            tenant_native_vlans: self.tenant_native_vlans.unwrap_or(defaults.tenant_native_vlans),
            agents: self.agents.clone(),
            boot_tcp_ports: self.boot_tcp_ports.clone().unwrap_or(defaults.boot_tcp_ports),
        }
    }
}

/// What is done with the passwords of BMCs. Without `users` none is ever changed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BmcPasswords {
    /// Users of BMCs that are ours alone: nobody else logs in as one of them, so their passwords may be changed.
    pub users: Vec<String>,
    /// Every how many days a password is changed: 1 to 3650; none: only when somebody asks.
    pub every_days: Option<u32>,
    /// How many BMCs of one rack are changed at the same time.
    pub at_once_per_rack: NonZeroU32,
}

impl Default for BmcPasswords {
    fn default() -> Self {
        Self { users: Vec::new(), every_days: None, at_once_per_rack: NonZeroU32::MIN }
    }
}

impl BmcPasswords {
    /// As the core takes it.
    pub fn policy(&self) -> PasswordPolicy {
        PasswordPolicy {
            users: self.users.clone(),
            every_days: self.every_days,
            per_rack: usize::try_from(self.at_once_per_rack.get()).unwrap_or(PER_RACK),
        }
    }
}

/// Where new firmware comes from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Firmware {
    /// Beginnings of addresses from which BMCs may fetch it; none: it comes as files only.
    pub urls: Vec<String>,
}

/// What a site may choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// How often Ironic is asked for all its nodes, in milliseconds.
    pub poll_ironic_ms: u64,
    /// Whether cleaning erases every byte when Ironic does not say.
    pub full_erase: bool,
    /// Which methods count for an erase of every byte: `clear` or `purge` (NIST SP 800-88).
    pub erase_policy: ErasePolicy,
    /// How much of it is read back: `sampled` or `full`.
    pub erase_read_back: ReadBack,
    /// What is done with a server whose BMC or firmware settings differ after a tenancy: `report` or `hold`.
    pub after_tenancy: BmcChanges,
}

/// What is done with a server whose BMC or firmware settings differ after a tenancy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BmcChanges {
    /// An alarm, and a note on its node.
    #[default]
    Report,
    /// The same, and nobody is given it until an administrator accepts what differs.
    Hold,
}

impl From<BmcChanges> for AfterTenancy {
    fn from(changes: BmcChanges) -> Self {
        match changes {
            BmcChanges::Report => Self::Report,
            BmcChanges::Hold => Self::Hold,
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self {
            poll_ironic_ms: 3000,
            full_erase: true,
            erase_policy: ErasePolicy::Clear,
            erase_read_back: ReadBack::Sampled,
            after_tenancy: BmcChanges::Report,
        }
    }
}

impl Site {
    /// What is erased between two tenants.
    pub fn erase(&self) -> SiteErase {
        let (policy, read_back) = (self.erase_policy, self.erase_read_back);
        SiteErase { is_full: self.full_erase, least: Thoroughness { policy, read_back, quick: false } }
    }
}

/// Keystone's ids of projects are 32 hex digits; names seldom are.
fn is_project_id(text: &str) -> bool {
    hex::is_lower_digits(text, 32)
}

fn default_name() -> String {
    "bms".to_owned()
}

fn default_domain() -> String {
    "Default".to_owned()
}

fn default_project() -> String {
    "service".to_owned()
}

fn default_interface() -> String {
    "public".to_owned()
}

/// Why a configuration is not good.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read; check its name and rights")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or has a field that does not exist.
    #[error("{path} is not a configuration: {reason}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, field and fault.
        reason: String,
    },
    /// Fields that are wrong: each as `field: what is wrong, remedy`.
    #[error("{path} is not valid:\n{}", faults.join("\n"))]
    Fields {
        /// Which file.
        path: PathBuf,
        /// Every fault.
        faults: Vec<String>,
    },
}

impl Config {
    /// Reads and checks a file. The OpenStack password is in `openstack.password` afterwards.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
        };
        let mut config = Self::parse(path, &read(path)?)?;
        for rules in &mut config.bmc_certificates {
            if let Some(path) = rules.ca_file.clone() {
                let found = rules.set_authorities(&read(&path)?);
                found.map_err(|reason| ConfigError::Parse { path, reason })?;
            }
        }
        if let Some(file) = &config.openstack.password_file {
            config.openstack.password = Some(Secret::new(read(file)?.trim_end_matches(['\n', '\r'])));
        }
        Ok(config)
    }

    /// What the site thinks of sensors' numbers; checked when the configuration was read.
    pub fn limits(&self) -> Arc<SiteLimits> {
        Arc::new(SiteLimits::new(self.hardware.limits.clone()).unwrap_or_default())
    }

    /// Checks a text; `path` is named in faults.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::Parse { path: path.to_owned(), reason: error.to_string() })?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Fields { path: path.to_owned(), faults })
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |good: bool, fault: &str| {
            if !good {
                faults.push(fault.to_owned());
            }
        };
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        check(!self.name.trim().is_empty(), "name: is empty, give this coordinator a name");
        check(
            self.state_dir.is_absolute(),
            "state_dir: is not absolute, write the whole path: it must not depend on the working directory",
        );
        let mut addresses = vec![self.listen.api, self.listen.facade, self.listen.agents];
        addresses.extend(self.listen.metrics);
        let different: std::collections::BTreeSet<_> = addresses.iter().collect();
        check(
            different.len() == addresses.len(),
            "listen: two listeners have the same address, give each its own port",
        );
        check(!self.tls.names.is_empty(), "tls.names: is empty, list the names and addresses of this host");
        check(
            self.facade.url.as_deref().is_none_or(|url| url.starts_with("https://") && !url.ends_with('/')),
            "facade.url: must begin with https:// and must not end in a slash, as in https://bms.example:22021",
        );
        check(
            self.facade.ipmi_console.as_ref().is_none_or(IpmiConsole::can_be_told),
            "facade.ipmi_console.address: is missing or empty, write the name or address by which Ironic's conductors reach \
             this host (0.0.0.0 is none), and a port that is not 0",
        );
        if let Err(why) = MediaSources::new(self.facade.media_from.clone()) {
            check(false, &format!("facade.media_from: {why}"));
        }
        if let Err(why) = MediaSources::new(self.facade.config_drives_from.clone()) {
            check(false, &format!("facade.config_drives_from: {why}"));
        }
        check(
            self.facade.config_drives_from.iter().all(|url| is_url(url)),
            "facade.config_drives_from: has an entry that does not begin with http:// or https://, write addresses of the object store",
        );
        check(
            self.agents.certificate_days.get() <= CERTIFICATE_DAYS_MAX,
            "agents.certificate_days: is more than 365, write 1 to 365 days; certificates are renewed by themselves",
        );
        check(
            self.bmc_passwords.users.iter().all(|user| !user.trim().is_empty()),
            "bmc_passwords.users: has an empty name, list users of BMCs that are ours alone, as in [\"bms\"]",
        );
        check(
            self.bmc_passwords.every_days.is_none_or(|days| (1..=DAYS_MAX).contains(&days)),
            "bmc_passwords.every_days: is not 1 to 3650, or leave it out: then a password is changed only when somebody asks",
        );
        check(
            self.bmc_certificates.iter().all(CertificateRules::has_good_days),
            "bmc_certificates.same_names_days: is not 1 to 365, or leave it out: then equal names accept no certificate",
        );
        check(
            self.firmware.urls.iter().all(|url| is_url(url) && url.matches('/').count() > 2),
            "firmware.urls: is not a list of beginnings of addresses, write each with a slash behind the host, as in \
              [\"https://images.example/firmware/\"]",
        );
        check(
            is_url(&self.openstack.auth_url),
            "openstack.auth_url: is not a URL, write it as https://keystone.example:5000/v3",
        );
        check(!self.openstack.username.is_empty(), "openstack.username: is empty, name our Keystone user");
        check(
            self.openstack.password.is_some() != self.openstack.password_file.is_some(),
            "openstack.password_file: give either it or openstack.password, but not both",
        );
        check(
            ["public", "internal", "admin"].contains(&self.openstack.interface.as_str()),
            "openstack.interface: is not public, internal or admin",
        );
        let contrail_urls = self.contrail.url.all();
        check(
            self.api.admin_project.as_deref().is_none_or(is_project_id),
            "api.admin_project: is not the id of a project (names are ambiguous across domains), write what `openstack \
             project show NAME -f value -c id` prints",
        );
        check(
            (1..=terms::API_PLACES).contains(&self.api.connections_per_peer),
            "api.connections_per_peer: is not between 1 and 1024, which is the total that the REST API accepts; list \
             proxies in api.proxies instead",
        );
        check(
            self.api.https_only_days.is_none_or(|days| days <= HTTPS_ONLY_DAYS_MAX),
            "api.https_only_days: is more than two years, write 0 to 730",
        );
        let roles = &self.api.roles;
        for (names, fault) in [
            (&roles.admin, "api.roles.admin: has no role, list at least one, as in [\"admin\"]"),
            (&roles.member, "api.roles.member: has no role, list at least one, as in [\"member\"]"),
            (&roles.reader, "api.roles.reader: has no role, list at least one, as in [\"reader\"]"),
        ] {
            check(!names.is_empty() && names.iter().all(|name| !name.trim().is_empty()), fault);
        }
        check(
            !contrail_urls.is_empty() && contrail_urls.iter().all(|url| is_url(url)),
            "contrail.url: is not a URL, write it as http://contrail.example:8082, or several in a list",
        );
        check(
            self.contrail.native_vlan.is_none(),
            "contrail.native_vlan: switches refuse one id for all networks; write contrail.native_vlans = { provisioning = \
             3900, cleaning = 3901 } and contrail.tenant_native_vlans = \"3000-3899\", with ids that are free in the \
             fabric",
        );
        let limits = SiteLimits::new(self.hardware.limits.clone()).err().unwrap_or_default();
        limits.iter().for_each(|fault| check(false, &format!("hardware.limits: {fault}")));
        let client = self.contrail.client();
        let (ours, range) = (client.native_vlans, client.tenant_native_vlans);
        let good = |vlan: u16| {
            contrail::VLANS.contains(&vlan) && !contrail::RESERVED.contains(&vlan) && !range.contains(vlan)
        };
        check(
            good(ours.provisioning) && good(ours.cleaning) && ours.provisioning != ours.cleaning,
            "contrail.native_vlans: must be two different VLAN ids from 3 to 4093 outside contrail.tenant_native_vlans",
        );
        let is_prefix = |text: &String| {
            let (address, length) = text.split_once('/').unwrap_or((text, "32"));
            address.parse::<std::net::Ipv4Addr>().is_ok()
                && length.parse::<u8>().is_ok_and(|length| length <= 32)
        };
        check(
            self.contrail.agents.iter().all(is_prefix),
            "contrail.agents: is not a list of IPv4 prefixes, write each agent as 198.18.1.1/32",
        );
        let is_collector = |text: &String| {
            let parts = text.rsplit_once(':');
            parts.is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        check(
            self.contrail.collectors.iter().all(is_collector),
            "contrail.collectors: is not a list of collectors, write each as contrail.example:8086",
        );
        check(
            self.site.poll_ironic_ms >= POLL_MS_MIN,
            "site.poll_ironic_ms: is too small, Ironic must not be polled more often than every 200 ms",
        );
        faults
    }

    /// Base URL at which Ironic reaches the facades.
    pub fn facade_url(&self) -> String {
        self.facade.url.clone().unwrap_or_else(|| format!("https://{}", self.listen.facade))
    }

    /// Where files of firmware are kept.
    pub fn firmware_dir(&self) -> PathBuf {
        self.state_dir.join("firmware")
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("inventory.sqlite")
    }

    /// The key of sealed secrets.
    pub fn key_file(&self) -> PathBuf {
        self.state_dir.join("secret.key")
    }

    /// Certificates.
    pub fn pki_dir(&self) -> PathBuf {
        self.state_dir.join("pki")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        state_dir = "/var/lib/bms"
        [listen]
        api = "127.0.0.1:22020"
        facade = "127.0.0.1:22021"
        agents = "127.0.0.1:22022"
        [openstack]
        auth_url = "http://127.0.0.1:22000"
        username = "admin"
        password = "secret"
        [contrail]
        url = "http://127.0.0.1:22030"
    "#;

    #[test]
    fn faults_name_the_field_and_the_remedy() {
        let check = |text: &str, replacement: &str, expected: &str| {
            let config = Config::parse(Path::new("bms.toml"), &GOOD.replace(text, replacement));
            match config {
                Ok(_) => assert_eq!(expected, "", "{replacement} was taken"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!expected.is_empty() && error.contains(expected), "{error}");
                    assert!(!error.contains("secret\""), "a password is shown: {error}");
                }
            }
        };
        check("", "", "");
        check("\"/var/lib/bms\"", "\"bms\"", "state_dir: is not absolute");
        check("22021", "22020", "listen: two listeners");
        check("[openstack]", "metrics = \"127.0.0.1:22020\"\n[openstack]", "listen: two listeners");
        check("[contrail]", "[contrail]\ncollectors = [\"10.0.0.1\"]", "contrail.collectors");
        check("\"http://127.0.0.1:22030\"", "[\"http://a:1\", \"https://b:1\"]", "");
        check("\"http://127.0.0.1:22030\"", "[\"http://a:1\", \"b:1\"]", "contrail.url: is not a URL");
        check("\"http://127.0.0.1:22030\"", "[]", "contrail.url: is not a URL");
        check("\"http://127.0.0.1:22030\"", "7", "must be a URL, or a list of URLs");
        check("[contrail]", "[contrail]\nca_file = \"/etc/bms/contrail-ca.pem\"", "");
        check("password = \"secret\"", "", "openstack.password_file: give either");
        check("http://127.0.0.1:22000", "127.0.0.1", "openstack.auth_url: is not a URL");
        check("username", "user_name", "unknown field `user_name`");
        check("127.0.0.1:22022", "nowhere", "invalid socket address");
        check("[contrail]", "[contrail]\nnative_vlan = 4094", "contrail.native_vlan: switches refuse one id");
        let range = "tenant_native_vlans = \"200-300\"";
        let ours = |ids: &str| format!("[contrail]\n{range}\nnative_vlans = {{ {ids} }}");
        check("[contrail]", &ours("provisioning = 5, cleaning = 4000"), "");
        for bad in ["cleaning = 3900", "cleaning = 250", "provisioning = 4094", "cleaning = 0"] {
            check("[contrail]", &ours(bad), "contrail.native_vlans: must be two different");
        }
        check("[contrail]", &ours("parking = 5"), "unknown field `parking`");
        check("[contrail]", "[contrail]\ntenant_native_vlans = \"300-200\"", "write it like 3000-3899");
        check("[contrail]", "[contrail]\nagents = [\"agent1\"]", "contrail.agents");
        let names = |days: u32| format!("[[bmc_certificates]]\nsame_names_days = {days}\n[contrail]");
        check("[contrail]", &names(30), "");
        check("[contrail]", &names(0), "bmc_certificates.same_names_days: is not 1 to 365");
        check("[contrail]", "[[bmc_certificates]]\nracks = [\"r1\"]\nsame_key = false\n[contrail]", "");
        check("[contrail]", "[[bmc_certificates]]\nsame_kye = false\n[contrail]", "unknown field `same_kye`");
        check("[contrail]", "[site]\nafter_tenancy = \"hold\"\n[contrail]", "");
        check("[contrail]", "[site]\nafter_tenancy = \"erase\"\n[contrail]", "unknown variant `erase`");
        check("[contrail]", "[site]\npoll_ironic_ms = 1\n[contrail]", "site.poll_ironic_ms");
        let limit = |text: &str| format!("[[hardware.limits]]\nsensor = \"Inlet*\"\n{text}\n[contrail]");
        check("[contrail]", &limit("upper_warning = 35\nupper_critical = 42.5"), "");
        check("[contrail]", &limit(""), "hardware.limits: \"Inlet*\" has no limit");
        check("[contrail]", &limit("upper_warning = 43\nupper_critical = 42"), "do not rise");
        check(
            "[contrail]",
            "[api]\nadmin_project = \"admin\"\n[contrail]",
            "api.admin_project: is not the id of a project",
        );
        let id = "0123456789abcdef0123456789abcdef";
        check("[contrail]", &format!("[api]\nadmin_project = \"{id}\"\n[contrail]"), "");
        check("[contrail]", "[api.roles]\nmember = []\n[contrail]", "api.roles.member: has no role");
        check("[contrail]", "[api.roles]\nmember = [\"_member_\"]\n[contrail]", "");
        check(
            "[contrail]",
            "[api]\nconnections_per_peer = 0\n[contrail]",
            "api.connections_per_peer: is not",
        );
        check(
            "[contrail]",
            "[api]\nconnections_per_peer = 1025\n[contrail]",
            "api.connections_per_peer: is not",
        );
        check("[contrail]", "[api]\nproxies = [\"192.0.2.1\", \"2001:db8::1\"]\n[contrail]", "");
        let trusted = |text: &str| {
            format!("[api]\ntrusted_proxies = [{text}]\nforwarded_by = \"forwarded\"\n[contrail]")
        };
        check("[contrail]", &trusted("\"192.0.2.0/24\", \"2001:db8::1\""), "");
        for bad in ["192.0.2.1/24", "192.0.2.0/33", "proxy.example", "0.0.0.0/0", "::/0", ""] {
            check("[contrail]", &trusted(&format!("{bad:?}")), "api.trusted_proxies: ");
        }
        check("[contrail]", "[api]\nforwarded_by = \"x-real-ip\"\n[contrail]", "x-forwarded-for");
        check("[contrail]", "[facade]\nurl = \"http://x\"\n[contrail]", "facade.url");
        check("[contrail]", "[facade]\nmedia_from = [\"https://x/iso/\"]\n[contrail]", "");
        check("[contrail]", "[facade]\nmedia_from = [\"https://x\"]\n[contrail]", "facade.media_from: ");
        check("[contrail]", "[facade]\nconfig_drives_from = [\"https://x/v1/\"]\n[contrail]", "");
        let console = |text: &str| format!("[facade.ipmi_console]\nlisten = {text}\n[contrail]");
        check("[contrail]", &console("\"192.0.2.1:623\""), "");
        check("[contrail]", &console("\"0.0.0.0:623\"\naddress = \"bms.example\""), "");
        for bad in ["\"0.0.0.0:623\"", "\"192.0.2.1:0\"", "\"192.0.2.1:623\"\naddress = \"\""] {
            check("[contrail]", &console(bad), "facade.ipmi_console.address: is missing or empty");
        }
        check(
            "[contrail]",
            "[facade]\nconfig_drives_from = [\"https://x\"]\n[contrail]",
            "config_drives_from: ",
        );
        check(
            "[contrail]",
            "[facade]\nconfig_drives_from = [\"nfs://x/\"]\n[contrail]",
            "config_drives_from: ",
        );
    }
}
