// What a person does with each platform, in a real browser against a running demo and its sandbox: somebody joins the
// platform, posts and likes; a patron signs in there, likes something more, lets time pass and finds the flattr, brings the
// export file; the author claims the account; a stranger opts out by a proof in the profile.
//
//   fedflattr demo > demo.txt      and, when the links stand in it:
//   node journey.mjs demo.txt [--browser /usr/bin/chromium] [--pictures DIRECTORY] [--only PLATFORM]
//
// Prints one line for each platform and step: done, how it is refused where the platform has no such way, or what went
// wrong. Ends with 1 when anything did.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { chromium } from "playwright-core";

const PASSWORD = "a sentence for the browser check";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PLATFORMS = ["twitter", "instagram", "vimeo", "soundcloud", "appnet", "github", "flickr", "500px", "fediverse"];
// They give their people no file of likes.
const WITHOUT_FILE = ["vimeo", "github", "fediverse"];
// They show nobody's profile without a sign-in.
const BY_SIGN_IN = ["twitter", "instagram"];
// Who does it: a patron of one instance, and a creator of the same.
const PATRON = "ben";
const CREATOR = "ada";

function arguments_() {
  const options = { browser: "/usr/bin/chromium", pictures: null, only: null, links: {}, sandbox: null };
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const word = words.shift();
    if (word === "--browser") options.browser = words.shift();
    else if (word === "--pictures") options.pictures = words.shift();
    else if (word === "--only") options.only = words.shift();
    else {
      for (const line of readFileSync(word, "utf8").split("\n")) {
        const link = line.match(/^\s*([\w-]+)\s+(https?:\S+\/setup\/\S+)\s*$/);
        const sandbox = line.match(/sandbox of platforms.*(http:\/\/127\.0\.0\.1:\d+)/);
        if (link) options.links[link[1]] = link[2];
        if (sandbox) options.sandbox = sandbox[1];
      }
    }
  }
  return options;
}

const failures = [];

async function step(platform, what, page, options, act) {
  let said;
  try {
    said = (await act()) ?? "done";
  } catch (error) {
    said = `FAILED: ${error.message.split("\n")[0]}`;
    failures.push(`${platform}: ${what}`);
  }
  console.log(`${platform.padEnd(10)} ${what.padEnd(22)} ${said}`);
  if (options.pictures) {
    await page.screenshot({ path: join(options.pictures, `${platform}-${what.replaceAll(/\W+/g, "-")}.png`), fullPage: true });
  }
}

// Waits for what the next page must show.
async function shows(page, text) {
  if (!(await page.locator("body").innerText()).includes(text)) {
    const said = (await page.locator("main").innerText()).replaceAll(/\s+/g, " ").slice(0, 300);
    throw new Error(`expected "${text}", saw: ${said}`);
  }
}

async function note(page) {
  const found = page.locator(".note");
  return (await found.count()) > 0 ? (await found.first().innerText()).replaceAll(/\s+/g, " ") : "";
}

async function press(page, button) {
  await Promise.all([page.waitForLoadState(), button.click()]);
  await page.waitForLoadState();
}

// Somebody new on the platform's look-alike page. Gives the address of their own view.
async function join_platform(page, options, platform, handle) {
  await page.goto(`${options.sandbox}/at/${platform}`);
  await page.fill("#handle", handle);
  await press(page, page.getByRole("button", { name: "Join" }));
  return page.url();
}

async function post_there(page, view, title) {
  await page.goto(view);
  await page.fill("#title", title);
  await press(page, page.getByRole("button", { name: "Post", exact: true }));
}

async function like_there(page, view, title) {
  await page.goto(view);
  const card = page.locator("li", { hasText: title });
  await press(page, card.locator("button.like"));
  const pressed = page.locator("li", { hasText: title }).locator('button.like[aria-pressed="true"]');
  if ((await pressed.count()) !== 1) throw new Error("the button is not pressed afterwards");
}

async function write_bio(page, view, text) {
  await page.goto(view);
  await page.getByRole("link", { name: "Your profile" }).click();
  await page.fill("#bio", text);
  await press(page, page.locator("form.profile button, form:has(#bio) button").first());
}

// Goes through a platform's door as somebody. Gives nothing when there is no door.
async function through_the_door(page, form, platform, handle) {
  const door = page.locator(`form[action="${form}"] button[value="${platform}"]`);
  if ((await door.count()) === 0) return false;
  // A platform of many servers asks for the whole name first.
  const name = page.locator(`#door-${platform}`);
  if ((await name.count()) > 0) await name.fill(handle);
  await press(page, door.first());
  await press(page, page.locator("main a.button").first());
  await press(page, page.locator(`button[value="${handle.split("@")[0]}"]`).first());
  return true;
}

