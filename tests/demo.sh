#!/bin/bash
# One minute of scripted mouse and keyboard on a display of its own, and what the agent made of it.
# Needs no screen. Run it by `make demo`, which builds what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
candor=$(realpath "${CARGO_TARGET_DIR:-target}/release/candor")
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
python=${XDG_CACHE_HOME:-$HOME/.cache}/candor/venv/bin/python
[ -x "$candor" ] || { echo "demo: $candor is missing; run make demo" >&2; exit 1; }
[ -x "$python" ] || { echo "demo: $python is missing; run config/setup-debian.sh --test" >&2; exit 1; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/candor-demo.XXXXXX")
pids=()
finish() {
    # The last one started is the first to go: the agent before its display.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null && wait "${pids[i]}" 2>/dev/null || true
    done
    [ -n "${KEEP-}" ] || rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Tries a command until it works, for at most 20 s.
until_works() {
    local what=$1 deadline=$((SECONDS + 20))
    shift
    until "$@" >"$folder/last.log" 2>&1; do
        ((SECONDS < deadline)) || { echo "demo: waited in vain for $what" >&2; tail -n 5 "$folder"/*.log >&2; exit 1; }
        sleep 0.1
    done
}

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }

title "A display of its own"
Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp -noreset 3>"$folder/display" 2>"$folder/xvfb.log" &
pids+=($!)
until_works "Xvfb" test -s "$folder/display"
DISPLAY=:$(cat "$folder/display")
export DISPLAY
openbox 2>"$folder/openbox.log" >&2 &
pids+=($!)
until_works "openbox" sh -c 'xprop -root _NET_SUPPORTING_WM_CHECK | grep -q "window id"'
echo "Xvfb and openbox run on $DISPLAY"

title "The agent"
cat >"$folder/agent.toml" <<TOML
[journal]
seal_every = "10s"

[[source]]
plugin = "input"

[[detector]]
plugin = "activity"
interval = "5s"

[[detector]]
plugin = "scripted"

[[sink]]
plugin = "local"
path = "records"
TOML
cat "$folder/agent.toml"
place=(--config "$folder/agent.toml" --state "$folder/state")
"$candor" run "${place[@]}" >"$folder/out.log" 2>"$folder/agent.log" &
pids+=($!)
until_works "the agent" "$candor" status "${place[@]}"
until_works "its input" sh -c '"$0" status "$@" | grep -q "input .* ok .*x11 on"' "$candor" "${place[@]}"
"$candor" status "${place[@]}"

title "$seconds s of input that a script makes"
keys=0 clicks=0 scrolls=0 start=$SECONDS
path=$(for step in {1..20}; do printf 'mousemove_relative %d %d sleep 0.02 ' $((step % 7 + 1)) $((step % 5 + 1)); done)
round=0
while ((SECONDS - start < seconds)); do
    # shellcheck disable=SC2086 # each word is an argument
    xdotool mousemove $((100 + round * 37 % 900)) $((100 + round * 53 % 700)) $path click --repeat 2 --delay 40 1
    xdotool click --repeat 3 --delay 30 5
    xdotool type --delay 40 'typed by a script'
    clicks=$((clicks + 2)) scrolls=$((scrolls + 3)) keys=$((keys + 17)) round=$((round + 1))
    printf '\r%3d of %d s: %d keys, %d clicks, %d wheel notches' $((SECONDS - start)) "$seconds" $keys $clicks $scrolls
done
echo

title "Waiting for the last seal (every 10 s)"
cat >"$folder/sums.py" <<'PY'
import duckdb, sys
objects = sys.argv[1] + "/v=1/device=*/kind=activity/**/*.ndjson.zst"
try:
    row = duckdb.sql(f"select sum(keys)::int, sum(clicks)::int, sum(scrolls)::int from read_json_auto('{objects}', hive_partitioning = true)").fetchall()[0]
except duckdb.IOException:
    row = (0, 0, 0)
print("stored so far: %s keys, %s clicks, %s notches" % row)
sys.exit(list(row) != [int(number) for number in sys.argv[2:5]])
PY
until_works "the sums in the store to be $keys keys, $clicks clicks, $scrolls notches" \
    "$python" "$folder/sums.py" "$folder/state/records" $keys $clicks $scrolls
echo "stored: as many keys, clicks and wheel notches as were injected"

title "candor show"
"$candor" show --last 1h "${place[@]}"

title "What the agent found out about the script"
"$candor" show --last 1h --json "${place[@]}" | "$python" -c '
import json, sys
findings = [r for r in map(json.loads, sys.stdin) if r["kind"] == "finding"]
for finding in findings:
    print(finding["rule"] + ":", finding["text"])
for finding in findings[-1:]:
    print("evidence of the last one:", json.dumps(finding["evidence"])[:800])
sys.exit(not findings)'

title "DuckDB on the stored objects"
cat >"$folder/query.py" <<'PY'
import duckdb, sys
query = f"""select date, count(*) as intervals, sum(keys)::int as keys, sum(clicks)::int as clicks,
       sum(scrolls)::int as scrolls, sum(distance_px)::int as px,
       sum(by_origin.injected.keys)::int as injected_keys
from read_json_auto('{sys.argv[1]}/v=1/device=*/kind=activity/**/*.ndjson.zst', hive_partitioning = true)
group by date"""
print(query.replace(sys.argv[1], "records"))
print(duckdb.sql(query))
PY
"$python" "$folder/query.py" "$folder/state/records"

title "Done"
echo "All of it was in $folder, which is removed now. Nothing left this machine."
