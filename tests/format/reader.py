#!/usr/bin/env python3
"""Reads a snapvault repository with nothing of snapvault: written from src/format/FORMAT.md alone.

  reader.py REPO_DIR [--passphrase-file F | --key-file F] list
  reader.py REPO_DIR [...] restore SNAPSHOT_ID|latest SOURCE OUT
  reader.py REPO_DIR [...] verify

Needs cryptography, zstandard, and libxxhash.so.0 for the keyed fingerprint. Checks every tag,
commitment, id, CRC64 and fingerprint it meets; the first fault ends the run."""
import argparse, collections, ctypes, functools, hashlib, hmac, json, os, re, struct, sys

try:
    import zstandard
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    XXHASH = ctypes.CDLL("libxxhash.so.0")
except (ImportError, OSError) as missing:
    sys.exit(f"reader.py: needs Python's cryptography and zstandard, and libxxhash.so.0: {missing}")

PLAIN_MAX, OBJECT_MAX = 16 << 20, 512 << 20
DATA, META, INDEX, CTL = range(4)
DATA_PACK, MAP_PACK, MANIFEST, ABORT, BEGIN, _, TOMB, REFS, SEGMENT, MERGED, LOG = range(1, 12)
FIRST_CLASS = {DATA_PACK: DATA, MAP_PACK: META, MANIFEST: META, SEGMENT: INDEX, MERGED: INDEX}
FRAME, NODE_FRAME, DIRECTORY, JSON, NODES, REFS_RECORD, PACKS, ENTRIES = range(1, 9)
RECORD_CLASS = {FRAME: DATA, NODE_FRAME: META, DIRECTORY: INDEX, NODES: META, REFS_RECORD: CTL,
                PACKS: INDEX, ENTRIES: INDEX}
HOLE, ZERO, STORED, BAD = range(4)  # STORED: a data block, or a node
Place = collections.namedtuple("Place", "pack slot start stored")
Pack = collections.namedtuple("Pack", "session cls n")
Base = collections.namedtuple("Base", "order session n entries")

class Fault(Exception):
    pass

def need(condition, message):
    if not condition:
        raise Fault(message)

