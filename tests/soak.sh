#!/bin/bash
# A backlog, kill -9 at random moments and full disks, for SOAK_MINUTES (10), on a small disk of its own; in the end the
# store must be complete up to the last number the agent acknowledged. Needs root, for the disk. `make soak` builds what it takes.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${SOAK_MINUTES:-10}
built=${CARGO_TARGET_DIR:-target}/${SOAK_PROFILE:-release}
here=$(mktemp -d)
agent=
clean() {
    if [ -n "$agent" ]; then
        kill -9 "$agent" 2>/dev/null || true
        wait "$agent" 2>/dev/null || true
    fi
    umount "$here/disk" 2>/dev/null || true
    rm -rf "$here"
}
trap clean EXIT

mkdir -m 755 "$here/disk" "$here/plugins" "$here/store"
mount -t tmpfs -o size=24m,mode=700 tmpfs "$here/disk"
install -m 755 "$built/candor" "$here/candor"
for name in faulty local; do install -m 755 "$built/libcandor_$name.so" "$here/plugins/"; done
cat >"$here/agent.toml" <<TOML
[plugins]
paths = ["$here/plugins"]
[journal]
seal_every = "1s"
[retain]
max_age = "0s"
[[source]]
plugin = "faulty"
does = "records"
[[sink]]
plugin = "local"
path = "$here/store"
limits = { parallel = 4, bandwidth = "50KB" }
TOML
place=(--config "$here/agent.toml" --state "$here/disk/state")
candor() { "$here/candor" --log error "$@" "${place[@]}"; }
# Not by the function: what is killed must be the agent, not a shell around it.
start() {
    "$here/candor" --log error run "${place[@]}" 2>>"$here/log" >/dev/null &
    agent=$!
}
acknowledged() { candor status --json 2>/dev/null | grep -m1 -o '"durable": *[0-9]*' | grep -o '[0-9]*$' || true; }

end=$((SECONDS + minutes * 60)) kills=0 full=0 head=0
while [ $SECONDS -lt $end ]; do
    start
    sleep "$((RANDOM % 12 + 2)).$((RANDOM % 10))"
    if [ $((RANDOM % 3)) = 0 ]; then
        # As much as there is; a record may then be lost only if a gap tells it.
        dd if=/dev/zero of="$here/disk/ballast" bs=64k 2>/dev/null || true
        full=$((full + 1))
        sleep $((RANDOM % 8 + 1))
    fi
    now=$(acknowledged)
    [ -z "$now" ] || head=$now
    kill -9 "$agent" 2>/dev/null || true
    wait "$agent" 2>/dev/null || true
    agent=
    rm -f "$here/disk/ballast"
    kills=$((kills + 1))
done

start
deadline=$((SECONDS + 30))
until candor status >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "soak: the agent doesn't answer after its last start; its log:" >&2; tail "$here/log" >&2; exit 1; }
    sleep 0.2
done
# Without a number to hold the store against, the proof would be empty.
[ "$head" -gt 0 ] || { echo "soak: the agent never said what it had acknowledged; give it longer by SOAK_MINUTES" >&2; exit 1; }
# Nothing new comes while the rest goes out.
candor pause
candor flush --for 5m
candor verify "$here/store" --head "$head"
echo "soak: $minutes minutes, $kills kills, $full full disks, complete up to at least $head"
