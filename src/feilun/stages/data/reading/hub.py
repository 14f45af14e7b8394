"""Data sets of Hugging Face: hf:name, hf:owner/name, hf:name/config, or hf:./folder saved by `save_to_disk`.

A data set's own code is never run: its files are read as what they are.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import frames, raw

PREFIX = "hf:"
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
COPY = "The hub does not give this data set now (no network, or it is gone): the copy fetched before is used."
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")


def is_name(source: str) -> bool:
    """Whether a source is a data set of Hugging Face."""
    return source.startswith(PREFIX)


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (folder / SAVED[0]).is_file() or all((folder / name).is_file() for name in SAVED[1:])


def folder_of(source: str, base: Path) -> Path | None:
    """Where a saved data set lies, or None for a name."""
    name = source.removeprefix(PREFIX)
    return base / name if name.startswith((".", "/", "~")) else None


def saved_parts(folder: Path) -> dict[str, raw.Part]:
    """{split: reader} of a saved data set."""
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{folder} is no data set that save_to_disk wrote: {_short(error)}. Save it again.",
            where=str(folder),
            fix="save it again",
        ) from error
    return _parts(found, str(folder))


def named_parts(source: str) -> dict[str, raw.Part]:
    """{split: reader} of hf:name. Raises DataError where there is no such name, or nobody answers."""
    import datasets
    import huggingface_hub
    from datasets.packaged_modules.cache.cache import Cache

    steps = source.removeprefix(PREFIX).strip("/").split("/")
    tries: list[tuple[str, str | None]] = (
        [("/".join(steps), None)] if len(steps) < 3 else [("/".join(steps[:2]), steps[2])]
    )
    tries += [(steps[0], steps[1])] if len(steps) == 2 else []
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # nobody else is told what is read here, or by what
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    last: Exception | None = None
    for name, config in tries:
        try:
            builder = datasets.load_dataset_builder(name, config)
            builder.download_and_prepare()
            return _parts(builder.as_dataset(), source, (COPY,) if isinstance(builder, Cache) else ())
        except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
            last = last or error
        except Exception as error:  # the hub's client, HTTP and every builder have errors of their own
            last = error
            break
    raise _failed(source, last)


def _parts(found: Any, where: str, notes: tuple[str, ...] = ()) -> dict[str, raw.Part]:
    if not hasattr(found, "keys"):
        return {"train": partial(_read, found, where, notes)}
    parts: dict[str, raw.Part] = {
        SPLITS[name.lower()]: partial(_read, found[name], where, notes) for name in found if name.lower() in SPLITS
    }
    if "train" not in parts:
        names = list(found)
        if len(names) != 1:
            raise DataError(
                f"{where} has the splits {', '.join(names)} and none called train. Save the one you want with "
                "save_to_disk, and name its folder.",
                where=where,
                expected="train",
                got=", ".join(names),
            )
        parts = {"train": partial(_read, found[names[0]], where, notes)}
    return parts


def _read(dataset: Any, where: str, notes: tuple[str, ...], data: Data, most: raw.Most) -> raw.Raw:
    total = len(dataset)
    if total == 0:
        raise DataError(f"{where} has no rows.", where=where, fix="take another data set")
    limit = min((count for count in (most.rows, most.pictures) if count is not None), default=total)
    if not any(hasattr(feature, "decode_example") for feature in dataset.features.values()):
        limit = total if most.rows is None else most.rows  # no pictures in it
    dataset = dataset.select(range(min(limit, total)))
    columns = frames.of_dataset(dataset)
    kinds = {
        name: "image"
        for name, column in columns.items()
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    }
    labels = [name for name, feature in dataset.features.items() if hasattr(feature, "int2str")]
    target = labels[0] if len(labels) == 1 else None
    table = pa.table(columns).replace_schema_metadata(None)
    return raw.of(table, where, rows=total, kinds=kinds, target=target, notes=notes)


def _failed(source: str, error: Exception | None) -> DataError:
    said = _short(error)
    configs = re.search(r"available configs: \[([^\]]*)\]", said)
    if configs:
        names = ", ".join(f"{source}/{name.strip(chr(39))}" for name in configs[1].split(", "))
        return DataError(
            f"{source} is several data sets: {names}. Take one.", where=source, expected=names, got=source, fix=names
        )
    if "scripts are no longer supported" in said:
        why = "it is made by code of its own, which is never run"
    elif any(word in f"{type(error).__name__} {said}" for word in ("Connect", "Offline", "reach", "resolution")):
        why = "the hub cannot be reached"
    else:
        why = "there is no such data set, or it cannot be read"
    return DataError(
        f"{source}: {why} ({said}). Check the name and the network, or save the data set where there is one "
        "(save_to_disk) and write hf:./FOLDER.",
        where=source,
        expected="hf:name, hf:owner/name or hf:name/config",
        got=source,
        fix="check the name and the network, or use hf:./FOLDER",
    )


def _short(error: Exception | None) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