class Cursor:
    """Fields in order; struct refuses to read past the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def finish(self, what):
        need(self.at == len(self.data), f"{what} is of another size than it states")

class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]
XXHASH.XXH3_128bits_withSecret.restype = Hash128
XXHASH.XXH3_128bits_withSecret.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2

def crc_tables():
    single = list(range(256))
    for _ in range(8):
        single = [v >> 1 ^ (0x9A6C9329AC4BC9B5 if v & 1 else 0) for v in single]
    tables = [list(range(65536))]  # what two bytes become, with 0, 1, ... bytes after them
    for _ in range(8):
        tables.append([v >> 8 ^ single[v & 255] for v in tables[-1]])
    return single, tables[8], tables[6], tables[4], tables[2]

def crc64(data, tables=crc_tables()):
    single, a, b, c, d = tables
    crc, whole = 0xFFFFFFFFFFFFFFFF, len(data) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", memoryview(data)[:whole]):
        crc ^= word
        crc = a[crc & 65535] ^ b[crc >> 16 & 65535] ^ c[crc >> 32 & 65535] ^ d[crc >> 48]
    for byte in data[whole:]:
        crc = crc >> 8 ^ single[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFFFFFFFFFF

def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()

def hkdf(key, salt, info, size):
    return HKDF(hashes.SHA256(), size, salt or None, info).derive(key)

def unseal(key, nonce, sealed, aad, what):
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Fault(f"{what} is not authentic") from None

def parse_json(data, what):
    def members(pairs):
        need(len({key for key, _ in pairs}) == len(pairs), f"{what}: JSON with a duplicate key")
        return dict(pairs)

    def refuse(number):
        raise Fault(f"{what}: {number} is no integer")
    out = json.loads(data.decode("utf-8"), object_pairs_hook=members, parse_float=refuse,
                     parse_constant=refuse)
    need(isinstance(out, dict), f"{what}: JSON that is no object")
    need(not any(key.startswith("!") for key in out) and out.get("read_required", []) == [],
         f"{what} needs a newer version")
    return out

def check_start(data, magic, what):
    need(data[:8] == magic, f"{what} does not begin as it should")
    need(len(data) > 40 and data[8] == 1 and data[10] == 0, f"{what} needs a newer version")

class Keys:
    def __init__(self, repository, master):
        self.id, self.master = repository, master
        self.block, self.node = self.derive("id-block"), self.derive("id-node")
        self.secret = self.derive("fingerprint", 192)
        self.classes = {}  # by epoch

    def context(self, label):
        return b"snapvault/1/" + label.encode() + b"\0" + self.id

    def derive(self, label, size=32):
        return hkdf(self.master, b"", self.context(label), size)

    def add_epoch(self, epoch, data):
        check_start(data, b"SNPVEPK1", "an epoch key")
        expected = struct.pack("<I", epoch)
        need(len(data) == 120 and data[9] == 0 and data[12:16] == expected, "a bad epoch key")
        both = hkdf(self.derive("epoch"), data[16:40], self.context("epoch-wrap") + data[:40], 64)
        need(both[32:] == data[40:72], "an epoch key of another repository")
        secret = unseal(both[:32], bytes(12), data[72:], data[:72], "an epoch key")
        info = self.context("class") + expected
        self.classes[epoch] = [hkdf(secret, b"", info + bytes([c]), 32) for c in range(4)]

    def fingerprint(self, block):
        value = XXHASH.XXH3_128bits_withSecret(block, len(block), self.secret, len(self.secret))
        return struct.pack("<QQ", value.low, value.high)

def open_slot(data, repository, passphrase, raw):
    """The master key, or None if this slot is not opened by what was given."""
    check_start(data, b"SNPVSLT1", "a slot")
    need(struct.pack("<Q", crc64(data[:-8])) == data[-8:], "a damaged slot")
    kind, wrapped, label, zero, n, r, p = struct.unpack_from("<xBxxHBBQII", data, 8)
    at = 32 + wrapped + label  # of the salt
    need(1 <= kind <= 3, "a slot needs a newer version")
    need(len(data) == at + 120 and zero == 0, "a malformed slot")
    if kind == 1 and passphrase is not None:
        need(n >= 1 << 14 and n & n - 1 == 0 and r >= 1 and 128 * n * r <= 1 << 30 and 1 <= p <= 4,
             "a slot whose cost is out of range")
        kek = hashlib.scrypt(passphrase, salt=data[at:at + 32], n=n, r=r, p=p, dklen=32,
                             maxmem=128 * r * (n + p + 2) + 65536)
    elif kind == 2 and raw is not None:
        kek = raw
    else:
        return None
    both = hkdf(kek, data[at:at + 32], b"snapvault/1/slot\0" + repository, 64)
    if both[32:] != data[at + 32:at + 64]:
        return None
    return unseal(both[:32], bytes(12), data[at + 64:at + 112], repository + data[:at + 32], "slot")

class Object:
    """The keys of one object; opens its records."""

    def __init__(self, keys, name, header, types):
        check_start(header, b"SNPVLT01", name)
        self.name, self.header, self.type = name, header, header[9]
        need(self.type in types, f"{name} is of type {self.type}")
        epoch = struct.unpack_from("<I", header, 12)[0]
        need(epoch in keys.classes, f"{name} is of an unknown epoch")
        self.keys, self.commitments = [], []
        for cls in range(4):
            info = b"obj\0" + header[:40] + bytes([cls]) + keys.id + name.encode()
            both = hkdf(keys.classes[epoch][cls], header[16:40], info, 64)
            self.keys.append(both[:32])
            self.commitments.append(both[32:])
        self.first = FIRST_CLASS.get(self.type, CTL)
        need(self.commitments[self.first] == header[40:], f"{name} is not authentic")

    def open(self, record):
        """(kind, class, counter, plain) of a record without its padding."""
        kind, codec, cls, zero, counter, plain, stored = struct.unpack_from("<BBBBIII", record)
        need(1 <= kind <= 8 and cls == RECORD_CLASS.get(kind, self.first) and zero == 0 and
             codec <= 1 and (stored < plain if codec else stored == plain) and
             plain <= PLAIN_MAX and len(record) == stored + 32, f"{self.name}: a malformed record")
        nonce, aad = struct.pack("<IQ", kind, counter), self.header + record[:16]
        out = unseal(self.keys[cls], nonce, record[16:], aad, f"{self.name}: a record")
        if codec == 1:
            need(zstandard.frame_content_size(out) == plain, f"{self.name}: another size")
            out = zstandard.ZstdDecompressor(max_window_size=PLAIN_MAX).decompress(out)
        need(len(out) == plain, f"{self.name}: a record of another size than it states")
        return kind, cls, counter, out

class Repository:
    def __init__(self, root, passphrase, raw):
        self.root = root
        line = self.read("repo")
        match = re.fullmatch(rb'({"snapvault":[^\n]*\n)([0-9a-f]{64})\n', line)
        need(match and len(line) <= 65536, "there is no repository here")
        about = parse_json(match[1], "repo")
        need(about["snapvault"] == 1 and about["suite"] == 1, "repo needs a newer version")
        master = bytes.fromhex(about["key"]) if "key" in about else None
        identity, below = bytes.fromhex(about["id"]), self.names(f"ctl/{about['id']}")
        for name in below:
            if master is None and "/k-s-" in name:
                master = open_slot(self.read(name), identity, passphrase, raw)
        need(master is not None, "no key slot is opened by what was given")
        self.keys = Keys(identity, master)
        need(hmac.compare_digest(mac(self.keys.derive("repo"), match[1]).hex().encode(), match[2]),
             "repo is not authentic")
        for name in below:
            if "/k-e-" in name:
                self.keys.add_epoch(int(name[-8:], 16), self.read(name))
        for i, name in enumerate(n for n in below if re.search(r"/log-[0-9a-f]{8}$", n)):
            need(int(name[-8:], 16) == i, "the log has a gap")
            kind = self.read_json(name, LOG)["kind"]
            need(not kind.startswith("!"), f"{name} needs a newer version")

    def read(self, name):
        return read_file(os.path.join(self.root, name))

    def names(self, folder):
        return sorted(os.path.relpath(os.path.join(path, file), self.root) for path, _, files in
                      os.walk(os.path.join(self.root, folder)) for file in files)

    def records(self, name, types):
        """Checks a whole object: (its type, [(kind, plain, offset)])."""
        data = self.read(name)
        end, position, out = len(data) - 32, 80, []
        need(144 <= len(data) <= OBJECT_MAX and data[-8:] == b"SNPVEND1", f"{name} is cut short")
        footer = struct.unpack("<QIIQ", data[end:-8])
        need(crc64(memoryview(data)[:end]) == footer[3], f"{name}: the CRC64 is wrong")
        keys = Object(self.keys, name, data[:72], types)
        committed = {keys.first}
        need(data[72:80] == bytes(8), f"{name}: padding is not zero")
        while position < end:
            announced = [cls for cls in range(4) if cls not in committed and
                         data[position:position + 32] == keys.commitments[cls]]
            committed.update(announced)
            position += 32 * len(announced)
            stored = struct.unpack_from("<I", data, position + 12)[0] + 32
            after = position + (stored + 15) // 16 * 16
            need(after <= end, f"{name}: a record runs past the end")
            kind, cls, counter, plain = keys.open(data[position:position + stored])
            need(counter == len(out) and cls in committed and announced in ([], [cls]),
                 f"{name}: a record is out of order")
            need(not any(data[position + stored:after]), f"{name}: padding is not zero")
            out.append((kind, plain, position))
            last, position = (position, stored), after
        need(footer[:3] == (*last, len(out)), f"{name}: the footer does not match")
        return keys.type, out

    def only_record(self, name, types, kind):
        records = self.records(name, types)[1]
        need([record[0] for record in records] == [kind], f"{name} consists of other records")
        return records[0][1]

    def read_json(self, name, kind):
        return parse_json(self.only_record(name, {kind}, JSON), name)

    @functools.lru_cache(maxsize=64)
    def frame(self, pack, start, stored, kind):
        """The plain bytes of a frame, by place."""
        name = pack_name(pack)
        with open(os.path.join(self.root, name), "rb") as file:
            keys = Object(self.keys, name, file.read(72), {MAP_PACK if pack.cls else DATA_PACK})
            file.seek(start)
            found, _, _, plain = keys.open(file.read(stored))
        need(found == kind, f"{name}: a record of another kind")
        return plain

    def tag(self, source):
        return mac(self.keys.derive("source"), source.encode())[:16].hex()

    def snapshots(self, source=None):
        """Live ones, newest first within a source."""
        commits, dead = [], set()
        for name in self.names("src" if source is None else f"src/{self.tag(source)}"):
            match = re.fullmatch(r"src/([0-9a-f]{32})/([0-9a-f]{16})-([0-9a-f]{32})\.(\w+)", name)
            if match and match[4] == "tomb":
                self.read_json(name, TOMB)
                dead.add(match.group(1, 2, 3))
            elif match and match[4] == "commit":
                commits.append(match)
        commits.sort(key=lambda match: match[3], reverse=True)
        commits.sort(key=lambda match: match.group(1, 2))  # a high order has a low name
        for match in (match for match in commits if match.group(1, 2, 3) not in dead):
            kind, records = self.records(match[0], {MANIFEST, ABORT})
            if kind == MANIFEST:
                yield Snapshot(self, match[0], match[3], records)

    def refs(self, base, source):
        """The refs that stand in a commit, or in an object of their own."""
        if base.n != 0xFFFFFFFF:
            name = f"refs/{base.session.hex()}-{base.n:08x}"
            return decode_refs(self.only_record(name, {REFS}, REFS_RECORD))
        order = (1 << 64) - 1 - base.order
        name = f"src/{self.tag(source)}/{order:016x}-{base.session.hex()}.commit"
        records = self.records(name, {MANIFEST})[1]
        need(len(records) == 3 and records[2][0] == REFS_RECORD, f"{name} has no refs")
        return decode_refs(records[2][1])

def pack_name(pack):
    session, letter = pack.session.hex(), "m" if pack.cls else "d"
    return f"packs/{session[:2]}/{session}/{pack.n // 1024:08x}/{letter}{pack.n:08x}"

def decode_refs(data):
    """(base or None, {pack: live})."""
    cursor, table, last = Cursor(data), {}, None
    flags = cursor.read("I")
    need(flags <= 1, "refs need a newer version")
    base = Base(*cursor.read("Q16sII")) if flags else None
    for _ in range(cursor.read("I")):
        session, cls, zero, count = cursor.read("16sB3sI")
        need(cls <= 1 and not any(zero) and count > 0, "a malformed group of refs")
        for _ in range(count):
            n, live = cursor.read("Iq")
            pack = Pack(session, cls, n)
            need((last is None or last < pack) and (live != 0 if base else live > 0), "bad refs")
            table[pack], last = live, pack
    cursor.finish("refs")
    return base, table

def split_nodes(data, most):
    cursor = Cursor(data)
    count = cursor.read("H")
    need(1 <= count <= most, "a frame of map nodes with too many of them")
    ends = [0] + [cursor.read("I") for _ in range(count)]
    need(all(a + 16 <= b for a, b in zip(ends, ends[1:])), "a malformed frame of map nodes")
    nodes = [cursor.read(f"{b - a}s") for a, b in zip(ends, ends[1:])]
    cursor.finish("a frame of map nodes")
    return nodes

def decode_node(data, level):
    """(states, {child: (id, fingerprint, Place)}, packs); no packs: the children stand inline."""
    cursor, packs, entries = Cursor(data), [], {}
    states = [byte >> shift & 3 for byte in cursor.read("16s") for shift in (0, 2, 4, 6)]
    need(level == 0 or BAD not in states, "a map node with an unknown state")
    if STORED in states:
        count = cursor.read("B")
        need(count < 64 or count == 255 and level > 0, "a malformed pack table")
        packs = [Pack(*cursor.read("16sBI")) for _ in range((count + 1) % 256)]
        need(len(set(packs)) == len(packs) and all(pack.cls <= 1 for pack in packs), "bad packs")
    for i in (i for i in range(64) if states[i] == STORED):
        ident, fingerprint, word = cursor.read("24s16sQ" if level == 0 else "24s0sQ")
        place = Place(word & 63, word >> 6 & 255, (word >> 14 & 0x1FFFFFF) * 16, word >> 39)
        need(word == 0 if not packs else place.pack < len(packs) and place.start >= 80 and
             32 < place.stored <= PLAIN_MAX + 32, "a malformed place")
        entries[i] = (ident, fingerprint, place)
    cursor.finish("a map node")
    used = {place.pack for _, _, place in entries.values()} if packs else ()
    need(len(used) == len(packs), "a map node names a pack that it does not use")
    return states, entries, packs

class Snapshot:
    def __init__(self, repository, name, session, records):
        self.repository, self.session, self.used = repository, session, collections.Counter()
        kinds = [record[0] for record in records]
        need(kinds in ([JSON, NODES], [JSON, NODES, REFS_RECORD]), f"{name}: other records")
        self.json = parse_json(records[0][1], name)
        self.source, self.size, self.block, self.height = (
            self.json[key] for key in ("source", "size", "block_size", "height"))
        need(self.json["kind"] == "volume", f"{name} is of an unknown kind")
        need(name.split("/")[1] == repository.tag(self.source), f"{name} is of another source")
        need(self.block in [1 << i for i in range(12, 23)], f"{name}: a bad block size")
        need(64 ** self.height * self.block >= self.size and
             (self.height == 1 or 64 ** (self.height - 1) * self.block < self.size), "a bad height")
        self.nodes = split_nodes(records[1][1], 65)
        self.inline_refs = records[2][1] if len(records) == 3 else None
        need((self.inline_refs is None) == ("refs" in self.json), f"{name}: no refs, or twice")

    def refs(self):
        if self.inline_refs is not None:
            base, table = decode_refs(self.inline_refs)
        else:
            own = Base(*(self.json["refs"][key] for key in Base._fields))
            own = own._replace(session=bytes.fromhex(own.session))
            base, table = self.repository.refs(own, self.source)
        if base is None:
            return table
        below, full = self.repository.refs(base, self.source)
        need(below is None and len(full) == base.entries, "refs over another base")
        for pack, change in table.items():
            full[pack] = full.get(pack, 0) + change
        return {pack: live for pack, live in full.items() if live != 0}

    def frame(self, packs, place, kind):
        self.used[packs[place.pack]] += 1
        return self.repository.frame(packs[place.pack], place.start, place.stored, kind)

    def walk(self, data, level, first, unread):
        """(first block, states, entries, packs) of every leaf that is stored."""
        states, entries, packs = decode_node(data, level)
        if level == 0:
            yield first, states, entries, packs
            return
        is_inline = level >= 2 and level == self.height - 1
        need(not entries or bool(packs) != is_inline, "children of a map node in the wrong place")
        for i, (ident, _, place) in entries.items():
            start = first + i * 64 ** level
            need(start * self.block < self.size, "the map reaches beyond the volume")
            if is_inline:
                child = unread.pop(0)
            else:
                frame = self.frame(packs, place, NODE_FRAME)
                child = split_nodes(frame, 256)[place.slot]
            need(mac(self.repository.keys.node, child)[:24] == ident, "a map node of another id")
            yield from self.walk(child, level - 1, start, unread)

    def blocks(self):
        """(offset, bytes) of every data block, checked by fingerprint and id."""
        keys, unread = self.repository.keys, self.nodes[1:]
        for first, states, entries, packs in self.walk(self.nodes[0], self.height - 1, 0, unread):
            for i, state in enumerate(states):
                offset = (first + i) * self.block
                size = min(self.block, self.size - offset)
                need(size > 0 or state == HOLE, "the map reaches beyond the volume")
                if state == BAD:
                    print(f"could not be read when it was taken: {offset} {size}", file=sys.stderr)
                if state != STORED: continue
                ident, fingerprint, place = entries[i]
                frame = self.frame(packs, place, FRAME)
                at = (place.slot * self.block, len(frame) - size, place.slot * size)
                found = (frame[a:a + size] for a in at if 0 <= a <= len(frame) - size)
                block = next((b for b in found if keys.fingerprint(b) == fingerprint), b"")
                need(block, f"another fingerprint at {offset}")
                need(mac(keys.block, block)[:24] == ident, f"another id at {offset}")
                yield offset, block
        need(not unread, "the manifest has nodes too many")

def verify_pack(repository, name):
    kind = NODE_FRAME if os.path.basename(name)[0] == "m" else FRAME
    records = repository.records(name, {MAP_PACK if kind == NODE_FRAME else DATA_PACK})[1]
    frames, (last, data, _) = records[:-1], records[-1]
    cursor = Cursor(data)
    need(last == DIRECTORY and cursor.read("I") == len(frames) > 0, f"{name}: a bad directory")
    entries = [cursor.read("IIB") for _ in frames]
    for (found, plain, start), (start16, _, more) in zip(frames, entries):
        need(found == kind and start16 * 16 == start, f"{name}: a bad directory")
        nodes = split_nodes(plain, 256) if kind == NODE_FRAME else [None] * (more + 1)
        need(len(nodes) == more + 1, f"{name}: a frame of another number of nodes than stated")
        for node in nodes:
            prefix = cursor.read("16s")
            need(node is None or mac(repository.keys.node, node)[:16] == prefix, f"{name}: an id")
    cursor.finish(f"{name}: the directory")

def verify(repository):
    packs, segments = repository.names("packs"), repository.names("index")
    for name in packs:
        verify_pack(repository, name)
    for name in segments:
        repository.records(name, {SEGMENT, MERGED})
    for name in repository.names("src"):
        if name.endswith(".begin"):
            repository.read_json(name, BEGIN)
    snapshots = blocks = 0
    for snapshot in repository.snapshots():
        blocks += sum(1 for _ in snapshot.blocks())
        need(dict(snapshot.used) == snapshot.refs(), f"{snapshot.session}: refs unlike its map")
        snapshots += 1
    print(f"{snapshots} snapshots, {blocks} blocks, {len(packs)} packs, {len(segments)} segments")

def restore(repository, wanted, source, out):
    found = (s for s in repository.snapshots(source) if wanted in ("latest", s.session))
    snapshot = next(found, None)
    need(snapshot, "there is no such snapshot")
    with open(out, "wb") as file:
        file.truncate(snapshot.size)
        for offset, block in snapshot.blocks():
            file.seek(offset)
            file.write(block)
    print(f"{snapshot.session}: {snapshot.size} bytes")

def read_file(path):
    with open(path, "rb") as file:
        return file.read()

def main():
    parser = argparse.ArgumentParser(description="Reads a snapvault repository without snapvault.")
    parser.add_argument("repository")
    parser.add_argument("--passphrase-file", type=read_file, help="its first line unlocks it")
    parser.add_argument("--key-file", type=read_file, help="a raw key of 32 bytes")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("verify")
    one = commands.add_parser("restore")
    for name in ("snapshot", "source", "out"):
        one.add_argument(name)
    args = parser.parse_args()
    try:
        passphrase = args.passphrase_file and args.passphrase_file.split(b"\n")[0].rstrip(b"\r")
        repository = Repository(args.repository, passphrase, args.key_file)
        if args.command == "restore":
            return restore(repository, args.snapshot, args.source, args.out)
        if args.command == "verify":
            return verify(repository)
        for snapshot in repository.snapshots():
            print(snapshot.source, snapshot.session, snapshot.size, snapshot.json["finished"])
    except (Fault, OSError, struct.error, LookupError, TypeError, ValueError, RecursionError,
            zstandard.ZstdError) as fault:
        sys.exit(f"reader.py: {type(fault).__name__}: {fault}")

if __name__ == "__main__":
    main()
