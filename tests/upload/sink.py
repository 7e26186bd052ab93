"""An S3 server that checks what was signed and keeps nothing of it: sink.py

Prints its port. Bodies of packs are hashed and dropped; small objects are kept, so that a
repository can be made and written to. A request whose Signature Version 4, whose SHA-256 of the
body or whose length is not right is answered 403, and counted: GET /?count gives
{"good": N, "bad": N, "bytes": N}.
"""
import hashlib
import hmac
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, SECRET = "sink", "sink-secret"
FIELD = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
                   r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$")
lock = threading.Lock()
objects, count = {}, {"good": 0, "bad": 0, "bytes": 0}


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def is_signed(request, url):
    """Whether the request carries our signature over all that it names as signed."""
    match = FIELD.match(request.headers.get("Authorization", ""))
    if not match or match[1] != KEY:
        return False
    _, date, region, names, signature = match.groups()
    fields = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n"
                     for name in names.split(";"))
    for needed in ("host", "x-amz-date", "x-amz-content-sha256"):
        if needed not in names.split(";"):
            return False
    pairs = sorted(part if "=" in part else part + "=" for part in url.query.split("&") if part)
    canonical = "\n".join((request.command, url.path, "&".join(pairs), fields, names,
                           request.headers["x-amz-content-sha256"]))
    scope = f"{date}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()))
    key = mac(mac(mac(mac(f"AWS4{SECRET}".encode(), date), region), "s3"), "aws4_request")
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.reply(status, f"<Error><Code>{code}</Code></Error>".encode())

    def body(self, keep):
        """The bytes if they are kept, their number, and whether they are those that were signed."""
        left, digest, kept = int(self.headers.get("Content-Length") or 0), hashlib.sha256(), b""
        size = left
        while left:
            piece = self.rfile.read(min(left, 1 << 20))
            if not piece:
                return b"", 0, False
            digest.update(piece)
            kept += piece if keep else b""
            left -= len(piece)
        return kept, size, digest.hexdigest() == self.headers.get("x-amz-content-sha256")

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        if self.path == "/?count":
            return self.reply(200, json.dumps(count).encode())
        key = urllib.parse.unquote(url.path).split("/", 2)[-1]
        kept, size, whole = self.body(keep="/packs/" not in url.path)
        good = whole and is_signed(self, url)
        with lock:
            count["good" if good else "bad"] += 1
            count["bytes"] += size
        if not good:
            return self.refuse(403, "SignatureDoesNotMatch")
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        with lock:
            if self.command == "PUT":
                if key in objects and self.headers.get("If-None-Match") == "*":
                    return self.refuse(412, "PreconditionFailed")
                objects[key] = kept
                crc = self.headers.get("x-amz-checksum-crc64nvme")
                return self.reply(200, headers=[("x-amz-checksum-crc64nvme", crc)] if crc else [])
            if self.command == "DELETE":
                objects.pop(key, None)
                return self.reply(204)
            if "list-type" in query:
                return self.list(query)
            if key not in objects:
                return self.refuse(404, "NoSuchKey")
            return self.reply(200, objects[key])

    def list(self, query):
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        names = sorted(name for name in objects if name.startswith(prefix) and name > after)
        most = int(query.get("max-keys", "1000"))
        cut = len(names) > most
        items = "".join(f"<Contents><Key>{urllib.parse.quote(name)}</Key><Size>"
                        f"{len(objects[name])}</Size></Contents>" for name in names[:most])
        more = "<NextContinuationToken>more</NextContinuationToken>" if cut else ""
        self.reply(200, f"<ListBucketResult><IsTruncated>{'true' if cut else 'false'}</IsTruncated>"
                        f"{more}{items}</ListBucketResult>".encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
