"""Installs mmdownsize and nothing else: an existing OpenMMLab environment keeps every package it has."""

from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    line = (ROOT / 'mmdownsize' / 'version.py').read_text().splitlines()[-1]
    return line.split("'")[1]


def pinned(*names: str) -> list[str]:
    lines = [line for name in names for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()]
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


# The compiled kernels: a plain library that ctypes loads. Without a C++ compiler the package installs and works without.
CSRC = 'mmdownsize/ops/csrc'
native = Extension(
    'mmdownsize.ops._native',
    [f'{CSRC}/downsize.cpp'],
    depends=[f'{CSRC}/tile.inc'],
    language='c++',
    extra_compile_args=['-std=c++17', '-O3', '-fopenmp', '-fno-math-errno', '-fno-trapping-math', '-Wno-psabi'],
    extra_link_args=['-fopenmp'],
    optional=True,
)

setup(
    name='mmdownsize',
    version=version(),
    description='A learned, texture-aware image downsizer in front of any mmdet or mmseg model',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['mmdownsize', 'mmdownsize.*']),
    package_data={'mmdownsize': ['py.typed']},
    ext_modules=[native],
    install_requires=[],
    extras_require={
        'openmmlab': pinned('torch', 'mmcv', 'openmmlab'),
        'deploy': pinned('deploy'),
        'test': pinned('test'),
        'docs': pinned('docs'),
    },
)
