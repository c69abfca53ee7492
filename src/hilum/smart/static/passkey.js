// Passkeys: asks the browser for one and sends what it signed as a form. https://www.w3.org/TR/webauthn-3/
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const said = (credential) => {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
};

const asks = {
  get: (form) => navigator.credentials.get({ publicKey: {
    challenge: new TextEncoder().encode(form.dataset.challenge),
    rpId: form.dataset.host,
    userVerification: "required",
    timeout: 300000,
  } }),
  create: (form) => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    options.user.id = bytes(options.user.id);
    for (const one of options.excludeCredentials || []) one.id = bytes(one.id);
    return navigator.credentials.create({ publicKey: options });
  },
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = form.querySelector("[role=alert]");
    message.hidden = true;
    try {
      form.elements.credential.value = said(await asks[form.dataset.passkey](form));
      form.submit();
    } catch (error) {
      message.textContent = error.name === "InvalidStateError"
        ? "There is a passkey for this account on this device already."
        : "No passkey was used. Try again, or go on without.";
      message.hidden = false;
    }
  });
}
