"""The registries of mmdownsize, children of mmengine's.

mmengine imports this module by the scope's name when a config says ``type='mmdownsize.NAME'``. The module is light: a class that
needs mmdet or mmsegmentation is imported when a config names it, so a segmentation user needs no mmdet.
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

from mmdownsize.pins import requirement
from mmdownsize.refusal import MissingPackage

# For 'mmdownsize::NAME' in mmengine.hub and in `_base_`. The name of a module, not of the distribution: in an editable install
# mmengine would take the folder of the distribution's metadata for the package. A name that is no distribution is a module to it.
MODULE2PACKAGE['mmdownsize'] = 'mmdownsize.registry'


def _is_distribution(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


# mmengine looks 'mmseg::NAME' up under the name of a distribution. The maintained fork has another name, and a source tree on the
# path has none: there, too, the module's name is right.
if find_spec('mmseg') is not None and not _is_distribution(MODULE2PACKAGE['mmseg']):
    MODULE2PACKAGE['mmseg'] = 'mmseg'

# Class: the module that registers it when it is asked for, and the package that this module needs.
_ON_DEMAND = {
    'DetDownsizePreprocessor': ('mmdownsize.preprocessors.det', 'mmdet'),
    'MultiBranchDownsizePreprocessor': ('mmdownsize.preprocessors.det', 'mmdet'),
    'SegDownsizePreprocessor': ('mmdownsize.preprocessors.seg', 'mmseg'),
    'SegPairDownsizePreprocessor': ('mmdownsize.preprocessors.seg', 'mmseg'),
    'PairDownsizePreprocessor': ('mmdownsize.preprocessors.pair', 'mmengine'),
    'ClsDownsizePreprocessor': ('mmdownsize.preprocessors.cls', 'mmpretrain'),
    'FeatureMatching': ('mmdownsize.fitting.feature_matching', 'mmengine'),
    'SelfDistilledEncoderDecoder': ('mmdownsize.fitting.self_distillation', 'mmseg'),
    'ClassIoU': ('mmdownsize.evaluation.class_iou', 'mmseg'),
    'FeatureError': ('mmdownsize.evaluation.feature_error', 'mmengine'),
    'LogLikelihood': ('mmdownsize.evaluation.log_likelihood', 'mmengine'),
    'ShiftedDataset': ('mmdownsize.evaluation.shifted', 'mmengine'),
    'QualityMetric': ('mmdownsize.evaluation.ratings', 'mmpretrain'),
    'RatingDataset': ('mmdownsize.evaluation.ratings', 'mmpretrain'),
    'EfficientNetLite': ('mmdownsize.models.efficientnet_lite', 'efficientnet_lite_pytorch'),
    'VGG': ('mmdownsize.models.vgg', 'mmcv'),
    'RefineDetVGG16': ('mmdownsize.models.refinedet', 'mmdet'),
    'RefineDetNeck': ('mmdownsize.models.refinedet', 'mmdet'),
    'RefineDetHead': ('mmdownsize.models.refinedet', 'mmdet'),
    'LargeSeparableConv': ('mmdownsize.models.light_head_rcnn', 'mmdet'),
    'PSRoIAlignExtractor': ('mmdownsize.models.light_head_rcnn', 'mmdet'),
    'LightRoIHead': ('mmdownsize.models.light_head_rcnn', 'mmdet'),
    'SPResNetV1c': ('mmdownsize.models.spnet', 'mmseg'),
    'SPHead': ('mmdownsize.models.spnet', 'mmseg'),
    'EarthMoversLoss': ('mmdownsize.models.image_quality', 'mmpretrain'),
    'QualityHead': ('mmdownsize.models.image_quality', 'mmpretrain'),
    'ImportanceDownsample': ('mmdownsize.layers.downsample', 'mmengine'),
    'TextureUpsample': ('mmdownsize.layers.upsample', 'mmengine'),
    'TextureInterpConv': ('mmdownsize.layers.unet', 'mmseg'),
    'TextureRoIExtractor': ('mmdownsize.layers.roi_extractor', 'mmdet'),
    'TextureFPN': ('mmdownsize.layers.fpn', 'mmdet'),
    'TexturePAFPN': ('mmdownsize.layers.fpn', 'mmdet'),
}


class OnDemandRegistry(Registry):
    """A registry that imports some of its modules only when they are asked for."""

    def get(self, key: str) -> type | None:
        """Return the class of that name, here or above; None if there is none.

        Raises:
            ImportError: If it needs a package that is not installed.
        """
        name = key.rpartition('.')[2] if isinstance(key, str) else None
        if name in _ON_DEMAND and key in (name, f'{self.scope}.{name}'):
            module, package = _ON_DEMAND[name]
            if find_spec(package) is None:
                missing = requirement(package, forks=_is_distribution('onedl-mmengine'))
                raise MissingPackage(
                    f'{name} needs {package}, which is not installed: pip install {missing}', name=package
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
        'mmdownsize.hooks.last_validation',
        'mmdownsize.hooks.plain_checkpoints',
        'mmdownsize.fitting.train_only',
        'mmdownsize.hooks.visualization',
    ],
)
# Every registry has a location. Of one without, mmengine says in the log that mmdownsize is not installed.
METRICS = OnDemandRegistry('metric', parent=MMENGINE_METRICS, scope='mmdownsize', locations=['mmdownsize.evaluation'])
DATASETS = OnDemandRegistry(
    'dataset', parent=MMENGINE_DATASETS, scope='mmdownsize', locations=['mmdownsize.evaluation']
)
