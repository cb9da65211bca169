#!/usr/bin/env bash
# Measures pemba beside an OpenFGA, and a SpiceDB if one runs, on this machine, and
# writes results/peers-WORKLOAD.md. Runs from the root of the repository; needs
# bin/pemba and bin/peers (make build; go -C bench/peers build -o ../../bin/peers .).
#
#   OPENFGA=path          an openfga binary; the script starts and ends it
#   POSTGRES=uri          an empty database for it, for the larger population
#   POSTGRES_PID=number   its postmaster, so that its processor time counts
#   SPICEDB=host:port     a server that runs already, with SPICEDB_TOKEN and
#                         SPICEDB_PID; its schema and tuples are replaced
#   WORKLOADS="docs iam social nested"
#   ROUNDS=3 SECONDS_EACH=2
set -euo pipefail

workloads=${WORKLOADS:-docs iam social nested} rounds=${ROUNDS:-3} each=${SECONDS_EACH:-2}
address=127.0.0.1:18081
server=
trap 'stop' EXIT

stop() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
	server=
}

# start runs an openfga with some flags. Its lists are to be complete, so they
# have no most and a late deadline.
start() {
	stop
	if [ "${2:-}" = postgres ]; then "$OPENFGA" migrate --datastore-engine postgres --datastore-uri "$POSTGRES" >/dev/null 2>&1; fi
	"$OPENFGA" run --grpc-addr "$address" --http-enabled=false --metrics-addr 127.0.0.1:18082 --log-level error \
		--listUsers-max-results 0 --listUsers-deadline 2m --listObjects-deadline 2m --request-timeout 2m "$@" &
	server=$!
	for _ in $(seq 100); do
		if (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; then return; fi
		sleep 0.1
	done
	echo "openfga does not answer" >&2
	exit 1
}

# measure WORKLOAD FLAGS... appends a section of the report.
measure() {
	local workload=$1 file=bench/results/peers-$1.md.new others=()
	shift
	if [ -n "$server" ]; then others+=(--openfga "$address" --openfga-pid "$server${pids:-}"); fi
	if [ -n "${SPICEDB:-}" ]; then
		others+=(--spicedb "$SPICEDB" --token "${SPICEDB_TOKEN:-}" --replace)
		if [ -n "${SPICEDB_PID:-}" ]; then others+=(--spicedb-pid "$SPICEDB_PID"); fi
	fi
	echo "== $workload $*" >&2
	bin/peers --spawn bin/pemba "${others[@]}" --workload "$workload" --rounds "$rounds" --duration "${each}s" \
		--markdown "$file" "$@" >/dev/null
}

measured() { # a workload, with servers as they are by themselves, then with what they have for speed
	local questions=500 ops=check,batch:1,list-objects,list-subjects,write
	if [ "$1" = nested ]; then questions=100; fi
	pids=
	if [ -n "${OPENFGA:-}" ]; then start --datastore-engine memory; fi
	measure "$1" --note "OpenFGA in memory" --tuples 10k --callers 1,16 --op "$ops" --questions "$questions"
	if [ -z "${OPENFGA:-}" ] || [ -z "${POSTGRES:-}" ]; then return; fi
	pids=${POSTGRES_PID:+,$POSTGRES_PID}
	# With the 30 connections of its default, a batch of 50 checks was seen to wait for itself.
	local postgres=(--datastore-engine postgres --datastore-uri "$POSTGRES" --datastore-max-open-conns 90)
	start "${postgres[@]}"
	measure "$1" --note "OpenFGA on PostgreSQL" --tuples 100k --callers 1,16 --op "$ops" --questions "$questions"
	start "${postgres[@]}" --check-query-cache-enabled --check-iterator-cache-enabled
	measure "$1" --note "OpenFGA on PostgreSQL, with its caches" --tuples 100k --callers 1,16 --op check --questions "$questions" --lists 0
}

for workload in $workloads; do
	file=bench/results/peers-$workload.md
	{
		echo "# pemba beside its peers: $workload"
		echo
		echo "Written by \`bench/results/peers.sh\`, for $(bin/pemba --version). README.md beside this file says how to repeat it and how to read it."
		if command -v postgres >/dev/null; then
			echo
			echo "PostgreSQL, where OpenFGA uses it: $(postgres --version), with its default configuration."
		fi
	} >"$file.new"
	measured "$workload"
	mv "$file.new" "$file"
	echo "wrote $file" >&2
done
