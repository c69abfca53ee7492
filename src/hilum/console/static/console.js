// The pages' script: asks the FHIR API with the token of this tab, and shows what comes. Text is set, never HTML.
// The token is one that the person pasted, or one that the server gives to who is signed in here.
"use strict";

const page = document.body.dataset;
const KEY = "hilum token";
const OWN = "hilum signed in"; // the name of who is signed in, whose token that is
const TYPE_ID = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/(\d+))?$/;
const by = (id) => document.getElementById(id);

// An element with text and properties.
function make(name, text, properties = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return Object.assign(element, properties);
}

class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// A token for who is signed in in this browser, which lasts ten minutes; whether there is one.
async function signedIn() {
  const answer = await fetch("/auth/console-token", { method: "POST", headers: { "X-CSRF": "1" }, credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) return false;
  const { access_token, name } = await answer.json();
  sessionStorage.setItem(KEY, access_token);
  sessionStorage.setItem(OWN, name);
  return true;
}

// Ask, with a new token if the one of who is signed in has ended. Throws Refused.
async function get(url) {
  try {
    return await ask(url);
  } catch (error) {
    if (error.status !== 401 || !sessionStorage.getItem(OWN) || !(await signedIn())) throw error;
    return ask(url);
  }
}

// GET, with the token if there is one: the text and the parsed value. Throws Refused.
async function ask(url) {
  const token = sessionStorage.getItem(KEY);
  const headers = { Accept: "application/fhir+json, application/json;q=0.9" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(url, { headers, credentials: "omit", cache: "no-store" });
  const text = await answer.text();
  let value = {};
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(answer.status, `The server answered ${answer.status} with something that is not JSON.`);
  }
  if (!answer.ok) {
    const said = (value.issue || []).map((issue) => issue.diagnostics).filter(Boolean).join(" ");
    throw new Refused(answer.status, said || `The server answered ${answer.status}.`);
  }
  return { text, value };
}

// The path on this server of a link or reference, or null when it is not one of ours.
function browse(reference) {
  const local = reference.startsWith(`${page.base}/`) ? reference.slice(page.base.length + 1) : reference;
  const found = TYPE_ID.exec(local);
  return found ? `/browse/${found[1]}/${found[2]}${found[3] ? `/_history/${found[3]}` : ""}` : null;
}

// Links in Bundles carry the server's public address; these pages may be reached under another name.
const here = (url) => (url.startsWith(page.base) ? `/fhir${url.slice(page.base.length)}` : url);

const when = (text) => (text ? text.replace("T", " ").slice(0, 19) : "");

async function home() {
  const { value } = await get("/api/v1/counts");
  const counts = Object.entries(value.counts).sort((a, b) => a[0].localeCompare(b[0]));
  const total = counts.reduce((sum, [, number]) => sum + number, 0);
  by("total").textContent = total
    ? `${total.toLocaleString("en")} resources of ${counts.length} types`
    : "Nothing yet. Run hilum demo to make synthetic patients, or hilum load PATH to load your own.";
  by("types").replaceChildren(
    ...counts.map(([type, number]) => {
      const link = make("a", undefined, { href: `/browse/${type}` });
      link.append(make("span", type), make("b", number.toLocaleString("en")));
      const item = make("li");
      item.append(link);
      return item;
    }),
  );
  by("filter").oninput = (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const item of by("types").children) item.hidden = !item.textContent.toLowerCase().includes(wanted);
  };
}

async function list(url) {
  const first = url === undefined;
  const query = by("query").value.trim().replace(/^\?/, "");
  const { value } = await get(here(url || `${page.base}/${page.type}?${first ? "_total=accurate&" : ""}_count=20${query ? `&${query}` : ""}`));
  if (first) {
    by("rows").replaceChildren();
    const total = value.total === undefined ? "" : `${value.total.toLocaleString("en")} found`;
    by("total").textContent = total;
  }
  for (const { resource } of value.entry || []) {
    if (resource.resourceType !== page.type) continue;
    const row = make("tr");
    const name = make("td");
    name.append(make("a", title(resource), { href: `/browse/${resource.resourceType}/${resource.id}` }));
    const details = rows(resource).filter(([key]) => ["Status", "Birth date", "Gender", "Value quantity", "Effective date time", "Onset date time", "Period", "Subject"].includes(key));
    if (details.length) name.append(make("div", details.map(([, text]) => text).join(" · "), { className: "quiet" }));
    row.append(name, make("td", resource.id), make("td", when(resource.meta.lastUpdated)));
    by("rows").append(row);
  }
  const next = (value.link || []).find((link) => link.relation === "next");
  by("more").hidden = !next;
  by("more").onclick = () => run(() => list(next.url));
}

async function resource() {
  const path = `/fhir/${page.type}/${page.id}`;
  const part = page.type === "Binary" ? "&_elements=contentType,securityContext,language" : ""; // its content may be gigabytes
  const showing = get(`${page.version ? `${path}/_history/${page.version}` : path}?_pretty=true${part}`);
  const past = get(`${path}/_history?_elements=id&_count=50`);
  await Promise.all([showing.then(showResource), past.then(({ value }) => showHistory(value))].map((one) => one.catch((error) => { if (error.status !== 410) throw error; by("problem").textContent = error.message; by("problem").hidden = false; by("json").replaceChildren(); })));
}

