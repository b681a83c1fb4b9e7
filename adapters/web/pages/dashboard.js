// The dashboard: what the server says of itself once a tick, and one session in full.

import { Api, Refused } from "./feed.js";
import { SignIn, element } from "./parts.js";

const $ = (id) => document.getElementById(id);
const api = new Api(new URL(".", location.href).href);
const TICKS = 90, MOST_EVENTS = 5000, MOST_SHOWN = 300;

let overview = null;      // the stream of ticks
let past = [];            // of the last ticks, what the sparklines show
let last = null;
let chosen = null;        // the session in full
let follow = null;        // the stream of its events
let events = [];          // its durable events, as they came
let live = true;
let timer = null;

// --- streams that come back -----------------------------------------------------------------------

class Stream {
  // Server-sent events with a fresh ticket for each connection. The browser's own reconnect would
  // show the old ticket, which is good only once.
  constructor(path, query, on, changed = () => {}) {
    Object.assign(this, { path, query, on, changed, failures: 0, closed: false });
    this.connect();
  }

  async connect() {
    try {
      const { ticket } = await api.call("POST", "v1/tickets", {});
      if (this.closed) return;
      const url = new URL(this.path, api.root);
      url.search = new URLSearchParams({ ...this.query(), ticket });
      this.source = new EventSource(url);
    } catch (error) {
      if (error instanceof Refused && error.status < 500 && error.status !== 429) return this.changed(error.message, "bad");
      return this.later();
    }
    this.source.onopen = () => { this.failures = 0; this.changed("live", "good"); };
    this.source.onerror = () => this.later();
    for (const name of ["overview", "frame", "draining"]) this.source.addEventListener(name, ({ data }) => this.on(JSON.parse(data), name));
  }

  later() {
    this.source?.close();
    if (this.closed) return;
    this.changed("reconnecting", "warn");
    const wait = Math.min(5000, 250 * 2 ** this.failures++) * (0.5 + Math.random() / 2);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.source?.close();
  }
}

// --- coming in ------------------------------------------------------------------------------------

const signIn = new SignIn(api, (me) => {
  if (!me.scopes.includes("operator")) return signIn.ask("The dashboard is for operators.");
  watch();
  choose();
});

async function comeIn() {
  try {
    await signIn.begin();
  } catch (error) {
    status(error.message, "bad");
    setTimeout(comeIn, 2000);
  }
}

function watch() {
  overview?.close();
  overview = new Stream("v1/admin/overview", () => ({ sort: $("sort").value, ...($("q").value ? { prefix: $("q").value } : {}), ...($("show").value ? { verdict: $("show").value } : {}) }), onOverview, status);
}

function status(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `pill ${kind}`;
}

// --- the overview ---------------------------------------------------------------------------------

function onOverview(tick, name) {
  if (name === "draining") return status("draining", "warn");
  const before = last;
  last = tick;
  const seconds = before ? Math.max((tick.at_ms - before.at_ms) / 1000, 0.001) : 1;
  const rate = (of) => before ? Math.max(of(tick) - of(before), 0) / seconds : 0;
  past.push({ events: rate((t) => t.stats.published), turns: rate((t) => t.stats.turns_started), resident: tick.sessions.in_use, deepest: tick.deepest });
  past = past.slice(-TICKS);
  if (!tick.ready) status("draining", "warn");
  showGauges(tick);
  showRows(tick);
  if (live && events.length) soon();
}

function showGauges(tick) {
  const now = past[past.length - 1];
  const ended = Object.values(tick.stats.turns_ended).reduce((sum, n) => sum + n, 0);
  $("gauges").replaceChildren(
    gauge("Sessions on stage", tick.sessions),
    ...(tick.turns.limit === null ? [] : [gauge("Running turns", tick.turns)]),  // counted only then
    spark("Events per second", now.events, "events"),
    spark("Turns per second", now.turns, "turns"),
    spark("Deepest mailbox", now.deepest, "deepest"),
    fact("Streams open", tick.streams),
    fact("Turns ended", ended, Object.entries(tick.stats.turns_ended).filter(([how]) => how !== "completed").map(([how, n]) => `${n} ${how}`).join(", ")),
    fact("Restarts", tick.stats.restarted, `${tick.stats.crashed} crashes, ${tick.stats.parked} parked`),
    fact("Passivated", tick.stats.passivated, `${tick.stats.activated} activated`),
    fact("Turned away", tick.stats.turned_away, tick.sessions.waiting ? `${tick.sessions.waiting} wait` : ""),
  );
}

