"""Installs mmdownsize. An existing OpenMMLab environment keeps every package in the version that it has."""

import shutil
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM = ('configs', 'tools', 'model-index.yml')


def version() -> str:
    line = (ROOT / 'mmdownsize' / 'version.py').read_text().splitlines()[-1]
    return line.split("'")[1]


def pinned(*names: str) -> list[str]:
    lines = [line for name in names for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()]
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


class BuildWithMim(build_py):
    """Puts configs, tools and the model index where mmengine and mim look for them: in the package, in ``.mim``."""

    def run(self) -> None:  # noqa: D102
        super().run()
        # In an editable install the package is the source itself: links, which git ignores and the sdist leaves out.
        mim = (ROOT if self.editable_mode else Path(self.build_lib)) / 'mmdownsize' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM:
            if self.editable_mode:
                (mim / name).symlink_to(Path('..', '..', name))
            elif (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, mim / name, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
            else:
                shutil.copy2(ROOT / name, mim / name)


def compiled(room: str, source: str, *included: str, name: str = '_native') -> Extension:
    """Compiled kernels: a plain library that ctypes loads. Without a C++ compiler the package installs and works without."""
    folder = f'mmdownsize/{room}/csrc'
    return Extension(
        f'mmdownsize.{room.replace("/", ".")}.{name}',
        [f'{folder}/{source}'],
        depends=[f'{folder}/{name}' for name in included],
        language='c++',
        extra_compile_args=['-std=c++17', '-O3', '-fopenmp', '-fno-math-errno', '-fno-trapping-math', '-Wno-psabi'],
        extra_link_args=['-fopenmp'],
        optional=True,
    )


setup(
    name='mmdownsize',
    version=version(),
    description='A learned, texture-aware image downsizer before any mmdet or mmseg model',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    author='mmdownsize contributors',
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in (10, 11, 12)),
        'Topic :: Multimedia :: Graphics :: Graphics Conversion',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Processing',
        'Typing :: Typed',
    ],
    keywords=['image resizing', 'downsampling', 'object detection', 'semantic segmentation', 'OpenMMLab', 'PyTorch'],
    python_requires='>=3.10',
    packages=find_packages(include=['mmdownsize', 'mmdownsize.*']),
    include_package_data=False,  # or MANIFEST.in would decide what is installed
    package_data={'mmdownsize': ['py.typed', 'ops/backends/csrc/*', 'geometry/csrc/*', 'weights/*.safetensors']},
    ext_modules=[
        compiled('ops/backends', 'downsize.cpp', 'tile.inc', 'instruction_sets.h'),
        compiled('ops/backends', 'importance.cpp', 'importance_tile.inc', 'instruction_sets.h', name='_importance'),
        compiled('ops/backends', 'separable.cpp', 'separable_rows.inc', 'instruction_sets.h', name='_separable'),
        compiled('geometry', 'select.cpp'),
    ],
    cmdclass={'build_py': BuildWithMim},
    entry_points={'console_scripts': ['mmdownsize = mmdownsize.cli.main:main']},
    # What resizing needs besides torch, in any version. Not torch: pip would take another build than the one that a user wants.
    install_requires=['numpy', 'pillow', 'safetensors'],
    extras_require={
        'openmmlab': pinned('torch', 'mmcv', 'openmmlab'),
        'onedl': pinned('torch', 'onedl'),  # instead of openmmlab, never beside it: the same modules
        'deploy': pinned('deploy'),
        'test': pinned('test', 'mmpretrain'),
        'docs': pinned('docs'),
    },
)
