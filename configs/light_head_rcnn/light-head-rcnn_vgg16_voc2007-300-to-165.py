# Light-Head R-CNN on PASCAL VOC 2007: images with a short side of 300 px are downsized to 165 px before the model.
_base_ = './light-head-rcnn_vgg16_voc2007-800_plain.py'

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=0.55
    ),
    # 8 to 128 px: about the same part of an image of 165 px as the paper's 32 to 512 px of one of 800 px.
    rpn_head=dict(anchor_generator=dict(scales=[0.5, 1, 2, 4, 8])),
)

# The short side becomes 300 px. The limit of 500 px for the long side only matters for panoramas.
resize = dict(type='Resize', scale=(500, 300), keep_ratio=True)
train_pipeline = [resize if step.type == 'Resize' else step for step in _base_.train_pipeline]
test_pipeline = [resize if step.type == 'Resize' else step for step in _base_.test_pipeline]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# The rate of Faster R-CNN with VGG16, 1e-3 for 2 images, in proportion to the batch: without batch norms VGG16 does not
# tolerate the paper's rate.
optim_wrapper = dict(optimizer=dict(lr=4e-3))
