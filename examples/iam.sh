#!/bin/sh
# Shows the IAM layer: an instance group that runs as a service account, who may
# do what in its folder, and what happens to those who should not. Takes seconds.
# Usage: examples/iam.sh [path of the pemba binary]
set -eu
exec 2>&1

pemba=${1:-bin/pemba}
work=$(mktemp -d)
server=
cleanup() {
	[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*"; }
run() {
	printf '$ pemba iam %s\n' "$*"
	"$pemba" iam "$@" || [ $? -eq 1 ] # 1 is an answer: no
}
refused() {
	printf '$ pemba iam %s\n' "$*"
	if "$pemba" iam "$@"; then exit 1; fi
}

step "Start a node with a master key"
(umask 077 && "$pemba" iam master-key >"$work/master.key")
"$pemba" serve --data-dir "$work/data" --grpc-addr 127.0.0.1:0 --addr-file "$work/addr" --admin-addr off \
	--iam-master-key-file "$work/master.key" --log-level warn &
server=$!
while [ ! -f "$work/addr" ]; do
	kill -0 "$server" || exit 1
	sleep 0.05
done
PEMBA_ADDR=$(cat "$work/addr")
export PEMBA_ADDR
cd "$work"
case $pemba in */*) case $pemba in /*) ;; *) pemba=$OLDPWD/$pemba ;; esac ;; esac

step "The first organization, cloud and folder, and their owner"
run init --key-file owner.json --organization acme | tee made
export PEMBA_IAM_KEY_FILE=owner.json
organization=$(awk '$1 == "organization_id" { print $2 }' made)
cloud=$(awk '$1 == "cloud_id" { print $2 }' made)

step "A folder; an account that deploys, and one that the group of machines runs as"
folder=$("$pemba" iam folder create shop --cloud "$cloud")
deployer=$("$pemba" iam account create deployer --folder "$folder")
runner=$("$pemba" iam account create runner --folder "$folder")
"$pemba" iam key create --account "$deployer" --out deployer.json >key
run account list "$folder"
run binding add "folder/$folder" compute.editor "serviceAccount:$deployer" "serviceAccount:$runner"

step "To let machines run as an account takes the right to use that account"
refused resource register compute.instanceGroup/web --in "folder/$folder" --account "$runner" --iam-key-file deployer.json
run binding add "account/$runner" iam.serviceAccounts.user "serviceAccount:$deployer"
run resource register compute.instanceGroup/web --in "folder/$folder" --account "$runner" --iam-key-file deployer.json
refused account delete "$runner"

step "What a service asks on each request: may this caller do this here?"
run authorize compute.instanceGroup/web compute.instanceGroups.update "serviceAccount:$deployer" --explain
run authorize "compute.instance/web-1,folder/$folder" compute.instances.create "serviceAccount:$runner"
run authorize "folder/$folder" resource-manager.folders.updateAccessBindings "serviceAccount:$deployer"

step "Users and groups"
ann=$("$pemba" iam user add ann --organization "$organization")
admins=$("$pemba" iam group create admins --organization "$organization")
run group add "$admins" "userAccount:$ann"
run binding add "cloud/$cloud" admin "group:$admins"
run why "folder/$folder" compute.instances.delete "userAccount:$ann"
run who "folder/$folder" compute.instances.delete

step "A leaked token"
token=$("$pemba" iam token --iam-key-file deployer.json)
echo "$token" | run authenticate -
echo "$token" | run token revoke -
echo "$token" | refused authenticate - --latest

step "The last owner of a cloud stays, and nobody makes himself one"
owner=$(awk '$1 == "service_account_id" { print $2 }' made)
refused binding remove "cloud/$cloud" resource-manager.clouds.owner "serviceAccount:$owner"
refused binding add "cloud/$cloud" resource-manager.clouds.owner "serviceAccount:$deployer" --iam-key-file deployer.json

step "Stop it"
kill -INT "$server"
wait "$server"
server=
echo "done"
