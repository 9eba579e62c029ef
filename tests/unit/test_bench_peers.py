"""The peers of the bench: their list, their environments on demand, their networks, and those that run right here."""

import importlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from edge.bench import against, matrix, noise, peers
from edge.bench.frames import still_frames
from edge.bench.peers import environment as environments
from edge.bench.peers.environment import environment, network, peers_folder, run_quietly
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, PEERS, TFLITE_RUNTIME, Peer, choose_peers, open_worker
from edge.bench.workers import Round
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError, SorterError
from edge.preprocess import Preprocessor
from tests.rigs import SHIPPED_BUNDLE

SCRIPTS = Path(peers.__file__).parent
FAST_BUNDLE = SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")
PINNED = ("left==1.0", "right==2.0")


class FakePip:
    """Makes an environment's Python, and notes what it is asked for; `outcome` is that of the installation."""

    def __init__(self, status: int = 0, output: str = "") -> None:
        self.outcome = (status, output)
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append(list(command))
        if command[1:3] == ["-m", "venv"]:
            python = Path(command[3]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("")
            return 0, ""
        return self.outcome


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts' folder on the path, as it is where they run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def graph(scripts: None) -> ModuleType:
    return importlib.import_module("graph")


# The list


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


# Environments


def test_an_environment_is_made_once(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    assert python.exists()
    assert [command[1:3] for command in pip.commands] == [["-m", "venv"], ["-m", "pip"]]
    assert pip.commands[1][-2:] == list(PINNED)
    assert environment("lib", PINNED, tmp_path, pip) == python
    assert len(pip.commands) == 2


def test_other_requirements_are_another_environment(tmp_path):
    pip = FakePip()
    assert environment("lib", PINNED, tmp_path, pip) != environment("lib", PINNED[:1], tmp_path, pip)


def test_no_requirements_mean_this_environment(tmp_path):
    assert environment("", (), tmp_path, FakePip()) == Path(sys.executable)


def test_a_half_built_environment_is_built_anew(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    marker = python.parent.parent / environments.MARKER
    marker.unlink()
    (python.parent / "left-over").write_text("")
    environment("lib", PINNED, tmp_path, pip)
    assert len(pip.commands) == 4
    assert marker.is_file()
    assert not (python.parent / "left-over").exists()


def test_an_environment_whose_python_is_gone_is_built_anew(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    python.unlink()
    assert environment("lib", PINNED, tmp_path, pip).exists()


def test_pips_failure_is_one_sentence_and_leaves_nothing(tmp_path):
    said = (
        "WARNING: Location 'file:///somewhere/simple/left/' is ignored\n"
        "ERROR: Could not find a version that satisfies the requirement left==1.0\n"
        "ERROR: No matching distribution found for left==1.0 at https://registry.example/simple\n\n"
        "[notice] a new release of pip\n"
    )
    with pytest.raises(SorterError) as found:
        environment("lib", PINNED, tmp_path, FakePip(1, said))
    assert str(found.value) == (
        "pip could not install left==1.0, right==2.0 (No matching distribution found for left==1.0 at (address)); "
        "see that this system can have them"
    )
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_an_interrupted_installation_leaves_nothing(tmp_path):
    pip = FakePip()

    def interrupt(command: Sequence[str]) -> tuple[int, str]:
        if command[1:3] == ["-m", "pip"]:
            raise KeyboardInterrupt
        return pip(command)

    with pytest.raises(KeyboardInterrupt):
        environment("lib", PINNED, tmp_path, interrupt)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SorterError, match="the cache folder cannot be written"):
        environment("lib", PINNED, tmp_path / "file" / "cache", FakePip())


def test_environments_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert peers_folder() == tmp_path / "edge-sorter" / "peers"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert peers_folder() == Path.home() / ".cache" / "edge-sorter" / "peers"


def test_a_command_that_fails_or_is_not_there_has_a_status():
    assert run_quietly([sys.executable, "-c", "import sys; print('so'); sys.exit(3)"]) == (3, "so\n")
    assert run_quietly(["/no/such/python"])[0] == 1


# Networks


def test_a_network_is_written_once_for_each_model(tmp_path):
    commands = []

    def convert(command: Sequence[str]) -> tuple[int, str]:
        commands.append(command)
        Path(command[3]).write_text("net")
        return 0, ""

    wanted = ("to_onnx.py", "model.onnx")
    python = Path(sys.executable)
    path = network("fake", python, wanted, SHIPPED_BUNDLE, tmp_path, convert)
    assert path.read_text() == "net"
    assert network("fake", python, wanted, SHIPPED_BUNDLE, tmp_path, convert) == path
    assert len(commands) == 1
    assert network("fake", python, wanted, FAST_BUNDLE, tmp_path, convert) != path


def test_a_converter_that_fails_is_one_sentence_and_leaves_nothing(tmp_path):
    def convert(command: Sequence[str]) -> tuple[int, str]:
        Path(command[3]).write_text("half a net")
        return 1, "Traceback\nValueError: the network has a layer of TFLite's kind 99\n"

    with pytest.raises(SorterError, match=r"to_onnx.py could not write .* fake \(ValueError: .* kind 99\)"):
        network("fake", Path(sys.executable), ("to_onnx.py", "model.onnx"), SHIPPED_BUNDLE, tmp_path, convert)
    assert [path for path in (tmp_path / "networks").iterdir() if path.is_dir()] == []


# The graph that the converters read


def test_the_graph_computes_what_the_model_does(graph):
    """In real numbers, layer by layer, with NumPy: the same label, and logits within a few steps."""
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    assert [node.kind for node in network_.nodes].count("depthwise") == 17
    bundle = load_bundle(FAST_BUNDLE)
    classifier, preprocess = TfliteClassifier(bundle), Preprocessor(bundle.manifest.input.spec())
    output = network_.tensors[network_.output]
    for golden in sorted((FAST_BUNDLE / "golden").iterdir()):
        image = np.asarray(cv2.imread(str(golden)), dtype=np.uint8)
        expected = np.array(classifier.logits(image))
        rgb = preprocess(image).astype(np.float64)
        first = network_.tensors[network_.input]
        found = compute(network_, (rgb - first.zero_point) * first.scale)
        assert found.argmax() == expected.argmax()
        assert np.abs(found / output.scale + output.zero_point - expected).max() < 8


def compute(network_, image):
    values = {network_.input: image[0]}
    for node in network_.nodes:
        data = values[node.inputs[0]]
        constants = [network_.tensors[one].real() for one in node.inputs[1:] if one not in values]
        if node.kind == "add":
            result = data + values[node.inputs[1]]
        elif node.kind == "mean":
            result = data.mean(axis=(0, 1))
        elif node.kind == "dense":
            result = constants[0] @ data + constants[1]
        else:
            result = convolve(node, np.pad(data, (node.rows, node.columns, (0, 0))), constants[0]) + constants[1]
        values[node.output] = np.clip(result, 0, 6) if node.is_clipped else result
    return values[network_.output]


def convolve(node, data, weights):
    windows = np.lib.stride_tricks.sliding_window_view(data, weights.shape[1:3], axis=(0, 1))
    windows = windows[:: node.stride[0], :: node.stride[1]]
    return np.einsum("yxchw,ohwc->yxo" if node.kind == "conv" else "yxchw,ohwc->yxc", windows, weights, optimize=True)


def test_padding_is_as_tensorflow_pads(graph):
    assert graph.same_padding(224, 3, 2) == (0, 1)
    assert graph.same_padding(112, 3, 1) == (1, 1)
    assert graph.same_padding(7, 1, 1) == (0, 0)
    assert graph.same_padding(7, 3, 2) == (1, 1)


def test_a_tensor_that_is_computed_has_no_values(graph):
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    with pytest.raises(ValueError, match="is computed; it has no values"):
        network_.tensors[network_.input].real()


def test_an_unknown_layer_is_refused_by_its_kind(graph, monkeypatch):
    monkeypatch.delitem(graph._KINDS, graph.schema.BuiltinOperator.MEAN)
    with pytest.raises(ValueError, match="layer of TFLite's kind 40, which is not known"):
        graph.read_network(FAST_BUNDLE / "model.tflite")


@pytest.mark.parametrize("is_int8", [True, False])
def test_ncnn_gets_every_layer_and_every_weight(graph, is_int8):
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    param, weights = importlib.import_module("to_ncnn").to_ncnn(network_, is_int8)
    magic, counts, *layers = param.splitlines()
    assert magic == "7767517"
    made = [name for line in layers for name in line.split()[4 + int(line.split()[2]) :][: int(line.split()[3])]]
    read = [name for line in layers for name in line.split()[4:][: int(line.split()[2])]]
    assert counts == f"{len(layers)} {len(made)}"
    # Every blob is made once and read once, but for the result.
    assert len(set(made)) == len(made)
    assert sorted([*read, "logits"]) == sorted(made)
    constants = [network_.tensors[one] for node in network_.nodes for one in node.inputs]
    sizes = [one.data.size for one in constants if one.data is not None]
    # Weights of four bytes, or of one and then their scales; biases always of four.
    assert len(weights) > sum(sizes) * (1 if is_int8 else 4)
    assert len(weights) < sum(sizes) * (1.2 if is_int8 else 4.01)


def test_uint8_ends_move_the_values_by_128_and_change_nothing_else(scripts, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = (FAST_BUNDLE / "model.tflite").read_bytes()
    moved = importlib.import_module("to_uint8").with_uint8_ends(model)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    found = []
    for content, image in ((model, (pixels ^ 0x80).view(np.int8)), (moved, pixels)):
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert found[1].dtype == np.uint8
    np.testing.assert_array_equal(found[0].view(np.uint8) ^ 0x80, found[1])
    (tmp_path / "model.tflite").write_bytes(moved)
    from edge.bundle import _embedded_labels

    assert _embedded_labels(moved) == load_bundle(FAST_BUNDLE).labels
    with pytest.raises(ValueError, match="input is no single int8 tensor"):
        importlib.import_module("to_uint8").with_uint8_ends(moved)


# Real ones


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


class Played:
    """A worker that takes so long in each round, and is not there otherwise."""

    def __init__(self, name: str, rounds_us: Sequence[float]) -> None:
        self.name = name
        self.facts = {"library": "played 1"}
        self.start_s = 0.5
        self._rounds_us = iter(rounds_us)

    def __enter__(self) -> "Played":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def measure(self, frames: int) -> Round:
        if (us := next(self._rounds_us, None)) is None:
            raise SorterError(f"{self.name} ended with status 1")
        return Round((us,) * frames, (us,) * frames, ("glass",) * frames)

    def close(self) -> None:
        pass


def play(monkeypatch: pytest.MonkeyPatch, takes: Callable[[Peer, int], Sequence[float]]) -> list[tuple[str, int]]:
    """Instead of processes: what a script on so many threads takes, round by round. Returns: who was opened."""
    opened = []

    def open_played(peer, argument, package, *, name):
        opened.append((peer.script, argument["threads"]))
        return Played(name, takes(peer, argument["threads"]))

    monkeypatch.setattr(against, "open_worker", open_played)
    return opened


STEADY = [100.0, 101.0, 102.0]
BURST = [100.0, 140.0, 102.0]


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


def test_the_matrix_measures_every_combination(monkeypatch):
    monkeypatch.setattr(noise, "FAIR", math.inf)
    monkeypatch.setattr(matrix, "ALIVE", 3)
    found = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48), (128, 96)], 2, 2, lambda _: None)
    assert [(one.settings["threads"], one.settings["frame_px"]) for one in found] == [
        ("1", "64x48"),
        ("1", "128x96"),
        ("2", "64x48"),
        ("2", "128x96"),
    ]
    for one in found:
        assert one.missing is None
        assert one.settings["runtime"] == "litert"
        assert ("label_us" in one.figures) is (one.settings["threads"] == "1"), "several threads only by the wall"
        assert len(one.figures["label_wall_us"].rounds) == 2
        assert len(one.figures["label_ratio"].rounds) == 2


def test_a_cell_is_held_against_the_bare_inference_on_as_many_threads(monkeypatch):
    def takes(peer: Peer, threads: int) -> list[float]:
        return [us / threads * (1.0 if peer.script == BARE_INVOKE.script else 1.2) for us in STEADY]

    opened = play(monkeypatch, takes)
    found = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48), (128, 96)], 3, 2, lambda _: None)
    for one in found:
        assert one.figures["label_ratio"].rounds == pytest.approx((1.2, 1.2, 1.2))
    assert found[2].figures["label_wall_us"].median == pytest.approx(60.6)
    # One yardstick for each number of threads, and none among the contenders.
    assert [threads for script, threads in opened if script == BARE_INVOKE.script] == [1, 2]
    assert len(found) == 4


