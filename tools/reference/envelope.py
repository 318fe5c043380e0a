"""A second reader of Env messages and encrypted columns, to be read beside envelope-v1.md and columns-v1.md in spec/.

It was written from the specification and shares nothing with the packages or with the generator of
the vectors, not even the language: where all three agree, the prose is likely to say what they do.
It reads whole messages and prefers plainness to speed. Python 3.9, standard library, `cryptography`.

    envelope.py VECTORS     checks every vector below that directory, exits 1 on a mismatch
"""

import base64
import hashlib
import hmac
import json
import math
import re
import struct
import sys
import unicodedata
import uuid
from collections import Counter
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT, DECRYPT, TRUNCATED = "ERR_ENVELOPE_FORMAT", "ERR_ENVELOPE_DECRYPT", "ERR_ENVELOPE_TRUNCATED"
REJECTED, INVALID = "ERR_ENVELOPE_KMS_REJECTED", "ERR_ENVELOPE_INVALID_CONTEXT"
CHUNK = 16384 + 16


class Refused(Exception):
    """Holds the code, one of the specification's."""


def need(condition, code=FORMAT):
    if not condition:
        raise Refused(code)


class Cursor:
    """Takes bytes off the front of `data`. `end` is what it is to ask for more than there is."""

    def __init__(self, data, end=FORMAT):
        self.data, self.at, self.end = data, 0, end

    def take(self, length):
        need(self.at + length <= len(self.data), self.end)
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def text(self, size, least, most):
        length = self.number(size)
        need(least <= length <= most)
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(FORMAT) from None

    def rest(self):
        return self.take(len(self.data) - self.at)


# envelope-v1.md#context


def encode(context):
    """The map encoding, without limits. Python compares bytes as the format wants it."""
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    parts = [struct.pack(">H", len(part)) + part for pair in pairs for part in pair]
    return struct.pack(">H", len(pairs)) + b"".join(parts)


def kms_context(context):
    return {**context, "env:format": "1"}


def decode_context(data):
    need(2 <= len(data) <= 4096)
    cursor, context = Cursor(data), {}
    for _ in range(cursor.number(2)):
        key = cursor.text(2, 1, 255)
        context[key] = cursor.text(2, 0, 1024)
        need(not key.startswith(("env:", "aws:")))
    # Sorted, without duplicates and with nothing left over: then it is its own encoding.
    need(len(context) <= 31 and encode(context) == data)
    return context


def check_context(context):
    """A caller's map obeys the rules that a stored one obeys."""
    need(isinstance(context, dict) and all(isinstance(v, str) for v in context.values()), INVALID)
    try:
        decode_context(encode(context))
    except (Refused, UnicodeEncodeError, struct.error):
        raise Refused(INVALID) from None


# envelope-v1.md#layout, #key-block


def parse_header(cursor):
    need(b"\x8eENV".startswith(cursor.data[:4]))
    cursor.take(4)
    need(cursor.take(1) == b"\x01", "ERR_ENVELOPE_UNSUPPORTED")
    need(cursor.take(1) == b"\x01", "ERR_ENVELOPE_UNSUPPORTED")
    flags = cursor.number(1)
    need(flags <= 1, "ERR_ENVELOPE_UNSUPPORTED")
    need(cursor.number(1) == 0)
    preamble, stored = cursor.data[:8], None
    if flags:
        length = cursor.number(2)
        need(2 <= length <= 4096)
        stored = cursor.take(length)
    # The whole header is there before what is in it is looked at.
    block = take_key_block(cursor)
    return preamble, None if stored is None else decode_context(stored), parse_key_block(block)


def take_key_block(cursor):
    length = cursor.number(2)
    need(length <= 16384)
    return cursor.take(length)


def parse_key_block(body):
    if not body:
        return None
    block, entries = Cursor(body), {}
    count = block.number(1)
    need(1 <= count <= 16)
    for _ in range(count):
        provider, key_id = block.text(1, 1, 32), block.text(2, 1, 512)
        need(re.fullmatch("[a-z0-9][a-z0-9.-]*", provider))
        need(not re.search("[\x00-\x1f\x7f]", key_id) and (provider, key_id) not in entries)
        size = block.number(2)
        need(1 <= size <= 4096)
        entries[provider, key_id] = block.take(size)
    need(not any(block.rest()))
    return entries


