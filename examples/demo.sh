#!/bin/sh
# Shows pemba at work, in under two minutes: start, load, ask, crash, restart,
# measure. Usage: examples/demo.sh [path of the pemba binary]
set -eu
exec 2>&1

pemba=${1:-bin/pemba}
here=$(dirname "$0")
tuples=${DEMO_TUPLES:-100000}
work=$(mktemp -d)
server=
client=
cleanup() {
	for process in $client $server; do kill -9 "$process" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*"; }
run() {
	printf '$ pemba %s\n' "$*"
	"$pemba" "$@" || [ $? -eq 1 ] # 1 is an answer: no
}

# start NAME ADDRESS: starts the node and waits until it is ready.
start() {
	rm -f "$work/addr"
	"$pemba" serve --data-dir "$work/data" --grpc-addr "$1" --addr-file "$work/addr" --log-level warn &
	server=$!
	while [ ! -f "$work/addr" ]; do
		kill -0 "$server" || exit 1
		sleep 0.05
	done
	PEMBA_ADDR=$(cat "$work/addr")
	export PEMBA_ADDR
}

step "Start a node in a temporary directory"
start 127.0.0.1:0

step "Load the cloud example, and $tuples generated tuples beside it"
run import "$here/cloud.yaml"
run bench --load-only --tuples "$tuples"
run cluster status

step "Ask: allowed"
run check instance:web-1 delete user:olga
echo "Why? web-1 lies in a folder of a cloud of an organization that olga owns:"
for filter in 'instance:web-1#folder' 'folder:prod#cloud' 'cloud:shop#organization' 'organization:acme#organizations_owner'; do
	"$pemba" tuple read "$filter" | sed 's/^/    /'
done
run check --json instance:web-1 delete user:olga

step "Ask: allowed through three nested groups"
run check instance:web-1 get user:pat
for filter in 'cloud:shop@group' 'group:department#member' 'group:team#member' 'group:payments@user:pat'; do
	"$pemba" tuple read "$filter" | sed 's/^/    /'
done

step "Ask: denied"
run check folder:prod set_access_bindings user:eve
echo "Why? eve is an editor of the folder, and an editor assigns no roles:"
"$pemba" tuple read 'folder:prod@user:eve' | sed 's/^/    /'

step "Ask: it depends"
run check folder:prod set_access_bindings user:nina
run check folder:prod set_access_bindings user:nina --context '{"source": "10.1.2.3"}'

step "Kill the node with -9 during writes"
seq 1 1000000 | sed 's/.*/group:crash#member@user:w&/' |
	"$pemba" tuple write - --batch 1 --print --timeout 30s >"$work/acknowledged" &
client=$!
written() { wc -l <"$work/acknowledged" | tr -d ' '; }
# await N: waits until the client has N writes acknowledged.
await() {
	while [ "$(written)" -lt "$1" ]; do
		kill -0 "$client" 2>/dev/null || { echo "the client ended after $(written) acknowledged writes"; exit 1; }
		sleep 0.02
	done
}
await 200
kill -9 "$server"
wait "$server" 2>/dev/null || true
before=$(written)
echo "$before writes were acknowledged when the node died"

step "Restart it; the client, which was writing, goes on by itself"
start "$PEMBA_ADDR"
await $((before + 200))
kill -INT "$client"
wait "$client" || true
client=
"$pemba" tuple read group:crash --latest | sort >"$work/stored"
sort "$work/acknowledged" >"$work/sorted"
lost=$(comm -23 "$work/sorted" "$work/stored" | wc -l | tr -d ' ')
echo "$(written) acknowledged, $(wc -l <"$work/stored" | tr -d ' ') stored, $lost acknowledged writes lost"
[ "$lost" -eq 0 ]

step "Ten seconds of load: 64 callers, uniform random questions, no question asked twice"
run bench --op check --compare=false --callers 64 --duration 10s --rounds 1 --tuples "$tuples"

step "Check beside an echo of the same server"
run bench --callers 64 --duration 1s --rounds 3 --tuples "$tuples"

step "Stop it"
kill -INT "$server"
wait "$server"
server=
echo "done"
