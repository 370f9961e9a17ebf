#!/bin/sh
# A preprocessor of mdBook: links that leave docs lead to the repository, those between docs and examples stay in the
# book, where a README.md is an index.html.
set -eu

# mdBook asks first whether the output suits.
[ "${1:-}" != supports ] || exit 0

# mdBook hands over what it knows and the book; the answer is the book alone.
sed -E \
    -e 's/^\[.*"mdbook_version":"[^"]*"\},//' -e 's/\]$//' \
    -e 's#\]\(\.\./((\.\./)*)examples/#](\1examples/#g' \
    -e 's#\]\(\.\./\.\./docs/#](../../#g' \
    -e 's#\]\((\.\./)+(ARCHITECTURE|CHANGELOG|CONTRIBUTING|SECURITY|broker-[a-z]+|deploy|fuzz|tools|xtask)([./])#](https://github.com/platform-mesh/resource-broker-rs/blob/main/\2\3#g' \
    -e 's#\]\(([A-Za-z0-9_./-]*)README\.md#](\1index.md#g'
