"""dnspython as a judge of TSIG (RFC 8945): a request for each line of JSON on stdin, and its verdict as a line of JSON.

address, port   the server
zone, type      what is asked
key             {name, algorithm, secret}
ahead           seconds by which this client's clock is ahead
fudge           that the request asks for
udp             true: by UDP
cut             octets that are left of the request's MAC
flip            a bit is flipped of which message of the answer, counted from 0
then            "follow": transfer, wait for a line, transfer the difference; "stall": wait for a line after one message
"""

import json
import socket
import struct
import sys
import time

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.versioned
import dns.xfr

ask, verdict = {}, {}  # the request at hand
real = time.time
time.time = lambda: real() + ask.get("ahead", 0)
validate = dns.tsig.validate


def look(wire, key, owner, rdata, now, request_mac, start, ctx=None, multi=False):
    """Note what the TSIG record says, and whether an error is signed, which dnspython does not look at by itself."""
    verdict["signed"] += len(rdata.mac) > 0
    verdict["error"] = dns.rcode.to_text(rdata.error, True) if rdata.error else ""
    verdict["time"], verdict["other"] = rdata.time_signed, int.from_bytes(rdata.other, "big")
    if rdata.error and rdata.mac:
        count = struct.unpack("!H", wire[10:12])[0] - 1
        bare = wire[:10] + struct.pack("!H", count) + wire[12:start]
        dns.tsig._digest(bare, key, rdata, None, request_mac).verify(rdata.mac)
    return validate(wire, key, owner, rdata, now, request_mac, start, ctx, multi)


dns.tsig.validate = look
from_wire = dns.message.from_wire


def take(wire, **more):
    """Count the messages, and read one; flip a bit of it first if that is wanted."""
    if ask.get("flip", -1) == verdict["messages"]:
        wire = bytearray(wire)
        wire[len(wire) // 2] ^= 1
        wire = bytes(wire)
    verdict["messages"] += 1
    verdict["rcode"] = dns.rcode.to_text(wire[3] & 15)
    m = from_wire(wire, **more)
    verdict["records"] += sum(len(rrset) for rrset in m.answer)
    return m


dns.message.from_wire = take


def signed(q):
    """The octets of a query; its MAC may be cut (RFC 8945 section 5.2.2.1)."""
    whole = dns.tsig.HMACTSig.sign
    if "cut" in ask:
        dns.tsig.HMACTSig.sign = lambda self: whole(self)[: ask["cut"]]
    wire = q.to_wire()
    dns.tsig.HMACTSig.sign = whole
    return wire


def query():
    q = dns.message.make_query(ask["zone"], ask["type"])
    q.use_tsig(key, fudge=ask.get("fudge", 300))
    wire = signed(q)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if ask.get("udp") else socket.SOCK_STREAM) as s:
        s.settimeout(30)
        s.connect((where, port))
        if ask.get("udp"):
            s.send(wire)
            raw = s.recv(65535)
        else:
            s.sendall(struct.pack("!H", len(wire)) + wire)
            raw = read(s)
    take(raw, keyring=ring, request_mac=q.mac)


def read(s):
    def exactly(n):
        b = b""
        while len(b) < n:
            more = s.recv(n - len(b))
            if not more:
                raise EOFError
            b += more
        return b

    return exactly(struct.unpack("!H", exactly(2))[0])


def inbound(zone):
    q, _ = dns.xfr.make_query(zone, keyring=ring)
    dns.query.inbound_xfr(where, zone, q, port=port, lifetime=60)


def told():
    print("waiting", flush=True)
    next(sys.stdin)


def follow():
    zone = dns.versioned.Zone(ask["zone"])
    inbound(zone)
    told()
    verdict["messages"] = verdict["signed"] = verdict["records"] = 0
    inbound(zone)
    difference = dict(verdict)
    whole = dns.versioned.Zone(ask["zone"])
    inbound(whole)
    verdict.update(difference, same=zone.to_text() == whole.to_text())


def stall():
    q = dns.message.make_query(ask["zone"], "AXFR")
    q.use_tsig(key)
    wire = q.to_wire()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(60)
        s.connect((where, port))
        s.sendall(struct.pack("!H", len(wire)) + wire)
        m = take(read(s), keyring=ring, request_mac=q.mac, xfr=True, multi=True)
        told()
        while verdict["messages"] < 1 << 20:
            m = take(read(s), keyring=ring, request_mac=q.mac, xfr=True, multi=True, tsig_ctx=m.tsig_ctx)


def transfer():
    for m in dns.query.xfr(
        where, ask["zone"], ask["type"], port=port, keyring=ring, keyname=key.name, keyalgorithm=key.algorithm,
        relativize=False, lifetime=60, serial=ask.get("serial", 0), use_udp=ask.get("udp", False),
    ):
        if not m.had_tsig:
            raise dns.exception.FormError("message without TSIG")


for line in sys.stdin:
    ask = json.loads(line)
    key = dns.tsig.Key(ask["key"]["name"], ask["key"]["secret"], ask["key"]["algorithm"])
    ring = {key.name: key}
    where, port = ask["address"], ask["port"]
    verdict = {"verdict": "ok", "messages": 0, "signed": 0, "records": 0}
    try:
        if ask.get("then") == "follow":
            follow()
        elif ask.get("then") == "stall":
            stall()
        elif ask["type"] in ("AXFR", "IXFR"):
            transfer()
        else:
            query()
    except Exception as e:
        verdict["verdict"] = type(e).__name__
    print(json.dumps(verdict), flush=True)
