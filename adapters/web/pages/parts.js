// What the pages share: the dialog in which people say who they are, and how elements are made.

import { Refused } from "./feed.js";

const $ = (id) => document.getElementById(id);
const STORED = "greenroom";   // the name of the credential in this tab's storage

export function element(tag, className, text) {
  const it = document.createElement(tag);
  if (className) it.className = className;
  if (text !== undefined) it.textContent = text;
  return it;
}

export class SignIn {
  // `enter(me)` goes on with whom the server takes one for; it may raise Refused, too. Until
  // somebody is let in, they are asked again, and told why.
  constructor(api, enter) {
    Object.assign(this, { api, enter });
    $("sign-in").addEventListener("cancel", (event) => event.preventDefault());
    $("sign-in").querySelector("form").addEventListener("submit", (event) => this.take(event));
  }

  async begin() {
    this.api.credential = sessionStorage.getItem(STORED);
    if (!this.api.credential) return this.ask();
    try {
      await this.enter(await this.api.call("GET", "v1/me"));
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      sessionStorage.removeItem(STORED);
      this.ask("That was not accepted.");
    }
  }

  ask(why = "") {
    const dev = document.body.dataset.auth === "dev";
    $("who-label").textContent = dev ? "Your name" : "Access token or API key";
    $("who").type = dev ? "text" : "password";
    $("sign-in-error").textContent = why;
    $("sign-in").showModal();
  }

  async take(event) {
    event.preventDefault();
    const shown = $("who").value.trim();
    if (!shown) return;
    sessionStorage.setItem(STORED, shown);
    $("sign-in").close();
    try { await this.begin(); } catch (error) { this.ask(error.message); }
  }
}
