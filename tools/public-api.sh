#!/bin/sh
# The public API of the libraries, a line for each item: compared with what docs/api records; `--update` records it.
set -eu
cd "$(dirname "$0")/.."

# Reads what the rustdoc of the pinned toolchain writes: rust-toolchain.toml and this are raised together.
version=0.52.0
if ! cargo public-api --version 2>/dev/null | grep -qw "$version"; then
    cargo install --locked --quiet "cargo-public-api@$version"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# rustdoc alone is let at its JSON: with the variable set for all of cargo, everything would be built anew.
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$work/rustdoc"
chmod +x "$work/rustdoc"
target=${CARGO_TARGET_DIR:-target}

changed=
for crate in broker-core broker-kcp broker-operator; do
    # Without the demo: that is for people who look, not for programs that embed.
    RUSTDOC="$work/rustdoc" cargo rustdoc --quiet --locked -p "$crate" --lib --no-default-features -- \
        -Z unstable-options --output-format json --cap-lints allow
    cargo public-api --rustdoc-json "$target/doc/$(printf %s "$crate" | tr - _).json" -sss >"$work/$crate.txt"
    [ -s "$work/$crate.txt" ] || { echo "the API of $crate could not be read" >&2; exit 1; }
    if [ "${1-}" = --update ]; then
        cp "$work/$crate.txt" "docs/api/$crate.txt"
    elif ! diff -u "docs/api/$crate.txt" "$work/$crate.txt" >&2; then
        changed="$changed $crate"
    fi
done
if [ -n "$changed" ]; then
    echo "another public API than docs/api has:$changed. If that is meant: tools/public-api.sh --update" >&2
    exit 1
fi
