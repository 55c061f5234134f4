// Passkeys, which no page can do without script; where there is none, or none are known, other ways are shown. No innerHTML (Trusted Types).
const FRESH = 100_000; // ms; a challenge lives for 150 s at least
const supported = Boolean(window.PublicKeyCredential && navigator.credentials);
const ours = { accept: "application/json", "latchkey-client": "web" };

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = (list) => list.map((one) => ({ ...one, id: bytes(one.id) }));

// From the API's JSON to what browsers take, and back. By hand: the browsers' own functions for it are younger than passkeys.
function asked(options) {
  const found = { ...options, challenge: bytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
  for (const name of ["allowCredentials", "excludeCredentials"]) if (options[name]) found[name] = named(options[name]);
  return found;
}
function told(made) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[name]) response[name] = text(made.response[name]);
  }
  if (made.response.getTransports) response.transports = made.response.getTransports();
  return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
}

async function read(url, body) {
  const how = body === undefined ? {} : { method: "POST", body, headers: { ...ours, "content-type": "application/json" } };
  const answer = await fetch(url, { headers: ours, ...how });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

function prepare(form) {
  const { passkey: kind, options: where, start, page, query } = form.dataset;
  const button = form.querySelector("[data-press]");
  const field = form.querySelector("[name=credential]");
  const show = (name) => { for (const one of form.querySelectorAll("[data-said]")) one.hidden = one.dataset.said !== name; };
  let url = where;
  let options = null;
  let waiting = null; // the request that fills names in by itself

  // The sign-in page has no attempt yet: it is begun here, and the form leads into it.
  const begin = async () => {
    const flow = await read(start, form.dataset.body);
    url = `${start}/${flow.id}/passkey`;
    form.action = `${page}/${flow.id}/passkey${query}`;
  };
  const fresh = async () => {
    let found = null;
    if (url) found = await read(url).catch((error) => { if (!start) throw error; }); // else the attempt was too old
    if (!found) {
      await begin();
      found = await read(url);
    }
    options = asked(found.passkey ?? found.public_key);
    return options;
  };
  const done = (made) => {
    field.value = told(made);
    form.requestSubmit();
  };
  const quiet = async () => {
    waiting?.abort();
    waiting = new AbortController();
    try {
      done(await navigator.credentials.get({ publicKey: await fresh(), mediation: "conditional", signal: waiting.signal }));
    } catch {
      // Nobody chose one, or it came to nothing: the other ways stand on the page.
    }
  };

  button.hidden = false;
  button.addEventListener("click", async () => {
    show("");
    waiting?.abort();
    waiting = null;
    try {
      const publicKey = options ?? await fresh();
      done(await navigator.credentials[kind]({ publicKey }));
    } catch (error) {
      options = null;
      show(error.name === "InvalidStateError" ? "held" : "broken");
      if (!start) fresh().catch(() => {});
    }
  });

  setInterval(() => {
    options = null;
    if (waiting) quiet();
    else if (!start) fresh().catch(() => {});
  }, FRESH);
  if (!start) fresh().catch(() => {});
  else PublicKeyCredential.isConditionalMediationAvailable?.().then((yes) => { if (yes) quiet(); });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (supported) prepare(form);
  else for (const one of form.querySelectorAll("[data-said=unknown]")) one.hidden = false;
}
if (supported) for (const one of document.querySelectorAll("[data-with-passkeys]")) one.hidden = false;
if (!supported) for (const one of document.querySelectorAll("[data-without-passkeys]")) one.hidden = false;
// Where one is offered afterwards: only to who can make one on this very device.
const offers = document.querySelectorAll("input[data-offers]");
if (supported && offers.length) {
  PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable?.().then((yes) => {
    for (const one of offers) one.value = yes ? "1" : "";
  });
}
