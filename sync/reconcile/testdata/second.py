"""A second reader of the protocol between two devices, written from PROTOCOL.md with
nothing but the standard library. It reads every vector there and holds it to the tables,
puts parts together, and works out tags, digests and counts anew: python3 second.py PROTOCOL.md"""

import hashlib
import re
import sys

MAX_FRAME = 1200


# ---- CBOR, core deterministic

def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError("number too large")


def encode(v):
    if isinstance(v, int):
        return head(0, v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    return head(4, len(v)) + b"".join(encode(x) for x in v)


def item(b, at):
    major, n, at = b[at] >> 5, b[at] & 31, at + 1
    if n >= 24:
        size = 1 << n - 24
        n, at = int.from_bytes(b[at:at + size], "big"), at + size
    if major == 0:
        return n, at
    if major in (2, 3):
        s = b[at:at + n]
        assert len(s) == n, "cut short"
        return (s if major == 2 else s.decode()), at + n
    assert major == 4, f"major type {major}"
    out = []
    for _ in range(n):
        v, at = item(b, at)
        out.append(v)
    return out, at


def message(b):
    m, end = item(b, 0)
    assert end == len(b) and encode(m) == b, "not the canonical form"
    assert isinstance(m, list) and 1 <= len(m) <= 23
    return m


# ---- the tables: what each element is

def number(v):
    return isinstance(v, int)


def octets(n):
    return lambda v: isinstance(v, bytes) and len(v) == n


def any_bytes(v):
    return isinstance(v, bytes) and len(v) > 0


def text(n):
    return lambda v: isinstance(v, str) and len(v.encode()) <= n


def rows(of):
    return lambda v: isinstance(v, list) and all(of(x) for x in v)


def tuple_of(*of):
    return lambda v: isinstance(v, list) and len(v) == len(of) and all(f(x) for f, x in zip(of, v))


def log_name(v):
    return octets(4)(v) or tuple_of(number, octets(16), octets(8), number)(v)


def grown(v):
    return len(v) % 2 == 0 and all(number(x) or log_name(x) for x in v[::2]) and all(number(x) and x for x in v[1::2])


HASH = octets(16)
SCOPE = tuple_of(
    text(32), tuple_of(number, number, HASH, lambda v: octets(16)(v) or v == b""),
    rows(tuple_of(octets(16), HASH, rows(tuple_of(octets(8), number, number, HASH)))),
    rows(tuple_of(octets(16), number)))

KINDS = {
    "hello": (0, number, any_bytes, rows(text(32)), number),
    "resume": (1, number, HASH, number, number, lambda v: v in (0, 1)),
    "part": (2, lambda v: v < 5, any_bytes, number, HASH, number),
    "ack": (3, number, rows(number)),
    "level": (4, number, HASH),
    "refuse": (5, number, text(384), text(384), text(256)),
    "segment": (16, any_bytes),
    "after": (17, log_name, number, any_bytes),
    "receipt": (18, any_bytes),
    "delta": (19, number, number, number, grown, octets(64)),
    "cert": (20, any_bytes),
    "heads": (21, number, rows(SCOPE)),
    "checkpoint": (22, any_bytes),
    "group": (24, any_bytes),
}


def check(name, b):
    assert 1 <= len(b) <= MAX_FRAME, f"a frame of {len(b)} bytes"
    m = message(b)
    kind, *elements = KINDS[name]
    assert m[0] == kind, f"kind {m[0]}"
    if name == "part" and len(m) == 3:  # goes on
        elements = elements[:2]
    assert len(m) == len(elements) + 1, f"{len(m)} elements"
    for i, (good, v) in enumerate(zip(elements, m[1:]), 1):
        assert good(v), f"element {i}: {v!r}"
    return m


def sha16(b):
    return hashlib.sha256(b).digest()[:16]


def tag(device, incarnation, cls, scope):
    return hashlib.sha256(b"vungxa log 1\0" + device + incarnation + bytes([cls]) + scope.encode()).digest()[:4]


def digest(certificates, scopes):
    return sha16(b"vungxa digest 1\0" + encode([sorted(certificates), scopes]))


# ---- the vectors

def vectors(path):
    spec = open(path, encoding="utf-8").read()
    block = spec.split("<!-- vectors:")[1].split("<!-- end of vectors -->")[0].split("```")[1]
    name = None
    for line in block.strip().split("\n"):
        if line.startswith("  "):
            body += line.strip()
            continue
        if name:
            yield name, bytes.fromhex(body)
        name, body = line, ""
    yield name, bytes.fromhex(body)


def read(path):
    said, parts, certificates, digests, count = {}, {}, {}, {}, 0
    for name, b in vectors(path):
        if name.startswith("key of"):
            assert len(b) == 32
            continue
        who, kind = (re.match(r"(.*): (\w+)$", name) or re.match(r"()(refuse)$", name)).groups()
        try:
            m = check(kind, b)
        except AssertionError as e:
            sys.exit(f"{name}: {e}")
        count += 1
        said.setdefault(who + ": " + kind, []).append(m)
        if kind == "hello":
            certificates[who] = sha16(m[2])
        if kind == "part":
            if len(m) == 6:
                parts[who] = [m[3], m[4], b""]
                assert m[5] == 0
            total, named, whole = parts[who]
            parts[who][2] = whole = whole + m[2]
            assert len(whole) <= total
            if len(whole) == total:
                assert sha16(whole) == named, f"{name}: the whole has another name"
                assert message(whole)[0] == 16
                said["whole"] = [whole]
    assert "whole" in said, "no item in parts came whole"

    # The state after the first meeting, from what was stated: both have the digest.
    scope = said["first, laptop: heads"][0][2][0]
    laptop, cert, logs = scope[2][0]
    receipt = message(said["first, box: receipt"][0][1])
    box = receipt[1]
    state = [[scope[0], scope[1], sorted([[laptop, cert, logs], [box, certificates["first, box"], []]]), [[box, logs[0][2]]]]]
    assert cert == certificates["first, laptop"], "heads name another certificate"
    want = digest(certificates.values(), state)
    for who in ("first, laptop", "first, box"):
        assert said[who + ": level"][-1][2] == want, f"{who}: another digest"
    for who in ("idle, laptop", "idle, box"):
        assert said[who + ": resume"][0][2] == want, f"{who}: it has forgotten"

    incarnation, cls = logs[0][0], logs[0][1]
    assert said["idle, laptop: after"][0][1] == tag(laptop, incarnation, cls, scope[0]), "another tag"
    assert said["idle, laptop: after"][0][2] == logs[0][2] + 1
    assert all(len(encode(m)) == 23 for m in said["idle, laptop: resume"] + said["idle, box: resume"])
    # An item is counted when it is whole: heads, segment; heads, receipt.
    assert said["first, box: level"][-1][1] == 2 and said["first, laptop: level"][-1][1] == 2
    print(f"all agree: {count} frames")


read(sys.argv[1])
