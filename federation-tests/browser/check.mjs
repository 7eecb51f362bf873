// Visits every page of a running demo in a real browser: signed out, and as everybody who has a set-up link.
//
// Each page is loaded four times: English and French, light and dark, wide and 360 px. It must answer with its status,
// fit the width of a phone, satisfy axe-core, and leave nothing in the console. Forms are sent with something wrong in
// them, so that their errors are seen too. Ends with 1 when anything was found.
//
//   fedflattr demo > demo.txt      and, when the links stand in it:
//   node check.mjs demo.txt [--browser /usr/bin/chromium] [--pictures DIRECTORY] [--only NAME]
//
// Instead of the file, or beside it: addresses, and set-up links as NAME=LINK. A link is used up: take a fresh demo.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { chromium } from "playwright-core";

const PASSWORD = "a sentence for the browser check";
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };
const LOADS = [
  { lang: "en", scheme: "light", size: DESK },
  { lang: "en", scheme: "dark", size: PHONE },
  { lang: "fr", scheme: "light", size: PHONE },
  { lang: "fr", scheme: "dark", size: DESK },
];
// More pages than this for one person means that links lead in circles.
const PAGES_MAX = 120;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function arguments_() {
  const options = { browser: "/usr/bin/chromium", pictures: null, only: null, origins: new Set(), links: [] };
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const word = words.shift();
    const named = word.match(/^([\w-]+)=(https?:.*\/setup\/.*)$/);
    if (word === "--browser") options.browser = words.shift();
    else if (word === "--pictures") options.pictures = words.shift();
    else if (word === "--only") options.only = words.shift();
    else if (named) options.links.push({ name: named[1], link: named[2] });
    else if (/^https?:/.test(word)) options.origins.add(new URL(word).origin);
    else read_demo(readFileSync(word, "utf8"), options);
  }
  for (const { link } of options.links) options.origins.add(new URL(link).origin);
  return options;
}

// The demo prints an instance as a line of its own, and a link behind the name of its person.
function read_demo(text, options) {
  for (const line of text.split("\n")) {
    const link = line.match(/^\s*([\w-]+)\s+(https?:\S+\/setup\/\S+)\s*$/);
    const address = line.match(/^\s*(https?:\/\/[^\s/]+)\s*$/);
    if (link) options.links.push({ name: link[1], link: link[2] });
    if (address) options.origins.add(address[1]);
  }
}

const findings = [];
let loads = 0;

function found(who, path, what) {
  findings.push(`${who} ${path}: ${what}`);
  console.log(`  ${path}: ${what}`);
}

