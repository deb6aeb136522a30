"""What a merchant may say of its looks: nothing that could leave a header, an attribute or a reader's sight."""

import pytest

from gateway.domain.branding import (
    CONTRAST_MIN,
    Branding,
    canonical_color,
    contrast,
    ink_on,
    is_deliverable,
    is_https_url,
)
from gateway.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/logo.png",
        "https://shop.example:8443/a?b=c&d=%20#e",
        "https://xn--bcher-kva.example/l.svg",
    ],
)
def test_an_https_url_is_taken(url: str) -> None:
    assert is_https_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://shop.example/l.png",
        "HTTPS://shop.example/l.png",
        "https://",
        "https:///l.png",
        "https://user:password@shop.example/",
        "https://user@shop.example/",
        "https://shop.example/a b",
        "https://shop.example/'onerror=alert(1)",
        'https://shop.example/"onerror="alert(1)',
        "https://shop.example/<script>",
        "https://shop.example/\r\nBcc: eve@example.com",
        "https://shop.example/\\@eve.example",
        "https://[::1",
        "https://shop.example:99999/",
        "https://shop.example:0/",
        "https://shop.example/" + "a" * 2048,
        "javascript:alert(1)//https://",
        "https://bücher.example/",
    ],
)
def test_what_could_leave_an_attribute_or_a_header_is_no_url(url: str) -> None:
    assert not is_https_url(url)


@pytest.mark.parametrize("email", ["ada@example.com", "a.b+c@sub.example.co", "x_y-z'o@d1.example", "1@2.example"])
def test_ordinary_addresses_can_be_delivered_to(email: str) -> None:
    assert is_deliverable(email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@exa mple.com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada@example.com,eve@example.com",
        "ada@example.com eve@example.com",
        "<ada@example.com>",
        '"a b"@example.com',
        ".ada@example.com",
        "ada.@example.com",
        "a..b@example.com",
        "jörg@example.com",
        "ada@bücher.example",
        "a" * 65 + "@example.com",
        "a@" + "b" * 250 + ".com",
    ],
)
def test_what_could_add_a_recipient_or_a_header_is_no_address(email: str) -> None:
    assert not is_deliverable(email)


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"name": ""}, "branding[name]"),
        ({"name": "a" * 101}, "branding[name]"),
        ({"name": "Ada\r\nBcc: eve@example.com"}, "branding[name]"),
        ({"name": "Ada\u202emoc"}, "branding[name]"),
        ({"color": "#12345"}, "branding[color]"),
        ({"color": "#12345g"}, "branding[color]"),
        ({"color": "red;background:url(x)"}, "branding[color]"),
        ({"support_email": "ada@example"}, "branding[support_email]"),
        ({"logo_url": "http://x.example/l.png"}, "branding[logo_url]"),
        ({"update_url": "javascript:alert(1)"}, "branding[update_url]"),
        ({"cancel_url": "https://x.example/ y"}, "branding[cancel_url]"),
    ],
)
def test_ST_68_a_value_that_is_not_what_it_should_be_is_refused_by_name(values: dict[str, str], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Branding(**values)
    assert refused.value.param == param


def test_ST_68_letters_on_any_colour_can_be_read() -> None:
    colors = [f"#{number:06x}" for number in range(0, 2**24, 3_001)] + ["#000000", "#ffffff", "#777777", "#767676"]
    assert min(contrast(ink_on(color), color) for color in colors) >= CONTRAST_MIN


def test_contrast_is_that_of_the_accessibility_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#ffffff") == 1


def test_a_colour_is_written_in_one_way() -> None:
    assert canonical_color("A1B2C3") == canonical_color("#a1b2c3") == "#a1b2c3"
    assert canonical_color(None).startswith("#")
