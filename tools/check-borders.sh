#!/bin/sh
# The borders between the crates, as ARCHITECTURE.md states them: checked on the dependency trees.
set -eu
cd "$(dirname "$0")/.."

tree() { cargo tree --locked --edges normal --prefix none --format '{lib}' "$@" | sort -u | sed '/^$/d'; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

core=$(tree -p broker-core)
for crate in kube kube_client k8s_openapi hyper tokio reqwest; do
    if printf '%s\n' "$core" | grep -qx "$crate"; then fail "broker-core must not depend on $crate"; fi
done
count=$(printf '%s\n' "$core" | wc -l)
[ "$count" -le 60 ] || fail "broker-core's tree has $count crates; 60 is the limit"

if tree -p broker-kcp | grep -qxE 'broker_operator|broker_testkit'; then fail "broker-kcp must not depend on operator or test kit"; fi
if tree -p broker-testkit | grep -qx broker_operator; then fail "broker-testkit must not depend on the operator"; fi
if tree -p broker-operator --no-default-features | grep -qx broker_testkit; then fail "the operator needs the test kit only for its feature demo"; fi
printf 'borders kept; the tree of broker-core has %s crates\n' "$count"
