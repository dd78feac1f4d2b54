#!/bin/bash
# The benchmarks, on one node: CASES names some, as in CASES="stores actors".
#   sbatch -A ACCOUNT -p PARTITION pbs/bench-slurm.sh
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
CASES=${CASES:-}
cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
node bin/setup.mjs && exec node dist/benchmarks/main.js $CASES