async function connect(page, origin, platform, handle, view) {
  await page.goto(`${origin}/me/connections`);
  if (await through_the_door(page, "/me/connections/sign-in", platform, handle)) {
    await shows(page, handle);
    return "by signing in";
  }
  await page.selectOption("#platform", platform);
  await page.fill("#handle", handle);
  await press(page, page.locator('form[action="/me/connections"] button'));
  const card = page.locator("section.card", { hasText: handle });
  const address = await card.locator("input[readonly]").inputValue();
  await write_bio(page, view, `mine: ${address}`);
  await page.goto(`${origin}/me/connections`);
  await press(page, page.locator("section.card", { hasText: handle }).locator('form[action="/me/connections/check"] button'));
  await shows(page, "connected");
  return "by address";
}

// Likes something new and lets time pass: what the patron's month shows of it.
async function like_counts(platform, patron, stranger, origin, options, views, author, fan, title) {
  await patron.goto(`${origin}/me/connections`);
  const row = patron.locator("tbody tr", { hasText: fan });
  if ((await row.count()) === 0) throw new Error("the account is not connected");
  await until(patron, async () => /sign in/.test(await row.innerText()) || /\bconnected\b/.test(await row.innerText()));
  if (/has to sign in/.test(await row.innerText())) return "is not told by the platform: only files are read";
  await one_hour_later(stranger, options);
  await post_there(stranger, views[author], title);
  await like_there(stranger, views[fan], title);
  // How often a platform is asked differs: a few minutes to some hours.
  // A repository bears its title as a name in addresses.
  const named = new RegExp(title.replaceAll(" ", "[ -]"), "i");
  const flattr = patron.locator("tbody tr", { has: patron.locator("form[action='/me/strike']"), hasText: named });
  for (let hours = 1; hours <= 4; hours += 1) {
    // Who bills every answer is asked once a day.
    await (platform === "twitter" ? later(stranger, options, "One day later") : one_hour_later(stranger, options));
    await patron.goto(`${origin}/me`);
    if (await until(patron, async () => (await flattr.count()) === 1)) {
      return `${(await flattr.innerText()).replaceAll(/\s+/g, " ")} (after ${hours} h)`;
    }
  }
  await patron.goto(`${origin}/me/connections`);
  throw new Error(`what was waited for did not come: ${(await row.innerText()).replaceAll(/\s+/g, " ")}`);
}

async function one_hour_later(page, options) {
  await later(page, options, "One hour later");
}

async function later(page, options, name) {
  await page.goto(options.sandbox);
  await press(page, page.getByRole("button", { name }));
}

// Loads the page again until it shows what is waited for, at most for ten seconds. Gives whether it came.
async function until(page, holds) {
  for (let tries = 0; tries < 20; tries += 1) {
    if (await holds()) return true;
    await page.waitForTimeout(500);
    await page.reload();
  }
  return false;
}

async function bring_file(page, origin, options, platform, handle) {
  await page.goto(`${origin}/me/import`);
  const labels = await page.locator("#source option").allInnerTexts();
  const wanted = labels.find((label) => label.toLowerCase().replaceAll(/[^a-z0-9]/g, "").includes(platform));
  if (WITHOUT_FILE.includes(platform)) {
    if (wanted) throw new Error("a file is asked for that nobody gets");
    return "no file: the platform gives none";
  }
  if (!wanted) throw new Error(`no file can be chosen: ${labels.join(", ")}`);
  const reply = await page.request.get(`${options.sandbox}/_sim/exports/${platform}/${handle}.zip`);
  if (reply.status() !== 200) throw new Error(`the sandbox hands out no file (${reply.status()})`);
  const file = join(tmpdir(), `fedflattr-journey-${platform}-${handle}.zip`);
  writeFileSync(file, await reply.body());
  await page.selectOption("#source", { label: wanted });
  await page.setInputFiles("#file", file);
  await press(page, page.locator('form[enctype="multipart/form-data"] button'));
  // The page comes again by itself while the file is read.
  for (let tries = 0; tries < 30 && /^(Waiting|Being)/.test(await note(page)); tries += 1) await page.waitForTimeout(1_000);
  const said = await note(page);
  if (!said.startsWith("Read")) throw new Error(`the import did not end: ${said}`);
  return said;
}

