#!/bin/sh
# A backup while the server runs, a mistake, and the way back.
#
#   sh examples/backup_and_restore.sh   needs `hilum` and `curl` on the PATH; leaves nothing behind
set -eu

export HILUM_DATA="$(mktemp -d)"
export HILUM_PORT="${HILUM_PORT:-8088}"
base="http://127.0.0.1:$HILUM_PORT/fhir"

serve() {
  hilum serve --auth off >/dev/null 2>&1 &
  server=$!
  until curl -sf "http://127.0.0.1:$HILUM_PORT/ready" >/dev/null; do sleep 0.2; done
}
stop() { kill $server; wait $server || true; }
patients() { curl -sf "$base/Patient?_summary=count" | sed 's/.*"total":\([0-9]*\).*/\1/'; }

hilum demo --patients 3
serve
trap 'stop; rm -rf "$HILUM_DATA"' EXIT

hilum backup "$HILUM_DATA/today.hilum"
curl -sf -X DELETE "$base/Patient/demo-p001" -o /dev/null
echo "after the mistake: $(patients) patients"

stop
hilum restore "$HILUM_DATA/today.hilum" --force
serve
echo "after the restore: $(patients) patients"
