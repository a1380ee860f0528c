"""Which network addresses are the open internet's. For whoever calls an address that somebody typed. Pure.

``ip.is_global`` alone does not do: Python 3.11 calls multicast, and NAT64 addresses with a private one inside, global.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# RFC 6890 and its successors where Python says otherwise, and a cloud's own door behind a public number.
_NOT_V4 = tuple(
    IPv4Network(each)
    for each in (
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "168.63.129.16/32",
    )
)
# Global unicast is this one block; in it Teredo, 6to4 and their like carry addresses of other networks inside.
_V6 = IPv6Network("2000::/3")
_NOT_V6 = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


def is_public(address: str) -> bool:
    """Whether an address in numbers is one of the open internet; False for what is none, or has a zone."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return _public_v4(found) if isinstance(found, IPv4Address) else _public_v6(found)


def is_numeric(host: str) -> bool:
    """Whether a host is an address in numbers, in any way that a resolver reads: 127.1, 2130706433, 0x7f.1."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return ":" in host or last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:]))


def _public_v4(found: IPv4Address) -> bool:
    strange = found.is_multicast or found.is_reserved or found.is_private or found.is_loopback or found.is_link_local
    return found.is_global and not strange and not any(found in block for block in _NOT_V4)


def _public_v6(found: IPv6Address) -> bool:
    return not found.scope_id and found in _V6 and found.is_global and not any(found in block for block in _NOT_V6)