async function claim(page, origin, options, platform, handle, view) {
  await page.goto(`${origin}/me/claim`);
  if (await through_the_door(page, "/me/claim/sign-in", platform, handle)) {
    const confirm = page.locator('form[action^="/me/claim/"] button:not(.quiet)').first();
    if (page.url().includes("confirm") || (await page.locator('form[action*="confirm"]').count()) > 0) {
      await press(page, (await page.locator('form[action*="confirm"] button').count()) > 0
        ? page.locator('form[action*="confirm"] button').first() : confirm);
    }
    await shows(page, handle);
    await shows(page, "It is proved");
    return `by signing in: ${await note(page)}`;
  }
  const there = page.locator("#platform option", { hasText: /./ });
  const values = await there.evaluateAll((options) => options.map((option) => option.value));
  if (!values.includes(platform)) throw new Error("nothing can be claimed there");
  await page.selectOption("#platform", platform);
  await page.fill("#handle", handle);
  await press(page, page.locator('form[action="/me/claim"] button'));
  const card = page.locator("section.card", { hasText: handle });
  const address = await card.locator("input[readonly]").inputValue();
  await write_bio(page, view, `my flattrs: ${address}`);
  await page.goto(`${origin}/me/claim`);
  await press(page, page.locator("section.card", { hasText: handle }).locator('form[action="/me/claim/check"] button'));
  await shows(page, "It is proved");
  return `by address: ${await note(page)}`;
}

async function opt_out(page, origin, platform, handle, view) {
  await page.goto(`${origin}/opt-out`);
  if (BY_SIGN_IN.includes(platform)) {
    if (!(await through_the_door(page, "/opt-out-sign-in", platform, handle))) throw new Error("there is no door");
  } else {
    await page.selectOption("#platform", platform);
    await page.fill("#account", handle);
    await press(page, page.locator('form[action="/opt-out"] button'));
    const here = page.url();
    const address = await page.locator("#address").inputValue();
    await write_bio(page, view, `not me: ${address}`);
    await page.goto(here);
    await press(page, page.locator('form[action^="/opt-out/"] button'));
  }
  const said = await note(page);
  const stub = await page.goto(`${origin}/on/${platform}/${handle}`);
  if (stub.status() !== 410) throw new Error(`the page of the account answers ${stub.status()}: ${said}`);
  return `${said} [/on/${platform}/${handle}: ${stub.status()}]`;
}

async function main() {
  const options = arguments_();
  if (!options.sandbox || !options.links[PATRON] || !options.links[CREATOR]) {
    console.error("give the output of the demo: it names the sandbox and the one-time links");
    return 2;
  }
  if (options.pictures) mkdirSync(options.pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: options.browser, args: FLAGS });
  const people = {};
  for (const name of [PATRON, CREATOR]) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(options.links[name]);
    await page.fill("#password", PASSWORD);
    await press(page, page.locator("main form button").first());
    people[name] = page;
  }
  const stranger = await (await browser.newContext()).newPage();
  const patron = people[PATRON];
  const creator = people[CREATOR];
  const { origin } = new URL(options.links[PATRON]);
  for (const platform of PLATFORMS.filter((platform) => !options.only || platform === options.only)) {
    const [fan, author, refuser] = ["zoe", "yan", "rita"].map((name) => `${name}${Date.now() % 100_000}`);
    const title = `The first of ${author}`;
    // Where there are many servers a name is whole only with its own.
    const whole = (handle) => (platform === "fediverse" ? `${handle}@${new URL(options.sandbox).host}` : handle);
    let views = {};
    await step(platform, "join, post and like", stranger, options, async () => {
      for (const handle of [fan, author, refuser]) views[handle] = await join_platform(stranger, options, platform, handle);
      await post_there(stranger, views[author], title);
      await like_there(stranger, views[fan], title);
    });
    await step(platform, "connect", patron, options, () => connect(patron, origin, platform, whole(fan), views[fan]));
    await step(platform, "a like counts", patron, options, () =>
      like_counts(platform, patron, stranger, origin, options, views, author, fan, `The second of ${author}`));
    await step(platform, "bring a file", patron, options, () => bring_file(patron, origin, options, platform, fan));
    await step(platform, "claim", creator, options, () => claim(creator, origin, options, platform, whole(author), views[author]));
    await step(platform, "opt out", stranger, options, () => opt_out(stranger, origin, platform, whole(refuser), views[refuser]));
  }
  await browser.close();
  console.log(failures.length === 0 ? "every step went as it should" : `${failures.length} steps failed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
