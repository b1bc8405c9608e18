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
