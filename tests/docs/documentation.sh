#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The documentation leaves nothing out: what the sources have is in it, and its example plugin works.
# The names are taken from the sources, so a new one is missed here until somebody writes of it.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${LXCFS_BUILD:-.}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
umask 022

tests_run=0 failed=0

# report NAME PROBLEMS: no problems is a pass.
report() {
	tests_run=$((tests_run + 1))
	if [ -z "$2" ]; then
		echo "ok $tests_run - $1"
		return
	fi
	echo "not ok $tests_run - $1"
	while IFS= read -r line; do
		echo "# $line"
	done <<<"$2"
	failed=1
}

skip() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1 # SKIP $2"
}

# has FILE WORD: the word stands there, and not as a part of another one.
has() {
	grep -Eq -- "(^|[^A-Za-z0-9_-])$2([^A-Za-z0-9_-]|\$)" "$1"
}

# missing_words LEAST FILE...: which words of standard input are missing in one of the files.  Less than
# LEAST words mean that the sources are read wrongly here.
missing_words() {
	local least=$1 word file count=0
	shift
	while IFS= read -r word; do
		count=$((count + 1))
		for file; do
			has "$file" "$word" || echo "$word is not in ${file##*/}"
		done
	done
	[ "$count" -ge "$least" ] || echo "only $count names were found in the sources"
}

# ---- names in the sources ----

config_keys() {
	grep -oE 'CFG_[A-Z_]+\("[^"]+"' "$root/core/configfile.c" | sed 's/.*("//; s/"//' | sort -u
}

config_defaults() {
	sed -nE 's/^#define DEFAULT_PLUGINS *"\{(.*)\}"/\1/p' "$root/core/configfile.c" | tr -d ' ' | tr , '\n'
}

# Words that a key can be set to.
config_words() {
	sed -n '/^static const struct word /,/;$/p' "$root/core/configfile.c" |
		grep -oE '\{"[^"]+"' | tr -d '{"' | sort -u
}

long_options() {
	grep -hoE '\{"[a-z-]+", (no|required)_argument' "$root/core/options.c" "$root/core/render.c" |
		sed -E 's/\{"([^"]+)".*/--\1/' | sort -u
}

short_options() {
	sed -nE 's/.*getopt_long\(argc, argv, "([a-z:]+)".*/\1/p' "$root/core/options.c" |
		tr -d : | sed 's/./-&\n/g' | sed '/^$/d' | grep -v '^-n$'
}

# Of lxcfsctl: its commands, and its options.
control_commands() {
	sed -n '/^static const struct command /,/^};/p' "$root/ctl/lxcfsctl.c" |
		grep -oE '\{"[a-z]+", "' | tr -d '{," '
}

control_options() {
	grep -oE '\{"[a-z-]+", (no|required)_argument' "$root/ctl/lxcfsctl.c" |
		sed -E 's/\{"([^"]+)".*/--\1/'
}

# Members of a structure of the header, without comments: NAME of "(*NAME)(" or of "NAME;".
struct_members() {
	sed -n "/^struct $1 {/,/^};/p" "$root/include/lxcfs/plugin.h" |
		sed -E ':next; s,/\*([^*]|\*[^/])*\*/,,g; /\/\*/ { N; b next; }' |
		sed -nE 's/.*\(\*([a-z_]+)\)\(.*/\1/p; t
			s/^[[:space:]]+(.*[ *])?([a-z_]+);.*/\2/p' |
		grep -v '^reserved$'
}

# missing_members STRUCTURE: each stands in bold in the structure's own part of the page.
missing_members() {
	awk -v title=": struct $1" '/^=head1/ { inside = index($0, title) != 0 } inside' \
		"$root/doc/lxcfs-plugin.pod" | grep -oE 'B<[a-z_]+>' | tr -d 'B<>' >"$scratch/$1"
	struct_members "$1" | missing_words 8 "$scratch/$1"
}

source_files() {
	(cd "$root" && printf '%s\n' core/*.c ctl/*.c)
}

# ---- tests ----

test_syntax() {
	local problems=""
	if ! command -v podchecker >/dev/null; then
		skip "the manual pages are valid POD" "podchecker is not installed"
		return
	fi
	problems=$(podchecker -warnings "$root"/doc/*.pod "$root"/plugins/*/*.pod 2>&1 |
		grep -v ' pod syntax OK\.$' || true)
	report "the manual pages are valid POD" "$problems"
}

