#!/bin/sh
# The borders between the crates, as ARCHITECTURE.md states them: checked on the dependency trees.
set -eu
cd "$(dirname "$0")/.."

tree() { cargo tree --locked --edges normal --prefix none --no-dedupe --format '{lib}' "$@" | sort -u | sed '/^$/d'; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# no_kubernetes PACKAGE: its tree, checked to be small and free of clients, servers and runtimes.
no_kubernetes() {
    crates=$(tree -p "$1")
    for crate in kube kube_client kube_core kube_runtime k8s_openapi hyper reqwest tokio; do
        if printf '%s\n' "$crates" | grep -qx "$crate"; then fail "$1 must not depend on $crate"; fi
    done
    # Of several versions of a crate each counts.
    count=$(cargo tree --locked --edges normal --prefix none --no-dedupe --format '{p}' -p "$1" | sort -u | grep -c .)
    [ "$count" -gt 1 ] || fail "the tree of $1 could not be read"
    [ "$count" -le 60 ] || fail "the tree of $1 has $count crates; 60 is the limit"
    printf 'the tree of %s has %s crates, none of Kubernetes or a runtime\n' "$1" "$count"
}

no_kubernetes broker-core
no_kubernetes embed-without-kubernetes
if tree -p broker-kcp | grep -qxE 'broker_operator|broker_testkit'; then fail "broker-kcp must not depend on operator or test kit"; fi
if tree -p broker-testkit | grep -qx broker_operator; then fail "broker-testkit must not depend on the operator"; fi
if tree -p broker-operator --no-default-features | grep -qx broker_testkit; then fail "the operator needs the test kit only for its feature demo"; fi

# sabotaged EDGES: whether the known bugs of tests are compiled into any crate of the workspace.
sabotaged() { cargo tree --locked --workspace --edges "$1" --prefix none --no-dedupe --format '{lib} {f}' | grep -qw sabotage; }
if sabotaged normal,build; then fail "the feature sabotage is for tests alone"; fi
sabotaged normal,build,dev || fail "the feature sabotage could not be found where it is wanted"
echo "borders kept"
