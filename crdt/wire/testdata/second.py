"""A second reader of format 1, written from FORMAT.md with nothing but the
standard library. It checks the vectors: python3 second.py VECTORS DICTIONARY REFUSALS"""

import copy
import hashlib
import hmac
import struct
import sys

U32 = 0xFFFFFFFF


# ---- CBOR, core deterministic

def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError("number too large")


def encode(v):
    if v is None or isinstance(v, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[v]
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        b = v.encode()
        return head(3, len(b)) + b
    return head(4, len(v)) + b"".join(encode(x) for x in v)


def item(b, at):
    major, small, at = b[at] >> 5, b[at] & 31, at + 1
    if major == 7:
        return {20: False, 21: True, 22: None}[small], at
    n = small
    if small >= 24:
        size = 1 << small - 24
        n, at = int.from_bytes(b[at:at + size], "big"), at + size
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        s = b[at:at + n]
        assert len(s) == n
        return (s if major == 2 else s.decode()), at + n
    assert major == 4
    out = []
    for _ in range(n):
        v, at = item(b, at)
        out.append(v)
    return out, at


def decode(b):
    v, at = item(b, 0)
    assert at == len(b) and encode(v) == b, "not canonical"
    return v


def need(holds, what):
    if not holds:
        raise ValueError(what)


def number(form, b):
    return struct.unpack(form, b)[0]


def shorter(form, x):
    """The float in fewer bits, or None."""
    try:
        b = struct.pack(form, x)
    except OverflowError:
        return None
    return b if number(form, b) == x else None


def value(b, at=0, within=0):
    """Where the value at this place ends."""
    major, small = b[at] >> 5, b[at] & 31
    if major == 7:
        if small in (20, 21, 22):
            return at + 1
        need(small in (25, 26, 27), "a simple value")
        size = 1 << small - 24
        need(at + 1 + size <= len(b), "ends early")
        x = number({25: ">e", 26: ">f", 27: ">d"}[small], b[at + 1:at + 1 + size])
        need(x == x, "NaN")
        need(small == 25 or shorter(">e", x) is None, "16 bits would do")
        need(small != 27 or shorter(">f", x) is None, "32 bits would do")
        return at + 1 + size
    need(small < 28 and major != 6, "a tag, or no definite length")
    size = 1 << small - 24 if small > 23 else 0
    n = int.from_bytes(b[at + 1:at + 1 + size], "big") if size else small
    need(b[at:at + 1 + size] == head(major, n), "not the shortest head")
    at += 1 + size
    if major < 2:
        return at
    if major < 4:
        need(at + n <= len(b), "ends early")
        if major == 3:
            b[at:at + n].decode()
        return at + n
    need(within < 16 and n <= (65536 if major == 4 else 4096), "too deep or too many")
    before = b""
    for _ in range(n):
        if major == 5:
            end = value(b, at, within + 1)
            need(b[at] >> 5 < 4 and before < b[at:end], "keys")
            before, at = b[at:end], end
        at = value(b, at, within + 1)
    return at


def check_value(b):
    need(value(b) == len(b), "left over")


# ---- entries

def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def tagged(domain, b):
    return hashlib.sha256(domain + b"\0" + b).digest()


def entry_key(salt, seq):
    return mac(salt, b"vungxa entry key 1", seq.to_bytes(8, "big"))[:16]


def op_key(key, i):
    return mac(key, i.to_bytes(2, "big"))[:16]


def commitment(keys, i, payload):
    if isinstance(keys, bytes):
        return mac(op_key(keys, i), payload)
    return mac(keys[i], payload) if keys[i] else payload


def structure(carried):
    fmt, keys, body = decode(carried)
    assert fmt == 1
    ops = [op[:4] + [commitment(keys, i, op[4])] for i, op in enumerate(body[13])]
    return encode(body[:13] + [ops])


def chain_hash(carried):
    return tagged(b"vungxa entry 1", structure(carried))


def erase(carried, which):
    fmt, keys, body = decode(carried)
    if isinstance(keys, bytes):
        keys = [op_key(keys, i) for i in range(len(body[13]))]
    op = body[13][which]
    op[4], keys[which] = commitment(keys, which, op[4]), b""
    return encode([fmt, keys, body])


def record_id(scope, logs, ref):
    s = scope.encode()
    if isinstance(ref, bytes):
        return hashlib.sha256(b"vungxa record id 1" + bytes([len(s)]) + s + ref).digest()[:16]
    device, incarnation, klass = logs[ref[0]]
    dot = ref[1].to_bytes(8, "big") + ref[2].to_bytes(2, "big")
    return hashlib.sha256(b"vungxa record dot 1" + device + incarnation + bytes([klass, len(s)]) + s + dot).digest()[:16]


# ---- what must hold of items

def is_class(c):
    return c & ~0x80 < 4


def once(keys):
    return all(a < b for a, b in zip(keys, keys[1:]))


def check_entry(b):
    fmt, keys, body = decode(b)
    need(fmt == 1 and body[1][2] < 4, "format or class")
    logs, named = body[10], set()
    need(body[2] > 0 and (body[2] == 1) == (body[3] == bytes(32)), "seq and prev")
    need(once([log_order(log) for log in logs]) and all(is_class(log[2]) for log in logs), "logs")
    for _, ref, made in body[11]:
        named.update(place for place, _ in made)
        if not isinstance(ref, bytes):
            named.add(ref[0])
    for i, (record, kind, field, over, payload) in enumerate(body[13]):
        need(record < len(body[11]) and kind < 2 and field < 1 << 32, "operation")
        need(once([place for place, _ in over]) and all(seq > 0 for _, seq in over), "over")
        named.update(place for place, _ in over)
        if not isinstance(keys, bytes) and not keys[i]:
            need(len(payload) == 32, "commitment")
            continue
        check_value(payload)
        if kind == 1:
            need(payload[0] == 0x82 and payload[-1] in (0xF4, 0xF5), "set")
            check_value(payload[1:-1])
    need(named == set(range(len(logs))), "tables")


def check_positions(b):
    fmt, logs, scopes, seqs = decode(b)
    need(fmt == 1 and len(logs) == len(scopes) == len(seqs), "columns")
    need(all(0 < len(s.encode()) <= 32 for s in scopes) and all(seqs) and all(is_class(log[2]) for log in logs), "place")
    need(once([(s.encode(), *log_order(log)) for s, log in zip(scopes, logs)]), "order")


def check_checkpoint(b):
    fmt, _, _, _, _, logs, heads, floor, witnesses, _, verdicts, lapsed = decode(b)
    need(fmt == 1 and all(is_class(log[2]) for log in logs) and once([log_order(log) for log in logs]), "logs")
    for sorted_list in (heads, floor):
        need(once([x[0] for x in sorted_list]) and all(x[1] > 0 for x in sorted_list), "heads or floor")
    need(all(w[1] > 0 for w in witnesses), "witness")
    need(all(dot[1] > 0 and 1 <= ruling <= 3 for dot, ruling, _, _ in verdicts), "verdict")
    need(len(set(lapsed)) == len(lapsed), "lapsed")


# ---- the two streams of columns

class Plain:
    def __init__(self, columns, raw):
        self.b, self.raw, self.at, self.bit = columns, raw, 0, 0

    def num(self, _):
        n = shift = 0
        while True:
            x = self.b[self.at]
            self.at += 1
            n |= (x & 127) << shift
            shift += 7
            if x < 128:
                return n

    def text(self, _):
        end = self.b.index(0, self.at)
        out, self.at = self.b[self.at:end], end + 1
        return out

    def bits(self, n):
        v = 0
        for _ in range(n):
            v = v << 1 | self.raw[self.bit >> 3] >> 7 - (self.bit & 7) & 1
            self.bit += 1
        return v

    def ended(self):
        return self.at == len(self.b) and (self.bit + 7) // 8 == len(self.raw)


T = [1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607,
     3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094]


def squash(d):
    if d > 2047:
        return 4095
    if d < -2047:
        return 1
    i, w = (d >> 7) + 16, d & 127
    return T[i] * (128 - w) + T[i + 1] * w + 64 >> 7


def stretches():
    out, x = [], -2047
    for p in range(4096):
        while x < 2047 and squash(x) < p:
            x += 1
        out.append(x)
    return out


STRETCH = stretches()
RATE = [655360 // (10 * c + 12) for c in range(128)]


def scramble(a, b):
    h = (a * 0x9E3779B1 ^ b * 0x85EBCA6B) & U32
    h ^= h >> 15
    h = h * 0xC2B2AE35 & U32
    return h ^ h >> 13


class Mixed:
    """Reads; or, with nothing to read, learns the texts it is given."""

    def __init__(self, dictionary):
        self.slots = [[1 << 31] * 65536 for _ in range(6)]
        self.weights = [[[22282] * 7 for _ in range(12)] for _ in range(2)]
        self.trust = [15 << 28] * 16
        self.past, self.seen, self.match, self.length = bytearray(), [0] * 4096, 0, 0
        self.given, self.kept = None, {}
        for line in dictionary:
            self.given = line + b"\0"
            self.text(0)
        self.given = None

    def read(self, b):
        self.kept, self.b, self.next = {}, b, 4
        self.low, self.high, self.at = 0, U32, int.from_bytes((b + bytes(4))[:4], "big")
        return self

    def ended(self):
        return len(self.b) <= self.next <= len(self.b) + 4

    def code(self, guess, bit):
        if self.given is not None:
            return bit
        split = self.low + ((self.high - self.low) * guess >> 12)
        bit = int(self.at <= split)
        if bit:
            self.high = split
        else:
            self.low = split + 1
        while self.low >> 24 == self.high >> 24:
            self.low, self.high = self.low << 8 & U32, self.high << 8 & U32 | 255
            byte = self.b[self.next] if self.next < len(self.b) else 0
            self.at, self.next = self.at << 8 & U32 | byte, self.next + 1
        return bit

    def bit(self, kind, contexts, node, expected, bit):
        asked, used = [], 0
        for i, c in enumerate(contexts):
            table, k = self.slots[i], scramble(c, node) >> 16
            x = 0
            if table[k] & 1023:
                x, used = STRETCH[table[k] >> 20], used + 1
            asked.append((table, k, x))
        if expected is not None:
            k = min(self.length, 15)
            x = STRETCH[self.trust[k] >> 20]
            asked.append((self.trust, k, x if expected else -x))
            used = 7 + min(self.length // 4, 4)
        w = self.weights[kind][used]
        total = sum(x * w[i] for i, (_, _, x) in enumerate(asked)) >> 16
        guess = squash(max(-2047, min(2047, total)))
        bit = self.code(guess, bit)
        miss = (bit * 4096 - guess) * 24
        for i, (table, k, x) in enumerate(asked):
            w[i] += x * miss + 32768 >> 16
            right = int(bit == expected) if expected is not None and i == len(asked) - 1 else bit
            count, p = table[k] & 1023, table[k] >> 10
            p += ((right << 22) - p) * RATE[count] >> 16
            table[k] = min(p, (1 << 22) - 1) << 10 | min(count + 1, 127)
        return bit

    def num(self, c):
        l1, l2 = self.kept.get(c, (0, 0))
        contexts = [scramble(c, 1), scramble(scramble(c, 2), l1), scramble(scramble(scramble(c, 3), l1), l2)]
        length = 0
        while length < 64 and self.bit(0, contexts, 1 << 31 | length, None, 0):
            length += 1
        value = min(length, 1)
        for place in range(length - 2, -1, -1):
            node = length << 16 | (value if value < 1 << 11 else 1 << 12 | place)
            value = value << 1 | self.bit(0, contexts, node, None, 0)
        self.kept[c] = scramble(value & U32, value >> 32), l1
        return value

    def text(self, c):
        out = bytearray()
        while True:
            h, f = self.kept.get(c, (0, 0))
            contexts = [scramble(c, 11), scramble(h & 0xFF, 12), scramble(h & 0xFFFF, 13), scramble(h & 0xFFFFFF, 14),
                        scramble(h, 15), scramble(scramble(c, 16), f)]
            node, given = 1, self.given[len(out)] if self.given is not None else 0
            for place in range(7, -1, -1):
                expected = None
                if self.length > 0:
                    guess = 256 + self.past[self.match]
                    if guess >> place + 1 == node:
                        expected = guess >> place & 1
                node = node << 1 | self.bit(1, contexts, node, expected, given >> place & 1)
            b = node & 255
            self.saw(b)
            self.kept[c] = (h << 8 & U32 | b), (scramble(f, b) if b else 0)
            if b == 0:
                return bytes(out)
            out.append(b)

    def saw(self, b):
        past = self.past
        past.append(b)
        n = len(past)
        if self.length > 0 and past[self.match] == b:
            self.match, self.length = self.match + 1, self.length + 1
        else:
            self.length = 0
        if n < 5:
            return
        k = 0
        for x in past[n - 5:]:
            k = scramble(k, x)
        k >>= 20
        if self.length == 0 and self.seen[k] > 0:
            self.match = self.seen[k]
            while self.length < min(16, self.match) and past[self.match - 1 - self.length] == past[n - 1 - self.length]:
                self.length += 1
            if self.length < 5:
                self.length = 0
        self.seen[k] = n

    def bits(self, n):
        v = 0
        for _ in range(n):
            v = v << 1 | self.code(2048, 0)
        return v


# ---- columns to entries

(ENTRIES, TABLE, NAME, LOGCLASS, RECORD, RECORDSEQ, RECORDINDEX, LOWBITS, STAMP, COUNTER, OFFICER, PACK, EPOCH, CITES,
 CITEEPOCH, CITEINDEX, OPERATIONS, KEYS, FIRSTRECORD, NEXTRECORD, FIRSTFIELD, NEXTFIELD, KIND, ERASED, OVER, OVERCOUNT,
 OVERLOG, OVERSEQ, MADE, PINS, SHAPE, TEXT, DIGITS, TEXTS, NUMBER, DAY, HOUR, MINUTE, LENGTH, BYTE, PRESENT, PREV) = range(42)

DAY_MS, ZONE_MS = 86400000, 25200000


def log_order(log):
    return log[2], log[0], log[1]


def names(before):
    """What an entry in carried form names, in the order in which it does."""
    _, _, b = decode(before)
    table = [tuple(log) for log in b[10]]
    logs, collections = [tuple(b[1])], []
    for row, kind, field, over, payload in b[13]:
        collection, ref, made = b[11][row]
        named = [] if isinstance(ref, bytes) else [ref[0]]
        for x in [collection]:
            if x not in collections:
                collections.append(x)
        for i in named + [m[0] for m in made] + [o[0] for o in over]:
            if table[i] not in logs:
                logs.append(table[i])
    pinned = {(table[i], seq): h for i, seq, h in b[12]}
    return b, logs, [b[5]], [(b[6], b[7])], collections, pinned


def read_columns(s, scope, own, first, salts, before=None):
    def raw(n):
        return bytes(s.bits(8) for _ in range(n))

    def delta(c, start):
        z = s.num(c)
        return start + (z >> 1 ^ -(z & 1)) & (1 << 64) - 1

    def small(c, most):
        v = s.num(c)
        need(v <= most, "a number that is too large")
        return v

    n = s.num(ENTRIES)
    need(1 <= n <= 1024, "entries")
    prev, logs, officers, packs, collections, pinned = bytes(32), [own], [], [], [], {}
    if before is not None:
        held, logs, officers, packs, collections, pinned = names(before)
        prev = chain_hash(before)
    elif first > 1:
        need(s.num(PREV) == 0, "prev")
        prev = raw(32)
    for _ in range(s.num(TABLE)):
        logs.append((raw(16), raw(8), s.num(LOGCLASS)))
        need(is_class(logs[-1][2]), "class")
    officers += [s.text(NAME).decode() for _ in range(s.num(TABLE))]
    packs += [(s.text(NAME).decode(), small(TABLE, U32)) for _ in range(s.num(TABLE))]
    collections += [s.text(NAME).decode() for _ in range(s.num(TABLE))]
    records, collection, seq = [], 0, 0
    for _ in range(s.num(TABLE)):
        collection, k = delta(RECORD, collection), s.num(RECORD)
        if k == 0:
            records.append((collection, raw(16)))
            seq = 0
            continue
        seq = delta(RECORDSEQ, seq)
        records.append((collection, (logs[k - 1], seq, small(RECORDINDEX, 65535))))
    entries = [{"seq": first + i} for i in range(n)]

    if before is not None:
        stamp, rest = held[4], entries
    else:
        stamp, rest = small(STAMP, 255) << 56 | s.bits(40) << 16, entries[1:]
        stamp |= small(COUNTER, 65535)
        entries[0]["stamp"] = stamp
    low = small(LOWBITS, 48) if rest else 0
    for e in rest:
        d = small(STAMP, (1 << 48) - 1 >> low) << low | s.bits(low)
        usual = (stamp & 0xFFFF) + 1 if d == 0 else 0
        stamp = ((stamp >> 16) + d & (1 << 48) - 1) << 16 | small(COUNTER, 65535) + usual & 0xFFFF
        e["stamp"] = stamp

    epoch, last = (0, (0, 0)) if before is None else (held[8], tuple(held[9]))
    for e in entries:
        e["officer"], e["pack"] = officers[s.num(OFFICER)], packs[s.num(PACK)]
        epoch = e["epoch"] = delta(EPOCH, epoch)
        e["cites"] = (0, 0)
        if small(CITES, 1):
            last = e["cites"] = delta(CITEEPOCH, last[0]), delta(CITEINDEX, last[1])
        e["ops"] = [{} for _ in range(s.num(OPERATIONS))]

    for e in entries:
        row = None
        for i, op in enumerate(e["ops"]):
            if i == 0 or small(NEXTRECORD, 1):
                row = s.num(FIRSTRECORD)
            op["row"], op["field"] = row, small(FIRSTFIELD if i == 0 else NEXTFIELD, U32)
            op["kind"] = small(KIND, 1)

    cells, made, last_seq = {}, {}, {}

    def position(e):
        place = s.num(OVERLOG)
        if place == 0:
            return logs[0], delta(OVERSEQ, e["seq"])
        last_seq[place] = delta(OVERSEQ, last_seq.get(place, 0))
        return logs[place], last_seq[place]

    for e in entries:
        for op in e["ops"]:
            ref, cell = records[op["row"]][1], (op["row"], op["field"])
            if cell in cells:
                usual = cells[cell]
            elif isinstance(ref, bytes) or ref[0] == own and ref[1] >= e["seq"]:
                usual = {}
            else:
                usual = {ref[0]: ref[1]}
            if small(OVER, 1):
                usual = dict(position(e) for _ in range(s.num(OVERCOUNT)))
            op["over"], op["made"] = usual, None
            cells[cell] = {**usual, own: e["seq"]}
            if isinstance(ref, bytes):
                how = small(MADE, 2)
                if how == 2:
                    made[op["row"]] = position(e)
                if how:
                    op["made"] = made[op["row"]]

    for e in entries:
        named = {}
        for op in e["ops"]:
            ref = records[op["row"]][1]
            dots = list(op["over"].items()) + ([op["made"]] if op["made"] else [])
            for log, at in dots + ([] if isinstance(ref, bytes) else [ref[:2]]):
                if log != own:
                    named[log] = max(named.get(log, 0), at)
        e["pins"] = []
        for log in sorted(named, key=log_order):
            how = small(PINS, 2)
            if how == 2:
                pinned[log, named[log]] = raw(32)
            if how:
                e["pins"].append((log, named[log], pinned[log, named[log]]))

    for e in entries:
        how = small(KEYS, 2)
        if how == 0:
            e["keys"] = entry_key(salts[(e["seq"] - 1) // 256], e["seq"])
        elif how == 1:
            e["keys"] = raw(16)
        else:
            e["keys"] = []
            for op in e["ops"]:
                if small(ERASED, 1):
                    op["payload"] = raw(32)
                    e["keys"].append(b"")
                else:
                    e["keys"].append(raw(16))

    left = [(records[op["row"]][0], op["field"], e, op) for e in entries for op in e["ops"] if "payload" not in op]
    for place, field, e, op in sorted(left, key=lambda x: x[:2]):
        group = scramble(place, field) % (1 << 24) * 256
        present = bytes([0xF4 + small(group + PRESENT, 1)]) if op["kind"] == 1 else None
        value = read_item(s, group, e["stamp"] >> 16, delta, raw)
        op["payload"] = value if present is None else b"\x82" + value + present
    need(s.ended(), "columns left over")

    out = []
    for e in entries:
        out.append(carried(scope, own, e, prev, records, collections))
        prev = chain_hash(out[-1])
    return out


def read_item(s, group, ms, delta, raw):
    shape = s.num(group + SHAPE)
    if shape < 3:
        return encode([None, False, True][shape])
    if shape == 3:
        return encode(s.text(group + TEXT).decode())
    if shape == 4:
        m = s.num(group + LENGTH)
        need(1 <= m <= 24, "digits")
        begin = min(m, (m + 1) % 3 + 2)
        digits = str(s.num(group + DIGITS)).zfill(begin)
        need(len(digits) == begin, "digits")
        while len(digits) < m:
            three = s.bits(10)
            need(three < 1000, "three digits")
            digits += str(three).zfill(3)
        return encode(digits)
    if shape == 5:
        return encode([x.decode() for x in s.text(group + TEXTS).split(b"\1")[:-1]])
    if shape == 6:
        day = delta(group + DAY, (ms + ZONE_MS) // DAY_MS)
        hour, minute = s.num(group + HOUR), s.num(group + MINUTE)
        need(hour < 24 and minute < 60, "time of a day")
        time = day * DAY_MS + (60 * hour + minute) * 60000 - ZONE_MS
        need(time >= DAY_MS and abs(day - (ms + ZONE_MS) // DAY_MS) < 73200, "time")
        return encode(time)
    if shape == 7:
        return encode(s.num(group + NUMBER))
    n = s.num(group + LENGTH)
    if shape == 8:
        return encode(raw(n))
    need(shape == 9, "shape")
    return bytes(s.num(group + BYTE) for _ in range(n))


def carried(scope, own, e, prev, records, collections):
    named = set()
    for op in e["ops"]:
        ref = records[op["row"]][1]
        named.update(op["over"])
        named.update([] if isinstance(ref, bytes) else [ref[0]])
        named.update([op["made"][0]] if op["made"] else [])
    logs = sorted(named, key=log_order)
    places = {log: i for i, log in enumerate(logs)}
    rows, table, ops = {}, [], []
    for op in e["ops"]:
        collection, ref = records[op["row"]]
        name = collection, ref, op["made"]
        if name not in rows:
            rows[name] = len(table)
            dot = ref if isinstance(ref, bytes) else [places[ref[0]], ref[1], ref[2]]
            table.append([collections[collection], dot, [[places[op["made"][0]], op["made"][1]]] if op["made"] else []])
        over = [[places[log], op["over"][log]] for log in sorted(op["over"], key=log_order)]
        ops.append([rows[name], op["kind"], op["field"], over, op["payload"]])
    pins = [[places[log], seq, h] for log, seq, h in e["pins"]]
    return encode([1, e["keys"], [
        scope, list(own), e["seq"], prev, e["stamp"], e["officer"], e["pack"][0], e["pack"][1], e["epoch"], list(e["cites"]),
        [list(log) for log in logs], table, pins, ops]])


# ---- the vectors

def main(vectors, dictionary, refusals):
    v = {}
    for line in open(vectors, encoding="ascii"):
        name, _, value = line.rstrip("\n").partition(" ")
        v.setdefault(name, []).append(bytes.fromhex(value))
    one = {name: values[0] for name, values in v.items()}
    checked = 0

    def same(what, got, want):
        nonlocal checked
        checked += 1
        if got != want:
            sys.exit("%s:\n got %r\nwant %r" % (what, got, want))

    entry = one["entry"]
    _, key, body = decode(entry)
    same("entry key", key, entry_key(one["salt"], body[2]))
    for i, op in enumerate(body[13]):
        same("operation key", op_key(key, i), v["op-key"][i])
        same("payload", op[4], v["payload"][i])
        same("commitment", commitment(key, i, op[4]), v["commitment"][i])
        same("record id", record_id(body[0], body[10], body[11][op[0]][1]), v["record-id"][i])
    same("structure", structure(entry), one["structure"])
    same("chain hash", chain_hash(entry), one["chain-hash"])
    same("erased", erase(entry, 1), one["entry-erased-1"])
    same("erased twice", erase(one["entry-erased-1"], 2), one["entry-erased-1-2"])
    for name in ("entry-erased-1", "entry-erased-1-2"):
        same("hash of " + name, chain_hash(one[name]), one["chain-hash"])
    same("fork", tagged(b"vungxa fork 1", one["chain-hash"])[:8], one["fork-name"])

    lines = [line.replace("|", "\1").encode() for line in open(dictionary, encoding="utf-8", newline="\n").read().split("\n")[:-1]]
    primed = Mixed(lines)
    for name in ("segment", "work", "odd"):
        want, previous = v[name + "-entry"], None
        for e in want:
            if previous is not None:
                same("chain of " + name, decode(e)[2][3], previous)
            previous = chain_hash(e)
        for coding in ("entries", "columns", "mixed"):
            fmt, scope, log, first, seal, salts, number, packed = decode(one["%s-as-%s" % (name, coding)])
            same("coding", (fmt, number), (1, ["entries", "columns", "mixed"].index(coding)))
            own, spans = tuple(log), {(first - 1) // 256 + i: s for i, s in enumerate(salts)}
            if coding == "columns":  # zstd is not in the standard library
                stream = Plain(one[name + "-columns"], one[name + "-raw-bits"])
                same("raw bits", packed[:1 + len(stream.raw)][1:] if len(stream.raw) < 128 else packed[2:2 + len(stream.raw)], stream.raw)
                same(name + " as columns", read_columns(stream, scope, own, first, spans), want)
            if coding == "mixed":
                same(name + " as mixed", read_columns(copy.deepcopy(primed).read(packed), scope, own, first, spans), want)
        if name + "-onto" in one:
            fmt, seal, salted, salts, number, packed = decode(one[name + "-onto"])
            same("coding", (fmt, number), (1, 2))
            after = {first // 256 + i: s for i, s in enumerate(salts) if s}
            if salted:
                after[first // 256] = spans[first // 256]
            stream = Plain(one[name + "-onto-columns"], one[name + "-onto-raw-bits"])
            same(name + " onto its first, columns", read_columns(stream, scope, own, first + 1, after, want[0]), want[1:])
            mixed = copy.deepcopy(primed).read(packed)
            same(name + " onto its first, mixed", read_columns(mixed, scope, own, first + 1, after, want[0]), want[1:])
        if name == "segment":
            message = encode(["vungxa seal", 1, scope, log, first + len(want) - 1, previous])
            same("what the seal signs", message, one["seal-message"])
            same("the signature alone", len(seal), 64)

    for name in ("record", "positions", "checkpoint", "ack"):
        same("format of " + name, decode(one[name])[0], 1)
    same("checkpoint hash", tagged(b"vungxa checkpoint 1", one["checkpoint"]), one["checkpoint-hash"])
    ack = decode(one["ack"])
    same("what an acknowledgement signs", b"vungxa ack 1\0" + encode(ack[:8] + [b""]), one["ack-message"])

    for e in [e for name in v if name.endswith("entry") or name.startswith("entry-") for e in v[name]]:
        check_entry(e)
    check_positions(one["positions"])
    check_checkpoint(one["checkpoint"])
    _, scope, log, first = decode(one["odd-as-columns"])[:4]

    def check_columns(columns, raw):
        for e in read_columns(Plain(columns, raw), scope, tuple(log), first, {(first - 1) // 256: one["salt"]}):
            check_entry(e)

    check_columns(one["odd-columns"], one["odd-raw-bits"])
    checks = {"value": check_value, "entry": check_entry, "positions": check_positions, "checkpoint": check_checkpoint, "columns": check_columns}
    refused = 0
    for line in open(refusals, encoding="ascii"):
        kind, name, *parts = line.split()
        try:
            checks[kind](*map(bytes.fromhex, parts or [""]))
        except (ValueError, IndexError, KeyError, TypeError, AssertionError):
            refused += 1
        else:
            sys.exit("taken, and must be refused: " + line)
    print("%d comparisons of %d vectors, %d refusals: all agree" % (checked, sum(map(len, v.values())), refused))


main(sys.argv[1], sys.argv[2], sys.argv[3])
