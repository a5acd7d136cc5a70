"""What sushy, Ironic's Redfish library, sees of the virtual BMC at an address. The password is the first line of the input."""

import sys

import sushy
from sushy import auth, exceptions


def check(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")


base, password = sys.argv[1], sys.stdin.readline().rstrip("\n")
try:
    wrong = auth.SessionAuth("admin", "another")
    sushy.Sushy(base, auth=wrong, verify=False).get_system_collection().get_members()
    raise SystemExit("a wrong password was let in")
except exceptions.AccessError:
    pass

root = sushy.Sushy(base, auth=auth.SessionAuth("admin", password), verify=False)
(system,) = root.get_system_collection().get_members()
check("power", system.power_state, sushy.PowerState.OFF)
check("maker", system.manufacturer, "BMS lab")
system.set_system_boot_options(
    sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE, mode=sushy.BootSourceOverrideMode.UEFI
)
system.refresh()
check("device", system.boot.target, sushy.BootSource.PXE)
check("once", system.boot.enabled, sushy.BootSourceOverrideEnabled.ONCE)
check("mode", system.boot.mode, sushy.BootSourceOverrideMode.UEFI)
system.reset_system(sushy.ResetType.ON)
system.refresh()
check("on", system.power_state, sushy.PowerState.ON)
check("used up", system.boot.enabled, sushy.BootSourceOverrideEnabled.DISABLED)
system.set_system_boot_options(
    sushy.BootSource.HDD, enabled=sushy.BootSourceOverrideEnabled.CONTINUOUS, mode=sushy.BootSourceOverrideMode.UEFI
)
system.reset_system(sushy.ResetType.FORCE_RESTART)
system.reset_system(sushy.ResetType.GRACEFUL_SHUTDOWN)
system.refresh()
check("off", system.power_state, sushy.PowerState.OFF)
check("MACs", sorted(system.ethernet_interfaces.summary), ["52:54:00:00:00:01", "52:54:00:00:00:02"])
(manager,) = root.get_manager_collection().get_members()
check("firmware", manager.firmware_version, "1.2.3")
(chassis,) = root.get_chassis_collection().get_members()
check("chassis", chassis.identity, "1")
root._auth.close()
print("sushy is content")
