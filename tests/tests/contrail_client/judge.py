"""Does with Contrail's own client what the coordinator does, and says where the answers are not what the client expects.

usage: judge.py HOST PORT NAME STYLE
NAME is the project to make, and is part of every other name. STYLE is the one that the default fabric must have,
`enterprise` or `provider`, or `any`. Each step is printed; a step that fails does not end the run. The exit code says whether all went well, and everything that was made is deleted.
"""

import json
import sys

from vnc_api import vnc_api
from vnc_api.exceptions import BadRequest, NoIdError, PermissionDenied, RefsExistError

HOST, PORT, NAME, STYLE = sys.argv[1:5]
ROOT = "default-global-system-config"
FAILED = []
MADE = []


def step(name, work):
    """Does one step and says how it went."""
    try:
        found = work()
        print(f"good {name}")
        return found
    except Exception as error:  # the point is to go on, whatever it was
        FAILED.append(name)
        print(f"BAD  {name}: {type(error).__name__}: {error}")
        return None


def same(name, found, expected):
    """Compares."""
    if found == expected:
        print(f"good {name}")
    else:
        FAILED.append(name)
        print(f"BAD  {name}: {found!r}, expected {expected!r}")


def refused(name, kind, words, work):
    """Does what must be refused, in the client's terms and the server's words."""
    try:
        work()
        FAILED.append(name)
        print(f"BAD  {name}: was accepted")
    except kind as error:
        if words in str(error):
            print(f"good {name}")
        else:
            FAILED.append(name)
            print(f"BAD  {name}: {error}, expected {words!r}")
    except Exception as error:
        FAILED.append(name)
        print(f"BAD  {name}: {type(error).__name__}: {error}")


def make(kind, thing):
    """Makes an object, to be deleted at the end."""
    def work():
        made = getattr(API, f"{kind}_create")(thing)
        MADE.append((kind, thing.uuid))
        return made
    return step(f"make {kind} {thing.name}", work)


def delete(kind, thing):
    """Deletes an object now."""
    def work():
        getattr(API, f"{kind}_delete")(id=thing.uuid)
        MADE.remove((kind, thing.uuid))
    return step(f"delete {kind} {thing.name}", work)


def bindings(ports, **more):
    """Bindings of bare metal, with links to these ports of qfx1 if there are any."""
    pairs = dict(vnic_type="baremetal", vif_type="vrouter", **more)
    if ports:
        links = [{"switch_info": "qfx1", "port_id": port} for port in ports]
        pairs["profile"] = json.dumps({"local_link_information": links})
    return vnc_api.KeyValuePairs([vnc_api.KeyValuePair(key, value) for key, value in pairs.items()])


def interface(name, network, ports, **more):
    """An interface that is not made yet."""
    made = vnc_api.VirtualMachineInterface(f"{NAME}-{name}", parent_obj=PROJECT)
    made.add_virtual_network(network)
    made.set_virtual_machine_interface_bindings(bindings(ports, **more))
    return made


def group(of):
    """The port group of an interface."""
    read = API.virtual_machine_interface_read(id=of.uuid)
    refs = read.get_virtual_port_group_back_refs() or []
    return API.virtual_port_group_read(id=refs[0]["uuid"]) if refs else None


def members(of):
    """Names of a group's switch ports."""
    return sorted(ref["to"][2] for ref in of.get_physical_interface_refs() or [])


API = vnc_api.VncApi("", "", api_server_host=HOST, api_server_port=PORT)
PROJECT = vnc_api.Project(NAME, parent_obj=API.domain_read(fq_name=["default-domain"]))
make("project", PROJECT)


