"""A strict fake of Microsoft's login service, for a service principal with a secret, from
learn.microsoft.com "OAuth 2.0 client credentials flow": azure_oauth.py PORT CERT KEY

Its tokens carry the claims that Azurite checks (audience, times, issuer).
"""
import base64
import hashlib
import hmac
import http.server
import json
import ssl
import sys
import time
import urllib.parse

TENANT, CLIENT, SECRET = "fake-tenant", "fake-client", "fake-client-secret-canary"
ISSUER = "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/"
SCOPE = "https://storage.azure.com/.default"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token():
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": ISSUER, "iat": now - 60, "nbf": now - 60,
              "exp": now + 3600, "sub": "s", "oid": "o", "tid": "t"}
    text = ".".join(encode(json.dumps(part).encode())
                    for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{encode(hmac.new(b'k' * 32, text.encode(), hashlib.sha256).digest())}"


def answer_to(path, content_type, form):
    if path != f"/{TENANT}/oauth2/v2.0/token":
        return 400, {"error": "invalid_request", "error_description": "AADSTS90002: no such tenant"}
    if content_type.split(";")[0] != "application/x-www-form-urlencoded":
        return 400, {"error": "invalid_request", "error_description": "AADSTS900144: no form"}
    if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
        return 400, {"error": "invalid_scope", "error_description": "AADSTS70011: wrong scope"}
    if form.get("client_id") != CLIENT:
        return 400, {"error": "unauthorized_client", "error_description": "AADSTS700016: unknown"}
    if form.get("client_secret") != SECRET:
        return 401, {"error": "invalid_client", "error_codes": [7000215], "trace_id": "fake-trace",
                     "error_description": "AADSTS7000215: Invalid client secret provided."}
    return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token()}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status, body = answer_to(self.path, self.headers.get("Content-Type", ""),
                                 dict(urllib.parse.parse_qsl(data)))
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("x-ms-request-id", "fake-login")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True,
                                    do_handshake_on_connect=False)
server.serve_forever()
