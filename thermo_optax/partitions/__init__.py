"""WHICH law of motion for which layer?"""

from ._labels import label_layers as label_layers
from ._layers import adlala as adlala
from ._layers import lala as lala
from ._layers import lol as lol
