"""The SSRF corpus: what may be a webhook endpoint, and what may be dialled."""

from ipaddress import ip_address

import pytest

from gateway.domain.destination import URL_LENGTH_MAX, check_url, is_dialable
from gateway.domain.errors import InvalidRequest

HOSTILE_ADDRESSES = [
    "0.0.0.0",  # noqa: S104  (nothing is bound here)
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2002:c0a8:1::1",
    "2620:4f:8000::1",
    "2600:1f18::5efe:7f00:1",
    "2600:1f18::200:5efe:7f00:1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]

HOSTILE_URLS = [
    "",
    "hook",
    "//merchant.com/hook",
    "https:",
    "https://",
    "https:///hook",
    "https://:443/hook",
    "ftp://merchant.com/hook",
    "file:///etc/passwd",
    "gopher://merchant.com:6379/_FLUSHALL",
    "javascript:alert(1)",
    "data:text/plain,x",
    "dict://merchant.com:11211/",
    "ws://merchant.com/hook",
    "https://user@merchant.com/hook",
    "https://user:word@merchant.com/hook",
    "https://merchant.com@127.0.0.1/hook",
    "https://127.0.0.1\\@merchant.com/hook",
    "https://merchant.com/hook#part",
    "https://merchant.com/a b",
    "https://merchant.com/\r\nHost: other",
    "https://merchant.com/\thook",
    "https://m\u00fcnchen.de/hook",
    "https://\u2460\u2461\u2466.0.0.1/hook",
    "https://127\u30020.0.1/hook",
    "https://merchant.com/" + "x" * URL_LENGTH_MAX,
    "https://localhost/hook",
    "https://LOCALHOST/hook",
    "https://localhost./hook",
    "https://merchant.localhost/hook",
    "https://printer.local/hook",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://instance-data.ec2.internal/latest",
    "https://router.lan/hook",
    "https://router.home.arpa/hook",
    "https://intranet/hook",
    "https://redis:6379/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://shop.onion/hook",
    "https://shop.test/hook",
    "https://127.0.0.1/hook",
    "https://127.1/hook",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0x7f.0.0.1/hook",
    "https://0177.0.0.1/hook",
    "https://017700000001/hook",
    "https://127.0.0.01/hook",
    "https://127.0.0.1./hook",
    "https://0/hook",
    "https://0.0.0.0/hook",
    "https://10.1.2.3/hook",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/hook",
    "https://[::]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://[0:0:0:0:0:ffff:7f00:1]/hook",
    "https://[64:ff9b::7f00:1]/hook",
    "https://[2002:7f00:1::]/hook",
    "https://[fe80::1%25eth0]/hook",
    "https://[fd00:ec2::254]/latest",
    "https://[::1/hook",
    "https://merchant.com]/hook",
    "https://[merchant.com]/hook",
    "https://merchant..com/hook",
    "https://-merchant.com/hook",
    "https://merchant-.com/hook",
    "https://merchant.com%2f@127.0.0.1/hook",
    "https://merchant.com%00.evil.com/hook",
    "https://mer_chant!.com/hook",
    "https://" + "a." * 130 + "com/hook",
    "https://merchant.com:0/hook",
    "https://merchant.com:22/hook",
    "https://merchant.com:25/hook",
    "https://merchant.com:1023/hook",
    "https://merchant.com:6379/hook",
    "https://merchant.com:5432/hook",
    "https://merchant.com:65536/hook",
    "https://merchant.com:-1/hook",
    "https://merchant.com:abc/hook",
]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(HOSTILE_URLS)) >= 60
    assert len({ip_address(text) for text in HOSTILE_ADDRESSES}) >= 46


@pytest.mark.parametrize("text", HOSTILE_ADDRESSES)
def test_an_address_that_is_not_public_is_never_dialled(text: str) -> None:
    assert not is_dialable(ip_address(text), allow_private=False)


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_a_public_address_is_dialled(text: str) -> None:
    assert is_dialable(ip_address(text), allow_private=False)


@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "172.17.0.2", "192.168.1.2", "::1", "fd12::1", "1.1.1.1"])
def test_an_operator_may_allow_the_own_machine_and_network(text: str) -> None:
    assert is_dialable(ip_address(text), allow_private=True)


@pytest.mark.parametrize(
    "text", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "0.1.2.3", "224.0.0.1", "::ffff:127.0.0.1"]
)
def test_allowing_private_addresses_opens_no_metadata_service_and_no_odd_spelling(text: str) -> None:
    assert not is_dialable(ip_address(text), allow_private=True)


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_url_that_does_not_name_a_public_host_is_refused_at_registration(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_url(url, allow_private=False, livemode=False)
    assert caught.value.param == "url"


@pytest.mark.parametrize(
    "url",
    [
        "https://merchant.com/hook",
        "https://shop.example/hook?key=1",
        "https://xn--mnchen-3ya.de/hook",
        "https://merchant.com:8443/hook",
        "https://a-b.c_d.merchant.co.uk",
        "https://93.184.215.14/hook",
        "https://[2606:4700::1111]:443/hook",
    ],
)
def test_a_public_url_is_accepted_in_both_modes(url: str) -> None:
    check_url(url, allow_private=False, livemode=True)
    check_url(url, allow_private=False, livemode=False)


def test_live_mode_sends_nothing_in_the_clear() -> None:
    check_url("http://merchant.com/hook", allow_private=False, livemode=False)
    with pytest.raises(InvalidRequest, match="https"):
        check_url("http://merchant.com/hook", allow_private=False, livemode=True)


@pytest.mark.parametrize(
    "url", ["http://localhost:9000/hook", "http://127.0.0.1:9000/", "http://shop:8080/", "http://[::1]:9000/"]
)
def test_an_operator_may_allow_private_urls_in_development(url: str) -> None:
    check_url(url, allow_private=True, livemode=False)


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://127.1/", "http://169.254.169.254/", "http://u@localhost/"]
)
def test_odd_spellings_stay_refused_even_then(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url, allow_private=True, livemode=False)
