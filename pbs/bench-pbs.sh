#!/bin/bash
# The benchmarks, on one node: CASES names some, as in CASES="stores actors".
#   qsub -A PROJECT pbs/bench-pbs.sh
#   On Aurora: SITE=aurora, and above: -l select=1 -l filesystems=flare
#PBS -l select=1:system=polaris
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:eagle
#PBS -q debug
#PBS -j oe
#PBS -k doe
#PBS -r y
CASES=${CASES:-}
cd "${PBS_O_WORKDIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
node bin/setup.mjs && exec node dist/benchmarks/main.js $CASES
