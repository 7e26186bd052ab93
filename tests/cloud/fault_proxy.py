"""An HTTP proxy that fails on purpose: stands between the program and one store.

    fault_proxy.py PORT UPSTREAM_HOST:PORT CONTROL_PORT

The control port takes JSON lines: {"rules": [RULE, ...]} replaces the rules and zeroes the counts,
{"counts": true} answers with them. A RULE is {"fault": NAME, "arg": N, "method": "PUT|POST",
"match": REGEX on the target, "skip": N, "count": N, "list": true}: it happens to `count` requests
(default 1, 0: all) after the first `skip` that match. FAULTS below says what each does.
"""
import asyncio
import json
import random
import re
import socket
import struct
import sys

BODY_MAX = 256 << 20
HEAD_MAX = 1 << 20


class Broken(Exception):
    """The other side went away."""


class Message:
    """A request or an answer, read whole."""

    def __init__(self, first, fields, body=b""):
        self.first, self.fields, self.body = first, fields, body

    def get(self, name):
        return next((v for n, v in self.fields if n.lower() == name), None)

    def without(self, *names):
        return [(n, v) for n, v in self.fields if n.lower() not in names]

    def head(self):
        lines = [self.first] + [f"{n}: {v}" for n, v in self.fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def status(self):
        return int(self.first.split(" ")[1])


async def read_head(reader):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError) as error:
        raise Broken from error
    lines = head[:-4].decode("latin-1").split("\r\n")
    return Message(lines[0], [tuple(line.split(": ", 1)) if ": " in line
                              else (line.rstrip(":"), "") for line in lines[1:]])


async def read_exactly(reader, count):
    try:
        return await reader.readexactly(count)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Broken from error


async def read_body(reader, message, method):
    """The body of an answer, or of a request (`method` None)."""
    if method is not None and (method == "HEAD" or message.status in (204, 304)
                               or message.status < 200):
        return b""
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        body = b""
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            body += (await read_exactly(reader, size + 2))[:-2]
            if size == 0:
                return body
    length = message.get("content-length")
    if length is not None:
        return await read_exactly(reader, int(length))
    return b"" if method is None else await reader.read(BODY_MAX)


