"""Fills Keystone's database: keystone_seed.py keystone.conf password

Roles, the administrator, the service user, two tenants (demo, other), and a catalogue whose URLs relocate.py sets.
"""
import sys
import uuid

conf, password = sys.argv[1], sys.argv[2]

import keystone.conf
from keystone.cmd import bootstrap
from keystone.common import provider_api, sql

keystone.conf.configure()
sql.initialize()
keystone.conf.CONF(args=["--config-file", conf], project="keystone")

URL = "http://127.0.0.1:1"
first = bootstrap.Bootstrapper()
first.admin_password = password
first.admin_username = first.project_name = first.admin_role_name = "admin"
first.service_name, first.region_id = "keystone", "RegionOne"
first.public_url = first.internal_url = first.admin_url = URL
first.immutable_roles = True
first.bootstrap()

provide = provider_api.ProviderAPIs


def user(name, project_name, roles):
    project = uuid.uuid4().hex
    provide.resource_api.create_project(project, {
        "id": project, "name": project_name, "domain_id": "default", "description": "", "enabled": True,
        "is_domain": False, "parent_id": "default"})
    made = provide.identity_api.create_user({
        "name": name, "password": password, "domain_id": "default", "enabled": True, "default_project_id": project})
    for role in roles:
        provide.assignment_api.add_role_to_user_and_project(made["id"], project, role)


user("service", "service", [first.admin_role_id, first.service_role_id])
user("demo", "demo", [first.member_role_id])
user("other", "other", [first.member_role_id])

for kind, name in (("placement", "placement"), ("image", "glance"), ("baremetal", "ironic"), ("compute", "nova"),
                   ("network", "neutron")):
    service = uuid.uuid4().hex
    provide.catalog_api.create_service(service, {"id": service, "type": kind, "name": name, "enabled": True})
    for interface in ("public", "internal"):
        endpoint = uuid.uuid4().hex
        provide.catalog_api.create_endpoint(endpoint, {
            "id": endpoint, "service_id": service, "interface": interface, "region_id": "RegionOne", "url": URL,
            "enabled": True})
