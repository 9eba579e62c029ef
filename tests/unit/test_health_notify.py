"""Datagrams to the service manager, on real sockets."""

import os
import secrets
import socket
import time

import pytest

from edge.health.notify import TEXT_LIMIT, Notifier
from tests.health_rig import Manager, manager


def test_every_message_is_what_the_manager_reads(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        assert notifier.ready("sorting")
        assert notifier.status("paused: lid_open")
        assert notifier.watchdog()
        assert notifier.starting(2.5)
        assert notifier.stopping("the gate goes home")
        assert listening.heard() == [
            ["READY=1", "STATUS=sorting"],
            ["STATUS=paused: lid_open"],
            ["WATCHDOG=1"],
            ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=2500000"],
            ["STOPPING=1", "STATUS=the gate goes home"],
        ]


def test_a_reload_tells_when_it_began_on_the_managers_clock(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        assert notifier.reloading()
        (lines,) = listening.heard()
        told_us = int(lines[1].removeprefix("MONOTONIC_USEC="))
        assert lines[0] == "RELOADING=1"
        assert 0 <= time.monotonic_ns() // 1000 - told_us < 60e6


def test_a_status_is_one_line_of_bounded_length(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        notifier.status("a\nREADY=1\n" + "ü" * 2000)
        ((line,),) = listening.heard()
        assert line.startswith("STATUS=a READY=1 ü")
        assert len(line) == len("STATUS=") + TEXT_LIMIT


def test_text_that_is_no_unicode_is_told_as_well_as_may_be(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        assert notifier.status("config \udcff.yaml")
        assert listening.words() == ["STATUS=config ?.yaml"]


def test_an_abstract_socket_is_heard():
    name = f"edge-sorter-test-{secrets.token_hex(8)}"
    listening = Manager(f"\0{name}")
    notifier = Notifier(f"@{name}")
    assert notifier.ready()
    assert listening.words() == ["READY=1"]
    notifier.close()
    listening.close()


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative/path"])
def test_without_a_socket_nothing_is_said_and_nothing_fails(address):
    notifier = Notifier(address)
    assert notifier.ready("up")
    assert notifier.watchdog()
    assert notifier.reloading()
    assert notifier.stopping()


@pytest.mark.parametrize("address", ["/nonexistent/notify", "/" + "x" * 300])
def test_a_manager_that_is_not_there_is_no_error_but_was_not_told(address):
    notifier = Notifier(address, 1.0)
    assert not notifier.ready()
    notifier.close()


def test_a_full_buffer_neither_blocks_nor_raises_and_what_was_not_said_is_known(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        sent = 0
        while notifier.watchdog():
            sent += 1
            assert sent < 100_000, "the buffer never fills"
        assert sent > 0
        assert not notifier.ready()
        assert len(listening.heard()) == sent
        assert notifier.ready()
        assert listening.words() == ["READY=1"]


def test_a_manager_that_comes_back_at_the_same_address_is_heard_again(tmp_path):
    address = str(tmp_path / "notify")
    first, notifier = Manager(address), Notifier(address)
    assert notifier.watchdog()
    first.close()
    assert not notifier.watchdog()
    os.unlink(address)
    second = Manager(address)
    assert notifier.watchdog()
    assert second.words() == ["WATCHDOG=1"]
    notifier.close()
    second.close()


def test_a_closed_notifier_says_nothing_and_closes_twice(tmp_path):
    with manager(tmp_path) as (listening, notifier):
        notifier.ready()
        notifier.close()
        notifier.close()
        assert notifier.watchdog()
        assert listening.words() == ["READY=1"]


def test_its_socket_is_not_inherited_by_children(tmp_path):
    with manager(tmp_path) as (_, notifier):
        notifier.ready()
        assert isinstance(notifier._socket, socket.socket)
        assert not notifier._socket.get_inheritable()


OWN = str(os.getpid())


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        pytest.param({}, None, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "10000000"}, 10.0, id="for whoever is asked"),
        pytest.param({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": OWN}, 10.0, id="for this process"),
        pytest.param({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None, id="for another process"),
        pytest.param({"WATCHDOG_USEC": "0", "WATCHDOG_PID": OWN}, None, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "-5"}, None, id="negative"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="no number"),
        pytest.param({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "me"}, None, id="no process number"),
    ],
)
def test_the_watchdogs_limit_comes_from_the_environment(environment, watchdog_s):
    assert Notifier.from_environment(environment).watchdog_s == watchdog_s


def test_the_address_comes_from_the_environment(tmp_path):
    with manager(tmp_path) as (listening, _):
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready()
        assert listening.words() == ["READY=1"]
        notifier.close()
