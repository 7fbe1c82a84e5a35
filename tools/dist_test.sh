#!/usr/bin/env bash
# Test a checkpoint on several GPUs of one or more machines.
#
# tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
#
# Without GPUs the processes run on CPUs. Environment, with defaults:
#   NNODES=1, MASTER_ADDR=127.0.0.1, PORT=29500   the same on every machine
#   NODE_RANK=0                                   the machine's own number
#   PYTHON=python                                 the interpreter
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '4s/^# /usage: /p' "$0" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" --nproc-per-node "$3" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    "$tools/test.py" "$1" "$2" --launcher pytorch "${@:4}"
