// Sends the forms and buttons of a page to the API, and shows what it answers. Everything else is in the page already.
"use strict";

const NOTICE = "postrider-notice";

/** Calls the API with JSON; an answer without JSON counts as no answer. */
async function call(method, path, body) {
  try {
    const response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
    return { ok: response.ok, status: response.status, json: await response.json() };
  } catch {
    return { ok: false, status: 0, json: { error: { message: "The server cannot be reached; try again soon" } } };
  }
}

function leaveNotice(text) {
  if (text) sessionStorage.setItem(NOTICE, text);
}

function showNotice() {
  const text = sessionStorage.getItem(NOTICE);
  sessionStorage.removeItem(NOTICE);
  // After the page is there: a status that is filled at once is not read out.
  if (text) setTimeout(() => { document.getElementById("notice").textContent = text; }, 100);
}

function go(where, notice) {
  leaveNotice(notice);
  if (where) location.assign(where);
  else location.reload();
}

// Forms ---------------------------------------------------------------------------------------------------------------

const READERS = {
  text: (input) => input.value,
  number: (input) => (input.value === "" ? null : Number(input.value)),
  "optional-number": (input) => (input.value === "" ? null : Number(input.value)),
  boolean: (input) => input.checked,
  moment: (input) => (input.value === "" ? "" : new Date(input.value).toISOString()),
  headers: (input) => {
    const lines = input.value.split("\n").filter((line) => line.trim() !== "");
    return Object.fromEntries(lines.map((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line.trim(), null] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }));
  },
  "event-types": (fieldset) => {
    const chosen = [...fieldset.querySelectorAll("input[type=checkbox]:checked:enabled")].map((box) => box.value);
    const others = fieldset.querySelector("[data-others]:enabled");
    const typed = others ? others.value.split(",").map((name) => name.trim()).filter((name) => name !== "") : [];
    return [...chosen, ...typed];
  },
};

function nameOf(input) {
  return input.dataset.name ?? input.name;
}

function read(form) {
  const inputs = [...form.querySelectorAll("[data-kind]")];
  return Object.fromEntries(inputs.map((input) => [nameOf(input), READERS[input.dataset.kind](input)]));
}

/** Puts each problem beside its field, and goes to the first. */
function showProblems(form, json) {
  const inputs = [...form.querySelectorAll("[data-kind]")];
  const rest = [];
  for (const input of inputs) {
    input.removeAttribute("aria-invalid");
    const place = document.getElementById(`${nameOf(input)}-problem`);
    if (place) place.textContent = "";
  }
  for (const problem of json?.error?.fields ?? []) {
    const input = inputs.find((one) => nameOf(one) === problem.field);
    const place = document.getElementById(`${problem.field}-problem`);
    if (input && place) {
      input.setAttribute("aria-invalid", "true");
      place.textContent = sentence(problem.message);
      input.closest("details")?.setAttribute("open", "");
    } else {
      rest.push(`${problem.field}: ${problem.message}`);
    }
  }
  const general = form.querySelector("[data-problem]");
  if (general) general.textContent = rest.length || !json?.error?.fields ? rest.join("; ") || json?.error?.message || "" : "";
  form.querySelector("[aria-invalid=true]")?.focus();
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
}

async function submit(form) {
  const buttons = [...form.querySelectorAll("button")];
  buttons.forEach((button) => { button.disabled = true; });
  showProblems(form, { error: { fields: [] } });
  const answer = await call(form.dataset.api, form.getAttribute("action"), read(form));
  buttons.forEach((button) => { button.disabled = false; });
  if (!answer.ok) return showProblems(form, answer.json);
  const then = form.dataset.then;
  if (then === "secret") return showSecret(form, answer.json.webhook);
  go(then === "reload" ? null : then, form.dataset.notice);
}

/** Shows a new secret where the form was: the only time that anybody sees it. */
function showSecret(form, webhook) {
  const panel = document.querySelector("[data-secret-panel]");
  form.closest("dialog")?.close();
  if (!form.closest("dialog")) form.hidden = true;
  panel.querySelector("[data-secret]").textContent = webhook.secret;
  const base = panel.dataset.base;
  panel.querySelector("[data-continue]").href = base ? `${base}/${encodeURIComponent(webhook.id)}` : location.pathname;
  panel.hidden = false;
  panel.focus();
}

