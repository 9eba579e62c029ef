"""The peers of the bench: their list, and those that run right here."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge.bench import against, noise, peers
from edge.bench.frames import still_frames
from edge.bench.peers import environment as environments
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, PEERS, Peer, choose_peers, open_worker
from edge.bench.workers import Round
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError
from tests.bench_turns import BURST, STEADY, FakePip, play
from tests.rigs import SHIPPED_BUNDLE

SCRIPTS = Path(peers.__file__).parent
FAST_BUNDLE = SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")
PINNED = ("left==1.0", "right==2.0")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts' folder on the path, as it is where they run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def graph(scripts: None) -> ModuleType:
    return importlib.import_module("graph")


def test_every_peer_is_pinned_and_its_script_is_there():
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
    for peer in PEERS:
        assert (SCRIPTS / peer.script).is_file()
        assert not peer.converter or (SCRIPTS / peer.converter[0]).is_file()
        assert all("==" in one for one in peer.requirements), peer.name
        assert peer.requirements, peer.name


def test_peers_that_share_an_environment_want_the_same():
    wanted = {peer.library: peer.requirements for peer in PEERS}
    assert all(wanted[peer.library] == peer.requirements for peer in PEERS)


def test_no_script_of_a_peer_imports_edge():
    for script in SCRIPTS.glob("*.py"):
        if script.name not in ("__init__.py", "registry.py", "environment.py", EDGE_SORTER.script):
            assert "import edge" not in script.read_text(), script.name
            assert "from edge" not in script.read_text(), script.name


def test_peers_are_chosen_by_name_in_the_order_of_the_list():
    assert choose_peers(None) == PEERS
    assert [peer.name for peer in choose_peers(["keras", "litert"])] == ["litert", "keras"]
    with pytest.raises(ConfigError, match="there is no peer onnxrunime; did you mean onnxruntime"):
        choose_peers(["onnxrunime"])
    with pytest.raises(ConfigError, match="known are litert, litert_least, tflite_runtime"):
        choose_peers(["zzz"])


@pytest.fixture
def argument(tmp_path: Path) -> dict[str, object]:
    np.save(tmp_path / "frames.npy", still_frames())
    return {"frames": str(tmp_path / "frames.npy"), "model": str(FAST_BUNDLE), "threads": 1}


@pytest.mark.parametrize(
    "peer",
    [EDGE_SORTER, Peer("litert", "", "litert_loop.py"), Peer("litert_least", "", "litert_least.py")],
    ids=lambda peer: peer.name,
)
def test_a_peer_names_the_frames(peer, argument):
    classifier = TfliteClassifier(load_bundle(FAST_BUNDLE))
    expected = [classifier.classify(frame).label for frame in still_frames()]
    with against.package_folder() as package, open_worker(peer, argument, package) as worker:
        found = worker.measure(12)
    assert "ai-edge-litert" in worker.facts["library"]
    assert worker.facts["threads"] == "1"
    assert sum(one == other for one, other in zip(found.labels, expected, strict=True)) >= 11
    assert min(found.cpu_us) > 0


def test_this_program_and_the_yardstick_are_measured_and_a_missing_peer_says_why(monkeypatch, tmp_path):
    # Whatever else this machine does while the tests run.
    monkeypatch.setattr(noise, "FAIR", math.inf)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environments, "run_quietly", None)
    absent = Peer("absent", "A peer that is not to be had", "litert_loop.py", "absent", PINNED)
    monkeypatch.setattr(against, "choose_peers", lambda names: (absent,))

    def open_without_network(peer, argument, package, *, name):
        return open_worker(peer, argument, package, name=name, run=FakePip(1, "ERROR: no matching distribution"))

    monkeypatch.setattr(against, "open_worker", open_without_network)
    said: list[str] = []
    ours, bare, missing = against.measure_peers(FAST_BUNDLE, 2, 3, None, said.append)
    assert set(ours.figures) == {"label_ratio", "label_us", "label_wall_us", "frames_per_s", "start_s", "agreement"}
    assert ours.figures["agreement"].median == 1.0
    assert len(ours.figures["label_ratio"].rounds) == 2
    assert set(bare.figures) == {"label_us", "label_wall_us", "frames_per_s", "start_s"}
    assert missing.figures == {}
    assert missing.missing is not None
    assert missing.missing.startswith("pip could not install left==1.0, right==2.0 (no matching distribution)")
    assert "round 2 of 2" in said


def test_agreement_and_ratio_are_of_the_same_round():
    ours = [
        Round((10.0, 10.0), (10.0, 10.0), ("glass", "paper")),
        Round((10.0, 10.0), (10.0, 10.0), ("glass", "glass")),
    ]
    other = [Round((20.0, 20.0), (25.0, 25.0), ("glass", "glass"))] * 2
    bare = [Round((8.0, 8.0), (8.0, 8.0), ("", "")), Round((5.0, 5.0), (5.0, 5.0), ("", ""))]
    turns = against.Turns(
        {EDGE_SORTER.name: ours, BARE_INVOKE.name: bare, PEERS[0].name: other}, start_s={PEERS[0].name: None}
    )
    figures = against._figures(turns, PEERS[0])
    assert figures["agreement"].rounds == (0.5, 1.0)
    assert figures["label_ratio"].rounds == (2.5, 4.0)
    assert figures["frames_per_s"].median == pytest.approx(40_000)
    assert "start_s" not in figures


def test_a_bundle_with_another_input_is_refused(bundle_dir):
    path = bundle_dir / "manifest.json"
    fields = json.loads(path.read_text())
    fields["input"]["mean"] = 0.0
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="input is the pixel less 128"):
        against.measure_peers(bundle_dir, 1, 1, None, lambda _: None)


def test_peers_are_not_shown_where_the_yardstick_was_not_steady(monkeypatch):
    play(monkeypatch, lambda peer, threads: BURST if peer is BARE_INVOKE else STEADY)
    found = against.measure_peers(FAST_BUNDLE, 3, 2, ["litert"], lambda _: None)
    assert [one.title for one in found] == [EDGE_SORTER.title, BARE_INVOKE.title, PEERS[0].title]
    for one in found:
        assert one.figures == {}
        assert one.missing is not None
        assert "too noisy (the bare inference's rounds spread by 40\u00a0%" in one.missing
        assert one.settings == {"library": "played 1"}


def test_what_failed_by_itself_says_so_on_a_noisy_machine_too(monkeypatch):
    takes = {BARE_INVOKE.name: BURST, "litert": STEADY[:1]}
    play(monkeypatch, lambda peer, threads: takes.get(peer.name, STEADY))
    *_, peer = against.measure_peers(FAST_BUNDLE, 3, 2, ["litert"], lambda _: None)
    assert peer.missing == "litert ended with status 1"


def test_without_a_yardstick_nothing_is_shown(monkeypatch):
    play(monkeypatch, lambda peer, threads: [] if peer is BARE_INVOKE else STEADY)
    ours, bare, _ = against.measure_peers(FAST_BUNDLE, 3, 2, ["litert"], lambda _: None)
    assert bare.missing == "bare_invoke ended with status 1"
    assert ours.missing == ("the bare inference could not be measured beside it: bare_invoke ended with status 1")
    assert ours.figures == {}


@pytest.mark.parametrize("runtime", ["litert", "tflite_runtime"])
def test_the_yardstick_has_the_library_of_the_runtime(runtime, scripts, monkeypatch):
    made = []

    class Interpreter:
        def __init__(self, model_content: bytes, num_threads: int) -> None:
            made.append((len(model_content), num_threads))

        def allocate_tensors(self) -> None:
            made.append("allocated")

        def invoke(self) -> None:
            made.append("invoked")

    package = "ai_edge_litert" if runtime == "litert" else "tflite_runtime"
    module = ModuleType(f"{package}.interpreter")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setitem(sys.modules, f"{package}.interpreter", module)
    script = importlib.import_module("bare_invoke")
    monkeypatch.setattr(script, "version", lambda name: "9.9")
    invoke, facts = script.open_peer({"model": str(FAST_BUNDLE), "threads": 2, "runtime": runtime})
    assert invoke(np.zeros((1, 1, 3), np.uint8)) == ""
    assert made == [((FAST_BUNDLE / "model.tflite").stat().st_size, 2), "allocated", "invoked"]
    assert facts["library"] == f"{package.replace('_', '-')} 9.9"


def test_the_yardstick_looks_at_no_frame(argument, tmp_path):
    with against.package_folder() as package, open_worker(BARE_INVOKE, argument, package) as worker:
        assert worker.measure(2).labels == ("", "")
