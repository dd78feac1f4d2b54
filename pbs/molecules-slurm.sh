#!/bin/bash
# Molecules: an active-learning campaign over all nodes.
#   sbatch -A ACCOUNT -p PARTITION pbs/molecules-slurm.sh
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
INITIAL=${INITIAL:-8} MAX=${MAX:-24} POLICY=${POLICY:-continuous} RUNS=${RUNS:-./runs}
cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
# shellcheck disable=SC2086 # SHOAL is a command with its words
exec ${SHOAL:-node bin/shoal.mjs} run molecules --launcher slurm --walltime 1h \
  --initial "$INITIAL" --max "$MAX" --policy "$POLICY" \
  --runs "$RUNS" --name "molecules-${SLURM_JOB_ID}" --go-on --json
