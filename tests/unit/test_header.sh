#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lxcfs/plugin.h compiles alone, in each language and without a warning; so does a plugin that is
# nothing but it.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

warnings=(-Wall -Wextra -Werror -pedantic -Wshadow -Wundef -Wconversion -Wcast-qual -Wformat=2)

cat >"$scratch/plugin.c" <<'END'
#include <lxcfs/plugin.h>
#include <lxcfs/plugin.h>

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	struct lxcfs_text text;
	struct lxcfs_text line;
	struct lxcfs_text word;
	uint64_t number = 0;

	if (request->host->host_file(request, "proc/meminfo", &text) != 0)
		return lxcfs_fail(request, -5, "no file");
	while (lxcfs_next_line(&text, &line))
		if (lxcfs_next_word(&line, &word) && lxcfs_equals(word, "MemTotal:"))
			lxcfs_append_text(output, line);
	(void)lxcfs_find_number(text, "key", &number);
	lxcfs_append_number(output, lxcfs_subtract(lxcfs_minimum(number, 1), 2), 8);
	lxcfs_append_string(output, lxcfs_is_host(request) ? "host" : "container");
	return 0;
}

static struct lxcfs_file file;
static struct lxcfs_plugin plugin;

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	file.size = sizeof(file);
	file.render = render;
	plugin.files = &file;
	return &plugin;
}
END
echo '#include <lxcfs/plugin.h>' >"$scratch/alone.c"
cp "$scratch/plugin.c" "$scratch/plugin.cc"
cp "$scratch/alone.c" "$scratch/alone.cc"

tests=0 failed=0

# compile NAME COMPILER... FILE
compile() {
	local name=$1
	shift
	tests=$((tests + 1))
	if ! type -P "$1" >"$scratch/where"; then
		echo "ok $tests - $name # SKIP there is no $1"
	elif "$@" "${warnings[@]}" -I"$root/include" -c -o "$scratch/object.o" >"$scratch/output" 2>&1; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$scratch/output"
		failed=1
	fi
}

read -ra c_compiler <<<"${CC:-cc}"
read -ra cxx_compiler <<<"${CXX:-c++}"
for part in alone plugin; do
	compile "$part, C99" "${c_compiler[@]}" -std=c99 "$scratch/$part.c"
	compile "$part, C11" "${c_compiler[@]}" -std=c11 "$scratch/$part.c"
	compile "$part, C++17" "${cxx_compiler[@]}" -std=c++17 "$scratch/$part.cc"
done
echo "1..$tests"
exit $failed
