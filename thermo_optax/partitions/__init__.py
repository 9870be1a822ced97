"""WHICH law of motion for which layer?"""

from ._adlala import adlala as adlala
from ._labels import label_layers as label_layers
from ._lala import lala as lala
from ._lol import lol as lol
