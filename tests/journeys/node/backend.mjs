// Backend services with oauth4webapi, unchanged: `node backend.mjs ORIGIN CLIENT PRIVATE_JWK` prints what it saw as JSON.
import * as oauth from "oauth4webapi";

const [, , origin, clientId, text] = process.argv;
const jwk = JSON.parse(text);
const seen = {};
const here = { [oauth.allowInsecureRequests]: true };

const issuer = new URL(origin);
const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oidc", ...here });
const server = await oauth.processDiscoveryResponse(issuer, discovered);
seen.issuer = server.issuer;

const algorithm =
  jwk.alg === "ES384" ? { name: "ECDSA", namedCurve: "P-384" } : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" };
const imported = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
const authentication = oauth.PrivateKeyJwt({ key: imported, kid: jwk.kid });
const client = { client_id: clientId };
const wanted = new URLSearchParams({ scope: "system/*.rs" });
const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, wanted, here);
const token = await oauth.processClientCredentialsResponse(server, client, answer);
seen.token_type = token.token_type;
seen.expires_in = token.expires_in;
seen.scope = token.scope;

const url = new URL(`${origin}/fhir/Patient?_count=1`);
const data = await oauth.protectedResourceRequest(token.access_token, "GET", url, undefined, undefined, here);
seen.status = data.status;
seen.type = (await data.json()).type;

const stranger = oauth.PrivateKeyJwt({ key: imported, kid: "another" });
try {
  const refused = await oauth.clientCredentialsGrantRequest(server, client, stranger, wanted, here);
  await oauth.processClientCredentialsResponse(server, client, refused);
} catch (error) {
  seen.refused = error.error;
}
console.log(JSON.stringify(seen));
