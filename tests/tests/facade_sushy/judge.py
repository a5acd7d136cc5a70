"""Reads one server of the facade with Ironic's own client, and prints what it found as JSON."""

import json
import sys

import sushy

url, server, user, password = sys.argv[1:]
root = sushy.Sushy(url, username=user, password=password, verify=False)
system = root.get_system(f"/redfish/v1/Systems/{server}")
manager = root.get_manager(f"/redfish/v1/Managers/{server}")
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

json.dump(
    {
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
    },
    sys.stdout,
)
