"""A second reader of bundles, written from FORMAT.md (and sync/identity/FORMAT.md for the
writer's certificate), RFC 9180, 8439, 8032 and 7748, with nothing but the standard library.
It opens the bundle of the vectors with each reader's key, verifies who wrote it, and prints
what it holds: python3 second.py v1.txt"""

import hashlib
import hmac
import sys

P = 2**255 - 19
INFO = b"vungxa bundle 1"


# ---- X25519 (RFC 7748)

def x25519(scalar, point):
    k = int.from_bytes(bytes([scalar[0] & 248]) + scalar[1:31] + bytes([scalar[31] & 127 | 64]), "little")
    u = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for i in range(254, -1, -1):
        bit = k >> i & 1
        if bit != swapped:
            x2, z2, x3, z3, swapped = x3, z3, x2, z2, bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# ---- ChaCha20-Poly1305 (RFC 8439)

def chacha(key, counter, nonce):
    words = lambda b: [int.from_bytes(b[i:i + 4], "little") for i in range(0, len(b), 4)]
    start = words(b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce)
    s = list(start)

    def turn(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = (v << n | v >> 32 - n) & 0xffffffff

    for _ in range(10):
        for i in range(4):
            turn(i, i + 4, i + 8, i + 12)
        for i in range(4):
            turn(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
    return b"".join((a + b & 0xffffffff).to_bytes(4, "little") for a, b in zip(s, start))


def opened(key, nonce, sealed, aad):
    """The plain text; None where the tag is another."""
    if len(sealed) < 16:
        return None
    text, tag = sealed[:-16], sealed[-16:]
    once = chacha(key, 0, nonce)
    r, acc = int.from_bytes(once[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff, 0
    padded = lambda b: b + bytes(-len(b) % 16)
    signed = padded(aad) + padded(text) + len(aad).to_bytes(8, "little") + len(text).to_bytes(8, "little")
    for i in range(0, len(signed), 16):
        acc = (acc + int.from_bytes(signed[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    if (acc + int.from_bytes(once[16:32], "little") & 2**128 - 1).to_bytes(16, "little") != tag:
        return None
    stream = b"".join(chacha(key, 1 + i, nonce) for i in range((len(text) + 63) // 64))
    return bytes(a ^ b for a, b in zip(text, stream))


# ---- HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305

def extract(salt, suite, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(prk, suite, label, info, n):
    out, last, info = b"", b"", n.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    for i in range(1, n // 32 + 2):
        last = hmac.digest(prk, last + info + bytes([i]), "sha256")
        out += last
    return out[:n]


KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"


def receive(enc, private, info):
    """The key, the nonce and the exporter's secret of a context."""
    public = x25519(private, (9).to_bytes(32, "little"))
    shared = expand(extract(b"", KEM, b"eae_prk", x25519(private, enc)), KEM, b"shared_secret", enc + public, 32)
    context = b"\0" + extract(b"", SUITE, b"psk_id_hash", b"") + extract(b"", SUITE, b"info_hash", info)
    secret = extract(shared, SUITE, b"secret", b"")
    return (expand(secret, SUITE, b"key", context, 32), expand(secret, SUITE, b"base_nonce", context, 12), expand(secret, SUITE, b"exp", context, 32))


# ---- Ed25519 (RFC 8032)

D = -121665 * pow(121666, P - 2, P) % P
L = 2**252 + 27742317777372353535851937790883648493


def add(a, b):
    (x, y, z, t), (u, v, w, s) = a, b
    e, f, g, h = (y - x) * (v - u) % P, (y + x) * (v + u) % P, 2 * t * s * D % P, 2 * z * w % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, point)
        point, n = add(point, point), n >> 1
    return out


def decompress(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "not a point"
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verify(public, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % L
    a, b = times(s, BASE), add(decompress(r), times(h, decompress(public)))
    assert s < L and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0, "not signed by this key"


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
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, dict):
        return head(5, len(v)) + b"".join(sorted(encode(k) + encode(x) for k, x in v.items()))
    return head(4, len(v)) + b"".join(encode(x) for x in v)


def item(b, at):
    major, n, at = b[at] >> 5, b[at] & 31, at + 1
    if n >= 24:
        size = 1 << n - 24
        n, at = int.from_bytes(b[at:at + size], "big"), at + size
    if major < 2:
        return n if major == 0 else -1 - n, at
    if major < 4:
        s = b[at:at + n]
        assert len(s) == n, "cut short"
        return (s if major == 2 else s.decode()), at + n
    assert major < 6, f"major type {major}"
    out = []
    for _ in range(n * (major - 3)):
        v, at = item(b, at)
        out.append(v)
    return (out if major == 4 else dict(zip(out[::2], out[1::2]))), at


def canonical(b):
    v, end = item(b, 0)
    assert end == len(b) and encode(v) == b, "not the canonical form"
    return v


# ---- the format

def seal_key(certificate, authority, device):
    """The key that a device signs with, by its certificate."""
    assert certificate[:2] == b"\xd2\x84"
    protected, unprotected, payload, signature = canonical(certificate[1:])
    kid = hashlib.sha256(authority).digest()[:16]
    assert unprotected == {} and canonical(protected) == {1: -8, 4: kid, 16: "application/vnd.vungxa.device+cwt"}
    verify(authority, encode(["Signature1", protected, b"vungxa device certificate 1", payload]), signature)
    claims = canonical(payload)
    key = claims[8][1][-2]
    assert claims[2] == device.hex() and hashlib.sha256(key).digest()[:16] == device
    return key


def read(raw, private, authority):
    assert raw[:4] == b"VXB\x01" and len(raw) <= 4259840
    n, rest = raw[4], int.from_bytes(raw[5:9], "big")
    outside = 41 + 80 * (n - 1)
    assert 1 <= n <= 16 and rest >= 80 and len(raw) == outside + rest
    outer, sealed = raw[:outside], raw[outside:]
    exporter = receive(raw[9:41], private, INFO)[2]
    plain = opened(expand(exporter, SUITE, b"sec", b"vungxa bundle 1 key", 32), bytes(12), sealed, outer)
    for at in range(41, outside, 80):
        if plain is None:
            key, nonce, _ = receive(raw[at:at + 32], private, INFO)
            secret = opened(key, nonce, raw[at + 32:at + 80], b"")
            if secret is not None:
                plain = opened(secret, bytes(12), sealed, outer)
                assert plain is not None, "altered"
    assert plain is not None, "not for this reader"
    body, signature = plain[:-64], plain[-64:]
    version, by, certificate, counter, part, last, entries, scopes, messages = canonical(body)
    assert version == 1 and last in (0, 1) and scopes == sorted(set(scopes)) and 1 <= len(scopes) <= 256 and all(isinstance(m, bytes) for m in messages)
    over = INFO + b"\0" + hashlib.sha256(outer).digest() + hashlib.sha256(body).digest()
    verify(seal_key(certificate, authority, by), over, signature)
    return f"by={by.hex()} counter={counter} part={part} last={last} entries={entries} scopes={','.join(scopes)} messages={','.join(m.hex() for m in messages)}"


def main(path):
    with open(path) as lines:
        v = {name: bytes.fromhex(text) for name, text in (line.split() for line in lines)}
    for reader in ("first", "second"):
        print(reader, read(v["bundle"], v[reader], v["authority"]))
    try:
        read(v["bundle"], bytes(range(32)), v["authority"])
    except AssertionError as why:
        assert str(why) == "not for this reader"
        return
    raise AssertionError("opened with another key")


main(sys.argv[1])
