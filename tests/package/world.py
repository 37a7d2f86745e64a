"""A world for the machine of these tests: a name server, and web servers with and without TLS, on addresses of its own.

Serves until it is killed. `world.py CERTIFICATE KEY` with both for `*.sites.test`.
"""

import http.server
import socket
import ssl
import struct
import sys
import threading

SITES, RESOLVERS = "203.0.113.7", ("203.0.113.53", "203.0.113.54")


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"<!doctype html><title>News</title><p>" + b"All is well. " * 200
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def names(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        question, peer = server.recvfrom(4096)
        end = question.index(b"\0", 12) + 5
        kind = struct.unpack(">H", question[end - 4 : end - 2])[0]
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(SITES) if kind == 1 else b""
        head = question[:2] + b"\x81\x80\0\1" + struct.pack(">H", bool(answer)) + b"\0\0\0\0"
        server.sendto(head + question[12:end] + answer, peer)


clear = http.server.ThreadingHTTPServer((SITES, 80), Page)
secret = http.server.ThreadingHTTPServer((SITES, 443), Page)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
secret.socket = context.wrap_socket(secret.socket, server_side=True, do_handshake_on_connect=False)
for serve in (clear.serve_forever, secret.serve_forever, lambda: names(RESOLVERS[1])):
    threading.Thread(target=serve, daemon=True).start()
names(RESOLVERS[0])
