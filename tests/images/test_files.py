"""Image files: found, read upright, written with what was known of them, and never over what was read."""

import os
import re

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from mmdownsize import resize_image
from mmdownsize.images import files
from mmdownsize.images.files import find_images
from mmdownsize.images.many import resize_files
from mmdownsize.images.resize import how
from mmdownsize.refusal import Refusal

THIRD = how(None, 1 / 3, 'area')
PHOTO = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)


@pytest.fixture(autouse=True)
def _one_thread(single_thread):
    pass


def resized(source, target, **settings):
    return resize_files([source], str(target), THIRD, **settings)


def test_images_of_folders_and_those_named(tmp_path):
    (tmp_path / 'inside').mkdir()
    named, below = tmp_path / 'named.dat', tmp_path / 'inside' / 'b.PNG'
    for path in (named, below, tmp_path / 'inside' / 'notes.txt'):
        path.touch()
    assert find_images([named, tmp_path / 'inside']) == [named, below]
    with pytest.raises(Refusal, match=r'no such file or folder: .*gone'):
        find_images([tmp_path / 'gone'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(Refusal, match=r'no image in .*empty; known: \.bmp'):
        find_images([tmp_path / 'empty'])


def test_a_photograph_is_turned_upright_and_keeps_what_is_known_of_it(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # lies on its side
    exif[ExifTags.Base.Make] = 'a camera'
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 18
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    rows, cols = np.meshgrid(np.arange(12) * 20, np.arange(18) * 14, indexing='ij')
    smooth = np.stack([rows, cols, np.full_like(rows, 90)], -1).astype(np.uint8)
    known = dict(exif=exif, icc_profile=profile, dpi=(300, 300))
    Image.fromarray(smooth).save(tmp_path / 'photo.jpg', **known)
    for name in ('small.jpg', 'small.png', 'small.webp', 'small.tiff'):
        done = resized(tmp_path / 'photo.jpg', tmp_path / name)
        assert done.written == [(tmp_path / name, (12, 18), (4, 6))] and not done.refused
        small = Image.open(tmp_path / name)
        small.load()
        assert small.size == (4, 6) and small.info['icc_profile'] == profile
        upright = resize_image(np.rot90(np.asarray(Image.open(tmp_path / 'photo.jpg')), -1), (4, 6))
        assert np.abs(np.asarray(small).astype(int) - upright).mean() < 15  # WebP halves the colours' resolution
        kept = small.getexif()
        assert kept[ExifTags.Base.Make] == 'a camera' and ExifTags.Base.Orientation not in kept
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 4
        if name != 'small.webp':
            assert small.info['dpi'] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'LA', 'I;16', 'P', '1'])
def test_images_of_all_kinds(mode, tmp_path):
    image = Image.fromarray(PHOTO).convert('RGBA' if mode == 'RGBA' else 'L' if mode in ('LA', 'I;16') else mode)
    image = Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257) if mode == 'I;16' else image.convert(mode)
    image.save(tmp_path / 'image.png')
    resized(tmp_path / 'image.png', tmp_path / 'small.png')
    small = Image.open(tmp_path / 'small.png')
    assert small.mode == {'P': 'RGB', '1': 'L'}.get(mode, mode)
    assert np.array_equal(np.asarray(small), np.asarray(resize_image(Image.open(tmp_path / 'image.png'), (6, 4))))


def test_a_folder_keeps_its_shape_and_one_bad_image_does_not_stop_the_others(tmp_path):
    photos = tmp_path / 'photos'
    (photos / 'summer').mkdir(parents=True)
    for name in ('a.png', 'summer/b.JPG'):
        Image.fromarray(PHOTO).save(photos / name)
    (photos / 'broken.png').write_bytes((photos / 'a.png').read_bytes()[:200])
    (photos / 'text.jpg').write_text('no image')
    (photos / 'notes.txt').write_text('not looked at')
    Image.fromarray(PHOTO[:1]).save(photos / 'line.png')
    out = photos / 'small'  # inside: what is written is not read by the next call
    for overwrite in (False, True):
        done = resized(photos, out, overwrite=overwrite)
        assert sorted(path.relative_to(out).as_posix() for path, _, _ in done.written) == ['a.png', 'summer/b.JPG']
        assert sorted(path.name for path in out.rglob('*.*')) == ['a.png', 'b.JPG']
        broken, line, text = done.refused
        assert broken.startswith(f'{photos}/broken.png cannot be read as an image: ')
        assert line.startswith(f'{photos}/line.png: scale_factor=') and 'ask for a larger target' in line
        assert text == f'{photos}/text.jpg is no image, or of a format that Pillow does not know'


def test_several_files_need_a_folder(tmp_path):
    sources = [tmp_path / 'a.png', tmp_path / 'b.png']
    for source in sources:
        Image.fromarray(PHOTO).save(source)
    assert len(resize_files(sources, f'{tmp_path}/new', THIRD).written) == 2
    assert resized(sources[0], f'{tmp_path}/other/').written[0][0] == tmp_path / 'other/a.png'
    assert (tmp_path / 'new/b.png').is_file() and (tmp_path / 'other/a.png').is_file()
    with pytest.raises(Refusal, match=r'b\.png is a file, and several images need a folder'):
        resize_files(sources, str(sources[1]), THIRD)


