#!/bin/sh
# Builds a server the tests run against, or another tool of theirs, keeps it in the user's cache folder, prints where it is.
#
#   tools/build.sh kcp [kubernetes cert-manager client-go helm …]
#
# A server is built again when its go.sum, or its own program, changes. It needs Go (go.dev/dl) and, the first time, the
# network: 5 minutes and 4 GB of Go's caches on two cores.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/resource-broker

say() { printf '%s\n' "$*" >&2; }

# The hash of what tools/NAME is built from: go.sum and, where there is one, its own program.
hash_of() {
    cat "$tools/$1/go.sum" "$tools/$1"/*.go 2>/dev/null | if command -v sha256sum >/dev/null 2>&1; then
        sha256sum
    else
        shasum -a 256
    fi | cut -c1-16
}

# The kinds that the server NAME brings along, into a folder.
kinds() {
    case $1 in
    cert-manager)
        cp "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)"/deploy/crds/cert-manager.io_*.yaml "$2/"
        ;;
    esac
}

# build NAME LDFLAGS PACKAGE…: the programs of tools/NAME, into a folder of the cache.
build() {
    name=$1 flags=$2
    shift 2
    folder=$cache/$name-$(hash_of "$name")
    if [ ! -e "$folder/.complete" ]; then
        if ! command -v go >/dev/null 2>&1; then
            say "The tests need $name, which is built from tools/$name with Go, and there is no go on the PATH."
            say "Install Go $(sed -n 's/^go //p' "$tools/$name/go.mod") or later (https://go.dev/dl/), or put a built $name into $folder and make an empty file $folder/.complete."
            exit 1
        fi
        mkdir -p "$folder"
        # Tests that start at the same time wait for one build instead of making one each.
        if command -v flock >/dev/null 2>&1; then
            exec 9>"$folder/.lock"
            flock 9
        fi
    fi
    if [ ! -e "$folder/.complete" ]; then
        say "Building $name into $folder (once; minutes on the first run) …"
        partial=$(mktemp -d "$folder/.building.XXXXXX")
        trap 'rm -rf "$partial"' EXIT
        if ! (cd "$tools/$name" && go build -mod=readonly -trimpath -ldflags "-s -w $flags" -o "$partial/" "$@" && kinds "$name" "$partial"); then
            say "$name could not be built. It needs Go $(sed -n 's/^go //p' "$tools/$name/go.mod") or later (here: $(go version)) and a module proxy (GOPROXY=$(go env GOPROXY))."
            exit 1
        fi
        # Renamed one by one, so that a test which starts meanwhile finds a whole program or none.
        for program in "$partial"/*; do
            mv -f "$program" "$folder/"
        done
        rmdir "$partial"
        : >"$folder/.complete"
    fi
    printf '%s\n' "$folder"
}

[ $# -gt 0 ] || set -- kcp
v=k8s.io/component-base/version
for server in "$@"; do
    case $server in
    kcp)
        build kcp "-X $v.gitVersion=v1.35.0+kcp-v0.31.2 -X $v.gitMajor=1 -X $v.gitMinor=35" \
            github.com/kcp-dev/kcp/cmd/kcp
        ;;
    kubernetes)
        build kubernetes "-X $v.gitVersion=v1.36.3 -X $v.gitMajor=1 -X $v.gitMinor=36" \
            k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager ./etcd
        ;;
    cert-manager | client-go)
        build "$server" "" .
        ;;
    helm)
        h=helm.sh/helm/v3
        build helm "-X $h/internal/version.version=v3.22.0 \
            -X $h/pkg/chartutil.k8sVersionMajor=1 -X $h/pkg/chartutil.k8sVersionMinor=37 \
            -X $h/pkg/lint/rules.k8sVersionMajor=1 -X $h/pkg/lint/rules.k8sVersionMinor=37" \
            $h/cmd/helm
        ;;
    *)
        say "There is no $server here: kcp, kubernetes, cert-manager, client-go, helm."
        exit 1
        ;;
    esac
done
