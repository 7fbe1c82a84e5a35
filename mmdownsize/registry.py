"""The registries of mmdownsize, children of mmengine's.

``type='mmdownsize.NAME'`` in any OpenMMLab config finds it by itself: mmengine imports this module by the scope's name. It stays
light: what needs mmdet or mmsegmentation is imported when it is asked for by name, so that a segmentation user needs no mmdet.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

from mmdownsize.refusal import MissingPackage

# For 'mmdownsize::NAME' in mmengine.hub and in `_base_`. The name of a module, not of the distribution: of an editable install
# mmengine would take the folder of the distribution's metadata for the package; what is no distribution it looks up as a module.
MODULE2PACKAGE['mmdownsize'] = 'mmdownsize.registry'


def _is_distribution(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


# mmengine looks 'mmseg::NAME' up under the name of a distribution. The maintained fork has another one (and a source tree on
# the path has none): then, too, by the module.
if find_spec('mmseg') is not None and not _is_distribution(MODULE2PACKAGE['mmseg']):
    MODULE2PACKAGE['mmseg'] = 'mmseg'

# What to install beside the fork of mmengine, in place of what is named below: the two sets do not mix.
_FORKS = {
    'mmcv': 'onedl-mmcv==2.3.6',
    'mmdet': 'onedl-mmdetection==3.5.1',
    'mmseg': 'onedl-mmsegmentation==1.4.2',
    'mmpretrain': 'onedl-mmpretrain==1.3.6',
}
_ON_DEMAND = {
    'DetDownsizePreprocessor': ('mmdownsize.preprocessors.det', 'mmdet', 'mmdet==3.3.0'),
    'MultiBranchDownsizePreprocessor': ('mmdownsize.preprocessors.det', 'mmdet', 'mmdet==3.3.0'),
    'SegDownsizePreprocessor': ('mmdownsize.preprocessors.seg', 'mmseg', 'mmsegmentation==1.2.2'),
    'ClsDownsizePreprocessor': ('mmdownsize.preprocessors.cls', 'mmpretrain', 'mmpretrain==1.2.0'),
    'FeatureMatching': ('mmdownsize.fitting.feature_matching', 'mmengine', 'mmengine'),
    'ShiftedDataset': ('mmdownsize.evaluation.shifted', 'mmengine', 'mmengine'),
    'LogLikelihood': ('mmdownsize.evaluation.log_likelihood', 'mmengine', 'mmengine'),
    'PairDownsizePreprocessor': ('mmdownsize.preprocessors.pair', 'mmengine', 'mmengine'),
    'SegPairDownsizePreprocessor': ('mmdownsize.preprocessors.seg', 'mmseg', 'mmsegmentation==1.2.2'),
    'SelfDistilledEncoderDecoder': ('mmdownsize.fitting.self_distillation', 'mmseg', 'mmsegmentation==1.2.2'),
    'EfficientNetLite': (
        'mmdownsize.models.efficientnet_lite',
        'efficientnet_lite_pytorch',
        'efficientnet-lite-pytorch',
    ),
    'VGG': ('mmdownsize.models.vgg', 'mmcv', 'mmcv==2.1.0'),
    'TextureUpsample': ('mmdownsize.layers.upsample', 'mmengine', 'mmengine'),
    'TextureInterpConv': ('mmdownsize.layers.unet', 'mmseg', 'mmsegmentation==1.2.2'),
    'TextureRoIExtractor': ('mmdownsize.layers.roi_extractor', 'mmdet', 'mmdet==3.3.0'),
    **dict.fromkeys(('TextureFPN', 'TexturePAFPN'), ('mmdownsize.layers.fpn', 'mmdet', 'mmdet==3.3.0')),
    **dict.fromkeys(
        ('RefineDetVGG16', 'RefineDetNeck', 'RefineDetHead'), ('mmdownsize.models.refinedet', 'mmdet', 'mmdet==3.3.0')
    ),
    **dict.fromkeys(
        ('EarthMoversLoss', 'QualityHead'), ('mmdownsize.models.image_quality', 'mmpretrain', 'mmpretrain==1.2.0')
    ),
    **dict.fromkeys(
        ('QualityMetric', 'RatingDataset'), ('mmdownsize.evaluation.ratings', 'mmpretrain', 'mmpretrain==1.2.0')
    ),
    **dict.fromkeys(('SPResNetV1c', 'SPHead'), ('mmdownsize.models.spnet', 'mmseg', 'mmsegmentation==1.2.2')),
    **dict.fromkeys(
        ('LargeSeparableConv', 'PSRoIAlignExtractor', 'LightRoIHead'),
        ('mmdownsize.models.light_head_rcnn', 'mmdet', 'mmdet==3.3.0'),
    ),
}


class OnDemandRegistry(Registry):
    """A registry that imports some of its modules only when they are asked for."""

    def get(self, key: str) -> type | None:
        """Return the class of that name, or None: see mmengine's ``Registry.get``.

        Raises:
            ImportError: If it needs a package that is not installed.
        """
        name = key.rpartition('.')[2] if isinstance(key, str) else None
        if name in _ON_DEMAND and key in (name, f'{self.scope}.{name}'):
            module, package, requirement = _ON_DEMAND[name]
            if find_spec(package) is None:
                if _is_distribution('onedl-mmengine'):
                    requirement = _FORKS.get(package, requirement)
                raise MissingPackage(
                    f'{name} needs {package}, which is not installed: pip install {requirement}', name=package
                )
            import_module(module)
        return super().get(key)


MODELS = OnDemandRegistry(
    'model', parent=MMENGINE_MODELS, scope='mmdownsize', locations=['mmdownsize.preprocessors.build']
)
HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope='mmdownsize',
    locations=[
        'mmdownsize.hooks.exact_resume',
        'mmdownsize.hooks.keep_checkpoints',
        'mmdownsize.fitting.train_only',
        'mmdownsize.hooks.visualization',
    ],
)
METRICS = OnDemandRegistry(
    'metric', parent=MMENGINE_METRICS, scope='mmdownsize', locations=['mmdownsize.evaluation.feature_error']
)
DATASETS = OnDemandRegistry('dataset', parent=MMENGINE_DATASETS, scope='mmdownsize')
