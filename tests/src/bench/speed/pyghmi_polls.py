"""Reads the power again and again over one session; prints microseconds of processor time of one reading."""
import os
import resource
import sys

from pyghmi.ipmi import command

host, port, user, polls = sys.argv[1:]
bmc = command.Command(bmc=host, userid=user, password=os.environ["IPMI_PASSWORD"], port=int(port))


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


assert bmc.get_power()["powerstate"] == "off"
before = used()
for _ in range(int(polls)):
    assert bmc.get_power()["powerstate"] == "off"
print((used() - before) * 1e6 / int(polls))
# Its threads wait for nobody.
sys.stdout.flush()
os._exit(0)
