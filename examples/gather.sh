#!/bin/sh
# One patient, by a record number, out of a sandbox EHR that behaves like Epic's, into hilum, and on to a service.
#
#   sh examples/gather.sh     needs `hilum`, `curl` and Python on the PATH; leaves nothing behind
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work="$(mktemp -d)"
export HILUM_DATA="$work/hilum"
export HILUM_PORT="${HILUM_PORT:-8087}"
trap 'kill $server $ehr $service 2>/dev/null; wait; rm -rf "$work"' EXIT
up() { until "$@" >/dev/null 2>&1; do sleep 0.2; done; }

echo "== hilum, a sandbox EHR that it knows from the start, and a service to deliver to"
hilum serve >/dev/null 2>&1 &
server=$!
ehr= service=
up curl -sf "http://127.0.0.1:$HILUM_PORT/ready"
hilum sandbox --profile epic --patients 3 --port 0 --data "$work/epic" --connect "$HILUM_DATA" >"$work/said" 2>&1 &
ehr=$!
up grep -q "Stop with" "$work/said"
python3 "$here/receiver.py" --port 0 --secret-file "$work/video.secret" >"$work/got" &
service=$!
up grep -q Receiving "$work/got"
url=$(sed -n 's/Receiving at \([^,]*\),.*/\1/p' "$work/got")
hilum destination add video "$url" --secret-file "$work/video.secret"

echo "== One patient: what came, what was refused, what was delivered"
hilum gather 203701 --ehr epic --recipe visits --deliver-to video 2>&1

echo "== What the service got"
grep -A 9 patient.gathered "$work/got"
