"""The allow list of http steps."""

from ipaddress import ip_address

import pytest
from elexirion.agents.http_requests.allowed_hosts import AllowedHosts, Entry, Trust, is_public
from elexirion.agents.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("entry", "host", "port", "trust"),
    [
        ("api.example.org", "api.example.org", 443, Trust.NAMED),
        ("api.example.org", "API.example.org.", 443, Trust.NAMED),
        ("api.example.org", "x.api.example.org", 443, Trust.REFUSED),
        ("api.example.org", "xapi.example.org", 443, Trust.REFUSED),
        ("api.example.org:8443", "api.example.org", 443, Trust.REFUSED),
        ("api.example.org:8443", "api.example.org", 8443, Trust.NAMED),
        ("*.example.org", "api.example.org", 443, Trust.PUBLIC),
        ("*.example.org", "a.b.example.org", 443, Trust.PUBLIC),
        ("*.example.org", "example.org", 443, Trust.REFUSED),
        ("*.example.org", "badexample.org", 443, Trust.REFUSED),
        ("*.example.org:80", "api.example.org", 443, Trust.REFUSED),
        ("*", "anything", 1, Trust.PUBLIC),
        ("127.0.0.1", "127.0.0.1", 80, Trust.NAMED),
        ("127.0.0.1", "localhost", 80, Trust.REFUSED),
        ("[::1]:8000", "::1", 8000, Trust.NAMED),
        ("::1", "[0:0::1]", 8000, Trust.NAMED),
    ],
)
def test_a_host_is_named_covered_or_refused(entry: str, host: str, port: int, trust: Trust) -> None:
    assert AllowedHosts([entry]).trust(host, port) is trust


@pytest.mark.parametrize(
    "text",
    ["", "https://example.org", "example.org/path", "user@example.org", "a b", "ex*mple.org", "*example.org", "*.",
     "example.org:", "example.org:http", "example.org:70000", "**"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Entry.of(text)


def test_a_wrong_entry_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="http_allowed_hosts"):
        Settings(http_allowed_hosts=("https://example.org",))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"],
)  # fmt: skip
def test_addresses_inside_a_network_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_an_address_stays_what_it_is_however_it_is_written(address: object) -> None:
    written = str(address)
    hosts = AllowedHosts([written])
    assert hosts.trust(ip_address(written).exploded, 80) is Trust.NAMED
    assert hosts.allows_address(written, 80)
