import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import trees
from PIL import Image

from catdog_helpers import CatdogError
from catdog_helpers.files import checks, images
from catdog_helpers.files.images import read_image


def test_an_image_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 11, 3)).astype("uint8")
    image = read_image(trees.saved(tmp_path / "a.png", Image.fromarray(pixels), "PNG"))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, pixels)


def test_an_image_is_resized_to_a_square_with_antialiasing(tmp_path):
    stripes = np.zeros((64, 128, 3), "uint8")
    stripes[:, ::2] = 200
    image = read_image(trees.saved(tmp_path / "a.png", Image.fromarray(stripes), "PNG"), 16)
    assert image.shape == (16, 16, 3)
    assert abs(image[:, 1:-1].astype(int) - 100).max() <= 2


@pytest.mark.parametrize("side", [96, 200, 400])
def test_a_large_jpeg_is_shrunk_faithfully_while_it_is_decoded(side, tmp_path):
    blocks = np.random.default_rng(0).integers(0, 256, (side // 4, side // 4, 3)).astype("uint8")
    pixels = np.kron(blocks, np.ones((4, 4, 1), "uint8"))
    path = trees.saved(tmp_path / "a.jpg", Image.fromarray(pixels), "JPEG", quality=95)
    with Image.open(path) as image:
        plain = np.asarray(image.resize((25, 25), Image.Resampling.BILINEAR))
    difference = np.abs(read_image(path, 25).astype(int) - plain)
    assert difference.mean() < 4  # of sharp blocks; 15 and more if shrunk too far


def mean_color(path):
    return read_image(path).mean((0, 1)).round().astype(int).tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_formats_that_training_takes_are_decoded_whatever_their_name(kind, tmp_path):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = trees.saved(tmp_path / "a.jpg", Image.new("RGB", (9, 5), (255, 0, 0)), kind, **options)
    np.testing.assert_allclose(mean_color(path), [255, 0, 0], atol=1)
    assert read_image(path).shape == (5, 9, 3)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "1", "CMYK"])
def test_pixel_modes_become_color(mode, tmp_path):
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    path = trees.saved(tmp_path / "a", image, "JPEG" if mode == "CMYK" else "PNG")
    np.testing.assert_allclose(mean_color(path), [255] * 3, atol=2)


def test_transparency_is_dropped_not_blended(tmp_path):
    red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert mean_color(trees.saved(tmp_path / "a.png", red, "PNG")) == [255, 0, 0]


def test_of_16_bits_the_high_byte_is_kept(tmp_path):
    values = np.array([[0, 255, 256, 40_000, 65_535]], "uint16")
    path = trees.saved(tmp_path / "a.png", Image.fromarray(values), "PNG")
    assert read_image(path)[0, :, 1].tolist() == [0, 0, 1, 156, 255]


def test_of_an_animation_the_first_frame_counts(tmp_path):
    assert read_image(trees.put(tmp_path / "a.gif", trees.two_frames())).max() < 60


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (trees.ZERO, "0 bytes"),
        (trees.TRUNCATED, f"looks like JPEG, {len(trees.TRUNCATED)} bytes (image file is trunc"),
        (trees.WITHOUT_END, f"looks like JPEG, {len(trees.WITHOUT_END)} bytes (image file is t"),
        (trees.HTML, "looks like HTML, starts with '<!doc', 33 bytes"),
        (trees.APPLE_DOUBLE, f"looks like AppleDouble, {len(trees.APPLE_DOUBLE)} bytes"),
        (bytes(50), "looks like zeros only, 50 bytes"),
        (b"no image at all", "unknown file type, 15 bytes"),
        (b"....ftypheic....", "looks like HEIC, 16 bytes"),
        (b"7z\xbc\xaf\x27\x1c", "looks like 7z, 6 bytes"),
        (b"\x1f\x8b\x08", "looks like gzip, 3 bytes"),
        (trees.encoded(Image.new("RGB", (9, 9)), "TIFF"), "looks like TIFF"),
        (trees.encoded(Image.new("RGB", (9, 9)), "PNG")[:-30], "looks like PNG"),
    ],
)
def test_what_cannot_be_decoded_is_described(content, reason, tmp_path):
    path = trees.put(tmp_path / "a.jpg", content)
    with pytest.raises(CatdogError) as caught:
        read_image(path, 16)
    assert str(caught.value).startswith(f"{path.as_posix()} cannot be decoded: {reason}")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "not enough memory"), (OSError(5, "disk error"), "disk error")],
)
def test_what_is_not_the_fault_of_the_bytes_is_not_put_down_to_them(
    error, reason, tmp_path, monkeypatch
):
    def fail(*arguments, **options):
        raise error

    path = trees.put(tmp_path / "a.jpg")
    with monkeypatch.context() as context:
        context.setattr(Image, "open", fail)
        with pytest.raises(CatdogError, match=f"a.jpg cannot be read: {reason}$"):
            read_image(path)
    assert read_image(path).shape == (trees.SIDE, trees.SIDE, 3)  # nothing is remembered