# envelope-v1.md#key-derivation, #payload


def expand(key, info, length):
    block, out = b"", b""
    for i in range(1, 2 + (length - 1) // 64):
        block = hmac.new(key, block + info + bytes([i]), hashlib.sha512).digest()
        out += block
    return out[:length]


def derive(data_key, salt, preamble, context, aad):
    context_hash = hashlib.sha256(b"env/1/context\0" + encode(context)).digest()
    aad_hash = hashlib.sha256(b"env/1/aad\0" + aad).digest()
    label = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
    bound = b"env/1/message\0" + preamble + context_hash + aad_hash
    okm = expand(data_key, label + salt + bound, 76)
    return okm[:32], okm[32:44], okm[44:]


def open_chunks(key, base_nonce, chunks, released):
    short = False
    for index in range(0, len(chunks), CHUNK):
        chunk = chunks[index : index + CHUNK]
        need(len(chunk) >= 16, TRUNCATED)
        nonce = (int.from_bytes(base_nonce, "big") ^ index // CHUNK).to_bytes(12, "big")
        try:
            released += AESGCM(key).decrypt(nonce, chunk, None)
        except InvalidTag:
            raise Refused(DECRYPT) from None
        short = len(chunk) < CHUNK
    need(short, TRUNCATED)


# envelope-v1.md#local-wrap


def local_unwrap(key_id, versions, blob, context):
    need(len(blob) >= 61 and blob[:1] == b"\x01" and blob[1:17] == uuid.UUID(key_id).bytes, REJECTED)
    version_key = versions.get(str(int.from_bytes(blob[17:21], "big")))
    need(version_key is not None and 1 <= len(blob) - 61 <= 4096, REJECTED)
    wrap_key = expand(bytes.fromhex(version_key), b"env/1/localwrap\0" + blob[:45], 32)
    try:
        return AESGCM(wrap_key).decrypt(bytes(12), blob[45:], encode(context))
    except InvalidTag:
        raise Refused(REJECTED) from None


# envelope-v1.md#decrypting


def unwrap(cmk, wrapped, context):
    need("fails" not in cmk, cmk.get("fails"))
    if "versions" in cmk:
        return local_unwrap(cmk["keyId"], cmk["versions"], wrapped, kms_context(context))
    table = {row["wrapped"]: row["dataKey"] for row in cmk["unwraps"]}
    need(wrapped.hex() in table, REJECTED)
    return bytes.fromhex(table[wrapped.hex()])


def read(vector, length_known, released, calls):
    """Opens the vector's message into `released`; `calls` collects a code per KMS call."""
    cursor = Cursor(base64.b64decode(vector["message"]), TRUNCATED)
    preamble, stored, entries = parse_header(cursor)
    if "keyBlock" in vector:
        need(entries is None)
        passed = Cursor(base64.b64decode(vector["keyBlock"]), TRUNCATED)
        block = take_key_block(passed)
        need(block and not passed.rest())
        entries = parse_key_block(block)

    context = vector["context"]
    if "fromHeader" in vector:
        required = vector["fromHeader"]["require"]
        check_context(required)
        need(stored is not None, INVALID)
        need(required.items() <= stored.items(), DECRYPT)
        context = stored
    check_context(context)
    need(stored is None or stored == context, DECRYPT)

    payload = cursor.rest()
    need(len(payload) >= 56, TRUNCATED)
    need(not length_known or (len(payload) - 56) % CHUNK >= 16, TRUNCATED)
    salt, commitment = payload[:24], payload[24:56]

    labels = [(cmk["provider"], cmk["keyId"]) for cmk in vector["cmks"]]
    candidates = [pair for pair in zip(labels, vector["cmks"]) if pair[0] in (entries or {})]
    need(candidates, "ERR_ENVELOPE_NO_KEY")
    for label, cmk in candidates:
        try:
            data_key = unwrap(cmk, entries[label], context)
            need(len(data_key) == 32, DECRYPT)
            aad = bytes.fromhex(vector["aad"])
            key, base_nonce, expected = derive(data_key, salt, preamble, context, aad)
            need(hmac.compare_digest(commitment, expected), DECRYPT)
        except Refused as failure:
            calls.append(failure.args[0])
            continue
        calls.append("ok")
        return open_chunks(key, base_nonce, payload[56:], released)
    for reported, codes in {
        "ERR_ENVELOPE_KMS_UNAVAILABLE": {"ERR_ENVELOPE_KMS_UNAVAILABLE", "ERR_ENVELOPE_KMS_THROTTLED"},
        "ERR_ENVELOPE_KMS_ACCESS_DENIED": {"ERR_ENVELOPE_KMS_ACCESS_DENIED"},
        "ERR_ENVELOPE_KMS_ERROR": {"ERR_ENVELOPE_KMS_ERROR"},
        "ERR_ENVELOPE_KEY_UNUSABLE": {"ERR_ENVELOPE_KMS_KEY_STATE", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"},
    }.items():
        need(not codes & set(calls), reported)
    raise Refused(DECRYPT)


# envelope-v1.md#text-form


def decode_text(text):
    body = text[len("env1.") :]
    need(text.startswith("env1.") and re.fullmatch("[A-Za-z0-9_-]*", body))
    need(body and len(body) % 4 != 1, TRUNCATED)
    message = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    need(len(message) <= 1 << 20)
    need(base64.urlsafe_b64encode(message).rstrip(b"=") == body.encode(), TRUNCATED)
    return message


# columns-v1.md#value


def stored_bytes(stored):
    if "bytes" in stored:
        return bytes.fromhex(stored["bytes"])
    text = stored["text"]
    need(re.fullmatch("~[A-Za-z0-9_-]*", text) and len(text) % 4 != 2)
    data = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=") == text[1:].encode())
    return data


def open_value(vector):
    data = stored_bytes(vector["stored"])
    need(data[:1] == b"\xc1" and len(data) >= 80)
    need(data[1:7].hex() == vector["keyId"], DECRYPT)
    context_hash = hashlib.sha256(b"env/1/context\0" + encode({**vector["scope"], "columns": "values"}))
    place_hash = hashlib.sha256(b"env/columns/1/place\0" + encode(vector["place"]))
    label = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
    bound = b"env/columns/1/value\0" + data[:7] + context_hash.digest() + place_hash.digest()
    okm = expand(bytes.fromhex(vector["dataKey"]), label + data[7:31] + bound, 76)
    need(hmac.compare_digest(okm[44:], data[31:63]), DECRYPT)
    plaintext = bytearray()
    open_chunks(okm[:32], okm[32:44], data[63:], plaintext)
    return decode_plaintext(vector["type"], bytes(plaintext))


# columns-v1.md#plaintext

TYPES = {"text": 1, "bytes": 2, "number": 3, "bigint": 4, "boolean": 5, "date": 6, "json": 7}


def integer(number):
    return number.to_bytes(1 + (~number if number < 0 else number).bit_length() // 8, "big", signed=True)


def decode_plaintext(kind, plaintext):
    tag, body = plaintext[0], plaintext[1:]
    if tag & 0x80:
        body = body.rstrip(b"\0")
        need(body[-1:] == b"\x80")
        body = body[:-1]
    need(tag & 0x7F == TYPES[kind])
    try:
        if kind == "text":
            return body.decode("utf-8")
        if kind == "json":
            return json.loads(body.decode("utf-8"))
    except ValueError:
        raise Refused(FORMAT) from None
    if kind == "bytes":
        return body.hex()
    if kind == "bigint":
        number = int.from_bytes(body, "big", signed=True)
        need(body == integer(number))
        return str(number)
    if kind == "boolean":
        need(body in (b"\0", b"\1"))
        return body == b"\1"
    need(len(body) == 8)
    if kind == "number":
        number = struct.unpack(">d", body)[0]
        need(math.isfinite(number))
        return number
    date = int.from_bytes(body, "big", signed=True)
    need(abs(date) <= 8_640_000_000_000_000)
    return date


# columns-v1.md#blind-index


def normalise(rule, text):
    def nfkc(text):
        return unicodedata.normalize("NFKC", text)

    if rule == "nfc":
        return unicodedata.normalize("NFC", text)
    if rule in ("caseless", "email"):
        return nfkc(nfkc(text.strip("\t\n\f\r ") if rule == "email" else text).lower())
    if rule == "phone":
        kept = re.sub("[^0-9+]", "", nfkc(text))
        digits = kept.replace("+", "")
        if kept.startswith("+"):
            return "+" + digits
        return "+" + digits[2:] if kept.startswith("00") else digits
    return text


def index_hash(vector):
    kind, value = vector["type"], vector["value"]
    body = {
        "text": lambda: normalise(vector["place"]["rule"], value).encode(),
        "bigint": lambda: integer(int(value)),
        "number": lambda: struct.pack(">d", value or 0.0),
        "boolean": lambda: bytes([value]),
    }[kind]()
    data_key, label = bytes.fromhex(vector["dataKey"]), b"env/columns/1/index-key\0"
    key = hmac.new(data_key, label + encode(vector["place"]), hashlib.sha512).digest()[:32]
    message = bytes([vector["partition"], TYPES[kind]]) + body
    bits = int.from_bytes(hmac.new(key, message, hashlib.sha512).digest(), "big") >> (512 - vector["bits"])
    return (bits << (-vector["bits"] % 8)).to_bytes((vector["bits"] + 7) // 8, "big").hex()


# The vectors: each of these returns the outcome, and what else the vector states about it.


def outcome(run):
    try:
        return "ok", run()
    except Refused as refused:
        return refused.args[0], None


def check_envelope(vector):
    for expect, length_known in ((vector["expect"], True), (vector.get("expectStream"), False)):
        released, calls = bytearray(), []
        code, _ = outcome(lambda: read(vector, length_known, released, calls))
        if code != (expect or vector["expect"]):
            return f"{code}, whole message: {length_known}"
        if length_known and len(calls) != vector["kmsCalls"]:
            return f"{len(calls)} KMS calls"
    stated = vector["plaintext" if code == "ok" else "released"]
    digest = {"bytes": len(released), "sha256": hashlib.sha256(released).hexdigest()}
    return None if digest == stated else f"plaintext {digest}"


def check_context_encoding(vector):
    code, _ = outcome(lambda: check_context(vector["context"]))
    if code != "ok":
        return None if code == vector["expect"] else code
    context = vector["context"]
    encodings = encode(context).hex(), encode(kms_context(context)).hex()
    return None if encodings == (vector["contextBytes"], vector["kmsContextBytes"]) else encodings


def check_text(vector):
    code, message = outcome(lambda: decode_text(vector["text"]))
    if message is not None and message.hex() != vector["message"]:
        return message.hex()
    return None if code == vector["expect"] else code


def check_local_wrap(vector):
    arguments = vector["keyId"], vector["versions"], bytes.fromhex(vector["blob"]), vector["context"]
    code, plaintext = outcome(lambda: local_unwrap(*arguments))
    if plaintext is not None and plaintext.hex() != vector["plaintext"]:
        return plaintext.hex()
    return None if code == {"rejected": REJECTED}.get(vector["expect"], "ok") else code


def check_columns(vector):
    code, value = outcome(lambda: open_value(vector))
    if code == "ok" and value != vector.get("value"):
        return value
    return None if code == vector["expect"] else code


def check_columns_index(vector):
    found = index_hash(vector)
    return None if found == vector["hash"] else found


CHECKS = {
    "envelope": check_envelope,
    "context": check_context_encoding,
    "text": check_text,
    "local-wrap": check_local_wrap,
    "columns": check_columns,
    "columns-index": check_columns_index,
}


def main(root):
    mismatches = 0
    for kind, check in CHECKS.items():
        counts = Counter()
        for path in sorted(Path(root, kind).glob("*.json")):
            vector = json.loads(path.read_text("utf-8"))
            found = check(vector)
            if found is not None:
                print(f"MISMATCH {kind}/{path.name}: expected {vector['expect']}, found {found}")
            counts["opened" if vector["expect"] == "ok" else "refused"] += found is None
            mismatches += found is not None
        print(f"{kind}: {counts['opened']} opened, {counts['refused']} refused")
        mismatches += not counts  # A directory without vectors proves nothing.
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
