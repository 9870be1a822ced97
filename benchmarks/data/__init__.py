"""Where the benchmarks get their data: files found or fetched, and planar problems drawn."""

from benchmarks.data.files import MissingDataError as MissingDataError
from benchmarks.data.files import locate as locate
from benchmarks.data.images import ImageData as ImageData
from benchmarks.data.images import load_cifar10 as load_cifar10
from benchmarks.data.images import load_emnist_letters as load_emnist_letters
from benchmarks.data.images import load_images as load_images
from benchmarks.data.jpeg import load_cifar10_jpeg as load_cifar10_jpeg
from benchmarks.data.planar import PlanarData as PlanarData
from benchmarks.data.planar import spiral as spiral
from benchmarks.data.planar import trigonometric as trigonometric
from benchmarks.data.registry import DATA_SETS as DATA_SETS
from benchmarks.data.text import TextData as TextData
from benchmarks.data.text import load_text as load_text
