# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the render tests share.  Sourced by them; they run in the top build folder, with $srcdir set by
# `make check`.
set -euo pipefail
export LC_ALL=C

source_folder=${srcdir:-.}
tables=$source_folder/tests/render
hosts=$source_folder/tests/hosts
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

for plugin in cpuinfo diskstats meminfo stat swaps sysfs_cpu uptime; do
	if [ ! -f "plugins/$plugin/.libs/$plugin.so" ]; then
		printf '1..0 # SKIP configured without the plugin %s\n' "$plugin"
		exit 0
	fi
done

# The loader takes no plugin that others could write: their modes must not depend on the umask.
mkdir -m 0755 "$work/plugins"
install -m 0755 plugins/*/.libs/*.so "$work/plugins"

number=0
failed=0

# Report one test; what is read from stdin is shown when it failed.
result() {
	local status=$1 name=$2

	number=$((number + 1))
	if [ "$status" -eq 0 ]; then
		printf 'ok %d - %s\n' "$number" "$name"
		return 0
	fi
	failed=$((failed + 1))
	printf 'not ok %d - %s\n' "$number" "$name"
	sed 's/^/# /'
}

# The same of a command: the rest of the arguments.
report() {
	local name=$1 status=0
	shift

	"$@" >"$work/why" 2>&1 || status=1
	result "$status" "$name" <"$work/why"
}

finish() {
	printf '1..%d\n' "$number"
	[ "$failed" -eq 0 ]
}

# Lines of a table without comments and empty ones.
table() {
	sed -e '/^#/d' -e '/^[[:space:]]*$/d' "$1"
}

# Render over the host that is recorded in $1; stdout and stderr come into $work/output and
# $work/messages.
render() {
	local root=$1
	shift

	./lxcfs render --root="$root" --plugin-dir="$work/plugins" "$@" \
		>"$work/output" 2>"$work/messages"
}

declare -A container_options=()

read_containers() {
	local host container configuration options

	while read -r host container configuration options; do
		container_options[$host/$container]="--config=$tables/$configuration.conf $options"
	done < <(table "$tables/containers")
}

# The same for a container of the table.
render_container() {
	local host=$1 container=$2 file=$3 options

	read -r -a options <<<"${container_options[$host/$container]}"
	render "$hosts/$host" "${options[@]}" "$file"
}
