"""Which ports a sandbox takes."""

import socket
from dataclasses import astuple

import pytest

from gateway.sandbox.errors import SandboxFailed
from gateway.sandbox.ports import HOST, reserved


def test_two_sandboxes_that_do_not_listen_yet_never_choose_the_same_port() -> None:
    with reserved(None, say=lambda _: None) as one, reserved(None, say=lambda _: None) as other:
        assert len({*astuple(one), *astuple(other)}) == 8


def test_a_port_is_free_again_when_its_sandbox_has_ended() -> None:
    with reserved(None, say=lambda _: None) as one:
        pass
    with reserved(one.api, say=lambda _: None) as again:
        assert again.api == one.api


def test_a_port_asked_for_by_number_that_something_listens_on_is_one_precise_error() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxFailed, match=f"--port: {port} is taken"), reserved(port, say=lambda _: None):
            pass


def test_a_port_asked_for_by_number_that_another_sandbox_will_listen_on_is_the_same_error() -> None:
    with (
        reserved(None, say=lambda _: None) as other,
        pytest.raises(SandboxFailed, match=f"--port: {other.redis} is taken"),
        reserved(other.redis, say=lambda _: None),
    ):
        pass


def test_a_person_hears_where_a_part_listens_instead() -> None:
    said: list[str] = []
    with reserved(None, say=lambda _: None) as first, reserved(None, say=said.append) as second:
        assert f"port 8545 is taken; the chain listens on {second.chain}" in said
        assert second.chain != first.chain
