#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Checks the models of the hand-over, hot and cold, exhaustively within their
# bounds, prints state counts, ends non-zero on any error. "run.sh --mutants"
# breaks the protocols in known ways and demands that spin finds each.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
model=handover
opt=-O2

# build NAME CFLAGS SPINFLAGS...
build() {
	name=$1 cflags=$2
	shift 2
	mkdir -p "$work/$name"
	(cd "$work/$name" && spin -a "$@" "$here/$model.pml" >spin.log 2>&1 &&
		cc $opt -w -DMEMLIM=6000 -DCOLLAPSE $cflags -o pan pan.c) ||
		{ cat "$work/$name/spin.log"; echo "FAIL $name: does not build"; exit 1; }
}

# prove NAME CFLAGS PANFLAGS SPINFLAGS...: no error may exist
prove() {
	name=$1 cflags=$2 flags=$3
	shift 3
	build "$name" "$cflags" "$@"
	(cd "$work/$name" && ./pan -m2000000 $flags >out 2>&1)
	states=$(awk '/states, stored/ {print $1}' "$work/$name/out")
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/$name/out")
	if [ "$errors" = 0 ] && ! grep -q -E "max search depth too small|out of memory" "$work/$name/out"; then
		echo "PASS model $name: $states states, 0 errors ($*)"
	else
		echo "FAIL model $name: errors: ${errors:-none reported}"
		sed -n 1,12p "$work/$name/out"
		(cd "$work/$name" && spin -t -p -g -k $model.pml.trail "$here/$model.pml" 2>/dev/null | tail -60)
		failed=1
	fi
}

# refute NAME CFLAGS PANFLAGS SPINFLAGS...: an error must exist
refute() {
	name=$1 cflags=$2 flags=$3
	shift 3
	build "$name" "$cflags" "$@"
	(cd "$work/$name" && ./pan -m2000000 $flags >out 2>&1)
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/$name/out")
	if [ "${errors:-0}" -ge 1 ]; then
		echo "PASS mutant $name: spin finds it"
	else
		echo "FAIL mutant $name: spin finds nothing"
		failed=1
	fi
}

# Bounds: frames lost, frames doubled, time-outs that fire too early, host
# crashes, storage restarts (plus one outage of the storage that loses frames).
bounds() {
	echo "-DLOSS=$1 -DDUP=$2 -DEARLY=$3 -DCRASH=$4 -DRESTART=$5"
}

# Bounds of the cold move: moves from source to target, crashes of a host, links
# that end, questions lost, writes refused by a store, acts of the operator.
cold() {
	echo "-DMOVES=$1 -DCRASH=$2 -DBREAK=$3 -DLOSS=$4 -DFAIL=$5 -DGO=$6"
}

if [ "${1:-}" = --mutants ]; then
	opt=-O0 # errors are found early: the compiler takes longer than the search
	for m in TIMEOUT_RESUME COMMIT_TWICE EMPTY_LIST BELIEVE_ANSWER EARLY_QUERY \
		TARGET_NO_TOKEN TARGET_GIVES_UP TOKEN_DUP RELEASE_KEEPS_TOKEN; do
		refute "$m" -DSAFETY "" -DMUT_$m $(bounds 1 1 1 1 1)
	done
	model=cold
	for m in COMMIT_BEFORE_LEAVING TIMEOUT_KEEPS LEAVING_FIRST SETTLED_ANYWAY NAME_FREE \
		MISSING_IS_GONE COMMITTED_EARLY ERROR_UNSURE NEVER_WHILE_TAKING ABORT_ALIVE \
		NO_MOVED UNFINISHED_FREE BOOT_FORGETS SETTLES_BLINDLY KEEP_UNLOCKED; do
		refute "cold-$m" -DSAFETY "" -DMUT_$m $(cold 2 2 1 1 1 2)
	done
	refute cold-NOTHING_KNOWN "-DNP -DNFAIR=3" "-l -f" -DMUT_NOTHING_KNOWN $(cold 1 1 1 1 0 0)
else
	prove network -DSAFETY "" $(bounds 2 2 2 1 0)
	prove restart -DSAFETY "" $(bounds 1 1 1 1 1)
	prove no-arbiter -DSAFETY "" -DNO_ARBITER $(bounds 2 2 2 2 0)
	# every run ends: no endless retrying once everybody answers
	prove ends -DNP "-l -f" -DENDS $(bounds 1 1 1 1 0)
	prove ends-restart -DNP "-l -f" -DENDS $(bounds 0 1 0 0 1)
	prove ends-no-arbiter -DNP "-l -f" -DENDS -DNO_ARBITER $(bounds 1 1 1 1 0)
	model=cold
	prove cold -DSAFETY "" $(cold 2 2 1 1 1 3)
	prove cold-ends "-DNP -DNFAIR=3" "-l -f" $(cold 1 1 1 1 1 1)
fi
exit $failed