function card(name, value, more = "") {
  const it = element("div", "card");
  const shown = element("span", "value", String(value));
  if (more) shown.append(" ", element("small", "", more));
  it.append(element("span", "name", name), shown);
  return it;
}

const fact = (name, value, more) => card(name, number(value), more);

function gauge(name, { in_use, limit, waiting }) {
  const it = card(name, number(in_use), limit === null ? "no limit" : `of ${number(limit)}${waiting ? `, ${waiting} wait` : ""}`);
  if (limit === null) return it;
  const share = Math.min(in_use / limit, 1);
  const bar = svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": `${Math.round(share * 100)} %` });
  bar.append(svg("rect", { class: "rail", width: 100, height: 6, rx: 1 }), svg("rect", { class: `bar ${share >= 0.9 ? "bad" : share >= 0.75 ? "warn" : ""}`, width: 100 * share, height: 6, rx: 1 }));
  bar.style.height = ".5rem";
  it.append(bar);
  return it;
}

function spark(name, value, key) {
  const it = card(name, value >= 10 || Number.isInteger(value) ? number(Math.round(value)) : value.toFixed(1));
  const most = Math.max(1, ...past.map((each) => each[key]));
  const line = svg("svg", { viewBox: `0 0 ${TICKS} 30`, preserveAspectRatio: "none", role: "img", "aria-label": `at most ${number(Math.round(most))} of late` });
  const first = TICKS - past.length;
  line.append(svg("polyline", { points: past.map((each, index) => `${first + index},${29 - 28 * each[key] / most}`).join(" ") }));
  it.append(line);
  return it;
}

function showRows(tick) {
  $("matched").textContent = tick.matched > tick.rows.length ? `${tick.rows.length} of ${number(tick.matched)}` : number(tick.matched);
  $("none").hidden = tick.rows.length > 0;
  const focused = document.activeElement?.dataset?.session;
  $("rows").replaceChildren(...tick.rows.map((row) => {
    const line = element("tr", row.id === chosen ? "chosen" : "");
    const open = element("button", "", row.id);
    open.type = "button";
    open.dataset.session = row.id;
    open.addEventListener("click", () => { location.hash = `session=${encodeURIComponent(row.id)}`; $("detail").scrollIntoView({ block: "start" }); });
    const first = element("td");
    first.append(open);
    const state = element("td");
    state.append(element("span", `pill ${row.running_turn ? "good" : row.verdict === "resident" ? "" : "warn"}`, row.running_turn ? "running" : row.verdict));
    line.append(first, element("td", "", row.owner ?? ""), state, element("td", "number", number(row.depth)), element("td", "number", row.running_turn ?? ""), element("td", "number", row.restarts || ""), element("td", "number", row.since_ms ? ago(tick.at_ms - row.since_ms) : ""));
    return line;
  }));
  if (focused) $("rows").querySelector(`[data-session="${CSS.escape(focused)}"]`)?.focus();
}

for (const id of ["show", "sort"]) $(id).addEventListener("change", watch);
let typing = null;
$("q").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(watch, 250); });
$("filter").addEventListener("submit", (event) => { event.preventDefault(); watch(); });

// --- one session ----------------------------------------------------------------------------------

async function choose() {
  chosen = new URLSearchParams(location.hash.slice(1)).get("session");
  follow?.close();
  events = [];
  setPlaying(false);
  live = true;
  $("detail").hidden = !chosen;
  if (!chosen) return;
  $("detail-title").textContent = chosen;
  follow = new Stream(`v1/admin/sessions/${encodeURIComponent(chosen)}/events`, () => ({ after: String(events.at(-1)?.revision ?? 0) }), onEvent);
  await explain();
}

addEventListener("hashchange", choose);
$("close").addEventListener("click", () => { location.hash = ""; });

