"""Pictures that tasks drew as SVG, made safe to stand in a page: what is not a plain drawing is taken out."""

from __future__ import annotations

import re
from xml.etree import ElementTree

MOST_BYTES = 400_000
ELEMENTS = """
svg g path rect circle ellipse line polyline polygon text tspan title desc image defs clipPath linearGradient stop
marker
"""
ATTRIBUTES = """
x y x1 x2 y1 y2 cx cy r rx ry dx dy d points width height viewBox preserveAspectRatio transform class fill stroke
fill-opacity stroke-opacity opacity stroke-width stroke-dasharray stroke-linecap stroke-linejoin font-size font-weight
font-family text-anchor dominant-baseline alignment-baseline role aria-label offset stop-color stop-opacity
gradientUnits id clip-path fill-rule shape-rendering image-rendering
"""
# Values may name a colour, a number, a variable or a part of the same drawing; nothing that fetches or runs.
VALUE = re.compile(r"^(?:(?!url\(|javascript:|expression|@import).|url\(#[\w-]+\))*$", re.IGNORECASE | re.DOTALL)
VIEW = re.compile(r"^\S+\s+\S+\s+(\d+(?:\.\d+)?)\s")
PICTURE = re.compile(r"^data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]+$")


def safe(svg: str) -> str:
    """The drawing with scripts, links, styles that fetch and unknown parts taken out; "" if it is no SVG, or huge."""
    if len(svg) > MOST_BYTES or "<!" in svg.replace("<!--", ""):
        return ""
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError:
        return ""
    if _name(root.tag) != "svg":
        return ""
    _clean(root)
    if "width" not in root.attrib and (size := VIEW.match(root.get("viewBox", ""))):
        root.set("width", size[1])  # its own size; the page makes it narrower where there is less room
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element) -> None:
    element.tag = _name(element.tag)
    for attribute, value in list(element.attrib.items()):
        del element.attrib[attribute]
        short = _name(attribute)
        picture = short == "href" and element.tag == "image" and PICTURE.match(value)
        if picture or (short in ATTRIBUTES.split() and VALUE.match(value)):
            element.set(short, value)
    for child in list(element):
        if isinstance(child.tag, str) and _name(child.tag) in ELEMENTS.split():
            _clean(child)
        else:
            element.remove(child)


def _name(tag: str) -> str:
    """Without its namespace: inside a page none is needed."""
    return tag.rpartition("}")[2]
