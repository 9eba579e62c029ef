"""What two reports do not have in common, in sentences: a difference of figures may come from any of it."""

from edge.bench.report import MachineFacts, Report

__all__ = ["caveats", "differs_in_frames", "needs_frames"]

_WITHOUT_FRAMES = ("start_", "cold_", "memory_", "bare_invoke_")
_SIZES = frozenset({"MB", "KB", "blocks"})
"""Figures whose names begin so, or that are sizes, are not of the pictures: any set of frames gives the same work."""
_STATE = {
    "os": "operating system",
    "kernel": "kernel",
    "python": "Python",
    "governor": "governor",
    "clock_max_mhz": "highest clock, MHz",
    "is_virtual": "virtual machine",
}


def needs_frames(name: str, unit: str) -> bool:
    """True for a figure that depends on the pictures that were shown."""
    return not name.startswith(_WITHOUT_FRAMES) and unit not in _SIZES


def differs_in_frames(first: Report, other: Report) -> bool:
    """True if the two did not see the same pictures at the same pace."""
    return (first.frames.sha256, first.frames.fps) != (other.frames.sha256, other.frames.fps)


def caveats(first: Report, other: Report) -> tuple[str, ...]:
    """The loud ones first: other work, then another machine, then another state of it. Empty if there is none."""
    return (*_work(first, other), *_machine(first.machine, other.machine), *_conduct(first, other))


def _work(first: Report, other: Report) -> list[str]:
    found = []
    if differs_in_frames(first, other):
        one, two = (
            f"version {each.version}, {each.sha256[:12]}, {each.fps:g}/s" for each in (first.frames, other.frames)
        )
        found.append(f"Different frames ({one}; {two}): no figure that depends on them is compared.")
    if first.model.sha256 != other.model.sha256:
        one, two = (f"{each.name} {each.version}, {each.sha256[:12]}" for each in (first.model, other.model))
        found.append(f"Different models ({one}; {two}): the figures are not of the same network.")
    if first.model.input_px != other.model.input_px:
        one, two = (" x ".join(map(str, each.input_px)) for each in (first.model, other.model))
        found.append(f"Different inputs ({one}; {two} pixels).")
    if _engine(first) != _engine(other):
        found.append(f"Different runtimes ({_engine(first)}; {_engine(other)}).")
    return found


def _engine(report: Report) -> str:
    model = report.model
    delegate = "with" if model.has_delegate else "without"
    return f"{model.runtime}, {model.threads} thread{'' if model.threads == 1 else 's'}, {delegate} delegate"


def _machine(one: MachineFacts, two: MachineFacts) -> list[str]:
    found = []
    if _hardware(one) != _hardware(two):
        found.append(f"Different machines ({_hardware(one)}; {_hardware(two)}): times differ for that alone.")
    for field, name in _STATE.items():
        a, b = getattr(one, field), getattr(two, field)
        if a != b:
            found.append(f"Different {name}: {_told(a)}; {_told(b)}.")
    for library in sorted(one.libraries.keys() | two.libraries.keys()):
        if library != "edge-sorter" and one.libraries.get(library) != two.libraries.get(library):
            a, b = one.libraries.get(library), two.libraries.get(library)
            found.append(f"Different {library}: {_told(a)}; {_told(b)}.")
    return found


def _hardware(machine: MachineFacts) -> str:
    return f"{machine.board or machine.model}, {machine.architecture}, {machine.cores} cores, {machine.memory_mb} MB"


def _conduct(first: Report, other: Report) -> list[str]:
    found = []
    if first.settings != other.settings:
        names = sorted(first.settings.keys() | other.settings.keys())
        changed = [name for name in names if first.settings.get(name) != other.settings.get(name)]
        found.append(f"Different settings: {', '.join(changed)}.")
    for place, report in enumerate((first, other)):
        which = ("first", "other")[place]
        if report.noise.verdict == "fair":
            found.append(f"The {which} machine was not quite quiet: {report.noise.sentence}")
        if report.machine.throttled_meaning:
            found.append(f"The {which} machine tells: {'; '.join(report.machine.throttled_meaning)}.")
    return found


def _told(value: object) -> str:
    return "not told" if value is None else str(value)
