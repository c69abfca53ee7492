// Back from hilum with a code: the client gets the tokens, and reads. https://docs.smarthealthit.org/client-js/
const at = (id) => document.getElementById(id);

async function look(client) {
  const patient = await client.patient.read();
  const name = (patient.name || [{}])[0];
  at("name").textContent = name.text || [...(name.given || []), name.family].join(" ");
  at("born").textContent = patient.birthDate || "";
  const found = await client.patient.request("Observation?_sort=-date&_count=10", { pageLimit: 1, flat: true });
  at("observations").replaceChildren(...found.map((one) => {
    const line = document.createElement("li");
    const value = one.valueQuantity ? `${one.valueQuantity.value} ${one.valueQuantity.unit}` : one.valueString || "";
    line.textContent = `${one.code.text || one.code.coding[0].display}: ${value}`;
    return line;
  }));
  at("scope").textContent = client.getState("tokenResponse.scope");
  if (client.user.fhirUser) at("user").textContent = client.user.fhirUser;
  document.querySelector("section").hidden = false;
}

function said(work) {
  at("problem").textContent = "";
  return work.catch((error) => { at("problem").textContent = error.message; });
}

said(FHIR.oauth2.ready().then(async (client) => {
  window.client = client; // to try things in the console
  at("again").onclick = () => said(look(client));
  at("refresh").onclick = () => said(client.refresh().then(() => look(client)));
  await look(client);
}));
