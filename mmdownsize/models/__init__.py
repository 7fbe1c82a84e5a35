"""Networks that mmdet and mmseg do not have. No module needs another one. Each is imported when its name is first used."""
