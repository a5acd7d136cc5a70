"""Makes copied databases speak of where they are now: relocate.py directory-of-databases base-port

Only two facts depend on place: URLs in Keystone's catalogue, and the paths of Nova's cells.
"""
import sqlite3
import sys

databases, base = sys.argv[1], int(sys.argv[2])
URLS = {"identity": (0, "/v3"), "placement": (1, ""), "image": (2, ""), "baremetal": (3, ""),
        "compute": (4, "/v2.1"), "network": (12, "")}

with sqlite3.connect(f"{databases}/keystone.db") as db:
    for kind, (offset, path) in URLS.items():
        db.execute("update endpoint set url = ? where service_id in (select id from service where type = ?)",
                   (f"http://127.0.0.1:{base + offset}{path}", kind))
with sqlite3.connect(f"{databases}/nova_api.db") as db:
    for name in ("cell0", "cell1"):
        db.execute("update cell_mappings set database_connection = ? where name = ?",
                   (f"sqlite:///{databases}/nova_{name}.db?timeout=30", name))
