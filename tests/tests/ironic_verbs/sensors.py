"""Reads a server's sensors by Ironic's own Redfish driver, as its conductor does it for its notifications; prints them as JSON."""

import json
import sys
import types

from ironic.conf import CONF

CONF([], project="ironic", default_config_files=[])

from ironic.drivers.modules.redfish import management  # noqa: E402  (it reads the settings)

address, system, user, authority = sys.argv[1:]
node = types.SimpleNamespace(
    uuid=system.rsplit("/", 1)[-1],
    driver="redfish",
    properties={},
    driver_internal_info={},
    driver_info={
        "redfish_address": address,
        "redfish_system_id": system,
        "redfish_username": user,
        "redfish_password": sys.stdin.readline().strip(),
        "redfish_verify_ca": authority,
    },
)
task = types.SimpleNamespace(node=node)
json.dump(management.RedfishManagement().get_sensors_data(task), sys.stdout)
