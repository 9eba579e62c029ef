"""Pictures of waste on a tray, drawn from random numbers, for the simulated camera and for training.

The same Generator state gives the same pixels; nothing is kept between calls outside the objects made here.
"""

from __future__ import annotations

from edge.render.hand import render_hand
from edge.render.items import KINDS, LABELS, Sprite, render_item
from edge.render.thing import render_thing
from edge.render.tray import Light, Placed, Tray

__all__ = ["KINDS", "LABELS", "Light", "Placed", "Sprite", "Tray", "render_hand", "render_item", "render_thing"]
