"""Stands in for Neutron: answers what Nova asks of the network service for servers without ports, and refuses the rest.

The real one is not part of the lab: networks of tenants are Contrail's.  neutron_stand_in.py port
"""
import http.server
import json
import signal
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/").removesuffix(".json")
        if path in ("", "/v2.0"):
            link = {"rel": "self", "href": f"http://{self.headers.get('Host')}/v2.0"}
            versions = [{"id": "v2.0", "status": "CURRENT", "links": [link]}]
            return self.answer(200, {"versions": versions, "resources": []})
        parts = path.split("/")
        if len(parts) != 3:
            return self.refuse(404, "NotFound", "there are no networks here")
        return self.answer(200, {parts[2].replace("-", "_"): []})

    def refuse(self, code, kind, message):
        return self.answer(code, {"NeutronError": {"type": kind, "message": message, "detail": ""}})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return self.refuse(403, "Forbidden", "this is a stand-in: networks are Contrail's")

    do_PUT = do_DELETE = do_POST

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
