// A whole trip with fhir-kit-client, unchanged: `node trip.mjs BASE TOKEN` prints what it saw as JSON.
import { Client } from "fhir-kit-client";

const [, , baseUrl, token] = process.argv;
const client = new Client({ baseUrl, bearerToken: token });
const seen = {};

seen.fhirVersion = (await client.capabilityStatement()).fhirVersion;
const body = { resourceType: "Patient", name: [{ family: "Kit", given: ["Cy"] }] };
const made = await client.create({ resourceType: "Patient", body });
seen.created = made.meta.versionId;
const read = await client.read({ resourceType: "Patient", id: made.id });
seen.family = read.name[0].family;
const updated = await client.update({ resourceType: "Patient", id: made.id, body: { ...read, active: true } });
seen.updated = updated.meta.versionId;
seen.history = (await client.history({ resourceType: "Patient", id: made.id })).entry.length;
seen.searched = (await client.search({ resourceType: "Patient", searchParams: { family: "Kit", _id: made.id } })).entry.length;

for (let n = 0; n < 5; n += 1) {
  await client.create({ resourceType: "Patient", body: { ...body, name: [{ family: `KitPage${n}` }] } });
}
let page = await client.search({ resourceType: "Patient", searchParams: { family: "KitPage", _count: 2 } });
seen.pages = 0;
while (page) {
  seen.pages += 1;
  page = await client.nextPage({ bundle: page });
}

const patched = await client.patch({
  resourceType: "Patient",
  id: made.id,
  jsonPatch: [{ op: "add", path: "/gender", value: "female" }],
});
seen.patched = patched.gender;
const transaction = await client.transaction({
  body: {
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      { fullUrl: "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", resource: body, request: { method: "POST", url: "Patient" } },
      {
        resource: {
          resourceType: "Observation",
          status: "final",
          code: { text: "weight" },
          subject: { reference: "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a" },
        },
        request: { method: "POST", url: "Observation" },
      },
    ],
  },
});
seen.transaction = transaction.entry.map((entry) => entry.response.status.slice(0, 3));
await client.delete({ resourceType: "Patient", id: made.id });
try {
  await client.read({ resourceType: "Patient", id: made.id });
} catch (error) {
  seen.deleted = error.response.status;
}
console.log(JSON.stringify(seen));
