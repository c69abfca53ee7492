// What this app is registered with: `hilum clients add` printed the id. Scopes beyond its registration are not granted.
const APP = {
  clientId: "vitals",
  iss: "http://127.0.0.1:8080/fhir",
  scope: "openid fhirUser offline_access launch/patient patient/Patient.rs patient/Observation.rs",
};
