#!/bin/bash
# Waves: simulations on all nodes feed networks that learn from them.
#   qsub -A PROJECT pbs/waves-pbs.sh
#   On Aurora: SITE=aurora, and above: -l select=2 -l filesystems=flare
#PBS -l select=2:system=polaris
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:eagle
#PBS -q debug
#PBS -j oe
#PBS -k doe
#PBS -r y
SIMS=${SIMS:-64} GRID=${GRID:-512} STEP_SECONDS=${STEP_SECONDS:-0.5} RUNS=${RUNS:-./runs}
cd "${PBS_O_WORKDIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
# shellcheck disable=SC2086 # SHOAL is a command with its words
exec ${SHOAL:-node bin/shoal.mjs} run waves --launcher pbs --site "${SITE:-polaris}" --walltime 1h \
  --sims "$SIMS" --grid "$GRID" --step-seconds "$STEP_SECONDS" \
  --runs "$RUNS" --name "waves-${PBS_JOBID%%.*}" --go-on --json
