#!/bin/sh
# Runs a durable node with the cloud example loaded, until Ctrl-C.
# Usage: examples/run.sh [path of the pemba binary]; PEMBA_DATA_DIR and
# PEMBA_GRPC_ADDR say where.
set -eu

pemba=${1:-bin/pemba}
here=$(dirname "$0")
ready=$(mktemp -d)

# Beside the node, which becomes this process: wait for it, load, say what to try.
(
	while [ ! -f "$ready/addr" ]; do
		kill -0 $$ 2>/dev/null || { rm -rf "$ready"; exit; }
		sleep 0.05
	done
	addr=$(cat "$ready/addr")
	rm -rf "$ready"
	"$pemba" import "$here/cloud.yaml" --addr "$addr" >/dev/null
	flag=
	[ "$addr" = 127.0.0.1:50051 ] || flag=" --addr $addr"
	cat <<TRY

The cloud example is loaded. In another terminal, try:

  $pemba check$flag instance:web-1 delete user:olga
  $pemba check$flag folder:prod set_access_bindings user:eve
  $pemba tuple read$flag folder:prod

Ctrl-C stops the node; its data stays.
TRY
) &
exec "$pemba" serve --addr-file "$ready/addr" --log-level warn
