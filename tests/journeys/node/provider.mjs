// An EHR's authorization server that is none of hilum's: `node provider.mjs SETTINGS` runs npm oidc-provider, as strict
// as it comes, until it is ended. On standard output each token request is told, by grant and outcome, as it happens.
//
// Whoever sends a refresh token twice has the whole grant taken away. What SMART adds to OpenID Connect is set: scopes,
// `aud` of the request, `patient` beside the token. The pages for signing in are oidc-provider's, made for development.
import Provider, { errors } from "oidc-provider";

const { issuer, base, jwks, redirects, userScopes, systemScopes, patient, secret } = JSON.parse(process.argv[2]);
const tell = (line) => console.log(JSON.stringify(line));
const grant = (ctx) => ctx.oidc.params?.grant_type;

const keyed = { token_endpoint_auth_method: "private_key_jwt", jwks_uri: jwks, response_types: [], redirect_uris: [] };
const person = {
  scope: userScopes,
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  redirect_uris: redirects,
  application_type: "native", // a web application's redirect URI is https
};
const provider = new Provider(issuer, {
  clients: [
    {
      ...keyed,
      client_id: "service",
      grant_types: ["client_credentials"],
      scope: systemScopes,
      token_endpoint_auth_signing_alg: "RS384",
    },
    { ...keyed, ...person, client_id: "app", token_endpoint_auth_signing_alg: "ES384" },
    { ...person, client_id: "public", token_endpoint_auth_method: "none" },
    { client_id: "fhir", client_secret: secret, grant_types: [], response_types: [], redirect_uris: [] },
  ],
  scopes: [...new Set([...userScopes.split(" "), ...systemScopes.split(" ")])],
  claims: { openid: ["sub"], fhirUser: ["fhirUser"] },
  conformIdTokenClaims: false, // SMART: fhirUser stands in the id_token
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, fhirUser: `${base}/Patient/${id}` }) }),
  extraParams: {
    aud(ctx, value) {
      if (value !== base) throw new errors.InvalidRequest("aud is not the FHIR base URL");
    },
  },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // its own reaches nothing on this machine
  enabledJWA: { clientAuthSigningAlgValues: ["RS384", "ES384"] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === "fhir" },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 300,
    ClientCredentials: 300,
    IdToken: 300,
    RefreshToken: 3600,
    Grant: 3600,
    Session: 3600,
    Interaction: 600,
  },
});
provider.use(async (ctx, next) => {
  await next();
  if (ctx.oidc?.route === "token" && ctx.body?.scope?.split(" ").includes("launch/patient")) ctx.body.patient = patient;
});
provider.on("grant.success", (ctx) => tell({ grant: grant(ctx), client: ctx.oidc.client.clientId }));
provider.on("grant.error", (ctx, error) => tell({ grant: grant(ctx), error: error.error, why: error.error_detail }));
provider.on("grant.revoked", () => tell({ revoked: true }));
provider.on("authorization.error", (ctx, error) => tell({ error: error.error, why: error.error_description }));
provider.on("server_error", (ctx, error) => tell({ error: String(error.stack) }));

const url = new URL(issuer);
for (const client of ["service", "app", "public", "fhir"]) await provider.Client.find(client); // refuses bad metadata
const server = provider.listen(Number(url.port), url.hostname, () => tell({ ready: true }));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