@pytest.mark.parametrize('way', ['itself', 'its folder', 'a link', 'another one', 'a link to its folder'])
def test_what_is_read_is_never_overwritten(way, tmp_path):
    source, other = tmp_path / 'in/photo.png', tmp_path / 'in/other.png'
    source.parent.mkdir()
    for path in (source, other):
        Image.fromarray(PHOTO).save(path)
    before = source.read_bytes(), other.read_bytes()
    (tmp_path / 'link.png').symlink_to(source)
    (tmp_path / 'linked').symlink_to(source.parent)
    sources, out = {
        'itself': ([source], source),
        'its folder': ([source], source.parent),
        'a link': ([source], tmp_path / 'link.png'),
        'another one': ([source.parent], tmp_path / 'linked'),
        'a link to its folder': ([source], tmp_path / 'linked/photo.png'),
    }[way]
    with pytest.raises(Refusal, match='is one of the images to be read, which are never overwritten'):
        resize_files(sources, str(out), THIRD, overwrite=True)
    assert (source.read_bytes(), other.read_bytes()) == before


def test_what_exists_is_replaced_only_if_asked(tmp_path):
    for name in ('a', 'b'):
        Image.fromarray(PHOTO).save(tmp_path / f'{name}.png')
    (tmp_path / 'out').mkdir()
    for name in ('a', 'b'):
        (tmp_path / f'out/{name}.png').write_text('precious')
    sources = [tmp_path / 'a.png', tmp_path / 'b.png']
    with pytest.raises(Refusal, match=r'out/a\.png and 1 more exists already: .* --overwrite'):
        resize_files(sources, f'{tmp_path}/out', THIRD)
    assert (tmp_path / 'out/b.png').read_text() == 'precious'
    resize_files(sources, f'{tmp_path}/out', THIRD, overwrite=True)
    assert Image.open(tmp_path / 'out/b.png').size == (6, 4)


def test_two_images_are_not_written_to_one_file(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        Image.fromarray(PHOTO).save(tmp_path / name / 'photo.png')
    with pytest.raises(Refusal, match=r'a/photo\.png and .*b/photo\.png would both be written to .*out/photo\.png'):
        resize_files([tmp_path / 'a', tmp_path / 'b'], f'{tmp_path}/out', THIRD)
    assert not (tmp_path / 'out').exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    Image.fromarray(PHOTO).save(tmp_path / 'photo.png')

    def full_disk(descriptor):
        if os.fstat(descriptor).st_size:
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmdownsize.storage.os.fsync', full_disk)
    with pytest.raises(OSError, match=r'cannot write .*small\.png: No space left'):
        resized(tmp_path / 'photo.png', tmp_path / 'small.png')
    assert [path.name for path in tmp_path.iterdir()] == ['photo.png']


def sixteen_bits(path):
    cv2.imwrite(str(path), PHOTO.astype(np.uint16) * 257)


def two_frames(path):
    frames = [Image.fromarray(PHOTO), Image.fromarray(255 - PHOTO)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def for_printing(path):
    Image.fromarray(PHOTO).convert('CMYK').save(path)


@pytest.mark.parametrize(
    ('name', 'make', 'out', 'message'),
    [
        ('a.png', sixteen_bits, 'b.png', r"a\.png has 16 bits a colour.*cv2\.imread\(path, -1\).*colour='bgr'"),
        ('a.tiff', sixteen_bits, 'b.png', r'a\.tiff has 16 bits a colour'),
        ('a.gif', two_frames, 'b.gif', r'a\.gif has 2 frames'),
        ('a.jpg', for_printing, 'b.jpg', r"a\.jpg: an image of mode CMYK .*convert\('RGB'\)"),
        ('a.png', Image.new('RGBA', (9, 9)).save, 'b.jpg', r'b\.jpg cannot hold .* RGBA .*write it as \.png'),
        ('a.png', Image.new('I;16', (9, 9)).save, 'b.jpg', r'b\.jpg cannot hold an image of mode I;16'),
    ],
)
def test_what_cannot_be_kept_is_refused(name, make, out, message, tmp_path):
    make(tmp_path / name)
    done = resized(tmp_path / name, tmp_path / out)
    assert not done.written and not (tmp_path / out).exists()
    (refused,) = done.refused
    assert re.search(message, refused), refused


def test_a_photograph_with_a_preview_is_its_first_frame(tmp_path):
    frames = [Image.fromarray(PHOTO), Image.fromarray(PHOTO[::2, ::2])]
    frames[0].save(tmp_path / 'photo.jpg', format='MPO', save_all=True, append_images=frames[1:])
    assert Image.open(tmp_path / 'photo.jpg').n_frames == 2
    assert resized(tmp_path / 'photo.jpg', tmp_path / 'small.jpg').written[0][1:] == ((18, 12), (6, 4))


def test_every_suffix_that_is_looked_for_can_be_written(tmp_path):
    for suffix in files.SUFFIXES:
        assert files.format_of(tmp_path / f'a{suffix.upper()}')
    with pytest.raises(Refusal, match=r'a\.xyz: no image format of this name can be written; known: \.bmp'):
        files.format_of(tmp_path / 'a.xyz')
