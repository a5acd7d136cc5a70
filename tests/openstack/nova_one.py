"""Nova's API, conductor, scheduler and compute in one process: nova_one.py port directory-with-nova.conf url...

It begins to work when all the URLs answer: nova-compute asks Ironic, Placement and Keystone once at its start, and again
only a minute later.

One process instead of four saves three times the imports (4 s of processor each) and the message broker: they speak
over oslo.messaging's in-process transport.
"""
import os
import shlex
import signal
import sys
import time
import urllib.error
import urllib.request

port, directory, needed = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
conf = os.path.join(directory, "nova.conf")
sys.argv = ["nova", "--config-file", conf]
os.environ["OS_NOVA_CONFIG_DIR"] = directory

from nova import monkey_patch

monkey_patch.patch(backend="threading")

import nova.conf
import os_vif
import sqlite_writers  # noqa: F401
from cheroot import wsgi
from nova import config, objects, service, utils
from nova.api.openstack import wsgi_app  # noqa: F401, registers what paste names
from nova.compute import rpcapi as compute
from nova.conductor import rpcapi as conductor
from nova.scheduler import rpcapi as scheduler
from nova.virt import netutils
from oslo_log import log as logging
from oslo_privsep import priv_context
from paste import deploy

# Nova 34 cannot make a configuration drive for a bare-metal server without ports: for no network its netutils returns
# None, of which the Ironic driver reads ["links"]. Sites with Neutron have ports; here networks are Contrail's alone.
network_metadata = netutils.get_network_metadata
netutils.get_network_metadata = lambda info: network_metadata(info) or {"links": [], "networks": [], "services": []}

config.parse_args(sys.argv, default_config_files=[conf])
logging.setup(nova.conf.CONF, "nova")
objects.register_all()
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_vif.initialize()
objects.Service.enable_min_version_cache()


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True  # "unauthorized" and "choose a version" are answers
    except OSError:
        return False
    return True


until = time.monotonic() + 180
while not all(map(answers, needed)):
    if time.monotonic() > until:
        sys.exit(f"not all of {needed} answer")
    time.sleep(0.1)

services = []
for binary, topic, more in (
    ("nova-conductor", conductor.RPC_TOPIC, {}),
    ("nova-scheduler", scheduler.RPC_TOPIC, {}),
    ("nova-compute", compute.RPC_TOPIC, {"topic_alt": compute.RPC_TOPIC_ALT}),
):
    one = service.Service.create(binary=binary, topic=topic, **more)
    one.start()
    services.append(one)

application = deploy.loadapp("config:" + os.path.join(directory, "api-paste.ini"), name="osapi_compute")
server = wsgi.Server(("127.0.0.1", port), application, numthreads=10)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # threads of three services would outlive an orderly end
try:
    server.start()
finally:
    os._exit(1)
