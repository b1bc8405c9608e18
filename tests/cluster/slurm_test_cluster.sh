#!/usr/bin/env bash
# Throw-away single-node SLURM on loopback, for the tests.  Usage: slurm_test_cluster.sh start|stop|status|env
# Needs: apt-get install -y --no-install-recommends slurm-wlm munge   (root only for that)
# Runs as root or as any ordinary user; no systemd, no cgroups, no /etc/slurm, no accounting.
set -euo pipefail
B=${SLURM_TEST_DIR:-${TMPDIR:-/tmp}/slurmtest-$(id -u)}        # everything lives here
CTLD_PORT=${SLURM_TEST_CTLD_PORT:-6817} D_PORT=${SLURM_TEST_D_PORT:-6818}
export PATH=$PATH:/usr/sbin:/sbin SLURM_CONF=$B/slurm.conf
H=$(hostname -s) ME=$(id -un)
A=$(getent ahostsv4 "$H" | awk 'NR==1{print $1}') || true

alive() {   # $1 = name: recorded pid is still that program started from $B (a zombie has no cmdline)
  local p; p=$(cat "$B/$1.pid" 2>/dev/null) &&
    tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -q "^$1 .*$B/"; }
spawn() {   # name cmd...: own session, output to a log, pid recorded
  local n=$1; shift; setsid "$@" >"$B/log/$n.out" 2>&1 </dev/null & echo $! >"$B/$n.pid"; }
wait_for() { # seconds what cmd...
  local end=$((SECONDS+$1)) w=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then echo "timeout: $w" >&2; tail -n 20 "$B"/log/* >&2; stop; exit 1; fi
    sleep 0.1; done; }
idle() { [ "$(sinfo -h -o %t)" = idle ]; }

start() {
  for n in munged slurmctld slurmd; do alive $n && { echo "$n already runs" >&2; exit 1; }; done
  # daemons and clients bind to whatever the host's own name resolves to, so it must be 127.0.0.1 (127.0.1.1 hangs srun)
  case $A:${SLURM_TEST_ANY_ADDR:-} in
    127.0.0.1:*|?*:1) ;;
    *) echo "host name $H resolves to '${A:-nothing}': add '127.0.0.1 $H' to /etc/hosts" >&2; exit 1 ;;
  esac
  rm -rf "$B"; mkdir -p -m 755 "$B"; mkdir -m 755 "$B"/{munge,state,spool,log}
  (umask 077; head -c 1024 /dev/urandom >"$B/munge/key")
  # real memory minus a margin: slurmd must find at least what is declared
  local mem; mem=$(awk '/MemTotal/{print int($2/1024*0.9)}' /proc/meminfo)
  cat >"$SLURM_CONF" <<EOF
ClusterName=test
SlurmctldHost=$H($A)
SlurmctldPort=$CTLD_PORT
SlurmdPort=$D_PORT
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$ME
SlurmdUser=$ME
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also the wait before a requeued job may start again (default 120 s)
AuthInfo=socket=$B/munge/socket,cred_expire=5
StateSaveLocation=$B/state
SlurmdSpoolDir=$B/spool
SlurmctldPidFile=$B/slurmctld.daemonpid
SlurmdPidFile=$B/slurmd.daemonpid
SlurmctldLogFile=$B/log/slurmctld.log
SlurmdLogFile=$B/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2
JobRequeue=1
ReturnToService=2
# lets the node declare more CPUs than it has, so that several test jobs run side by side
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=300
MaxArraySize=9
GresTypes=gpu
NodeName=$H NodeAddr=$A Gres=gpu:1 CPUs=${SLURM_TEST_CPUS:-8} RealMemory=$mem State=UNKNOWN
# a job in the one partition may take the place of one in the other
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=debug Nodes=$H Default=YES DefaultTime=2 MaxTime=10 State=UP PriorityTier=2 PreemptMode=OFF
PartitionName=spare Nodes=$H DefaultTime=2 MaxTime=10 State=UP PriorityTier=1
EOF
  echo "NodeName=$H Name=gpu File=/dev/null" >"$B/gres.conf"  # a GPU to ask for, not to use
  spawn munged munged --foreground --key-file="$B/munge/key" --socket="$B/munge/socket" \
    --pid-file="$B/munge/pid" --log-file="$B/log/munged.log" --seed-file="$B/munge/seed"
  wait_for 10 munge munge -n -S "$B/munge/socket"
  spawn slurmctld slurmctld -D -i -f "$SLURM_CONF"
  wait_for 20 slurmctld scontrol ping
  spawn slurmd slurmd -D -f "$SLURM_CONF"
  wait_for 30 "node idle" idle
  echo "up: export SLURM_CONF=$SLURM_CONF"
}
stop() {
  local n p i
  if alive slurmctld; then                       # end jobs first, so that no job step outlives slurmd
    timeout 10 squeue -h -o %A 2>/dev/null | sort -u | xargs -r timeout 10 scancel 2>/dev/null || true
    for i in $(seq 100); do [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break; sleep 0.1; done
  fi
  for n in slurmd slurmctld munged; do
    alive $n || { rm -f "$B/$n.pid"; continue; }
    p=$(cat "$B/$n.pid"); kill -TERM "$p"
    for i in $(seq 100); do alive $n || break; sleep 0.1; done
    alive $n && kill -KILL "$p"
    rm -f "$B/$n.pid"
  done
}
case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) for n in munged slurmctld slurmd; do alive $n && echo "$n $(cat "$B/$n.pid")" || echo "$n down"; done ;;
  env) echo "export SLURM_CONF=$SLURM_CONF" ;;
  *) echo "usage: $0 start|stop|status|env" >&2; exit 2 ;;
esac
