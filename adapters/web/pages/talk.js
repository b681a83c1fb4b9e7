// The talk page: one session, whoever takes part in it, and the words as they come.

import { Api, Feed, randomKey } from "./feed.js";
import { SignIn, element } from "./parts.js";

const $ = (id) => document.getElementById(id);
const api = new Api(new URL(".", location.href).href);
let me = null;        // the user, as the server knows them
let session = null;   // its id
let feed = null;
let people = new Map();
let running = null;   // the turn that runs
let saying = new Map();   // turn -> the element of what it says just now
let calls = new Map();    // id of a call -> the call
let waiting = new Map();  // id of a command -> the element of what was not acknowledged yet

// --- coming in ---------------------------------------------------------------------------------

const signIn = new SignIn(api, async (known) => {
  me = known;
  await open(new URLSearchParams(location.hash.slice(1)).get("session"));
});

async function comeIn() {
  try {
    await signIn.begin();
  } catch (error) {
    note(error.message, true);
    status("not connected", "bad");
  }
}

async function open(id) {
  if (!id) {
    const made = await api.call("POST", "v1/sessions", { name: `${me.name || me.user}'s session` });
    id = made.id;
    history.replaceState(null, "", `#session=${encodeURIComponent(id)}`);
  } else {
    const receipt = await api.call("POST", `${path(id)}/participants`, { name: me.name || me.user });
    if (receipt.status === "pending") return note("The host has been asked to let you in; reload to look again.");
  }
  session = id;
  $("watch").href = `dashboard#session=${encodeURIComponent(id)}`;
  $("share").hidden = $("leave").hidden = false;
  await look();
}

const path = (id) => `v1/sessions/${encodeURIComponent(id)}`;

// --- the state, and what follows it -------------------------------------------------------------

async function look() {
  // Everything is shown anew from a snapshot, and followed from exactly its cursor.
  feed?.close();
  const snapshot = await api.call("GET", `${path(session)}/snapshot`);
  const { info } = snapshot;
  $("log").replaceChildren();
  $("asking").replaceChildren();
  saying = new Map(); calls = new Map(); waiting = new Map();
  people = new Map(Object.entries(info.participants).map(([user, it]) =>
    [user, { name: it.name, here: snapshot.presence[user]?.active ?? false }]));
  $("title").textContent = info.name || info.id;
  document.title = `${info.name || info.id} - greenroom`;
  for (const line of snapshot.transcript) showLine(line);
  running = info.running_turn;
  if (snapshot.saying && running !== null) answer(running).append(snapshot.saying);
  if (snapshot.approval) ask(snapshot.approval);
  showPeople();
  setRunning(running);
  setOpen(info.state !== "ended");
  if (info.state === "ended") return note("This session has ended.");
  feed = new Feed(api, session, snapshot.cursor, { on, changed: status, presence: true });
  feed.opened = () => feed.tell({ do: "present", active: !document.hidden });
}

function on(frame) {
  switch (frame.type) {
    case "event": return onEvent(frame.event);
    case "gap": return look();   // what was said meanwhile is in the snapshot, whole
    case "ack": return waiting.get(frame.id)?.remove();
    case "error": return onError(frame);
    case "end": return look();
  }
}

function onError(frame) {
  const item = waiting.get(frame.id);
  item?.remove();
  note(frame.problem.detail || frame.problem.title, true);
}

function onEvent(event) {
  switch (event.type) {
    case "message.posted": return showMessage(event.message);
    case "text.streamed": return answer(event.turn).append(event.text);
    case "tool.called": return showLine(event.call);
    case "tool.returned": return showLine(event.result);
    case "turn.started": return setRunning(event.turn);
    case "turn.ended": return onTurnEnded(event);
    case "approval.requested": return ask({ id: event.approval, turn: event.turn, calls: event.calls.map((id) => calls.get(id) ?? { id, name: id }) });
    case "approval.decided": return decided(event);
    case "participant.joined":
      people.set(event.user, { name: event.name, here: people.get(event.user)?.here ?? true });
      showPeople();
      return note(`${event.name} came in`);
    case "participant.left":
      people.delete(event.user);
      showPeople();
      return note(`${event.name} has left`);
    case "participant.requested": return askToLetIn(event);
    case "presence.changed":
      if (people.has(event.user)) people.get(event.user).here = event.active;
      return showPeople();
    case "session.ended": setOpen(false); return note("This session has ended.");
    case "session.paused": return note("The session is paused.");
    case "session.resumed": return note("The session goes on.");
    case "transcript.cut": case "turn.rolled_back": case "transcript.compacted": return look();
  }
}

// --- what is shown ------------------------------------------------------------------------------

function put(item) {
  const main = document.querySelector("main");
  const atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
  $("log").append(item);
  if (atEnd) main.scrollTop = main.scrollHeight;
  return item;
}

function note(text, bad = false) { put(element("li", bad ? "note bad" : "note", text)); }

function said(by, mine) {
  const item = element("li", mine ? "said mine" : "said");
  item.append(element("span", "by", by), element("span", "words"));
  return item;
}

function words(item) { return item.querySelector(".words"); }

function answer(turn) {
  // Where the words of a turn go while it runs.
  if (!saying.has(turn)) {
    const item = put(said("agent", false));
    item.classList.add("streaming");
    item.dataset.turn = turn;
    saying.set(turn, item);
  }
  const main = document.querySelector("main");
  const atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
  return { append(text) { words(saying.get(turn)).append(text); if (atEnd) main.scrollTop = main.scrollHeight; } };
}