def reset(writer):
    """Closes with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# ---- lists that lie: (body, content type) -> body ------------------------------------------------

ENTRY = {"Contents": re.compile(rb"<Contents>.*?</Contents>", re.S),
         "Blob": re.compile(rb"<Blob>.*?</Blob>", re.S)}


def entries_of(body):
    """The entries of a list, and a function that puts others in their place; or nothing."""
    for pattern in ENTRY.values():
        found = pattern.findall(body)
        if found:
            at, end = body.index(found[0]), body.rindex(found[-1]) + len(found[-1])
            return found, lambda entries: body[:at] + b"".join(entries) + body[end:]
    try:
        parsed = json.loads(body)
    except ValueError:
        return None
    if isinstance(parsed, list) and parsed:
        return parsed, lambda entries: json.dumps(entries).encode()
    if isinstance(parsed, dict) and parsed.get("items"):
        return parsed["items"], lambda entries: json.dumps({**parsed, "items": entries}).encode()
    return None


def short_list(body):
    """Leaves out the last entry and says that nothing follows."""
    found = entries_of(body)
    if not found:
        return body
    body = found[1](found[0][:-1])
    body = body.replace(b"<IsTruncated>true<", b"<IsTruncated>false<")
    return re.sub(rb"<NextMarker>[^<]*</NextMarker>", b"<NextMarker/>", body)


def unordered_list(body):
    """The first entry comes last."""
    found = entries_of(body)
    return found[1](found[0][1:] + found[0][:1]) if found and len(found[0]) > 1 else body


def doubled_list(body):
    """The first entry comes twice."""
    found = entries_of(body)
    return found[1](found[0][:1] + found[0]) if found else body


def endless_list(body):
    """Says that more follows, which is this page again."""
    return body.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")


LIES = {"short_list": short_list, "unordered_list": unordered_list, "doubled_list": doubled_list,
        "endless_list": endless_list}

# ---- the faults ----------------------------------------------------------------------------------

FAULTS = {
    "reset_before": "reset once the headers came",
    "close_before": "closed once the headers came",
    "reset_in_request": "reset after `arg` bytes of the body",
    "lost_answer": "done, and the connection is reset instead of an answer",
    "closed_answer": "done, and closed instead of an answer",
    "reset_in_answer": "reset after `arg` bytes of the answer's body",
    "truncated_answer": "closed after `arg` bytes of the answer's body",
    "half_close": "half the answer's body, then no more is sent, but the connection stays",
    "slow_answer": "`arg` bytes a second",
    "slow_request": "the body is read at `arg` bytes a second",
    "delay": "the answer comes `arg` milliseconds late",
    "jitter": "each answer comes up to `arg` milliseconds late",
    "stall": "nothing for `arg` milliseconds, then closed",
    "stuck_keep_alive": "answered; the next request on the connection is never answered",
    "closed_keep_alive": "answered, then closed without saying so",
    "status": "answered with status `arg`, not done",
    "status_after": "done, but answered with status `arg`",
    "busy": "503 with Retry-After, not done",
    "error_inside": "200 with an error in the body, not done",
    "error_inside_after": "done, but 200 with an error in the body",
    "garbage": "an answer that is no HTTP",
    "doubled_answer": "the answer comes twice",
    "doubled_request": "done twice; the second answer is given",
    "late_request": "done only `arg` milliseconds later; until then reset",
    "short_length": "Content-Length is one less than the body",
    "long_length": "Content-Length is one more than the body, then closed",
    "huge_header": "a header field of a mebibyte",
    "many_headers": "a hundred thousand header fields",
    "flipped_bit": "one bit of the answer's body is wrong",
    "empty_answer": "200 with no body",
    "not_found": "404, not looked for",
    "redirect": "307 to another host",
    "endless_interim": "100 Continue again and again",
    "short_list": "a page without its last entry that says nothing follows",
    "unordered_list": "entries out of order",
    "doubled_list": "an entry twice",
    "endless_list": "the same page again and again",
}


class Proxy:
    def __init__(self, upstream):
        host, port = upstream.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.set_rules([])

    def set_rules(self, rules):
        self.rules = [{"skip": 0, "count": 1, "arg": 0, **rule, "hits": 0} for rule in rules]
        for rule in self.rules:
            if rule["fault"] not in FAULTS:
                raise ValueError(f"no fault is named {rule['fault']}")
        self.fired, self.requests = {}, 0

    def choose(self, request):
        method, target = request.first.split(" ")[:2]
        self.requests += 1
        for rule in self.rules:
            if rule.get("method") and method not in rule["method"].split("|"):
                continue
            if rule.get("match") and not re.search(rule["match"], target):
                continue
            rule["hits"] += 1
            past = rule["hits"] - rule["skip"]
            if past > 0 and (rule["count"] == 0 or past <= rule["count"]):
                self.fired[rule["fault"]] = self.fired.get(rule["fault"], 0) + 1
                return rule["fault"], rule["arg"]
        return None, 0

    async def control(self, reader, writer):
        while line := await reader.readline():
            said = json.loads(line)
            if "rules" in said:
                self.set_rules(said["rules"])
            answer = {"requests": self.requests, "fired": self.fired}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def serve(self, reader, writer):
        upstream = Upstream(self.upstream)
        try:
            while await self.one(reader, writer, upstream):
                pass
        except (Broken, ConnectionError, asyncio.IncompleteReadError, OSError):
            writer.transport.abort()
        finally:
            upstream.close()
            writer.close()

    async def one(self, reader, writer, upstream):
        """One request and its answer; whether the connection goes on."""
        request = await read_head(reader)
        fault, arg = self.choose(request)
        if fault in BEFORE:
            return await BEFORE[fault](reader, writer, request, arg, upstream)
        if (request.get("expect") or "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "slow_request":
            request.body = await self.read_slowly(reader, request, arg)
        else:
            request.body = await read_body(reader, request, None)
        if fault in INSTEAD:
            answer = INSTEAD[fault](request, arg)
        elif fault == "doubled_request":
            await upstream.ask(request)
            answer = await upstream.ask(request)
        else:
            answer = await upstream.ask(request)
        return await give(reader, writer, request, answer, fault, arg)

    @staticmethod
    async def read_slowly(reader, request, rate):
        left, body = int(request.get("content-length") or 0), b""
        while left > 0:
            piece = await read_exactly(reader, min(left, max(1, rate // 20)))
            body, left = body + piece, left - len(piece)
            await asyncio.sleep(0.05)
        return body


class Upstream:
    """The connection to the store, kept while it can be."""

    def __init__(self, where):
        self.where, self.pair = where, None

    def close(self):
        if self.pair:
            self.pair[1].close()
        self.pair = None

    async def ask(self, request):
        method = request.first.split(" ")[0]
        fields = request.without("connection", "expect", "content-length", "transfer-encoding")
        if request.body or method in ("PUT", "POST"):
            fields.append(("Content-Length", str(len(request.body))))
        out = Message(request.first, fields).head()
        for fresh in (False, True):
            if self.pair is None or fresh:
                self.close()
                self.pair = await asyncio.open_connection(*self.where, limit=HEAD_MAX)
            reader, writer = self.pair
            try:
                writer.write(out + request.body)
                await writer.drain()
                answer = await read_head(reader)
                while answer.status < 200:
                    answer = await read_head(reader)
                answer.body = await read_body(reader, answer, method)
            except (Broken, ConnectionError):
                if fresh:
                    raise
                self.close()
                continue
            if (answer.get("connection") or "").lower() == "close":
                self.close()
            return answer
        raise Broken


def made(status, body=b"", *fields, kind="text/plain"):
    return Message(f"HTTP/1.1 {status} made by the proxy",
                   [("Content-Type", kind), ("x-amz-request-id", "fault-proxy"),
                    ("x-ms-request-id", "fault-proxy"), ("x-trans-id", "fault-proxy"), *fields],
                   body)


XML_ERROR = (b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code>'
             b"<Message>We encountered an internal error. Please try again.</Message></Error>")


def error_inside(request, _):
    return made(200, XML_ERROR, kind="application/xml")


INSTEAD = {
    "status": lambda request, arg: made(arg),
    "busy": lambda request, arg: made(503, b"", ("Retry-After", str(arg))),
    "error_inside": error_inside,
    "empty_answer": lambda request, arg: made(200),
    "not_found": lambda request, arg: made(404),
    "redirect": lambda request, arg: made(307, b"", ("Location", "http://192.0.2.1/elsewhere")),
}


async def reset_before(reader, writer, request, arg, upstream):
    reset(writer)
    return False


async def close_before(reader, writer, request, arg, upstream):
    writer.close()
    return False


async def reset_in_request(reader, writer, request, arg, upstream):
    if request.get("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await reader.readexactly(min(arg, int(request.get("content-length") or 0)))
    reset(writer)
    return False


async def stall(reader, writer, request, arg, upstream):
    await asyncio.sleep(arg / 1000)
    writer.close()
    return False


async def endless_interim(reader, writer, request, arg, upstream):
    for _ in range(1000):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)
    writer.close()
    return False


async def late_request(reader, writer, request, arg, upstream):
    """The request lives on in the network, and arrives after the client gave up."""
    if request.get("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = await read_body(reader, request, None)
    reset(writer)
    await asyncio.sleep(arg / 1000)
    await upstream.ask(request)
    return False


BEFORE = {"reset_before": reset_before, "close_before": close_before,
          "reset_in_request": reset_in_request, "stall": stall,
          "endless_interim": endless_interim, "late_request": late_request}


def changed(answer, fault, arg):
    """The answer as the fault has it, whole."""
    if fault == "status_after":
        return made(arg)
    if fault == "error_inside_after":
        return made(200, XML_ERROR, kind="application/xml")
    if fault == "flipped_bit" and answer.body:
        at = random.randrange(len(answer.body))
        answer.body = (answer.body[:at] + bytes([answer.body[at] ^ 1 << random.randrange(8)])
                       + answer.body[at + 1:])
    if fault in LIES:
        answer.body = LIES[fault](answer.body)
    if fault == "huge_header":
        answer.fields.append(("X-Huge", "x" * HEAD_MAX))
    if fault == "many_headers":
        answer.fields += [("X-Many", "x")] * 100_000
    return answer


async def give(reader, writer, request, answer, fault, arg):
    """Sends the answer, or what the fault leaves of it; whether the connection goes on."""
    answer = changed(answer, fault, arg)
    method = request.first.split(" ")[0]
    size = len(answer.body) + {"short_length": -1, "long_length": 1}.get(fault, 0)
    drop = ["connection", "transfer-encoding", "keep-alive"]
    if not (method == "HEAD" and answer.get("content-length")):
        drop.append("content-length")
    answer.fields = answer.without(*drop)
    if "content-length" in drop and answer.status not in (204, 304):
        answer.fields.append(("Content-Length", str(max(size, 0))))
    if fault in ("delay", "jitter"):
        await asyncio.sleep((random.random() if fault == "jitter" else 1) * arg / 1000)
    if fault == "lost_answer":
        reset(writer)
        return False
    if fault == "closed_answer":
        return False
    if fault == "garbage":
        writer.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n" + b"\xff" * 100)
        await writer.drain()
        return False
    head, body = answer.head(), answer.body
    if fault in ("reset_in_answer", "truncated_answer"):
        writer.write(head + body[:arg])
        await writer.drain()
        if fault == "reset_in_answer":
            await asyncio.sleep(0.02)
            reset(writer)
        return False
    if fault == "half_close":
        writer.write(head + body[:len(body) // 2])
        writer.write_eof()
        await reader.read(1)
        return False
    if fault == "slow_answer":
        writer.write(head)
        step = max(1, arg // 20)
        for at in range(0, len(body), step):
            writer.write(body[at:at + step])
            await writer.drain()
            await asyncio.sleep(0.05)
    else:
        writer.write(head + body)
    if fault == "doubled_answer":
        writer.write(head + body)
    await writer.drain()
    if fault == "stuck_keep_alive":
        await read_head(reader)
        await asyncio.sleep(arg / 1000 if arg else 5)
        return False
    return fault not in ("closed_keep_alive", "long_length")


async def main():
    port, upstream, control = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    proxy = Proxy(upstream)
    servers = [await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=HEAD_MAX,
                                          backlog=512),
               await asyncio.start_server(proxy.control, "127.0.0.1", control)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