def test_heic_says_how_to_get_on(tmp_path, monkeypatch):
    path = trees.put(tmp_path / "a.jpg", b"....ftypheic....")
    monkeypatch.setattr(images, "_HEIC_ADVICE", "; convert it")  # as without pillow-heif
    with pytest.raises(CatdogError, match=r"looks like HEIC, 16 bytes; convert it$"):
        read_image(path)


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path):
    pytest.importorskip("pillow_heif", reason="needs the extra [heic]")
    tree = trees.official(tmp_path / "t")
    path = trees.saved(tree / "train" / "cats" / "a.HEIC", Image.new("RGB", (64, 48)), "HEIF")
    assert read_image(path).shape == (48, 64, 3)
    report = checks.check(tree)
    assert path in [image.path for image in report.images]
    assert report.problems == ()
    trees.put(path, path.read_bytes()[:-20])
    assert "looks like HEIC" in checks.check(tree).errors[0].text


def test_palettes_with_transparency_are_decoded_without_a_warning(tmp_path):
    image = Image.new("P", (40, 40))
    path = trees.saved(tmp_path / "a.png", image, "PNG", transparency=bytes([9] * 256))
    with Image.open(path) as opened, pytest.warns(UserWarning, match="Transparency"):
        opened.convert("RGB")
    with warnings.catch_warnings(record=True) as caught:
        read_image(path, 20)
    assert caught == []


def test_a_file_that_is_missing_or_a_folder_is_described(tmp_path):
    with pytest.raises(CatdogError, match=r"none.jpg cannot be read: \w+"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(CatdogError, match="cannot be read: not a regular file"):
        read_image(tmp_path)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(CatdogError, match="not a regular file"):
        read_image(tmp_path / "a.jpg")


def huge_png(side):
    """Return a small PNG file that says it is huge."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_huge_image_is_refused_before_it_fills_the_memory(side, tmp_path):
    path = trees.put(tmp_path / "a.png", huge_png(side))
    refused = pytest.raises(CatdogError, match=r"looks like PNG, \d+ bytes \(.*pixels")
    with warnings.catch_warnings(record=True) as caught, refused:
        read_image(path)
    assert caught == []


@pytest.mark.parametrize(
    ("orientation", "red"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"),
     (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)  # fmt: skip
def test_the_exif_orientation_is_applied_at_any_size(orientation, red, tmp_path):
    path = trees.put(tmp_path / "a.jpg", trees.red_left(orientation))
    shape = (40, 60, 3) if red in ("left", "right") else (60, 40, 3)
    assert read_image(path).shape == shape
    for image in (read_image(path), read_image(path, 20)):
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        halves = {
            "left": image[:, :columns], "right": image[:, columns:],
            "top": image[:rows], "bottom": image[rows:],
        }  # fmt: skip
        assert max(halves, key=lambda half: halves[half][..., 0].mean()) == red


def test_images_with_a_damaged_exif_block_are_decoded_without_a_warning(tmp_path):
    content = trees.red_left(6)
    start = content.index(b"Exif\0\0") + 6
    tree = trees.kaggle(tmp_path / "t", n=4)
    damaged = []
    for position in range(start, start + 26):
        changed = content[:position] + b"\xff" + content[position + 1 :]
        damaged.append(trees.put(tree / f"cat.{position}.jpg", changed))
    with (
        pytest.warns(UserWarning),  # each version of Pillow has its own text
        Image.open(damaged[14]) as image,
    ):
        image.getexif()
    with warnings.catch_warnings(record=True) as caught:
        shapes = {tuple(sorted(read_image(path).shape)) for path in damaged}
        assert checks.check(tree).errors == ()  # decodes in threads
    assert shapes == {(3, 40, 60)}
    assert caught == []
    upright = list(map(read_image, damaged))
    with warnings.catch_warnings():
        warnings.resetwarnings()  # python -W error begins so
        warnings.simplefilter("error")
        for path, image in zip(damaged, upright, strict=True):
            np.testing.assert_array_equal(read_image(path), image)


def test_an_unreadable_exif_block_is_ignored(tmp_path):
    pixels = np.zeros((4, 6, 3), "uint8")
    path = trees.saved(
        tmp_path / "a.png", Image.fromarray(pixels), "PNG", exif=b"Exif\0\0no TIFF file"
    )
    with Image.open(path) as image, pytest.raises(SyntaxError):
        image.getexif()
    np.testing.assert_array_equal(read_image(path), pixels)