function showMessage(message) {
  if (message.role !== "user" && message.role !== undefined || message.author === undefined || message.author === null) {
    const item = saying.get(message.turn) ?? put(said(message.role === "system" ? "system" : "agent", false));
    saying.delete(message.turn);
    item.classList.remove("streaming");
    words(item).textContent = message.text;
    if (message.interrupted) item.classList.add("cut");
    return;
  }
  const mine = message.author === me.user;
  const item = said(people.get(message.author)?.name ?? message.author, mine);
  words(item).textContent = message.text;
  put(item);
}

function showLine(line) {
  if (line.type === "tool_call") {
    calls.set(line.id, line);
    put(element("li", "tool", `\u2192 ${line.name} ${JSON.stringify(line.arguments ?? {})}`));
  } else if (line.type === "tool_result") {
    const value = typeof line.value === "string" ? line.value : JSON.stringify(line.value ?? null);
    put(element("li", "tool", `\u2190 ${line.failed ? "failed: " : ""}${value}`));
  } else {
    showMessage(line);
  }
}

function onTurnEnded(event) {
  saying.get(event.turn)?.classList.remove("streaming");
  saying.delete(event.turn);
  if (event.turn === running) setRunning(null);
  if (event.status === "failed" || event.status === "lost") note(`The turn ${event.status === "lost" ? "was lost" : "failed"}${event.reason ? `: ${event.reason}` : ""}`, true);
  $("asking").querySelector(`[data-turn="${event.turn}"]`)?.remove();
}

function showPeople() {
  $("people").replaceChildren(...[...people].map(([user, it]) => {
    const item = element("li", it.here ? "pill here" : "pill", it.name + (user === me.user ? " (you)" : ""));
    item.title = it.here ? "here" : "away";
    return item;
  }));
}

function setRunning(turn) {
  running = turn;
  $("stop").disabled = turn === null;
}

function setOpen(isOpen) {
  for (const id of ["text", "send"]) $(id).disabled = !isOpen;
  if (isOpen) $("text").focus();
}

function status(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `pill ${kind}`;
}

// --- approvals ----------------------------------------------------------------------------------

function ask(approval) {
  const card = element("div", "ask");
  card.dataset.turn = approval.turn;
  card.dataset.approval = approval.id;
  card.append(element("strong", "", "The agent asks for approval"));
  for (const call of approval.calls) card.append(element("pre", "", `${call.name} ${JSON.stringify(call.arguments ?? {}, null, 1)}`));
  const buttons = element("div");
  for (const [label, yes] of [["Approve", true], ["Reject", false]]) {
    const button = element("button", yes ? "main" : "danger", label);
    button.type = "button";
    button.addEventListener("click", () => {
      for (const each of buttons.children) each.disabled = true;
      const decisions = Object.fromEntries(approval.calls.map((call) => [call.id, yes]));
      feed.tell({ do: "decide", approval: approval.id, decisions, key: randomKey() });
    });
    buttons.append(button);
  }
  card.append(buttons);
  $("asking").append(card);
  card.scrollIntoView({ block: "nearest" });
}

function decided(event) {
  $("asking").querySelector(`[data-approval="${CSS.escape(event.approval)}"]`)?.remove();
  const yes = Object.values(event.decisions).some(Boolean);
  note(event.by === null ? "Nobody has decided in time." : `${people.get(event.by)?.name ?? event.by} has ${yes ? "approved" : "rejected"} it.`);
}

function askToLetIn(event) {
  const card = element("div", "ask");
  card.append(element("strong", "", `${event.name} wants to come in`));
  const buttons = element("div");
  for (const [label, verb] of [["Let in", "approve"], ["Turn down", "deny"]]) {
    const button = element("button", verb === "approve" ? "main" : "danger", label);
    button.type = "button";
    button.addEventListener("click", async () => {
      card.remove();
      try { await api.call("POST", `${path(session)}/participants/${encodeURIComponent(event.user)}/${verb}`); } catch (error) { note(error.message, true); }
    });
    buttons.append(button);
  }
  card.append(buttons);
  $("asking").append(card);
}

// --- what the person does -----------------------------------------------------------------------

function say() {
  const text = $("text").value;
  if (!text.trim() || !feed) return;
  const item = put(said("you", true));
  words(item).textContent = text;
  item.classList.add("waiting");
  waiting.set(feed.tell({ do: "send", text, key: randomKey() }), item);
  $("text").value = "";
  fit();
}

function fit() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight}px`;
}

$("composer").addEventListener("submit", (event) => { event.preventDefault(); say(); });
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); say(); }
  if (event.key === "Escape" && running !== null) $("stop").click();
});
$("text").addEventListener("input", fit);
$("stop").addEventListener("click", () => feed?.tell({ do: "interrupt" }));
$("leave").addEventListener("click", () => { history.replaceState(null, "", location.pathname); location.reload(); });
$("share").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(location.href); $("share").textContent = "Copied"; } catch { prompt("The link of this session", location.href); }
  setTimeout(() => { $("share").textContent = "Copy link"; }, 1500);
});
document.addEventListener("visibilitychange", () => feed?.tell({ do: "present", active: !document.hidden }, { once: true }));
addEventListener("hashchange", () => location.reload());

comeIn();
