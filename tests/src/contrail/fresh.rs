//! Values: what a fresh installation of Contrail has, before anybody made anything.

use serde_json::Map;
use uuid::Uuid;

use super::store::{Object, Store};

/// Networks that every installation has, in `default-project`; nothing of ours is ever on them.
const BUILT_IN_NETWORKS: [&str; 4] =
    ["__link_local__", "dci-network", "default-virtual-network", "ip-fabric"];

impl Store {
    /// A store with what a fresh installation has. Its default fabric is of the enterprise style.
    pub fn fresh() -> Self {
        let mut store = Self::default();
        let mut add = |kind: &str, name: &[&str], parent| {
            let fq_name = name.iter().map(|part| (*part).to_owned()).collect();
            store.insert(Object {
                kind: kind.to_owned(),
                id: Uuid::new_v4(),
                fq_name,
                parent,
                properties: Map::new(),
                refs: Vec::new(),
            })
        };
        let domain = add("domain", &["default-domain"], None);
        let config = add("global-system-config", &["default-global-system-config"], None);
        let project = add("project", &["default-domain", "default-project"], Some(domain));
        let in_project = |name: &'static str| ["default-domain", "default-project", name];
        for name in ["default-network-ipam", "service-chain-flat-ipam"] {
            add("network-ipam", &in_project(name), Some(project));
        }
        add("security-group", &in_project("__no_rule__"), Some(project));
        for name in BUILT_IN_NETWORKS {
            let network = add("virtual-network", &in_project(name), Some(project));
            add("routing-instance", &["default-domain", "default-project", name, name], Some(network));
        }
        let fabric = add("fabric", &["default-global-system-config", "default-fabric"], Some(config));
        store.set_style(fabric, true);
        store
    }
}
