"""Drawings of charts, kept in the workspace until their figures change.

Vega-Lite specs are drawn without a browser. A kept drawing is used again while its figures, the
code that draws and the libraries' versions stay: most days most charts are yesterday's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration.core.atomic_write import write_if_changed
from orchestration.report import charts, formatting


def svg(folder: Path, name: str, spec_of: Callable[..., dict[str, Any]], *figures: Any) -> str:
    """Draw `spec_of(*figures)` as SVG to be put into a page.

    XML namespaces, which look like addresses, are removed: HTML needs none. Ids are prefixed with
    the chart's name, since two charts of one page would clip each other by the same id.

    Args:
        folder: where drawings are kept.
        name: of the chart, unique in the folder.
        spec_of: the function that makes the spec.
        figures: its arguments.
    """

    def draw() -> bytes:
        import vl_convert

        svg = vl_convert.vegalite_to_svg(spec_of(*figures), allowed_base_urls=[])
        svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg, count=2)
        svg = re.sub(r'(id="|url\(#)(\w+)', rf"\g<1>{name}-\g<2>", svg)
        return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).encode()

    return _kept(folder / f"{name}.svg", draw, spec_of, figures).decode()


def png(folder: Path, name: str, spec_of: Callable[..., dict[str, Any]], *figures: Any) -> bytes:
    """Draw `spec_of(*figures)` as PNG; the arguments are those of `svg`."""

    def draw() -> bytes:
        import vl_convert

        return vl_convert.vegalite_to_png(spec_of(*figures), scale=1.5, allowed_base_urls=[])

    return _kept(folder / f"{name}.png", draw, spec_of, figures)


def _kept(
    path: Path, draw: Callable[[], bytes], spec_of: Callable[..., Any], figures: tuple[Any, ...]
) -> bytes:
    """The kept drawing of these very figures, or else a new one, which is then kept.

    A file's first line is a hash of the figures and of the drawing: a file cut short is redrawn.
    """
    key = repr((_drawn_by(), spec_of.__name__, figures)).encode()

    def heading(drawing: bytes) -> bytes:
        return hashlib.sha256(key + drawing).hexdigest().encode()

    with suppress(OSError):
        first, _, drawing = path.read_bytes().partition(b"\n")
        if first == heading(drawing):
            return drawing
    drawing = draw()
    with suppress(OSError):  # it is drawn again next time
        write_if_changed(path, heading(drawing) + b"\n" + drawing)
    return drawing


@lru_cache(maxsize=1)
def _drawn_by() -> tuple[str, ...]:
    """The hash of the code that draws, and the versions of the libraries."""
    files = (__file__, charts.__file__, formatting.__file__)
    code = b"".join(Path(str(file)).read_bytes() for file in files)
    return hashlib.sha256(code).hexdigest(), version("altair"), version("vl-convert-python")
