#!/bin/sh
# The first steps as one script: synthetic patients, a server, a question, a write, a history, a token for one patient.
#
#   sh examples/first_steps.sh          needs `hilum` and `curl` on the PATH; leaves nothing behind
set -eu

export HILUM_DATA="$(mktemp -d)"
export HILUM_PORT="${HILUM_PORT:-8089}"
base="http://127.0.0.1:$HILUM_PORT/fhir"

hilum demo --patients 3
hilum serve >/dev/null 2>&1 &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$HILUM_DATA"' EXIT
until curl -sf "http://127.0.0.1:$HILUM_PORT/ready" >/dev/null; do sleep 0.2; done

everything="Authorization: Bearer $(hilum token --scope 'system/*.cruds')"
json='Content-Type: application/fhir+json'

echo "== Who is here?"
curl -sf -H "$everything" "$base/Patient?_elements=name,birthDate&_pretty=true"

echo; echo "== One more; the answer says where, and means that it is on disk"
location=$(curl -sf -H "$everything" -H "$json" -D - -o /dev/null "$base/Patient" \
  -d '{"resourceType":"Patient","name":[{"family":"Ngo","given":["Ada"]}]}' | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
ada=${location%/_history/*}
echo "$ada"

echo "== She changes, but only if nobody else changed her meanwhile"
id=${ada##*/}
curl -sf -H "$everything" -H "$json" -H 'If-Match: W/"1"' -X PUT "$ada" -o /dev/null \
  -d "{\"resourceType\":\"Patient\",\"id\":\"$id\",\"name\":[{\"family\":\"Ngo-Lind\",\"given\":[\"Ada\"]}]}"
curl -s -H "$everything" -H "$json" -H 'If-Match: W/"1"' -X PUT "$ada" -o /dev/null -w 'the second time: %{http_code}\n' \
  -d "{\"resourceType\":\"Patient\",\"id\":\"$id\"}"

echo "== Both versions"
curl -sf -H "$everything" "$ada/_history?_elements=name&_pretty=true"

echo; echo "== A token for her alone sees one patient"
hers="Authorization: Bearer $(hilum token --scope 'patient/*.rs' --patient "$id")"
curl -sf -H "$hers" "$base/Patient?_summary=count"
echo
