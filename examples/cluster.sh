#!/bin/sh
# Runs three nodes on loopback, which found a cluster, until Ctrl-C.
# Usage: examples/cluster.sh [path of the pemba binary]; PEMBA_DATA_DIR says
# where they keep their data, PEMBA_FIRST_PORT which ports they take: six from
# there on.
set -eu

pemba=${1:-bin/pemba}
dir=${PEMBA_DATA_DIR:-./pemba-cluster}
port=${PEMBA_FIRST_PORT:-50051}
unset PEMBA_DATA_DIR

addr() { echo "127.0.0.1:$((port + $1 - 1))"; }
all=$(addr 1),$(addr 2),$(addr 3)

pids=
stop() {
	trap - INT TERM EXIT
	[ -z "$pids" ] || kill -INT $pids 2>/dev/null || true
	wait
}
trap stop INT TERM EXIT

mkdir -p "$dir"
for i in 1 2 3; do
	rm -f "$dir/addr$i"
	"$pemba" serve --node-id "n$i" --data-dir "$dir/n$i" --grpc-addr "$(addr $i)" \
		--raft-addr "127.0.0.1:$((port + 2 + i))" --join "$all" --bootstrap-expect 3 \
		--addr-file "$dir/addr$i" --admin-addr off --log-level warn &
	pids="$pids $!"
done
for i in 1 2 3; do
	while [ ! -s "$dir/addr$i" ]; do
		kill -0 $pids 2>/dev/null || exit 1
		sleep 0.1
	done
done

cat <<TRY

Three nodes run; data in $dir. In another terminal, try:

  export PEMBA_ADDR=$all
  $pemba cluster status
  $pemba import examples/cloud.yaml
  $pemba check instance:web-1 delete user:olga
  kill -9 ${pids##* }        # and ask again

Ctrl-C stops them; their data stays.
TRY
wait
