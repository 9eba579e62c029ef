"""`edge-sorter calibrate …`: angles, sensors, tray and drop time, found at the bin and stored in the configuration."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.commands.options import ConfigOption
from edge.errors import ConfigError, SorterError

__all__ = ["app"]

app = typer.Typer(
    help="Find angles, times and the tray at the bin, and store them. Without a step: guided, in the terminal.",
    epilog="The configuration is replaced as a whole; the last five are kept beside it as .1 to .5.",
)
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs to read; sentences go to stderr.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Ask nothing: hands are away.")]


@app.callback(invoke_without_command=True)
def guide(context: typer.Context, config: ConfigOption = None) -> None:
    """Find angles, times and the tray at the bin, and store them. Without a step: guided, in the terminal."""
    context.obj = config
    if context.invoked_subcommand is None:
        with _desk(scripted="a step and its options, see --help") as desk:
            _guide(_store(context, None), desk)


@app.command()
def angles(
    context: typer.Context,
    config: ConfigOption = None,
    bin_: Annotated[
        str | None, typer.Option("--bin", metavar="POINT", help="A bin, home, door_open or door_closed.")
    ] = None,
    angle: Annotated[float | None, typer.Option(help="Degrees to go to, and to store.")] = None,
    is_agreed: YesOption = False,
) -> None:
    """Jog the servos to their angles, and store them."""
    from edge.calibrate.angles import calibrate_angles, set_angle

    store = _store(context, config)
    if (bin_ is None) is not (angle is None):
        raise ConfigError("--bin and --angle belong together; without both, the angles are jogged by hand")
    scripted = "--bin, --angle and --yes" if bin_ is None else "--yes"
    with _desk(scripted=scripted) as desk, _alone(store, desk):
        if bin_ is not None and angle is not None:
            set_angle(store, desk, bin_, angle, is_agreed=is_agreed)
        else:
            calibrate_angles(store, desk)


@app.command()
def sensors(
    context: typer.Context,
    config: ConfigOption = None,
    duration_s: Annotated[
        float | None, typer.Option("--for", min=0.1, help="Seconds to watch; without it, until Enter.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the level of every sensor, switch and button, and each change; at the end, which never changed."""
    from edge.calibrate.sensors import watch_sensors

    store = _store(context, config)
    with _desk(is_quiet=as_json, scripted="--for SECONDS") as desk, _alone(store, desk):
        watch_sensors(store.config, desk, duration_s=duration_s, as_json=as_json)


@app.command()
def tray(
    context: typer.Context,
    config: ConfigOption = None,
    roi: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Store this region (shares of the picture).")
    ] = None,
    is_auto: Annotated[bool, typer.Option("--auto", help="Find the region without questions.")] = False,
    is_roi_kept: Annotated[bool, typer.Option("--keep-roi", help="Only take the picture of the empty tray.")] = False,
    wait_s: Annotated[float, typer.Option("--wait", min=0.0, help="With --auto: seconds before each picture.")] = 10.0,
    source: Annotated[str | None, typer.Option(help="Look through this source, not the configured one.")] = None,
    covered: Annotated[str | None, typer.Option(help="With --auto: the source that shows the sheet.")] = None,
    is_agreed: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check light and focus, find the region of interest by a sheet of paper, take the picture of the empty tray."""
    from edge.calibrate.tray import TrayPlan, calibrate_tray, parse_region

    if (roi is not None) + is_auto + is_roi_kept > 1:
        raise ConfigError("--roi, --auto and --keep-roi exclude one another")
    plan = TrayPlan(
        roi_xywh=None if roi is None else parse_region(roi),
        is_roi_kept=is_roi_kept,
        is_agreed=is_agreed or is_auto,
        wait_s=wait_s,
        source=source,
        covered_source=covered,
        as_json=as_json,
    )
    store = _store(context, config)
    scripted = "--yes" if roi is not None or is_roi_kept else "--auto"
    with _desk(is_quiet=as_json, scripted=scripted) as desk, _alone(store, desk):
        calibrate_tray(store, desk, plan)


@app.command()
def drop(
    context: typer.Context,
    config: ConfigOption = None,
    bin_: Annotated[str, typer.Option("--item-bin", metavar="BIN", help="Whose way is opened; the first bin's.")] = "",
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="Items to drop.")] = 5,
    wait_s: Annotated[float, typer.Option("--wait", min=0.0, help="With --yes: seconds before each item.")] = 3.0,
    is_storing: Annotated[bool, typer.Option("--store", help="Store what is proposed without asking.")] = False,
    is_agreed: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the time from the first command to the drop sensor; propose time-out and hold time. Exit 3: none seen."""
    from edge.calibrate.drop import DropPlan, measure_drops
    from edge.errors import ActuatorError

    store = _store(context, config)
    plan = DropPlan(bin_, repeat, wait_s, is_agreed, is_storing, as_json)
    with _desk(is_quiet=as_json) as desk, _alone(store, desk):
        if not measure_drops(store, desk, plan):
            raise typer.Exit(ActuatorError.exit_code)


