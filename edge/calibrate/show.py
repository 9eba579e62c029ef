"""What is calibrated now, for people and programs."""

from typing import Any

from edge.calibrate.jog import points_of
from edge.calibrate.sensors import switches_of
from edge.calibrate.store import ConfigStore
from edge.contact import pin_name
from edge.errors import ConfigError
from edge.presence.tray_picture import tray_picture_path

__all__ = ["calibrated", "calibrated_lines"]


def calibrated(store: ConfigStore) -> dict[str, Any]:
    """The values that calibration finds, ready for JSON."""
    config = store.config
    picture = tray_picture_path(store.path, config.source)
    try:
        points = {point.name: point.angle_deg for point in points_of(config.gate).values()}
    except ConfigError:
        points = {}
    return {
        "file": str(store.path),
        "is_missing": store.is_new,
        "gate": {"kind": config.gate.kind, "points_deg": points, "hold_s": getattr(config.gate, "hold_s", None)},
        "drop_sensor": {"kind": config.drop_sensor.kind, "timeout_s": config.drop_sensor.timeout_s},
        "source": {"spec": config.source.spec, **config.source.camera.model_dump(mode="json")},
        "tray_picture": str(picture) if picture.exists() else None,
        "sensors": {key: pin_name(switch.pin) for key, switch in switches_of(config).items()},
    }


def calibrated_lines(store: ConfigStore) -> list[str]:
    """The same as lines."""
    found = calibrated(store)
    gate, source = found["gate"], dict(found["source"])
    file = f"{found['file']} (missing: these are the defaults)" if found["is_missing"] else found["file"]
    points = ", ".join(f"{name} {angle_deg:g}" for name, angle_deg in gate["points_deg"].items()) or "no angles"
    hold = "" if gate["hold_s"] is None else f"; hold_s {gate['hold_s']:g}"
    spec = source.pop("spec")
    kept = ", ".join(f"{key} {value}" for key, value in source.items() if value is not None)
    drop = found["drop_sensor"]
    return [
        f"file          {file}",
        f"gate          {gate['kind']}: {points}{hold}",
        f"drop sensor   {drop['kind']}" + ("" if drop["kind"] == "none" else f", timeout_s {drop['timeout_s']:g}"),
        f"source        {spec}, {kept}",
        f"tray picture  {found['tray_picture'] or 'none; calibrate tray takes it'}",
        f"sensors       {', '.join(f'{key} on {pin}' for key, pin in found['sensors'].items()) or 'none'}",
    ]