function showResource({ text, value }) {
  by("heading").textContent = `${page.type}: ${title(value)}`;
  document.title = `${page.type}/${page.id} · hilum · ${page.environment}`;
  by("stamp").textContent = `· version ${value.meta.versionId} · ${when(value.meta.lastUpdated)} UTC`;
  by("summary").replaceChildren(
    ...rows(value).flatMap(([name, said, reference]) => {
      const target = reference && browse(reference);
      const detail = make("dd", target ? undefined : said);
      if (target) detail.append(make("a", said, { href: target }));
      return [make("dt", name), detail];
    }),
  );
  if (page.type === "Patient") {
    const types = ["Condition", "Observation", "Encounter", "MedicationRequest", "Procedure", "Immunization", "DiagnosticReport"];
    by("links").replaceChildren(make("span", "Of this patient:"), ...types.map((type) => make("a", type, { href: `/browse/${type}#patient=${page.id}` })));
  }
  if (page.type === "Binary" && value.contentType && !page.version && page.auth !== "off") {
    const button = make("button", "Open the document", { type: "button" });
    button.onclick = () => run(() => openDocument(`Binary/${page.id}`));
    by("links").replaceChildren(button);
  }
  by("json").replaceChildren(
    ...pieces(text).map(([part, kind, reference]) => {
      const target = reference && browse(reference);
      if (target) return make("a", part, { href: target });
      return kind ? make("span", part, { className: kind }) : document.createTextNode(part);
    }),
  );
  by("copy").onclick = async () => {
    await navigator.clipboard.writeText(text);
    by("copy").textContent = "Copied";
  };
}

function showHistory(bundle) {
  const total = bundle.total === undefined ? 0 : bundle.total;
  by("history").replaceChildren(
    ...(bundle.entry || []).map((entry) => {
      const version = /"(.+)"/.exec(entry.response.etag)[1];
      const deleted = entry.request.method === "DELETE";
      const item = make("li");
      item.value = Number(version);
      const said = deleted ? "deleted" : version === "1" ? "created" : "changed";
      item.append(deleted ? `Version ${version}` : make("a", `Version ${version}`, { href: `/browse/${page.type}/${page.id}/_history/${version}` }), ` ${said} ${when(entry.response.lastModified)} UTC`);
      return item;
    }),
  );
  if (total > 50) by("history").append(make("li", `and ${total - 50} older`));
}

// A document in place of this page, by a ticket: a link can carry no token. Throws Refused.
async function openDocument(path) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  const answer = await fetch("/auth/ticket", { method: "POST", headers, body: new URLSearchParams({ path }), credentials: "omit", cache: "no-store" });
  const value = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, value.error_description || `The server answered ${answer.status}.`);
  location.href = here(value.url);
}

const PAGES = { home, list, resource };

// Run a piece of the page; a refusal is said, and without a token that holds the sign-in box is shown.
async function run(piece) {
  const problem = by("problem");
  problem.hidden = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await piece();
    by("data").hidden = false;
    session(true);
  } catch (error) {
    if (error.status === 401 && page.auth !== "off") {
      const had = sessionStorage.getItem(KEY) && !sessionStorage.getItem(OWN);
      forget();
      session(false);
      if (!had) return;
    }
    problem.textContent = error.status === undefined ? `The server could not be reached, or this page failed: ${error.message}` : error.message;
    problem.hidden = false;
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

function forget() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(OWN);
}

// Begin: with the token of this tab, or with one for who is signed in; else with the sign-in box.
async function begin() {
  if (page.auth === "off" || sessionStorage.getItem(KEY) || (await signedIn().catch(() => false))) await run(PAGES[page.page]);
  else session(false);
}

// Show either the sign-in box or what it leads to.
function session(inside) {
  if (page.auth === "off") return;
  by("sign-in").hidden = inside;
  const own = inside ? sessionStorage.getItem(OWN) : null;
  by("session").hidden = !inside || own !== null;
  by("signed-in").hidden = own === null;
  by("name").textContent = own ? `Signed in as ${own}` : "";
  if (!inside) by("data").hidden = true;
}

if (by("sign-in")) {
  by("account").href = `/auth/sign-in?next=${encodeURIComponent(location.pathname)}`;
  by("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    forget();
    sessionStorage.setItem(KEY, by("token").value.trim().replace(/^(export TOKEN=|Bearer )/, ""));
    by("token").value = "";
    run(PAGES[page.page]);
  });
  by("sign-out").addEventListener("click", () => {
    forget();
    location.href = "/";
  });
}
if (by("search")) {
  by("query").value = decodeURIComponent(location.hash.slice(1));
  by("search").addEventListener("submit", (event) => {
    event.preventDefault();
    run(() => list());
  });
}
begin();