@app.command()
def show(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is calibrated now."""
    from edge.calibrate.show import calibrated, calibrated_lines

    store = _store(context, config, is_only_shown=True)
    if as_json:
        typer.echo(json.dumps(calibrated(store), indent=2))
    else:
        typer.echo("\n".join(calibrated_lines(store)))


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    context: typer.Context,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY VALUE...", help="Such as gate.home_deg 92.5.")],
    config: ConfigOption = None,
    is_new: Annotated[bool, typer.Option("--new", help="The file need not exist: begin one.")] = False,
) -> None:
    """Set keys of the configuration to YAML values. All of it is checked before anything is written."""
    import yaml

    from edge.calibrate.store import store_and_tell
    from edge.configedit import UNREADABLE, key_path

    if len(pairs) % 2:
        raise ConfigError(f"{pairs[-1]!r} has no value; give pairs of KEY and VALUE")
    changes: dict[tuple[str, ...], Any] = {}
    for key, text in zip(pairs[::2], pairs[1::2], strict=True):
        try:
            changes[key_path(key)] = yaml.safe_load(text)
        except UNREADABLE:
            raise ConfigError(f"{text!r} is no YAML value for {key}; put text in quotes") from None
    store = _store(context, config, may_begin=is_new)
    with _desk() as desk:
        store_and_tell(store, changes, desk)


def _store(context: typer.Context, config: Path | None, *, may_begin: bool = False, is_only_shown: bool = False) -> Any:
    from edge.calibrate.store import ConfigStore

    store = ConfigStore(config if config is not None else context.obj, may_begin=may_begin)
    if store.is_new and not may_begin and not is_only_shown:
        # What would begin here is a simulation, which the service would then sort for ever.
        raise ConfigError(
            f"there is no {store.path}; copy one of the project's config/*.yaml there, or name one with --config"
        )
    return store


@contextmanager
def _desk(*, is_quiet: bool = False, scripted: str = "--yes") -> Iterator[Any]:
    """A desk at this terminal; a signal ends the command with 128 and its number, every motor without power."""
    from edge.calibrate.desk import Desk, Keyboard, StoppedError
    from edge.clock import MonotonicClock
    from edge.commands.common import log_to_stderr
    from edge.ending import stop_signals

    log_to_stderr()
    with stop_signals() as stop_signal:
        desk = Desk(MonotonicClock(), Keyboard(), stop_signal=stop_signal, is_quiet=is_quiet, scripted=scripted)
        try:
            yield desk
        except StoppedError as exc:
            desk.say()
            desk.say(f"{exc}; what was not stored by now is not.")
            raise typer.Exit(128 + exc.signum) from None


@contextmanager
def _alone(store: Any, desk: Any) -> Iterator[None]:
    from edge.calibrate.guard import no_sorter_at_work, tell_of_strangers
    from edge.paths import ledger_path

    tell_of_strangers(store.config, desk)
    with no_sorter_at_work(ledger_path(store.config)):
        yield


def _guide(store: Any, desk: Any) -> None:
    from edge.calibrate.angles import calibrate_angles
    from edge.calibrate.drop import DropPlan, measure_drops
    from edge.calibrate.sensors import watch_sensors
    from edge.calibrate.show import calibrated_lines
    from edge.calibrate.tray import TrayPlan, calibrate_tray

    steps: dict[str, tuple[str, Callable[[], object]]] = {
        "sensors": (
            "actuate each switch and sensor",
            lambda: watch_sensors(store.config, desk, duration_s=None, as_json=False),
        ),
        "angles": ("jog the gate's servos", lambda: calibrate_angles(store, desk)),
        "tray": ("light, region of interest, empty tray", lambda: calibrate_tray(store, desk, TrayPlan())),
        "drop": ("measure the drop time", lambda: measure_drops(store, desk, DropPlan())),
    }
    with _alone(store, desk):
        while True:
            desk.say()
            for line in calibrated_lines(store):
                desk.say(line)
            desk.say()
            for number, (name, (what, _)) in enumerate(steps.items(), start=1):
                desk.say(f"  {number}  {name:8} {what}")
            answer = desk.ask("Which step? Enter ends.")
            if not answer:
                return
            named = dict(zip("1234", steps, strict=True)).get(answer, answer)
            if named not in steps:
                desk.warn(f"{answer} is no step")
                continue
            try:
                steps[named][1]()
            except SorterError as exc:
                desk.warn(str(exc))
