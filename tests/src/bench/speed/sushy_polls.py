"""Reads the power again and again over one session; prints microseconds of processor time of one reading."""
import os
import resource
import sys

import sushy

host, port, user, polls = sys.argv[1:]
root = sushy.Sushy(f"http://{host}:{port}", username=user, password=os.environ["IPMI_PASSWORD"])
system = root.get_system_collection().get_members()[0]


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


before = used()
for _ in range(int(polls)):
    system.refresh(force=True)
    assert system.power_state == sushy.PowerState.OFF
print((used() - before) * 1e6 / int(polls))
