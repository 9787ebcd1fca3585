#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A plugin that fails for one container, under load: its file answers by on-fault there, and nobody else notices.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"

command_in_c() {
	inside c "$helpers/fileops" write "$probe" "$1"
}

# What was spoilt may be hit in a later read only, and by another thread.
fails_at_last() {
	local round
	for ((round = 0; round < 200; round++)); do
		inside c cat "$probe" >/dev/null 2>&1 || return 0
	done
	return 1
}

# Whose fault it was; or, where it struck elsewhere, that this plugin ran.
named_in_status='any(p["name"] == "probe" and p["faults"] > 0 for p in status["plugins"])
	or any("probe" in d["ran"] for d in status["deaths"])'

# AddressSanitizer reports what is freed twice or overrun, and ends the process in its own way.
faults=(crash loop free overrun)
! grep -q __asan_init "$build/lxcfs" || faults=(crash loop)

plan $((load_tests + 3 * ${#faults[@]} + 3))
load_options='render-timeout = 1000'
start_containers
make_cgroup c memory=128M
start_container c main
start_load
for fault in "${faults[@]}"; do
	command_in_c "render $fault" >/dev/null
	check "$fault: the file of this container fails" fails_at_last
	refuses "$fault: by on-fault" 'Input/output error' inside c cat "$probe"
	is "$fault: status names the plugin" "$(status "($named_in_status)")" True
	reload main
	command_in_c 'render well' >/dev/null
done
check "the file of this container is mended" inside c grep -q '^release ' "$probe"
end_load
check "nobody is left in state D" await nobody_is_stuck
is "no answer was the host's" "$(status 'status["passthroughAnswers"]')" 0
finish
