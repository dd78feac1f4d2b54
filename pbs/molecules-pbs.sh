#!/bin/bash
# Molecules: an active-learning campaign over all nodes.
#   qsub -A PROJECT pbs/molecules-pbs.sh
#   On Aurora: SITE=aurora, and above: -l select=2 -l filesystems=flare
#PBS -l select=2:system=polaris
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:eagle
#PBS -q debug
#PBS -j oe
#PBS -k doe
#PBS -r y
INITIAL=${INITIAL:-8} MAX=${MAX:-24} POLICY=${POLICY:-continuous} RUNS=${RUNS:-./runs}
cd "${PBS_O_WORKDIR:-.}" || exit 1
export SHOAL_JOB_ENDS=$(($(date +%s) + 3600))
# shellcheck disable=SC2086 # SHOAL is a command with its words
exec ${SHOAL:-node bin/shoal.mjs} run molecules --launcher pbs --site "${SITE:-polaris}" --walltime 1h \
  --initial "$INITIAL" --max "$MAX" --policy "$POLICY" \
  --runs "$RUNS" --name "molecules-${PBS_JOBID%%.*}" --go-on --json
