import pytest

from chain.checksum import checksum, parse_address
from chain.primitives import address

# The examples of EIP-55 itself.
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", EIP_55)
def test_checksums_are_those_of_eip_55(text: str) -> None:
    assert checksum(address(text)) == text


@pytest.mark.parametrize("text", [*EIP_55, EIP_55[4].lower(), "0x" + EIP_55[4][2:].upper()])
def test_right_checksums_and_single_case_are_accepted(text: str) -> None:
    assert parse_address(text) == text.lower()


def test_one_letter_in_the_wrong_case_is_refused() -> None:
    with pytest.raises(ValueError, match="wrong EIP-55 checksum") as refusal:
        parse_address("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    assert EIP_55[4] in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", EIP_55[0] + "0", "0x" + "g" * 40]
)
def test_what_is_not_twenty_bytes_of_hex_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        parse_address(text)
