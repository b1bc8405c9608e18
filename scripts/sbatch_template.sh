#!/bin/bash
# An array of trainings for SLURM, to be edited by hand: `sbatch sbatch_template.sh`.
# `repro submit` makes the same script, and knows what is done or queued already.
#
# An element of the array is a job. Near its time limit, or when it is preempted, its runs save
# themselves and it goes back into the queue; a finished run is skipped; one that fails ATTEMPTS
# times in a row without progress is given up, with the reason in RUN/failure.json; remove that
# file to have it tried again.

#SBATCH --job-name=dqn
#SBATCH --array=0-5%20
#SBATCH --time=24:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=8513M
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=dqn-%A-%a.log
# As your cluster wants it (remove one # to use a line):
##SBATCH --partition=gpu
##SBATCH --account=my_project
##SBATCH --gres=gpu:1

# --array: from 0 to the number of RUNS / PER_JOB, less 1; after % how many may run at a time.
# --mem: that of one run's replay of a million steps, and a margin; times PER_JOB.
# --signal: how many seconds before the limit the runs save themselves.

SUITE=$HOME/results/nature  # on a file system that every node shares
SCRIPT=$HOME/sbatch_template.sh  # this file; needed only where nodes have no scontrol
PYTHON=($HOME/atari-repro/.venv/bin/python)
# Flags of `repro train`. A fixed number of threads gives the same run on every attempt.
TRAIN=(--preset nature --device cpu --threads 1)
ATTEMPTS=3
RETRY_SECONDS=60
PER_JOB=1
RUNS=(
  'pong 0'
  'breakout 0'
  'space_invaders 0'
  'pong 1'
  'breakout 1'
  'space_invaders 1'
)
# Here go `module load ...` and the like.

# --- nothing to change below ---------------------------------------------------------
# Part of every job's script; it needs bash 4.2 and the variables in capitals, set above it.

index=${SLURM_ARRAY_TASK_ID:-0}
job=${SLURM_ARRAY_JOB_ID:-0}_$index
pids=() stop="" interrupted="" left="" result=0

ended() {  # "GAME SEED": finished, or given up
  local run="$SUITE/${1% *}/seed-${1#* }"
  [ -e "$run/done.json" ] || [ -e "$run/failure.json" ]
}
forward() {  # the runs write a checkpoint and end
  local pid
  stop=${stop:-$1}
  for pid in "${pids[@]}"; do kill -s "$1" "$pid" 2>/dev/null; done
}
trap 'forward USR1' USR1  # the time limit is near
trap 'forward TERM' TERM  # the job is being ended: preemption, requeue, scancel

# Each run of this element has a watcher, which tries again after a failure.
for run in "${RUNS[@]:index*PER_JOB:PER_JOB}"; do
  ended "$run" && continue
  "${PYTHON[@]}" -m repro.job --attempts "$ATTEMPTS" --retry-seconds "$RETRY_SECONDS" \
    "$SUITE" "${run% *}" "${run#* }" "${TRAIN[@]}" &
  pids+=($!)
done
[ "$stop" ] && forward "$stop"  # it came while they were being started

for pid in "${pids[@]}"; do
  while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done  # a signal ends `wait`, not the run
  wait "$pid"
  case $? in
    0) ;;
    138 | 143) interrupted=yes ;;  # saved
    *) result=1 ;;
  esac
done
for run in "${RUNS[@]:index*PER_JOB:PER_JOB}"; do
  ended "$run" || left="$left $run;"
done

[ "$left" ] || exit $result
[ "$stop$interrupted" ] || { echo "$job ended without a result:$left"; exit 1; }
trap '' USR1 TERM  # a requeue sends TERM, which must not end it half-way
if command -v scontrol >/dev/null; then
  for pause in 1 2 4 8 15; do  # SLURM's controller may be restarting
    said=$(scontrol show job "$job") && break
    said="" && sleep "$pause"
  done
  case $said in
    *JobState=RUNNING*)
      echo "$job goes back into the queue:$left"
      scontrol requeue "$job" && exit ;;
    *JobState=*)  # ended from outside: queued again by SLURM itself, or not wanted
      echo "$job is being ended, unfinished:$left"
      exit 1 ;;
  esac
fi
if [ "$stop" = USR1 ]; then
  echo "$job leaves a job to go on with:$left"
  sbatch --dependency="afterany:$job" --array="$index" "$SCRIPT" && exit
fi
echo "$job ends, unfinished:$left"
exit 1
