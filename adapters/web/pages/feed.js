// How a page speaks with the server: calls of the API, and one session's events over a WebSocket
// that comes back by itself, with its cursor, and with what was not acknowledged.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Api {
  constructor(root) {
    this.root = root;
    this.credential = "";
  }

  async call(method, path, body, headers = {}) {
    const response = await this.fetch(method, path, body, headers);
    return response.status === 204 ? null : response.json();
  }

  async fetch(method, path, body, headers = {}) {
    const all = { "x-greenroom": "1", ...headers };
    if (this.credential) all.authorization = `Bearer ${this.credential}`;
    if (body !== undefined) all["content-type"] = "application/json";
    const response = await fetch(this.root + path, { method, headers: all, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
    if (response.ok) return response;
    let problem = {};
    try { problem = await response.json(); } catch { /* not ours: a proxy's */ }
    throw new Refused(response.status, problem);
  }
}

const FIRST_MS = 250, LONGEST_MS = 5000;

export class Feed {
  // `on(frame)` is called with every frame, in order and once; `changed(text, kind)` with how the
  // connection is. Commands given to `tell` are sent again after a reconnect until they are
  // answered: with a `key` they are done once.
  constructor(api, session, cursor, { on, changed, presence = false }) {
    Object.assign(this, { api, session, cursor, on, changed, presence });
    this.unanswered = new Map();
    this.next = 1;
    this.failures = 0;
    this.closed = false;
    this.onOnline = () => this.retryNow();
    this.onOffline = () => this.drop();
    addEventListener("online", this.onOnline);
    addEventListener("offline", this.onOffline);
    this.connect();
  }

  async connect() {
    this.timer = null;
    this.changed(this.failures ? "reconnecting" : "connecting", "warn");
    let ticket;
    try {
      ({ ticket } = await this.api.call("POST", "v1/tickets", { session: this.session }));
    } catch (error) {
      if (error instanceof Refused && error.status < 500 && error.status !== 429) return this.over(error.message);
      return this.later();
    }
    if (this.closed) return;
    const url = new URL(`v1/sessions/${encodeURIComponent(this.session)}/ws`, this.api.root);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ ticket, cursor: this.cursor, ...(this.presence ? { presence: "true" } : {}) });
    const socket = this.socket = new WebSocket(url, ["greenroom.v1.json"]);
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(JSON.parse(data)); };
    socket.onclose = ({ code, reason }) => { if (socket === this.socket) this.lost(code, reason); };
  }

  take(frames) {
    this.watch();
    for (const frame of frames) {
      if (this.closed) return;
      if (frame.type === "hello") {
        this.failures = 0;
        this.heartbeat = frame.heartbeat_s * 1000;
        this.watch();
        this.changed("connected", "good");
        this.opened?.();
        for (const command of this.unanswered.values()) this.socket.send(JSON.stringify(command));
      } else if (frame.type === "draining") {
        this.pause = frame.retry_ms;
        this.changed("the server restarts", "warn");
      } else {
        if (frame.problem?.code === "draining" && this.unanswered.has(frame.id)) continue;  // told again
        if (frame.id !== undefined && frame.id !== null) this.unanswered.delete(frame.id);
        this.on(frame);
        if (frame.type === "event" || frame.type === "gap") this.cursor = frame.cursor;
      }
    }
  }

  tell(command, { once = false } = {}) {
    const id = this.next++;
    const told = { id, ...command };
    if (command.key && !once) this.unanswered.set(id, told);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(told));
    return id;
  }

  watch() {
    // A network may be gone without a word: two heartbeats missed are the end of a connection.
    clearTimeout(this.silence);
    if (this.heartbeat) this.silence = setTimeout(() => this.drop(), 2.5 * this.heartbeat);
  }

  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.lost(0, "");
    socket.close();
  }

  lost(code, reason) {
    this.socket = null;
    clearTimeout(this.silence);
    if (this.closed) return;
    if (code >= 4500) return this.over(reason || "closed");
    this.later();
  }

  later() {
    if (this.closed || this.timer) return;
    const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.failures++);
    const wait = this.pause ?? most * (0.5 + Math.random() / 2);
    this.pause = undefined;
    this.changed(navigator.onLine ? "reconnecting" : "offline", "warn");
    this.timer = setTimeout(() => this.connect(), wait);
  }

  retryNow() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.connect();
  }

  over(why) {
    this.close();
    this.changed(why, "bad");
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    removeEventListener("online", this.onOnline);
    removeEventListener("offline", this.onOffline);
    this.socket?.close();
    this.socket = null;
  }
}
