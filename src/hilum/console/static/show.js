// Resources as people read them: datatypes to text, resources to rows. Pure functions; no network, no page.
// https://hl7.org/fhir/R4/datatypes.html
"use strict";

const join = (parts, glue = " ") => parts.filter((part) => part !== undefined && part !== null && part !== "").join(glue);

const isReference = (value) => typeof value.reference === "string" || (value.display && value.type);

// What a datatype looks like, and how it is said; the first that fits is used.
const SAID = [
  [(v) => v.family !== undefined || v.given !== undefined, (v) => v.text || join([...(v.prefix || []), ...(v.given || []), v.family, ...(v.suffix || [])])],
  [(v) => Array.isArray(v.coding), (v) => v.text || join(v.coding.map((c) => c.display || c.code), ", ")],
  [(v) => v.code !== undefined && v.system !== undefined && v.value === undefined, (v) => v.display || v.code],
  [(v) => v.value !== undefined && (v.unit !== undefined || v.code !== undefined || v.comparator !== undefined), (v) => join([v.comparator, v.value, v.unit || v.code])],
  [(v) => v.currency !== undefined, (v) => join([v.value, v.currency])],
  [(v) => v.start !== undefined || v.end !== undefined, (v) => `${v.start || "…"} – ${v.end || "…"}`],
  [(v) => v.low !== undefined || v.high !== undefined, (v) => `${v.low ? say(v.low) : "…"} – ${v.high ? say(v.high) : "…"}`],
  [(v) => v.numerator !== undefined, (v) => `${say(v.numerator)} / ${v.denominator ? say(v.denominator) : "1"}`],
  [(v) => v.line !== undefined || v.city !== undefined || v.postalCode !== undefined, (v) => v.text || join([...(v.line || []), v.city, v.state, v.postalCode, v.country], ", ")],
  [(v) => isReference(v), (v) => v.display || v.reference],
  [(v) => v.value !== undefined && v.system !== undefined, (v) => join([v.value, v.use ? `(${v.use})` : "", v.type ? say(v.type) : ""])],
  [(v) => v.contentType !== undefined, (v) => join([v.title, v.contentType])],
  [(v) => v.text !== undefined && typeof v.text === "string", (v) => v.text],
  [(v) => v.display !== undefined, (v) => v.display],
];

// A value as one line of text; "" when it has no short form.
function say(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return join(value.map(say), "; ");
  if (typeof value !== "object") return String(value);
  const found = SAID.find(([fits]) => fits(value));
  return found ? found[1](value) : "";
}

const TITLES = ["name", "title", "code", "vaccineCode", "medicationCodeableConcept", "type", "description", "serviceType", "category", "class", "identifier"];

// What a resource is called: a person's name, a code's text, else its type.
function title(resource) {
  for (const name of TITLES) {
    const value = resource[name];
    const text = say(Array.isArray(value) ? value[0] : value);
    if (text) return text;
  }
  return resource.resourceType;
}

const HIDDEN = new Set(["resourceType", "id", "meta", "text", "contained", "extension", "modifierExtension", "implicitRules", "language"]);
const HIDDEN_BELOW = new Set(["id", "extension", "modifierExtension"]);

const label = (name) => (name[0].toUpperCase() + name.slice(1)).replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);

// [label, text, reference or null] of every property that has a short form, nested ones one level down.
function rows(resource) {
  const found = [];
  const add = (name, value) => {
    if (typeof value === "object" && !Array.isArray(value) && value.reference) found.push([name, say(value), value.reference]);
    else found.push([name, say(value), null]);
  };
  for (const [name, value] of Object.entries(resource)) {
    if (HIDDEN.has(name) || name.startsWith("_")) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      if (say(one)) add(label(name), one);
      else if (typeof one === "object") {
        const parts = Object.entries(one).filter(([key, part]) => !HIDDEN_BELOW.has(key) && !key.startsWith("_") && say(part));
        if (parts.length) found.push([label(name), join(parts.map(([key, part]) => `${label(key)}: ${say(part)}`), " · "), null]);
      }
    }
  }
  return found;
}

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;

// JSON text as a list of [text, class or null, reference or null], for colours and links. The text itself is not changed.
function pieces(text) {
  const found = [];
  let at = 0;
  let key = "";
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > at) found.push([text.slice(at, match.index), null, null]);
    if (match[1] && match[2]) {
      key = JSON.parse(match[1]);
      found.push([match[1], "key", null], [match[2], null, null]);
    } else if (match[1]) {
      const value = JSON.parse(match[1]);
      found.push([match[1], "string", key === "reference" ? value : null]);
    } else found.push([match[0], "number", null]);
    at = match.index + match[0].length;
  }
  found.push([text.slice(at), null, null]);
  return found;
}