async function explain() {
  const session = chosen;
  let told;
  try { told = await api.call("GET", `v1/admin/explain/${encodeURIComponent(session)}`); } catch (error) { told = { verdict: error.message }; }
  if (session !== chosen) return;
  const facts = [
    ["Where", told.verdict], ["Since", told.since_ms ? time(told.since_ms) : "-"], ["Owner", told.owner ?? "-"], ["State", told.state ?? "-"],
    ["Came because of", told.came ?? "-"], ["Restarts", told.restarts ?? 0],
    ["Last left", told.left ? `${time(told.left.at_ms)}: ${told.left.end}${told.left.passivated ? ` (${told.left.passivated})` : ""}` : "-"],
    ["Death cause", told.error || told.left?.error || "-"], ["Kept awake by", (told.pins ?? []).map((pin) => pin.reason || pin.kind).join(", ") || "-"],
  ];
  $("facts").replaceChildren(...facts.map(([name, value]) => {
    const it = element("div");
    it.append(element("dt", "", name), element("dd", "", String(value)));
    return it;
  }));
}

function onEvent(frame) {
  if (frame.type !== "event" || frame.revision <= (events.at(-1)?.revision ?? 0)) return;
  events.push(frame);
  if (events.length > MOST_EVENTS) events.shift();
  soon();
}

let drawing = false;
function soon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function draw() {
  $("scrub").max = events.length;
  if (live) $("scrub").value = events.length;
  const at = Number($("scrub").value);
  const seen = events.slice(0, at);
  $("when").textContent = seen.length ? `${at} of ${events.length}, ${time(seen.at(-1).at_ms)}` : `0 of ${events.length}`;
  $("live").setAttribute("aria-pressed", String(live));
  drawTimeline(seen.at(-1)?.at_ms);
  $("events").replaceChildren(...seen.slice(-MOST_SHOWN).reverse().map((frame) => {
    const it = element("li");
    it.append(element("span", "dim", time(frame.at_ms)), element("span", "what", frame.event.type), element("span", "text", words(frame.event)));
    return it;
  }));
}

function words(event) {
  const { type, ...rest } = event;
  if (event.message) return `${event.message.author ?? event.message.role ?? "assistant"}: ${event.message.text}`;
  return Object.entries(rest).filter(([, value]) => value !== "" && value !== null).map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}

const ROW = 22, LEFT = 60, WIDTH = 900;

function turnsOf(list) {
  const turns = new Map();
  const of = (id) => { if (!turns.has(id)) turns.set(id, { id, tools: [], asks: [] }); return turns.get(id); };
  for (const { at_ms, event } of list) {
    switch (event.type) {
      case "turn.queued": of(event.turn).queued = at_ms; break;
      case "turn.started": of(event.turn).started ??= at_ms; break;
      case "turn.ended": Object.assign(of(event.turn), { ended: at_ms, status: event.status }); break;
      case "tool.called": of(event.call.turn).tools.push([at_ms, event.call.name]); break;
      case "approval.requested": of(event.turn).asks.push({ id: event.approval, from: at_ms }); break;
      case "approval.decided": { const ask = of(event.turn).asks.find((it) => it.id === event.approval); if (ask) ask.to = at_ms; }
    }
  }
  return [...turns.values()];
}

