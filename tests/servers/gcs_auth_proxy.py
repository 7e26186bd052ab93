"""The authentication that fake-gcs-server lacks, as a reverse proxy in front of it.

    gcs_auth_proxy.py PORT UPSTREAM_PORT SERVICE_ACCOUNT_JSON [CERT KEY]

  POST /token                         service-account JWT grant (RS256, checked in full)
  GET  /computeMetadata/v1/.../token  the metadata server's token (needs Metadata-Flavor: Google)
  PUT  ?upload_id=U, bytes */N        upload status query, which fake-gcs-server takes for the end
  anything else                       needs a live bearer token, or an upload_id, then goes upstream

Access tokens live for TOKEN_TTL seconds (default 3600).
"""
import http.client
import json
import os
import re
import secrets
import ssl
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PORT, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])
with open(sys.argv[3], encoding="utf-8") as file:
    ACCOUNT = json.load(file)
PUBLIC = load_pem_private_key(ACCOUNT["private_key"].encode(), None).public_key()
TTL, LEEWAY = int(os.environ.get("TOKEN_TTL", "3600")), 60
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = {"https://www.googleapis.com/auth/" + name
          for name in ("devstorage.read_write", "devstorage.full_control", "cloud-platform")}
# Google's own client always claims the second; the third is this proxy behind another one.
AUDIENCES = re.compile("|".join([re.escape(ACCOUNT["token_uri"]),
                                 r"https://oauth2\.googleapis\.com/token",
                                 r"http://127\.0\.0\.1:\d+/token"]))
SELF = ACCOUNT["token_uri"].removesuffix("/token")
tokens = {}   # access token -> expiry
uploads = {}  # upload_id -> the last answer to a PUT of its data: status, body, headers


def grant():
    token = "ya29." + secrets.token_urlsafe(24)
    tokens[token] = time.time() + TTL
    return {"access_token": token, "expires_in": TTL, "token_type": "Bearer"}


def refusal_of(form):
    """Why a grant is refused, or None."""
    if form.get("grant_type") != GRANT:
        return "unsupported_grant_type"
    try:
        options = {"require": ["iss", "aud", "iat", "exp"], "verify_aud": False}
        claims = jwt.decode(form["assertion"], PUBLIC, ["RS256"], leeway=LEEWAY,
                            issuer=ACCOUNT["client_email"], options=options)
        header = jwt.get_unverified_header(form["assertion"])
    except (KeyError, jwt.PyJWTError) as error:
        return f"invalid_grant: {error}"
    if header.get("kid", ACCOUNT["private_key_id"]) != ACCOUNT["private_key_id"]:
        return "invalid_grant: kid"
    if not AUDIENCES.fullmatch(claims["aud"]):
        return "invalid_grant: audience"
    if claims["exp"] - claims["iat"] > 3600:
        return "invalid_grant: lifetime over one hour"
    if not SCOPES & set(claims.get("scope", "").split()):
        return "invalid_scope"
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, code, body, headers=()):
        headers = list(headers)
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers.insert(0, ("Content-Type", "application/json"))
        self.send_response_only(code)
        for name, value in headers:
            self.send_header(name, value)
        if code != 204 and "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return out

    def give_token(self, data):
        form = dict(urllib.parse.parse_qsl(data.decode()))
        refusal = refusal_of(form) if self.command == "POST" else "invalid_request"
        if refusal is None:
            return self.reply(200, grant())
        return self.reply(400, {"error": refusal.split(":")[0], "error_description": refusal})

    def give_metadata(self, path):
        flavor = [("Metadata-Flavor", "Google")]
        if self.headers.get("Metadata-Flavor") != "Google":
            return self.reply(403, {"error": "Missing Metadata-Flavor:Google header."})
        if path.rstrip("/").endswith("/token"):
            return self.reply(200, grant(), flavor)
        return self.reply(200, {"email": ACCOUNT["client_email"], "aliases": ["default"],
                                "scopes": sorted(SCOPES)}, flavor)

    def handle_any(self):
        data, url = self.body(), urllib.parse.urlsplit(self.path)
        if url.path == "/token":
            return self.give_token(data)
        if url.path.startswith("/computeMetadata/v1/instance/service-accounts/"):
            return self.give_metadata(url.path)
        upload = urllib.parse.parse_qs(url.query).get("upload_id", [""])[0]
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if not upload and (kind != "Bearer" or tokens.get(token, 0) < time.time()):
            error = {"code": 401, "message": "Invalid Credentials",
                     "errors": [{"reason": "authError"}]}
            return self.reply(401, {"error": error}, [("WWW-Authenticate", "Bearer")])
        asked = self.headers.get("Content-Range", "")
        if upload and self.command == "PUT" and not data and asked != "bytes */0" \
                and re.fullmatch(r"bytes \*/(\*|\d+)", asked):
            return self.reply(*uploads.get(upload, (308, b"", [])))
        return self.forward(data, upload)

    def forward(self, data, upload):
        drop = ("transfer-encoding", "connection", "expect", "content-length")
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in drop}
        upstream = http.client.HTTPConnection("127.0.0.1", UPSTREAM)
        upstream.request(self.command, self.path, data,
                         {**headers, "Content-Length": str(len(data))})
        answer = upstream.getresponse()
        got = answer.read()
        upstream.close()
        drop = {"transfer-encoding", "connection", "date"}
        if self.command != "HEAD":
            drop.add("content-length")
        keep = [(name, re.sub("^https?://[^/]+", SELF, value) if name.lower() == "location"
                 else value) for name, value in answer.getheaders() if name.lower() not in drop]
        keep.append(("Date", self.date_time_string()))
        if upload and self.command == "PUT" and answer.status in (200, 201, 308):
            uploads[upload] = (answer.status, got, keep)
        return self.reply(answer.status, got, keep)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256


server = Server(("127.0.0.1", PORT), Handler)
if len(sys.argv) > 5:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
server.serve_forever()
