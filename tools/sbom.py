"""Writes the software bill of materials: CycloneDX 1.6, JSON. `python -m tools.sbom [--output FILE]`.

It lists what the environment really holds, so make it where the program is installed. The same environment gives the
same bytes: there is no time in it, and the serial number comes from the content.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.installed import PROJECT, Package, installed, needed_by

__all__ = ["bill", "main", "models_in"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, PROJECT)


def bill(
    packages: Mapping[str, Package], runtime: Collection[str], others: Collection[str], models: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The bill as CycloneDX's fields.

    Args:
        runtime: names of the packages that the sorter runs with.
        others: names of those that only build and test it; they are listed with the scope `excluded`.
        models: components, as `models_in` gives them.
    """
    listed = sorted({*runtime, *others} - {PROJECT})
    project = packages[PROJECT]
    content: dict[str, Any] = {
        "metadata": {"component": {**_component(project), "type": "application"}},
        "components": [
            *(
                {**_component(packages[name]), "scope": "required" if name in runtime else "excluded"}
                for name in listed
            ),
            *models,
        ],
        "dependencies": [
            {
                "ref": _reference(packages[name]),
                "dependsOn": sorted(
                    _reference(packages[needed]) for needed in packages[name].needs if needed in listed
                ),
            }
            for name in sorted({PROJECT, *listed})
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **content,
    }


def models_in(folder: Path) -> list[dict[str, Any]]:
    """Components for the model bundles of a folder."""
    found = []
    for manifest in sorted(folder.glob("*/manifest.json")):
        fields = json.loads(manifest.read_text(encoding="utf-8"))
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"model:{fields['name']}@{fields['version']}",
                "name": fields["name"],
                "version": fields["version"],
                "hashes": [{"alg": "SHA-256", "content": fields["sha256"]}],
                "scope": "required",
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns: the exit status."""
    parser = argparse.ArgumentParser(description="Write the software bill of materials of this environment.")
    parser.add_argument("--output", type=Path, help="a file; without it, standard output")
    parser.add_argument("--extras", nargs="*", default=["dev"], help="extras whose packages are listed as excluded")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the model bundles")
    options = parser.parse_args(arguments)
    packages = installed()
    runtime = needed_by(packages, ("pi", "tflite"))
    text = json.dumps(bill(packages, runtime, needed_by(packages, options.extras), models_in(options.models)), indent=2)
    if options.output is None:
        print(text)
        return 0
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _reference(package: Package) -> str:
    # The purl specification: lower case, a dash for an underscore.
    return f"pkg:pypi/{package.title.lower().replace('_', '-')}@{package.version}"


def _component(package: Package) -> dict[str, Any]:
    reference = _reference(package)
    fields: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": package.title,
        "version": package.version,
        "purl": reference,
    }
    if package.licence is not None:
        is_compound = " " in package.licence
        fields["licenses"] = (
            [{"expression": package.licence}] if is_compound else [{"license": {"id": package.licence}}]
        )
    if package.libraries:
        fields["components"] = [
            {
                "type": "file",
                "bom-ref": f"{reference}#{library.name}",
                "name": library.name,
                **({"hashes": [{"alg": "SHA-256", "content": library.sha256}]} if library.sha256 else {}),
            }
            for library in package.libraries
        ]
    return fields


if __name__ == "__main__":
    sys.exit(main())
