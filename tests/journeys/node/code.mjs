// An app that people sign in for, with oauth4webapi unchanged: `node code.mjs SETTINGS` prints where a person has to go,
// reads the address of the way back from standard input, and prints what it saw as JSON.
import { createInterface } from "node:readline/promises";
import * as oauth from "oauth4webapi";

const { origin, id, secret, jwk, redirect, scope } = JSON.parse(process.argv[2]);
const here = { [oauth.allowInsecureRequests]: true };
const seen = {};

const issuer = new URL(origin);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...here }),
);
const client = { client_id: id };
const proof = jwk
  ? oauth.PrivateKeyJwt({
      key: await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]),
      kid: jwk.kid,
    })
  : secret
    ? oauth.ClientSecretBasic(secret)
    : oauth.None();

const verifier = oauth.generateRandomCodeVerifier();
const nonce = oauth.generateRandomNonce();
const state = oauth.generateRandomState();
const going = new URL(server.authorization_endpoint);
going.search = new URLSearchParams({
  client_id: id,
  redirect_uri: redirect,
  response_type: "code",
  scope,
  aud: `${origin}/fhir`,
  nonce,
  state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
console.log(going.href);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const back = new URL((await lines.next()).value);

const another = new URL(back); // RFC 9207: an answer that names another issuer, or none, is refused
another.searchParams.set("iss", "https://elsewhere.example.org");
const without = new URL(back);
without.searchParams.delete("iss");
seen.mixedUp = [another, without].map((url) => {
  try {
    return Boolean(oauth.validateAuthResponse(server, client, url, state));
  } catch (error) {
    return error.code;
  }
});
const parameters = oauth.validateAuthResponse(server, client, back, state);
const answer = await oauth.authorizationCodeGrantRequest(server, client, proof, parameters, redirect, verifier, here);
const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, {
  expectedNonce: nonce,
  requireIdToken: true,
});
await oauth.validateApplicationLevelSignature(server, answer, here);
const claims = oauth.getValidatedIdTokenClaims(tokens);
seen.algorithm = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg;
seen.fhirUser = claims.fhirUser;
seen.issuer = claims.iss;
seen.patient = tokens.patient;
seen.scope = tokens.scope.split(" ").sort().join(" ");

const read = async (token) => {
  const url = new URL(`${origin}/fhir/Patient/${tokens.patient}`);
  try {
    return (await oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, here)).status;
  } catch (error) {
    return error.status;
  }
};
seen.read = await read(tokens.access_token);

const fresh = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token, here),
);
seen.refreshed = [fresh.access_token !== tokens.access_token, fresh.refresh_token !== tokens.refresh_token];
seen.readAgain = await read(fresh.access_token);

const ask = async (token) =>
  oauth.processIntrospectionResponse(
    server,
    client,
    await oauth.introspectionRequest(server, client, proof, token, here),
  );
if (secret || jwk) {
  const known = await ask(fresh.access_token);
  seen.introspected = [known.active, known.client_id === id, known.patient, known.sub === claims.sub];
}
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, fresh.refresh_token, here));
seen.readAfter = await read(fresh.access_token);
if (secret || jwk) seen.introspectedAfter = (await ask(fresh.access_token)).active;
try {
  await oauth.processRefreshTokenResponse(
    server,
    client,
    await oauth.refreshTokenGrantRequest(server, client, proof, fresh.refresh_token, here),
  );
} catch (error) {
  seen.refused = error.error;
}
console.log(JSON.stringify(seen));
process.exit(0);
