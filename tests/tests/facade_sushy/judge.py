"""Reads one server of the facade with Ironic's own client, changes what it can, and prints what it found as JSON."""

import json
import sys

import sushy

IMAGE = "https://images.example/a.iso"

url, server, user, password = sys.argv[1:]
root = sushy.Sushy(url, username=user, password=password, verify=False)
system = root.get_system(f"/redfish/v1/Systems/{server}")
manager = root.get_manager(f"/redfish/v1/Managers/{server}")
chassis = root.get_chassis(f"/redfish/v1/Chassis/{server}")
firmware = root.get_update_service().firmware_inventory.get_members()


def media(of):
    return [[drive.identity, drive.image, drive.inserted, [kind.value for kind in drive.media_types]] for drive in of.virtual_media.get_members()]


service = root.get_update_service()
monitor = service.simple_update("https://images.example/bmc.bin")
seen = [[monitor.check_is_processing, monitor.task.task_state.value]]
# The server's own end of it: the coordinator carries the update on.
print(monitor.task_monitor_uri, flush=True)
input()
seen.append([monitor.check_is_processing, None])
task = monitor.get_task()
seen.append([task.task_state.value, task.task_status.value, [message.message for message in task.messages]])

def health(of):
    return of.status.health.value.lower()


def bios(attributes):
    """Attributes without what the client adds of its own."""
    return {name: attributes[name] for name in ("Cores", "Turbo")}


found = {
    "bios_version": system.bios_version,
    "manager_version": manager.firmware_version,
    "light": system.indicator_led.value,
    "attributes": system.bios.attributes,
    "pending": system.bios.pending_attributes,
    "secure_boot": [system.secure_boot.enabled, system.secure_boot.mode.value],
    "media": media(system),
    "media_of_manager": media(manager),
    "update": seen,
    "firmware": [[item.name, item.version, item.updateable] for item in firmware],
    "temperatures": [[one.name, one.reading_celsius, health(one)] for one in chassis.thermal.temperatures],
    "fans": [[fan.name, fan.reading, fan.reading_units.value] for fan in chassis.thermal.fans],
    "supplies": [[one.identity, health(one)] for one in chassis.power.power_supplies],
}

changed = {}
system.set_indicator_led(sushy.IndicatorLED.OFF)
system.refresh()
changed["light"] = system.indicator_led.value

system.secure_boot.set_enabled(False)
system.secure_boot.refresh()
changed["secure_boot"] = system.secure_boot.enabled
system.secure_boot.reset_keys(sushy.SecureBootResetKeysType.RESET_ALL_KEYS_TO_DEFAULT)

system.bios.set_attributes({"Cores": 2, "Turbo": False}, apply_time=sushy.ApplyTime.ON_RESET)
system.bios.refresh()
changed["attributes"] = bios(system.bios.attributes)
changed["pending"] = bios(system.bios.pending_attributes)
system.reset_system(sushy.ResetType.ON)
system.bios.refresh()
changed["applied"] = bios(system.bios.attributes)
system.bios.reset_bios()

drive = system.virtual_media.get_members()[0]
drive.eject_media()
drive.refresh()
changed["ejected"] = drive.inserted
drive.insert_media(IMAGE)
drive.refresh()
changed["inserted"] = [drive.image, drive.inserted]

changed["resets"] = sushy.ResetType.NMI in system.get_allowed_reset_system_values()
system.reset_system(sushy.ResetType.NMI)

json.dump({**found, "changed": changed}, sys.stdout)