def networks():
    """A network with a subnet, a security group, and what they look like."""
    ipam = API.network_ipam_read(fq_name=["default-domain", "default-project", "default-network-ipam"])
    subnet = vnc_api.IpamSubnetType(subnet=vnc_api.SubnetType("192.0.2.0", 24))
    network = vnc_api.VirtualNetwork(f"{NAME}-web", parent_obj=PROJECT)
    network.add_network_ipam(ipam, vnc_api.VnSubnetsType([subnet]))
    make("virtual_network", network)
    clean = vnc_api.VirtualNetwork(f"{NAME}-clean", parent_obj=PROJECT)
    make("virtual_network", clean)
    security = vnc_api.SecurityGroup(f"{NAME}-sg", parent_obj=PROJECT)
    security.set_security_group_entries(vnc_api.PolicyEntriesType([]))
    make("security_group", security)
    read = step("read network", lambda: API.virtual_network_read(id=network.uuid))
    shown = read.get_network_ipam_refs()[0]["attr"].ipam_subnets[0]
    same("gateway", (shown.default_gateway, shown.dns_server_address), ("192.0.2.254", "192.0.2.253"))
    listed = step("list networks", lambda: API.virtual_networks_list(parent_id=PROJECT.uuid, detail=True))
    same("networks", sorted(it.name for it in listed), [f"{NAME}-clean", f"{NAME}-web"])
    count = API.virtual_networks_list(parent_id=PROJECT.uuid, count=True)
    same("number of networks", count["virtual-networks"]["count"], 2)
    return network, clean, security


def ports_and_groups(network, clean, security):
    """An interface that is made, bound, filtered, given an address, deleted while bound and made again."""
    nic = interface("nic", network, [])
    make("virtual_machine_interface", nic)
    same("no group yet", group(nic), None)
    nic.set_virtual_machine_interface_bindings(bindings(["xe-0/0/0"], tor_port_vlan_id="3001"))
    step("bind", lambda: API.virtual_machine_interface_update(nic))
    made = step("read group", lambda: group(nic))
    same("members", members(made), ["xe-0/0/0"])
    made.add_security_group(security)
    step("filter the group", lambda: API.virtual_port_group_update(made))
    address = vnc_api.InstanceIp(f"{NAME}-ip")
    address.add_virtual_network(network)
    address.add_virtual_machine_interface(nic)
    make("instance_ip", address)
    same("address", API.instance_ip_read(id=address.uuid).get_instance_ip_address(), "192.0.2.252")
    refused("delete with address", RefsExistError, "Delete when resource still referred",
            lambda: API.virtual_machine_interface_delete(id=nic.uuid))
    refused("second on the port", BadRequest, "already belong to the vpg",
            lambda: API.virtual_machine_interface_create(interface("late", clean, ["xe-0/0/0"])))
    before = API.virtual_machine_interface_read(id=nic.uuid)
    macs = before.get_virtual_machine_interface_mac_addresses().mac_address
    step("let go of the address", lambda: API.ref_update(
        "instance-ip", address.uuid, "virtual-machine-interface", nic.uuid, None, "DELETE"))
    delete("virtual_machine_interface", nic)
    cleaning = interface("cleaning", clean, ["xe-0/0/0"], tor_port_vlan_id="3002")
    make("virtual_machine_interface", cleaning)
    delete("virtual_machine_interface", cleaning)
    again = interface("nic", network, ["xe-0/0/0"], tor_port_vlan_id="3001")
    again.uuid = nic.uuid
    again.set_virtual_machine_interface_mac_addresses(vnc_api.MacAddressesType(macs))
    make("virtual_machine_interface", again)
    step("take the address again", lambda: API.ref_update(
        "instance-ip", address.uuid, "virtual-machine-interface", nic.uuid, None, "ADD"))
    after = API.virtual_machine_interface_read(id=nic.uuid)
    same("the same MAC", after.get_virtual_machine_interface_mac_addresses().mac_address, macs)
    delete("instance_ip", address)
    delete("virtual_machine_interface", again)
    return nic