def test_the_yardsticks_count_among_the_processes_that_wait(monkeypatch):
    monkeypatch.setattr(matrix, "ALIVE", 4)
    rounds: list[str] = []
    opened = play(monkeypatch, lambda peer, threads: STEADY)
    sizes_px = [(64, 48), (128, 96)]
    matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], sizes_px, 1, 1, lambda said: rounds.append(said))
    parts = " ".join("|" if said.startswith("round") else "." for said in rounds).split("|")
    # Two cells of one thread and their yardstick: a cell of two threads would bring another one with it.
    assert [part.count(".") for part in parts] == [3, 3, 0]
    assert len(opened) == 6


def test_a_cell_whose_yardstick_was_not_steady_is_not_shown(monkeypatch):
    def takes(peer: Peer, threads: int) -> list[float]:
        return BURST if peer.script == BARE_INVOKE.script and threads == 2 else STEADY

    play(monkeypatch, takes)
    one, two = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48)], 3, 2, lambda _: None)
    assert one.missing is None
    assert one.figures
    assert two.missing is not None
    assert "spread by 40\u00a0%" in two.missing
    assert two.figures == {}
    assert two.settings["threads"] == "2"


def test_cells_of_tflite_runtime_have_a_yardstick_of_their_own(monkeypatch):
    libraries = []

    def takes(peer: Peer, threads: int) -> list[float]:
        libraries.append((peer.script, peer.library, peer.requirements))
        return STEADY

    play(monkeypatch, takes)
    matrix.measure_matrix([FAST_BUNDLE], [1], ["litert", "tflite_runtime"], [(64, 48)], 1, 1, lambda _: None)
    assert libraries == [
        (BARE_INVOKE.script, "", ()),
        (EDGE_SORTER.script, "", ()),
        (BARE_INVOKE.script, "tflite-runtime", TFLITE_RUNTIME),
        (EDGE_SORTER.script, "tflite-runtime", TFLITE_RUNTIME),
    ]


def test_a_cell_that_cannot_be_measured_says_why(monkeypatch):
    def refuse(peer, argument, package, *, name):
        raise SorterError(f"pip could not install {peer.library}")

    monkeypatch.setattr(against, "open_worker", refuse)
    (found,) = matrix.measure_matrix([FAST_BUNDLE], [1], ["tflite_runtime"], [(64, 48)], 1, 1, lambda _: None)
    assert found.missing == "pip could not install tflite-runtime"
    assert found.figures == {}
    assert found.settings["runtime"] == "tflite_runtime"


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
