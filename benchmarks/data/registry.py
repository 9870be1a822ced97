"""The data sets the benchmarks know. A new one joins by a row of `DATA_SETS`.

Checksums are those of the original distribution files, so it does not matter from which
mirror, or from whose disk, a file comes.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a data set, as its authors distribute it; a place may hold it gzipped."""

    name: str
    sha256: str  # of the file as distributed, so not of a gzipped copy


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Files by the part they play, and where on the web they lie."""

    name: str  # also the folder that holds the files, in every place searched
    files: Mapping[str, File]
    mirrors: tuple[str, ...]  # base addresses, tried in this order


def _idx_images(
    name: str,
    mirrors: tuple[str, ...],
    checksums: tuple[str, ...],
    *,
    prefix: str = "",
    test: str = "t10k",
) -> DataSet:
    """A data set in the four files that MNIST established."""
    parts = {
        "train_images": f"{prefix}train-images-idx3-ubyte.gz",
        "train_labels": f"{prefix}train-labels-idx1-ubyte.gz",
        "test_images": f"{prefix}{test}-images-idx3-ubyte.gz",
        "test_labels": f"{prefix}{test}-labels-idx1-ubyte.gz",
    }
    files = {
        part: File(file, sha256)
        for (part, file), sha256 in zip(parts.items(), checksums, strict=True)
    }
    return DataSet(name, files, mirrors)


DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        _idx_images(
            "mnist",
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        _idx_images(
            "fashion-mnist",
            (
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
            (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        # No mirror: the publisher has them in one archive with five other data sets.
        _idx_images(
            "emnist-letters",
            (),
            (
                "6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f",
                "9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c",
                "50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d",
                "924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb",
            ),
            prefix="emnist-letters-",
            test="test",
        ),
        DataSet(
            "cifar10",
            {
                "archive": File(
                    "cifar-10-binary.tar.gz",
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                )
            },
            ("https://www.cs.toronto.edu/~kriz/",),
        ),
        # Lossy copies, where the archive above cannot be had; see `benchmarks.data.jpeg`.
        DataSet(
            "cifar10-jpeg",
            {
                "coefficients": File(
                    "cifar10_jpeg_dct.npz",
                    "5cfa965b8d3c597c38893832844780ad1aedefea2ef7408cd81e21d708de9f2c",
                )
            },
            (),
        ),
        # Its 3,258,246 bytes have a byte order mark and CRLF line ends. No checksum by its
        # publisher is known: this one is of the text with line ends that give that length.
        DataSet(
            "warpeace",
            {
                "text": File(
                    "warpeace_input.txt",
                    "fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e",
                )
            },
            ("https://cs.stanford.edu/people/karpathy/char-rnn/",),
        ),
        DataSet(
            "tinyshakespeare",
            {
                "text": File(
                    "input.txt",
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                )
            },
            ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
        ),
    )
}