def refusals(network, clean):
    """What the coordinator must not send."""
    nowhere = "Unable to retrieve fabric name. No physical interfaces and no vpg refs"
    refused("empty profile", BadRequest, nowhere,
            lambda: API.virtual_machine_interface_create(interface("x", network, [], profile="{}")))
    refused("colon in a link", NoIdError, "No such Physical Interface object",
            lambda: API.virtual_machine_interface_create(interface("x", network, ["xe-0/0/2:0"])))
    refused("colon in a name", BadRequest, "name has one of invalid chars {':'}",
            lambda: API.virtual_machine_interface_create(interface("a:b", network, [])))
    fabric = API.fabric_read(fq_name=[ROOT, "default-fabric"])
    enterprise = bool(fabric.get_fabric_enterprise_style())
    if STYLE != "any":
        same("style", enterprise, STYLE == "enterprise")
    fabric.set_fabric_enterprise_style(not enterprise)
    refused("other style", PermissionDenied, "Cannot change from sp-style", lambda: API.fabric_update(fabric))
    tag = vnc_api.VirtualMachineInterfacePropertiesType(sub_interface_vlan_tag=711)
    first = interface("tag", network, ["xe-0/0/1"])
    first.set_virtual_machine_interface_properties(tag)
    make("virtual_machine_interface", first)
    second = interface("tag2", clean, ["xe-0/0/2"])
    second.set_virtual_machine_interface_properties(tag)
    if enterprise:
        refused("a tag of another network", BadRequest, "with other vlan(711) already exists in fabric",
                lambda: API.virtual_machine_interface_create(second))
    else:
        make("virtual_machine_interface", second)
        delete("virtual_machine_interface", second)
    delete("virtual_machine_interface", first)


def bond():
    """A group that a person makes, and what a binding with one of its links does to it."""
    fabric = API.fabric_read(fq_name=[ROOT, "default-fabric"])
    made = vnc_api.VirtualPortGroup(f"{NAME}-bond", parent_obj=fabric)
    make("virtual_port_group", made)
    for port in ("xe-0/0/0", "xe-0/0/1"):
        switch_port = API.fq_name_to_id("physical-interface", [ROOT, "qfx1", port])
        step(f"add {port}", lambda: API.ref_update(
            "virtual-port-group", made.uuid, "physical-interface", switch_port, None, "ADD"))
    read = API.virtual_port_group_read(id=made.uuid)
    same("bond", members(read), ["xe-0/0/0", "xe-0/0/1"])
    numbers = [ref["attr"].ae_num for ref in read.get_physical_interface_refs()]
    same("one number", len(set(numbers)), 1)
    return made


def nodes():
    """A server and its port, as they are registered."""
    root = API.global_system_config_read(fq_name=[ROOT])
    node = vnc_api.Node(f"{NAME}-node", parent_obj=root, node_type="baremetal", hostname="srv1")
    make("node", node)
    link = vnc_api.LocalLinkConnection(switch_info="qfx1", port_id="xe-0/0/0")
    info = vnc_api.BaremetalPortInfo(address="02:00:00:00:00:01", pxe_enabled=True, local_link_connection=link)
    port = vnc_api.Port("eth0", parent_obj=node, bms_port_info=info)
    make("port", port)
    same("by name", API.fq_name_to_id("node", [ROOT, node.name]), node.uuid)
    same("by uuid", API.id_to_fq_name(node.uuid), [ROOT, node.name])
    refused("unknown name", NoIdError, "", lambda: API.node_read(fq_name=[ROOT, f"{NAME}-none"]))
    refused("the name again", RefsExistError, "already exists",
            lambda: API.node_create(vnc_api.Node(node.name, parent_obj=root)))
    refused("delete a linked port", RefsExistError, "Delete when resource still referred",
            lambda: API.port_delete(id=port.uuid))
    holder = API.fq_name_to_id("physical-interface", [ROOT, "qfx1", "xe-0/0/0"])
    step("let go of the port", lambda: API.ref_update(
        "physical-interface", holder, "port", port.uuid, None, "DELETE"))
    delete("port", port)
    delete("node", node)


def main():
    """All of it. What is left of a step that failed is deleted at the end, the last first."""
    try:
        made = step("networks", networks)
        if made:
            step("ports and groups", lambda: ports_and_groups(*made))
            step("refusals", lambda: refusals(made[0], made[1]))
        step("bond", bond)
        step("nodes", nodes)
    finally:
        for kind, uuid in reversed(list(MADE)):
            step(f"delete {kind} {uuid}", lambda: getattr(API, f"{kind}_delete")(id=uuid))
    print(f"{len(FAILED)} failed: {', '.join(FAILED)}" if FAILED else "all good")
    return 1 if FAILED else 0


sys.exit(main())
