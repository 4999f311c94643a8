"""What a folder's name says: real or fake, a split, that it holds masks or thumbnails; most names say nothing.

A name is read by its words: Fake_Images, FakeImages and 1_fake hold the word fake, realistic does not hold real.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import NamedTuple

import swift_plugins  # noqa: F401

SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def _words(text: str) -> set[str]:
    return {*text.split()}


TOPICS = {"nature", "natural"}  # as often what is seen in an image
NOT_ALONE = TOPICS | {"original", "originals"}  # as often those of a size
CLASSES = {
    "real": _words("real reals authentic genuine pristine bonafide original originals natural"),
    "fake": _words(
        "fake fakes ai aigc generated synthetic synthesized synthesised deepfake deepfakes tampered manipulated forged "
        "spoof"
    ),
}
_OF_BOTH = _words("vs versus or and both mixed")
_NEGATIONS = _words("not non no never")
_NEGATED = _words("unreal unnatural inauthentic nonreal notreal nonfake notfake")
_FILLERS = _words("image images img imgs photo photos picture pictures face faces frame frames set data full")
# What goes with images. The first are told by a name's last word (casia2_groundtruth); of the others nothing but such
# words may stand there, for "depth" may end a generator's name.
_MASKS = _words("mask masks gt gts groundtruth groundtruths thumb thumbs thumbnail thumbnails")
_BESIDE = _MASKS | _words(
    "edge edges depth depths depthmap depthmaps annotation annotations labels segmentation segmentations heatmap "
    "heatmaps landmark landmarks preview previews binary matte mattes trimap trimaps seg overlay overlays saliency "
    "contour contours bbox bboxes gtmask gtmasks"
)
_SAYS_LITTLE = _FILLERS.union(SPLIT_OF, *CLASSES.values())
_EDGES = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])")
# Names of one thing, of which a part says another: RealVisXL and Real-ESRGAN are generators.
_JOINED = re.compile(r"(ground)[\W_]?(truth)|(real)[\W_]?(vis|esrgan)", re.I)
_OF_AN_IMAGE = re.compile(rf"(.{{1,200}}?)[ _.-]{{1,3}}(?:[a-z]{{0,9}}masks?|{'|'.join(sorted(_BESIDE))})", re.I)


class Mark(NamedTuple):
    """The class that a name states, "" for none.

    `exact`: it says nothing else, but for a number, and `bare`: by the word real or fake itself; `negated`: it denies a
    class.
    """

    label: str = ""
    exact: bool = False
    bare: bool = False
    negated: bool = False


def words_of(name: str) -> list[str]:
    """AI-GeneratedImages_2 -> ai, generated, images, 2"""
    joined = _JOINED.sub(lambda match: "".join(filter(None, match.groups())).lower(), name)
    return [word.lower() for word in _EDGES.split(joined) if word]


@functools.lru_cache(maxsize=65_536)
def class_of(name: str) -> Mark:
    """What a folder's name says of its images; real_vs_fake, which names both classes, says nothing."""
    if name.lower() == "nature":  # GenImage's reals, beside ai
        return Mark("real", exact=True)
    words = [word for word in words_of(name) if not word.isdigit()]
    said = {label for label, of in CLASSES.items() if not of.isdisjoint(words)}
    classes = set().union(*CLASSES.values())
    pairs = [*itertools.pairwise(words)]
    if ("human", "generated") in pairs or any(word in _NEGATIONS and of in classes for word, of in pairs):
        return Mark(negated=True)
    if len(said) != 1 or not _OF_BOTH.isdisjoint(words) or goes_with_images(name):
        return Mark(negated=bool(words) and _NEGATED.issuperset({*words} - _FILLERS) and not _FILLERS.issuperset(words))
    label = said.pop()
    return Mark(label, classes.issuperset({*words} - {"full"}), words == [label])


@functools.lru_cache(maxsize=65_536)
def split_of(name: str) -> str:
    """The split that a folder's name states, "" for none: val, Training, test_images, train_real."""
    words = [word for word in words_of(name) if not word.isdigit()]
    found = {SPLIT_OF[word] for word in words if word in SPLIT_OF}
    return found.pop() if len(found) == 1 and _SAYS_LITTLE.issuperset(words) else ""


def says_little(name: str) -> bool:
    """Whether a name is of such words as a class, a split, images or frames alone."""
    words = {word for word in words_of(name) if not word.isdigit()}
    return bool(words) and words <= _SAYS_LITTLE


@functools.lru_cache(maxsize=65_536)
def goes_with_images(name: str) -> bool:
    """Whether a folder is called as one of masks, thumbnails, edges or the like: Masks, fake_masks, Tp_groundtruth."""
    words = [word for word in words_of(name) if not word.isdigit()]
    only = not _BESIDE.isdisjoint(words) and {*words} <= _SAYS_LITTLE | _BESIDE | {"of"}
    return only or (bool(words) and (words[-1] in _MASKS or words[-1].endswith(("mask", "masks"))))


def pairs_with(stem: str) -> str:
    """The stem of the image whose mask or thumbnail a file is called, "" where it is called none: 7 of 7_mask."""
    found = _OF_AN_IMAGE.fullmatch(stem)
    return found[1] if found else ""
