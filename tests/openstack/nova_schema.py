"""Makes Nova's three databases and its one cell: nova_schema.py nova.conf directory-of-databases"""
import sys

conf, databases = sys.argv[1], sys.argv[2]
sys.argv = ["nova-manage", "--config-file", conf]

from nova import config, context, objects
from nova.cmd import manage
from oslo_config import cfg

config.parse_args(sys.argv, default_config_files=[conf])
objects.register_all()


def must(code):
    if code:
        sys.exit(f"nova-manage step failed with {code}")


must(manage.ApiDbCommands().sync())
cells = manage.CellV2Commands()
must(cells.map_cell0(f"sqlite:///{databases}/nova_cell0.db"))
must(manage.DbCommands().sync())
must(cells.create_cell(name="cell1", database_connection=cfg.CONF.database.connection, transport_url="fake:///"))

# The one compute host is known from the start, so that nothing waits for its discovery.
admin = context.get_admin_context()
cell1 = next(c for c in objects.CellMappingList.get_all(admin) if c.name == "cell1")
objects.HostMapping(admin, host="lab", cell_mapping=cell1).create()
