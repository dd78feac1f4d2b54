#!/bin/bash
# Waves: simulations on all nodes feed networks that learn from them.
#   sbatch -A ACCOUNT -p PARTITION pbs/waves-slurm.sh
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
SIMS=${SIMS:-64} GRID=${GRID:-512} STEP_SECONDS=${STEP_SECONDS:-0.5} RUNS=${RUNS:-./runs}
cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
# shellcheck disable=SC2086 # SHOAL is a command with its words
exec ${SHOAL:-node bin/shoal.mjs} run waves --launcher slurm --walltime 1h \
  --sims "$SIMS" --grid "$GRID" --step-seconds "$STEP_SECONDS" \
  --runs "$RUNS" --name "waves-${SLURM_JOB_ID}" --go-on --json
