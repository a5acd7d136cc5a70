"""What pyghmi, the IPMI library of OpenStack, sees of the virtual BMC at a port. The password is the first line of the input."""

import sys

from pyghmi import exceptions
from pyghmi.ipmi import command


def check(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")


def refused(password):
    try:
        command.Command(bmc="127.0.0.1", userid="admin", password=password, port=port)
    except exceptions.IpmiException as error:
        return str(error)
    return "let in"


def log(bmc, clear=False):
    return [
        (entry.get("component"), entry.get("event"), entry.get("deassertion"))
        for entry in bmc.get_event_log(clear=clear)
    ]


port, password = int(sys.argv[1]), sys.stdin.readline().rstrip("\n")
bmc = command.Command(bmc="127.0.0.1", userid="admin", password=password, port=port)

check("power", bmc.get_power(), {"powerstate": "off"})
check("power on", bmc.set_power("on", wait=True), {"powerstate": "on"})
check("no boot device", bmc.get_bootdev()["bootdev"], "default")
bmc.set_bootdev("network", persist=False, uefiboot=True)
check("network", bmc.get_bootdev(), {"bootdev": "network", "persistent": False, "uefimode": True})
bmc.set_bootdev("hd", persist=True, uefiboot=True)
check("disk", bmc.get_bootdev(), {"bootdev": "hd", "persistent": True, "uefimode": True})
bmc.set_power("boot", wait=True)

readings = {reading.name: (reading.value, reading.units) for reading in bmc.get_sensor_data()}
for name, value, unit in [
    ("CPU1 Temp", 47.0, "°C"),
    ("Inlet Temp", -10.0, "°C"),
    ("P12V", 12.06, "V"),
    ("FAN1", 7500.0, "RPM"),
    ("PSU1 Input", 212.0, "W"),
]:
    check(name, readings[name], (value, unit))
health = bmc.get_health()
check("bad readings", [bad.name for bad in health["badreadings"]], ["PSU2 Status"])
check("its states", health["badreadings"][0].states, ["Present", "Power input lost"])

inventory = dict(bmc.get_inventory())
for field, value in [
    ("Chassis serial number", "CHS0001"),
    ("Board manufacture date", "2025-06-01T00:00"),
    ("Manufacturer", "Virtual Servers"),
    ("Model", "BM1"),
    ("Serial Number", "SRV0001"),
    ("Asset Number", "RACK1-U7"),
    ("UUID", sys.argv[2].upper()),
]:
    check(field, inventory["System"][field], value)
check("power supply", inventory["PSU1"]["Serial Number"], "PSU0001")
check("firmware", list(bmc.get_firmware()), [("BMC Version", {"version": "1.10"})])
check("power draw", bmc.get_system_power_watts(), 212)

network = bmc.get_net_configuration()
check("address", network["ipv4_address"], "198.51.100.7/24")
check("gateway", network["ipv4_gateway"], "198.51.100.1")
check("MAC address", network["mac_address"], "52:54:00:b3:00:07")

bmc.create_user(uid=5, name="op", password="hunter2hunter", privilege_level="operator")
users = {user["name"]: user["access"]["privilege_level"] for user in bmc.get_users().values()}
check("users", users, {"admin": "administrator", "monitor": "user", "op": "operator"})

check(
    "event log",
    log(bmc, clear=True),
    [
        ("SEL", "Log clear", False),
        ("CPU1 Temp", "Upper critical", False),
        ("PSU2 Status", "Power input lost", False),
        ("PSU2 Status", "Power input restored", True),
        (None, None, None),
    ],
)
check("after it was cleared", log(bmc), [])
check("soft off", bmc.set_power("shutdown", wait=True), {"powerstate": "off"})
check("wrong password", refused("another"), "Incorrect password provided")
print("pyghmi is content")
