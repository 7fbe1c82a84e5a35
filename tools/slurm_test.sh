#!/usr/bin/env bash
# Test a checkpoint on a Slurm cluster.
#
# tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
#
# Environment, with defaults:
#   GPUS=8            one process each
#   GPUS_PER_NODE=8   or GPUS, if that is less
#   CPUS_PER_TASK=5
#   SRUN_ARGS=        more arguments of srun, separated by blanks
#   PYTHON=python     the interpreter
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '4s/^# /usage: /p' "$0" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
read -ra more <<<"${SRUN_ARGS:-}"
exec srun --partition "$1" --job-name "$2" \
    --ntasks "$gpus" --ntasks-per-node "$per_node" --gres "gpu:$per_node" --cpus-per-task "${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 ${more[@]+"${more[@]}"} \
    "${PYTHON:-python}" -u "$tools/test.py" "$3" "$4" --launcher slurm "${@:5}"
