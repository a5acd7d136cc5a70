//! Values: the kinds of object that the stand-in keeps: parents, references and properties.

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Name in URLs, such as `virtual-network`; the plural adds an `s`.
    pub name: &'static str,
    /// Kinds that may be its parent; none: it has no parent.
    pub parents: &'static [&'static str],
    /// Kinds it may refer to.
    pub refs: &'static [&'static str],
    /// Properties that are kept; others are silently ignored, as the real server does.
    pub properties: &'static [&'static str],
}

/// Properties that every object has.
pub const COMMON: &[&str] = &["display_name", "annotations", "perms2", "id_perms"];

const fn kind(
    name: &'static str,
    parents: &'static [&'static str],
    refs: &'static [&'static str],
    properties: &'static [&'static str],
) -> Kind {
    Kind { name, parents, refs, properties }
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    kind("domain", &[], &[], &["domain_limits"]),
    kind("global-system-config", &[], &[], &["autonomous_system", "config_version"]),
    kind(
        "project",
        &["domain"],
        &["floating-ip-pool", "application-policy-set"],
        &["quota", "vxlan_routing", "alarm_enable"],
    ),
    kind(
        "fabric",
        &["global-system-config"],
        &["node-profile", "virtual-network"],
        &["fabric_enterprise_style", "fabric_ztp", "fabric_credentials", "disable_vlan_vn_uniqueness_check"],
    ),
    kind(
        "physical-router",
        &["global-system-config"],
        &["fabric", "node-profile", "device-image", "virtual-network"],
        &[
            "physical_router_management_ip",
            "physical_router_dataplane_ip",
            "physical_router_vendor_name",
            "physical_router_product_name",
            "physical_router_device_family",
            "physical_router_role",
            "physical_router_vnc_managed",
        ],
    ),
    kind(
        "physical-interface",
        &["physical-router"],
        &["physical-interface", "port"],
        &[
            "ethernet_segment_identifier",
            "physical_interface_type",
            "physical_interface_mac_addresses",
            "physical_interface_port_id",
            "physical_interface_lacp_force_up",
            "physical_interface_port_params",
        ],
    ),
    kind(
        "virtual-port-group",
        &["fabric", "project"],
        &["physical-interface", "virtual-machine-interface", "security-group", "port-profile"],
        &[
            "virtual_port_group_lacp_enabled",
            "virtual_port_group_user_created",
            "virtual_port_group_type",
            "virtual_port_group_trunk_port_id",
        ],
    ),
    kind(
        "virtual-machine-interface",
        &["project"],
        &[
            "virtual-network",
            "virtual-port-group",
            "security-group",
            "routing-instance",
            "virtual-machine-interface",
            "virtual-machine",
        ],
        &[
            "virtual_machine_interface_bindings",
            "virtual_machine_interface_mac_addresses",
            "virtual_machine_interface_properties",
            "virtual_machine_interface_device_owner",
            "virtual_machine_interface_disable_policy",
        ],
    ),
    kind(
        "virtual-network",
        &["project"],
        &["network-ipam", "network-policy", "virtual-network"],
        &[
            "provider_properties",
            "address_allocation_mode",
            "virtual_network_properties",
            "virtual_network_category",
            "is_shared",
            "router_external",
        ],
    ),
    kind("routing-instance", &["virtual-network"], &["routing-instance"], &["routing_instance_is_default"]),
    kind(
        "network-ipam",
        &["project"],
        &["virtual-DNS"],
        &["network_ipam_mgmt", "ipam_subnet_method", "ipam_subnets"],
    ),
    kind(
        "instance-ip",
        &[],
        &["virtual-network", "virtual-machine-interface", "network-ipam", "physical-router"],
        &[
            "instance_ip_address",
            "instance_ip_family",
            "instance_ip_mode",
            "instance_ip_secondary",
            "subnet_uuid",
        ],
    ),
    kind("floating-ip-pool", &["virtual-network"], &[], &["floating_ip_pool_subnets"]),
    kind(
        "floating-ip",
        &["floating-ip-pool"],
        &["project", "virtual-machine-interface"],
        &["floating_ip_address", "floating_ip_fixed_ip_address"],
    ),
    kind("network-policy", &["project"], &[], &["network_policy_entries"]),
    kind("security-group", &["project"], &[], &["security_group_entries", "security_group_id"]),
    kind("virtual-machine", &[], &[], &["server_type"]),
    kind(
        "node",
        &["global-system-config"],
        &["node-profile"],
        &[
            "node_type",
            "hostname",
            "ip_address",
            "mac_address",
            "disk_partition",
            "interface_name",
            "bms_info",
            "esxi_info",
            "cloud_info",
        ],
    ),
    kind("port", &["node"], &["tag"], &["bms_port_info", "esxi_port_info", "port_group_uuid", "label"]),
    kind("port-group", &["node"], &["port"], &["bms_port_group_info"]),
    kind(
        "node-profile",
        &["global-system-config"],
        &["hardware"],
        &["node_profile_type", "node_profile_vendor", "node_profile_device_family"],
    ),
    kind("hardware", &[], &["card"], &[]),
    kind("card", &[], &[], &["interface_map"]),
    kind("tag", &["project"], &["tag-type"], &["tag_type_name", "tag_value", "tag_id"]),
    kind(
        "device-image",
        &["global-system-config"],
        &["hardware"],
        &["device_image_vendor_name", "device_image_device_family", "device_image_os_version"],
    ),
];

/// Allowed values of `node_type`.
pub const NODE_TYPES: &[&str] = &["private", "baremetal", "esxi", "ovs-compute", "sriov-compute"];

impl Kind {
    /// The kind of this name in URLs.
    pub fn of(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The kind of a collection's name in URLs.
    pub fn of_plural(name: &str) -> Option<&'static Kind> {
        Kind::of(name.strip_suffix('s')?)
    }

    /// Name in bodies: `virtual_network`.
    pub fn field(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether this kind may have a property of this name.
    pub fn has_property(&self, name: &str) -> bool {
        self.properties.contains(&name) || COMMON.contains(&name)
    }

    /// Whether a kind may stand at the top, although it may have a parent too (as tags do).
    pub fn may_be_root(&self) -> bool {
        self.parents.is_empty() || self.name == "tag"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_both_names() {
        assert_eq!(Kind::of("virtual-port-group").unwrap().field(), "virtual_port_group");
        assert_eq!(Kind::of_plural("nodes").unwrap().name, "node");
        assert!(Kind::of_plural("node").is_none());
        assert!(Kind::of("bms-server").is_none());
    }
}