async function copySecret(button) {
  const said = button.parentElement.querySelector("[data-copied]");
  const secret = document.querySelector("[data-secret]");
  try {
    await navigator.clipboard.writeText(secret.textContent);
    said.textContent = "Copied";
  } catch {
    // Browsers let pages copy only over https or on localhost.
    getSelection().selectAllChildren(secret);
    said.textContent = "Selected: press Ctrl+C or ⌘C";
  }
}

/** With "all events" chosen, the single ones say nothing. */
function settleEventTypes(fieldset) {
  const all = fieldset.querySelector("[data-all]");
  for (const input of fieldset.querySelectorAll("input")) {
    if (input !== all) input.disabled = all.checked;
  }
}

// Buttons -------------------------------------------------------------------------------------------------------------

async function press(button) {
  button.disabled = true;
  const body = button.dataset.body ? JSON.parse(button.dataset.body) : {};
  const answer = await call("POST", button.dataset.call, body);
  button.disabled = false;
  if (answer.ok) return go(null, button.dataset.notice);
  showProblem(answer.json);
}

function showProblem(json) {
  const place = document.querySelector("main > [data-problem]");
  place.textContent = json?.error?.message ?? "This did not work";
  place.scrollIntoView({ block: "nearest" });
}

const STATES = {
  pending: "Sent off; waiting for the first attempt …",
  retrying: "The last attempt failed; it is tried again …",
  delivered: "Delivered: the receiver took it.",
  failed: "Given up: every attempt failed.",
};

/** Sends a test event and tells what becomes of it, for half a minute. */
async function sendTest(button) {
  button.disabled = true;
  const sent = await call("POST", button.dataset.test);
  if (!sent.ok) {
    button.disabled = false;
    return showProblem(sent.json);
  }
  const id = encodeURIComponent(sent.json.delivery.id);
  const panel = document.querySelector("[data-test-panel]");
  panel.querySelector("[data-test-link]").href = `${button.dataset.page}/${id}`;
  panel.hidden = false;
  panel.focus();
  const deadline = Date.now() + 30000;
  let delivery = sent.json.delivery;
  for (;;) {
    tell(panel, delivery, []);
    if (delivery.state === "delivered" || delivery.state === "failed") break;
    if (Date.now() > deadline) {
      panel.querySelector("[data-test-detail]").textContent = "It still waits. Look at the delivery later.";
      break;
    }
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    const answer = await call("GET", `${button.dataset.deliveries}/${id}`);
    if (answer.ok) {
      delivery = answer.json.delivery;
      tell(panel, delivery, answer.json.attempts);
    }
  }
  button.disabled = false;
  refreshLive();
}

/** Renews what the page shows of the webhook, so that it does not contradict what was just told. */
async function refreshLive() {
  const response = await fetch(location.href, { credentials: "same-origin" });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const replacements = fresh.querySelectorAll("[data-live]");
  document.querySelectorAll("[data-live]").forEach((old, place) => { old.replaceWith(replacements[place]); });
}

function tell(panel, delivery, attempts) {
  const state = panel.querySelector("[data-test-state]");
  const text = STATES[delivery.state] ?? delivery.state;
  // Said once, not at every look.
  if (state.textContent !== text) state.textContent = text;
  const last = attempts[attempts.length - 1];
  if (last) {
    const answer = last.status === null ? (last.errorDetail ?? last.error) : `answered ${last.status}`;
    panel.querySelector("[data-test-detail]").textContent =
      `Attempt ${last.number}: ${answer}, after ${last.durationMs.toFixed(1)} ms.`;
  }
}

// The page ------------------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  submit(form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.call) press(button);
  if (button.dataset.test) sendTest(button);
  if (button.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
  if ("close" in button.dataset) button.closest("dialog").close();
  if ("copy" in button.dataset) copySecret(button);
});

document.addEventListener("change", (event) => {
  const fieldset = event.target.closest("[data-kind=event-types]");
  if (fieldset) settleEventTypes(fieldset);
});

for (const fieldset of document.querySelectorAll("[data-kind=event-types]")) settleEventTypes(fieldset);
for (const time of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) time.title = `${moment.toLocaleString()} where you are`;
}
showNotice();
