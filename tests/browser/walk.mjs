// Walks through the dashboard as its owner would, in headless Chromium: create, test, a lead that fails, send it again,
// delete. Reads where to go from the environment; asks on stdout for a lead to be committed; leaves screenshots behind.

import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const { CHROMIUM, PROFILE, SCREENSHOTS, SITE, CHATBOT, SESSION, RECEIVER } = process.env;
const list = `${SITE}/chatbots/${CHATBOT}/webhooks`;
const hostile = `<img src=x onerror="alert(1)">`;

const browser = await puppeteer.launch({
  executablePath: CHROMIUM,
  userDataDir: PROFILE,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage();
await page.setViewport({ width: 1200, height: 900 });

// Nothing that is shown may run, and nothing may be blocked or broken.
const mishaps = [];
page.on("dialog", (dialog) => { mishaps.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("pageerror", (error) => mishaps.push(`error: ${error}`));
page.on("console", (message) => {
  // The browser logs every 4xx; those of a refused form are wanted.
  if (message.type() === "error" && !message.text().includes("422")) mishaps.push(`console: ${message.text()}`);
});

async function screenshot(name) {
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await page.screenshot({ path: `${SCREENSHOTS}/${name}-dark.png`, fullPage: true });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
}

const text = (selector) => page.$eval(selector, (element) => element.textContent.trim());
/** By keyboard, as every control must allow; a click could miss one that a notice has just pushed down. */
async function press(selector) {
  await page.focus(selector);
  await page.keyboard.press("Enter");
}
const follow = (selector) => Promise.all([page.waitForNavigation(), press(selector)]);
const fill = (selector, value) => page.$eval(selector, (input, value) => { input.value = value; }, value);

async function reloadUntil(selector, pattern) {
  const deadline = Date.now() + 20000;
  for (;;) {
    const found = await page.$(selector) && await text(selector);
    if (pattern.test(found)) return;
    assert.ok(Date.now() < deadline, `${selector} is ${found}, not ${pattern}`);
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    await page.reload();
  }
}

/** No page may be wider than a phone. */
async function checkPhone(name) {
  await page.setViewport({ width: 360, height: 800 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.screenshot({ path: `${SCREENSHOTS}/${name}-phone.png`, fullPage: true });
  assert.ok(width <= 360, `${name} is ${width} wide on a phone`);
  await page.setViewport({ width: 1200, height: 900 });
}

/** Every control has a name for a screen reader. */
async function checkNames(name) {
  const tree = await page.accessibility.snapshot();
  const nameless = [];
  const visit = (node) => {
    if (["button", "link", "textbox", "checkbox", "combobox", "spinbutton", "img"].includes(node.role) && !node.name) {
      nameless.push(node);
    }
    (node.children ?? []).forEach(visit);
  };
  visit(tree);
  assert.deepEqual(nameless, [], `${name} has controls without a name`);
}

async function look(name) {
  await screenshot(name);
  await checkPhone(name);
  await checkNames(name);
}

try {
  await browser.setCookie({ name: "session", value: SESSION, domain: new URL(SITE).hostname, path: "/", httpOnly: true });
  await page.goto(list);
  assert.match(await text("main"), /No webhooks yet/);
  await look("empty");

  // Problems are shown where they are.
  await follow("main a.primary");
  await press("button[type=submit]");
  await page.waitForSelector("#name[aria-invalid=true]");
  assert.equal(await text("#name-problem"), "Must have 1 to 200 characters.");
  assert.match(await text("#url-problem"), /must begin with https/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "name");
  await look("problems");

  // By keyboard alone, as far as the form goes.
  await page.keyboard.type(hostile);
  await page.keyboard.press("Tab");
  await page.keyboard.type(RECEIVER);
  await press("summary");
  await fill("#maxRetries", "1");
  await fill("#retryDelay", "100");
  await fill("#headers", "X-Environment: browser\n");
  await page.focus("button[type=submit]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-secret-panel]:not([hidden])");
  assert.match(await text("[data-secret]"), /^whsec_[A-Za-z0-9+/]{43}=$/);
  await look("created");
  await press("[data-copy]");
  await page.waitForFunction(() => document.querySelector("[data-copied]").textContent !== "");
  await follow("[data-continue]");
  assert.match(await text("h1"), /<img src=x.*No delivery yet/);
  assert.equal(await page.$("[data-secret]") && await text("[data-secret]"), "", "the secret is shown once");

  // A test event, and what becomes of it.
  await press("[data-test]");
  await page.waitForFunction(() => /Delivered/.test(document.querySelector("[data-test-state]").textContent));
  await page.waitForFunction(() => /Healthy/.test(document.querySelector("h1").textContent));
  await look("tested");

  // A lead that fails until it is given up, and is sent again.
  console.log("commit a lead");
  await reloadUntil("tbody tr:first-child .badge", /Failed/);
  assert.match(await text("h1"), /Failing/);
  await look("failing");
  await follow("tbody tr:first-child a");
  const response = await text(".attempt pre");
  assert.match(response, /<script>/, "the response is shown as text");
  await look("given-up");
  await follow("[data-call]");
  await page.waitForFunction(() => document.getElementById("notice").textContent === "It is sent again.");
  await reloadUntil("h1 .badge", /Delivered/);
  assert.match(await text(".attempts"), /Attempt 1, sent again/);
  await look("sent-again");

  // A breaker that is open, and a key that is halted and is released.
  const webhook = page.url().replace(/\/deliveries\/.*/, "");
  console.log("take the receiver down");
  await page.goto(webhook);
  await reloadUntil("h1", /Down, next try in/);
  assert.match(await text("main"), /events wait here and use up no retry/);
  await look("down");
  await follow("[aria-label='Release conversation-7']");
  await page.waitForFunction(() => document.getElementById("notice").textContent === "The key goes on.");
  assert.equal(await page.$("#halted"), null);
  console.log("mend the receiver");
  await reloadUntil("h1", /Healthy/);

  // The other pages.
  for (const [name, path, expected] of [
    ["webhook", "?interval=minute", /What happened/],
    ["edit", "/edit", /Edit/],
    ["deliveries", "/deliveries", /LEAD_CREATED/],
    ["filtered", "/deliveries?state=failed&since=&until=2026-01-01T00%3A00", /No deliveries here/],
  ]) {
    await page.goto(webhook + path);
    assert.match(await text("main"), expected);
    await look(name);
  }
  await page.goto(`${list}/test-receiver`);
  await look("test-receiver");
  await page.goto(`${SITE}/api/docs`);
  await look("docs");

  // Saving, pausing, resuming, a new secret, recovering, deleting.
  await page.goto(`${webhook}/edit`);
  assert.equal(await page.$eval("#headers", (area) => area.value), "x-environment: browser\n");
  await fill("#name", "Renamed");
  await follow("button[type=submit]");
  await page.waitForFunction(() => document.getElementById("notice").textContent === "Saved.");
  assert.match(await text("h1"), /Renamed/);
  await follow("[data-call$='/pause']");
  assert.match(await text("h1"), /Paused/);
  await follow("[data-call$='/resume']");
  assert.match(await text("h1"), /Healthy/);
  await press("[data-dialog=rotate]");
  await press("#rotate button[type=submit]");
  await page.waitForSelector("[data-secret-panel]:not([hidden])");
  assert.match(await text("[data-secret]"), /^whsec_/);
  await follow("[data-continue]");
  assert.match(await text("main"), /Old secret signs until/);
  await fill("#since", "2026-01-01T00:00");
  await follow("form[action$='/recover'] button");
  await reloadUntil(".recoveries", /Finished/);
  await press("[data-dialog=delete]");
  await look("delete");
  await page.keyboard.press("Escape");
  assert.equal(await page.$("dialog[open]"), null);
  await press("[data-dialog=delete]");
  await follow("#delete .danger");
  assert.equal(page.url(), list);
  assert.match(await text("main"), /No webhooks yet/);

  // Logged out.
  await browser.deleteMatchingCookies({ name: "session", url: SITE });
  mishaps.push(...await page.goto(list).then((answer) => (answer.status() === 401 ? [] : ["not 401 without a session"])));
  assert.match(await text("h1"), /Log in first/);
  assert.deepEqual(mishaps.filter((mishap) => !mishap.includes("401")), []);
} catch (error) {
  await page.screenshot({ path: `${SCREENSHOTS}/mishap.png`, fullPage: true });
  console.error(mishaps);
  throw error;
} finally {
  await browser.close();
}