test_plugin_pages() {
	local folder name problems=""
	for folder in "$root"/plugins/*/; do
		name=$(basename "$folder")
		[ -f "$folder$name.pod" ] || problems+="plugins/$name has no $name.pod"$'\n'
		grep -q "doc/lxcfs-$name\\.8" "$root/doc/Makemodule.am" ||
			problems+="doc/Makemodule.am does not make lxcfs-$name.8"$'\n'
		grep -q "L<lxcfs-$name(8)>" "$root/doc/lxcfs.pod" ||
			problems+="lxcfs.pod does not name lxcfs-$name(8)"$'\n'
	done
	report "each plugin has a manual page" "${problems%$'\n'}"
}

# Take the example out of the page.
example() {
	sed -n '/^=head1 EXAMPLE/,/^Build it/p' "$root/doc/lxcfs-plugin.pod" | sed -n 's/^    //p; /^$/p'
}

# A machine with 1 GiB of memory, of which a container may use 256 MiB.
record_host() {
	mkdir -p "$1/proc/self" "$1/sys/fs/cgroup/ct"
	echo "0::/" >"$1/proc/self/cgroup"
	echo "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw" >"$1/proc/self/mountinfo"
	echo "MemTotal:        1048576 kB" >"$1/proc/meminfo"
	echo "memory" >"$1/sys/fs/cgroup/cgroup.controllers"
	echo 268435456 >"$1/sys/fs/cgroup/ct/memory.max"
	echo 4096 >"$1/sys/fs/cgroup/ct/memory.current"
}

render_example() {
	"$build/lxcfs" render --root="$scratch/host" --cgroup=/ct --config="$scratch/lxcfs.conf" \
		--plugin-dir="$scratch" lxcfs/memlimit 2>&1 || true
}

test_example() {
	local problems output
	example >"$scratch/memlimit.c"
	if ! command -v cc >/dev/null; then
		skip "the example plugin compiles" "cc is not installed"
		skip "the example plugin works" "cc is not installed"
		return
	fi
	problems=$(cc -std=c99 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden \
		-I"$root/include" -o "$scratch/memlimit.so" "$scratch/memlimit.c" 2>&1 || true)
	report "the example plugin compiles" "$problems"
	if [ ! -x "$build/lxcfs" ]; then
		skip "the example plugin works" "lxcfs is not built in $build"
		return
	fi
	record_host "$scratch/host"
	problems=""
	echo 'plugins = { memlimit } plugin memlimit { unit = mebibytes }' >"$scratch/lxcfs.conf"
	output=$(render_example)
	[ "$output" = 256 ] || problems="256 expected: $output"
	echo 'plugins = { memlimit } plugin memlimit { unit = yards }' >"$scratch/lxcfs.conf"
	output=$(render_example)
	[[ $output == *"not one of bytes, mebibytes"* ]] || problems+=$'\n'"a complaint expected: $output"
	report "the example plugin works" "$problems"
}

echo "1..17"
test_syntax
test_plugin_pages
report "each key of the configuration is documented" \
	"$(config_keys | missing_words 14 "$root/etc/lxcfs.conf" "$root/doc/lxcfs.conf.pod")"
report "each word of the configuration is documented" \
	"$(config_words | missing_words 12 "$root/etc/lxcfs.conf" "$root/doc/lxcfs.conf.pod")"
report "the default plugins are documented" \
	"$(config_defaults | missing_words 7 "$root/etc/lxcfs.conf" "$root/doc/lxcfs.conf.pod")"
report "each long option is documented" \
	"$(long_options | missing_words 17 "$root/doc/lxcfs.pod")"
report "each short option is documented" \
	"$(short_options | missing_words 10 "$root/doc/lxcfs.pod")"
report "each command of lxcfsctl is documented" \
	"$(control_commands | missing_words 8 "$root/doc/lxcfsctl.pod")"
report "each option of lxcfsctl is documented" \
	"$(control_options | missing_words 4 "$root/doc/lxcfsctl.pod")"
for structure in plugin file subtree request host; do
	report "each member of struct lxcfs_$structure is documented" \
		"$(missing_members "lxcfs_$structure")"
done
report "each file of core and ctl is in doc/architecture.md" \
	"$(source_files | missing_words 40 "$root/doc/architecture.md")"
test_example
exit $failed
