"""Networks that mmdet and mmseg lack; each module stands alone and is imported when its name is asked for."""