// What is wrong with the page that is shown.
async function inspect(page, who, label, options) {
  loads += 1;
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return null;
    const sticks_out = (element) => element.getBoundingClientRect().right > width + 0.5 && !element.closest(".scroll");
    const names = [...document.body.querySelectorAll("*")].filter(sticks_out).map((element) => {
      return element.tagName.toLowerCase() + (element.className ? `.${element.className}` : "");
    });
    return `${document.documentElement.scrollWidth} px wide in ${width}: ${names.slice(-3).join(", ")}`;
  });
  if (wide) found(who, label, wide);
  const headings = await page.locator("h1").count();
  if (headings !== 1) found(who, label, `${headings} headings of the first level`);
  // Evaluated, not added as a script: our policy forbids scripts, and that stays so here.
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      resultTypes: ["violations"],
      rules: { "target-size": { enabled: true } },
    });
    return result.violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.length}) ${nodes[0].target.join(" ")}`);
  });
  for (const violation of violations) found(who, label, violation);
  if (options.pictures) {
    const name = `${who} ${label}`.replaceAll(/[^\w]+/g, "-");
    await page.screenshot({ path: join(options.pictures, `${name}.png`), fullPage: true });
  }
}

// Loads a page once, listening to what the browser complains of.
async function load(page, who, address, { lang, scheme, size }, expected, options) {
  const url = new URL(address);
  url.searchParams.set("lang", lang);
  const label = `${url.pathname}${new URL(address).search} [${lang} ${scheme} ${size.width}]`;
  const complaints = [];
  const listen = (message) => {
    const text = message.text();
    const is_expected = expected >= 400 && text.startsWith("Failed to load resource");
    if ((message.type() === "error" || message.type() === "warning" || text.startsWith("[DOM]")) && !is_expected) {
      complaints.push(text);
    }
  };
  const fail = (request) => complaints.push(`${request.url()} was not loaded`);
  page.on("console", listen);
  page.on("requestfailed", fail);
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: scheme });
  const response = await page.goto(url.href);
  if (response.status() !== expected) found(who, label, `answers ${response.status()}, not ${expected}`);
  await inspect(page, who, label, options);
  const links = await page.evaluate(() => [...document.querySelectorAll("a[href]")].map((link) => link.href));
  page.off("console", listen);
  page.off("requestfailed", fail);
  for (const complaint of complaints) found(who, label, `console: ${complaint}`);
  return links;
}

// Follows every link of an instance from its front door.
async function walk(page, who, origin, expected, options) {
  const queue = ["/", ...Object.keys(expected)];
  const seen = new Set(queue);
  let visited = 0;
  while (queue.length > 0 && visited < PAGES_MAX) {
    const path = queue.shift();
    visited += 1;
    for (const form of LOADS) {
      for (const link of await load(page, who, origin + path, form, expected[path] ?? 200, options)) {
        const url = new URL(link);
        url.searchParams.delete("lang");
        url.searchParams.delete("done");
        // One page, whatever it leads back to.
        if (url.pathname === "/sign-in") url.search = "";
        const next = url.pathname + url.search;
        if (url.origin === origin && !seen.has(next)) {
          seen.add(next);
          queue.push(next);
        }
      }
    }
  }
  if (queue.length > 0) found(who, queue[0], `not visited: more than ${PAGES_MAX} pages`);
  return visited;
}

// Sends a form with something wrong in it and looks at the page that says so.
async function send_wrong(page, who, origin, path, fields, options) {
  for (const { lang, scheme, size } of LOADS) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: scheme });
    const response = await page.goto(`${origin}${path}?lang=${lang}`);
    const names = Object.keys(fields);
    if (response.status() !== 200 || (await page.locator(`main [name="${names[0]}"]`).count()) === 0) return;
    for (const name of names) await page.fill(`main [name="${name}"]`, fields[name]);
    await page.press(`main [name="${names.at(-1)}"]`, "Enter");
    await page.waitForLoadState();
    const label = `${path} with an error [${lang} ${scheme} ${size.width}]`;
    if ((await page.locator('[role="alert"]').count()) !== 1) found(who, label, "says nothing of the error");
    await inspect(page, who, label, options);
  }
}

// A password through the link, and with it a session.
async function sign_in(page, who, link, options) {
  const { origin, pathname } = new URL(link);
  for (const form of LOADS) await load(page, who, link, form, 200, options);
  await send_wrong(page, who, origin, pathname, { password: "short" }, options);
  await page.goto(link);
  await page.fill("#password", PASSWORD);
  await page.press("#password", "Enter");
  await page.waitForLoadState();
  if ((await page.context().cookies()).every((cookie) => !cookie.name.includes("session"))) {
    found(who, "/setup", "the link gave no session");
  }
  return pathname;
}

async function main() {
  const options = arguments_();
  if (options.origins.size === 0) {
    console.error("no address: give the demo's output, or addresses");
    return 2;
  }
  if (options.pictures) mkdirSync(options.pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: options.browser, args: FLAGS });
  const visitors = [...options.origins].map((origin) => ({ who: `visitor of ${new URL(origin).hostname}`, origin }));
  const people = options.links.map(({ name, link }) => ({ who: name, origin: new URL(link).origin, link }));
  for (const { who, origin, link } of [...visitors, ...people]) {
    if (options.only && !who.includes(options.only)) continue;
    console.log(who);
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on("pageerror", (error) => found(who, page.url(), `script: ${error.message}`));
    const expected = { "/nothing-is-here": 404, "/me": 200 };
    if (link) expected[await sign_in(page, who, link, options)] = 410;
    const is_operator = link && (await page.goto(`${origin}/admin`)).status() === 200;
    expected["/admin"] = link && !is_operator ? 403 : 200;
    const visited = await walk(page, who, origin, expected, options);
    if (link) {
      await send_wrong(page, who, origin, "/me", { budget: "5,001,00" }, options);
      await send_wrong(page, who, origin, "/me/connections", { handle: "no such name" }, options);
      await send_wrong(page, who, origin, "/me/claim", { handle: "no such name" }, options);
      await send_wrong(page, who, origin, "/me/revenue", { account: "x" }, options);
    } else {
      await send_wrong(page, who, origin, "/sign-in", { name: "nobody", password: "wrong" }, options);
    }
    console.log(`  ${visited} pages`);
    await context.close();
  }
  await browser.close();
  console.log(`${loads} loads, ${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
}

process.exitCode = await main();
