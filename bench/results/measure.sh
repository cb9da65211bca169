#!/usr/bin/env bash
# Measures everything and writes results/latest.md: machine, commit, and each
# command with its output. Runs from the root of the repository; needs bin/pemba.
#
#   TUPLES=1000000   size of the populations
#   LARGE=10000000   size of the large ones, 0 = none (needs some 6 GB of memory)
#   COUNT=10         runs of each Go benchmark
#   ROUNDS=10        rounds of the load generator
set -euo pipefail

tuples=${TUPLES:-1000000} large=${LARGE:-10000000} count=${COUNT:-10} rounds=${ROUNDS:-10}
out=bench/results/latest.md
part=$(mktemp)
trap 'rm -f "$part"' EXIT

# shows runs a command and appends it and what it prints.
shows() {
	echo "== $*" >&2
	{
		printf '\n```\n$ %s\n' "$*"
		"$@" 2>&1 | grep -v '^\(goos\|goarch\|pkg\|cpu\|PASS\|ok\|---\)' || true
		printf '```\n'
	} >>"$part"
}

title() { printf '\n## %s\n' "$1" >>"$part"; }

inprocess() { # of a number of tuples
	shows env PEMBA_BENCH_TUPLES="$1" go test -run '^$' -bench '^Benchmark(IAM|NestedDenied|Caveat|List)$' -count "$count" -benchtime 0.5s -timeout 2h ./bench
	shows env PEMBA_BENCH_TUPLES="$1" go test -run '^$' -bench '^Benchmark(Growth|Cores|BesideWriter|Resident)$' -benchtime 1x -timeout 2h ./bench
}

{
	echo "# Results of the last run"
	echo
	echo "Written by \`make bench-results\`; what the figures mean stands in bench/DESIGN.md."
	echo
	echo "- time: $(date -u +%FT%TZ)"
	echo "- commit: $(git describe --tags --always --dirty)"
	echo "- machine: $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ {printf "%.0f GB", $2/1048576}' /proc/meminfo), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
	echo "- $(go version | cut -d ' ' -f 3-4), $(uname -sr)"
} >"$part"

title "In this process, $tuples tuples"
inprocess "$tuples"
if [ "$large" -gt 0 ]; then
	title "In this process, $large tuples"
	inprocess "$large"
	title "Import, restart, snapshot, collector, $large tuples"
	shows env PEMBA_BENCH_TUPLES="$large" go test -run '^$' -bench '^Benchmark(Import|Restart|Snapshot|Collector)$' -benchtime 1x -timeout 2h ./bench
fi

title "Over gRPC, beside an echo"
shows bin/pemba bench --spawn --tuples "$tuples" --cache-size 0 --callers 1,64,256 --rounds "$rounds"
shows bin/pemba bench --spawn --tuples "$tuples" --callers 64 --rounds "$rounds"
shows bin/pemba bench --spawn --tuples "$tuples" --op stream --callers 1,4 --in-flight 64 --rounds "$rounds"
for batch in 32 128; do
	shows bin/pemba bench --spawn --tuples "$tuples" --op batch --batch "$batch" --callers 16 --rounds "$rounds"
	shows bin/pemba bench --spawn --tuples "$tuples" --op stream --batch "$batch" --callers 2 --in-flight 16 --rounds "$rounds"
done
shows bin/pemba bench --spawn --tuples "$tuples" --op list-objects,list-subjects --organizations 5 --callers 4 --rounds "$rounds"
shows bin/pemba bench --spawn --tuples "$tuples" --op write --callers 64 --rounds "$rounds"
if [ "$large" -gt 0 ]; then
	shows bin/pemba bench --spawn --tuples "$large" --cache-size 0 --callers 64 --rounds "$rounds"
fi

title "The other workloads"
for workload in docs social nested; do
	shows bin/pemba bench --spawn --tuples "$tuples" --workload "$workload" --cache-size 0 --callers 64 --rounds "$rounds"
done

cp "$part" "$out"
echo "wrote $out" >&2
