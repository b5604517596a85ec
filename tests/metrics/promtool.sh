#!/usr/bin/env bash
# Starts a server, makes one call, and lets promtool check the metrics page.
set -euo pipefail
home=$(mktemp -d)
upstream=$(mktemp)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$home" "$upstream"' EXIT
"$SCRIPTED_UPSTREAM_BIN" --openai 127.0.0.1:0 > "$upstream" &
until grep -q '^openai ' "$upstream"; do sleep 0.05; done
printf '[[providers]]\nname = "openai"\ndialect = "openai"\nbase_url = "%s"\napi_key_env = "SCRIPTED_KEY"\n' \
  "$(cut -d' ' -f2 "$upstream")" > "$home/nunchi.toml"
export SCRIPTED_KEY=sk-scripted NUNCHI_HOME=$home
"$NUNCHI_BIN" ask -m openai/gpt-5-mini "say: hello" > /dev/null
"$NUNCHI_BIN" up --offline --listen 127.0.0.1:0 > "$home/out" 2> "$home/err" &
until grep -q 'curl http' "$home/out"; do sleep 0.05; done
base=$(grep -o 'http://[0-9.:]*' "$home/out" | head -n 1)
"$NUNCHI_BIN" ask -m openai/gpt-5-mini "say: hello again" > /dev/null
page=$(curl -fsS "$base/metrics")
grep -q '^nunchi_calls_total' <<< "$page"
promtool check metrics <<< "$page"
"$NUNCHI_BIN" stats --json | grep -q '"calls": 2'
echo "promtool has nothing to say"