function drawTimeline(now) {
  const turns = turnsOf(events).slice(-12);
  const box = $("timeline");
  const height = 24 + ROW * Math.max(turns.length, 1);
  box.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  box.replaceChildren();
  if (!turns.length) return box.append(svg("text", { x: 4, y: 16 }, "no turns yet"));
  const end = Math.max(events.at(-1).at_ms, live && last ? last.at_ms : 0);
  const begin = Math.min(...turns.map((turn) => turn.queued ?? turn.started ?? turn.ended ?? end));
  const x = (at) => LEFT + (WIDTH - LEFT - 10) * (at - begin) / Math.max(end - begin, 1);
  const wide = (from, to) => Math.max(x(to) - x(from), 2);
  turns.forEach((turn, index) => {
    const y = 4 + ROW * index;
    box.append(svg("text", { x: 4, y: y + 13 }, `turn ${turn.id}`));
    const stop = turn.ended ?? end;
    if (turn.queued) box.append(svg("rect", { class: "turn queued", x: x(turn.queued), y: y + 3, height: 12, width: wide(turn.queued, turn.started ?? stop) }));
    if (turn.started) box.append(titled(svg("rect", { class: `turn ${turn.status ?? "running"}`, x: x(turn.started), y, height: 18, rx: 3, width: wide(turn.started, stop) }), `turn ${turn.id}: ${turn.status ?? "running"}, ${ago(stop - turn.started)}`));
    for (const ask of turn.asks) box.append(titled(svg("rect", { class: "ask", x: x(ask.from), y: y + 2, height: 14, width: wide(ask.from, ask.to ?? stop) }), "waits for approval"));
    for (const [at, name] of turn.tools) box.append(titled(svg("circle", { class: "tool", cx: x(at), cy: y + 9, r: 4 }), name));
  });
  box.append(svg("text", { x: LEFT, y: height - 4 }, time(begin)), svg("text", { x: WIDTH - 70, y: height - 4 }, time(end)));
  if (now && !live) box.append(svg("line", { class: "now", x1: x(now), x2: x(now), y1: 0, y2: height - 16 }));
}

// --- replay ---------------------------------------------------------------------------------------

$("scrub").addEventListener("input", () => { live = Number($("scrub").value) === events.length; setPlaying(false); draw(); });
$("live").addEventListener("click", () => { live = true; setPlaying(false); draw(); });
$("play").addEventListener("click", () => {
  if (timer !== null) return setPlaying(false);
  if (Number($("scrub").value) >= events.length) $("scrub").value = 0;
  live = false;
  setPlaying(true);
  step();
});

function setPlaying(playing) {
  clearTimeout(timer);
  timer = null;
  $("play").textContent = playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(playing));
}

function step() {
  const at = Number($("scrub").value);
  if (at >= events.length) { live = true; setPlaying(false); return draw(); }
  $("scrub").value = at + 1;
  draw();
  const gap = at + 1 < events.length ? events[at + 1].at_ms - events[at].at_ms : 0;
  timer = setTimeout(step, Math.min(Math.max(gap, 20), 1000));
}

// --- what an operator does ------------------------------------------------------------------------

function sure(question) {
  return new Promise((resolve) => {
    $("confirm-text").textContent = question;
    $("confirm").returnValue = "no";
    $("confirm").addEventListener("close", () => resolve($("confirm").returnValue === "yes"), { once: true });
    $("confirm").showModal();
  });
}

const BODIES = { evict: { force: true }, park: { reason: "set aside by an operator" }, end: { reason: "ended by an operator" } };

const QUESTIONS = {
  evict: (id) => `Have session ${id} leave the stage? A running turn is stopped and handed back.`,
  park: (id) => `Park session ${id}? It answers nobody until it is revived.`,
  revive: (id) => `Revive session ${id}?`,
  end: (id) => `End session ${id} for good?`,
};

$("actions").addEventListener("click", async ({ target }) => {
  const act = target.dataset.act, session = chosen;
  if (!act || !await sure(QUESTIONS[act](session))) return;
  await order(`v1/admin/sessions/${encodeURIComponent(session)}/${act}`, BODIES[act]);
  if (session === chosen) await explain();
});

$("drain").addEventListener("click", async () => {
  if (await sure("Drain this server? It takes no more work, and stops.")) await order("v1/admin/drain", {});
});

async function order(path, body) {
  try { await api.call("POST", path, body); } catch (error) { status(error.message, "bad"); }
}

// --- small things ---------------------------------------------------------------------------------

function svg(tag, attributes = {}, text) {
  const it = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) it.setAttribute(name, value);
  if (text !== undefined) it.textContent = text;
  return it;
}

function titled(it, text) { it.append(svg("title", {}, text)); return it; }
function number(value) { return Number(value).toLocaleString("en"); }
function time(at) { return new Date(at).toLocaleTimeString("en-GB"); }
function ago(ms) {
  const s = Math.max(ms, 0) / 1000;
  return s < 1 ? `${Math.round(ms)} ms` : s < 60 ? `${s.toFixed(1)} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;
}

setInterval(() => { if (chosen && !document.hidden) explain(); }, 2000);
comeIn();
