#!/bin/bash
#SBATCH --job-name=dqn-nature
#SBATCH --array=0-1%20
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --time=1-00:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=17026M
#SBATCH --gres=gpu:1
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=/data/nature/jobs/1/%a.log
#SBATCH --qos=long

SUITE=/data/nature
SCRIPT=/data/nature/jobs/1/submit.sh
PYTHON=(/data/env/bin/python)
TRAIN=(--preset nature --device cuda --threads 4)
ATTEMPTS=3
RETRY_SECONDS=60
PER_JOB=2
RUNS=(
  'pong 0'
  'breakout 0'
  'pong 1'
)
module load cuda gcc
source /data/env/bin/activate
