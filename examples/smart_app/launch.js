// Both ways to start: by itself (this page alone), or from a record (hilum adds `iss` and `launch` to its address).
const asked = new URLSearchParams(location.search);
const iss = asked.get("iss") || APP.iss;
const scope = asked.has("launch") ? APP.scope.replace("launch/patient", "launch") : APP.scope;
const problem = document.getElementById("problem");

if (iss !== APP.iss) {
  problem.textContent = "This app works with " + APP.iss + " only."; // or another server would get what people type
} else {
  FHIR.oauth2.authorize({ ...APP, scope, redirectUri: "index.html" }).catch((error) => {
    problem.textContent = error.message;
  });
}
