// Shows the description of the API that this page is served with. All text is set as text.

const METHODS = ["get", "post", "put", "patch", "delete"];

const api = await (await fetch("openapi.json")).json();

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Text with `code` in backticks. */
function prose(text) {
  const made = document.createDocumentFragment();
  text.split("`").forEach((part, index) => {
    made.append(index % 2 ? element("code", {}, part) : part);
  });
  return made;
}

function resolved(part) {
  if (!part?.$ref) return part ?? {};
  return part.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
}

/** What a value looks like: its shape as commented JSON; a type within itself is named only. */
function shape(schema, indent = "", seen = []) {
  const name = schema?.$ref?.split("/").pop();
  if (name && seen.includes(name)) return name;
  const within = name ? [...seen, name] : seen;
  const full = resolved(schema);
  const either = full.anyOf ?? full.oneOf;
  if (either) return either.map((each) => shape(each, indent, within)).join(" | ");
  if (full.const !== undefined) return JSON.stringify(full.const);
  if (full.enum) return full.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (full.type === "array") return `[${shape(full.items ?? {}, indent, within)}, ...]`;
  if (full.properties) return fields(full, indent, within);
  if (full.type === "object") {
    const of = full.additionalProperties;
    return of && of !== true ? `{"...": ${shape(of, indent, within)}}` : "{...}";
  }
  return full.type ?? "anything";
}

function fields(schema, indent, seen) {
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties).map(([key, value]) => {
    const optional = (schema.required ?? []).includes(key) ? "" : "?";
    const preset = value.default === undefined ? "" : `  = ${JSON.stringify(value.default)}`;
    return `${inner}${key}${optional}: ${shape(value, inner, seen)}${preset}`;
  });
  return `{\n${lines.join("\n")}\n${indent}}`;
}

function row(name, ...cells) {
  return element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)), ...cells);
}

function parameters(operation) {
  const given = operation.parameters ?? [];
  if (!given.length) return [];
  const rows = given.map((each) => {
    const about = each.description ?? each.schema?.description ?? "";
    const preset = each.schema?.default === undefined ? "" : `, else ${each.schema.default}`;
    const kind = `${each.in}${each.required ? ", required" : ""}${preset}. `;
    return row(each.name, element("td", {}, kind, prose(about)));
  });
  return [element("h3", {}, "Parameters"), element("table", {}, ...rows)];
}

function body(operation) {
  const content = Object.entries(operation.requestBody?.content ?? {});
  return content.flatMap(([media, { schema }]) => [
    element("h3", {}, `Body, ${media}`),
    element("p", {}, prose(resolved(schema).description ?? "")),
    element("pre", { tabindex: "0" }, shape(schema)),
  ]);
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, part]) => {
    const answer = resolved(part);
    const cell = element("td");
    for (const line of answer.description.split("\n")) {
      cell.append(element("div", {}, prose(line.replace(/^- /, ""))));
    }
    const headers = Object.keys(answer.headers ?? {});
    if (headers.length) cell.append(element("div", {}, `Headers: ${headers.join(", ")}`));
    for (const [media, { schema }] of Object.entries(answer.content ?? {})) {
      if (media.includes("problem") || !schema) continue;
      cell.append(element("pre", { tabindex: "0" }, shape(schema)));
    }
    return row(status, cell);
  });
  return [element("h3", {}, "Answers"), element("table", { class: "answers" }, ...rows)];
}

function details(path, method, operation) {
  const made = element(
    "details",
    { id: operation.operationId },
    element(
      "summary",
      {},
      element("span", { class: "method" }, method.toUpperCase()),
      element("code", {}, path),
      element("span", { class: "says" }, prose(operation.summary ?? "")),
    ),
  );
  made.dataset.words = `${method} ${path} ${JSON.stringify(operation)}`.toLowerCase();
  // What nobody opens is not drawn.
  made.addEventListener("toggle", () => {
    for (const text of (operation.description ?? "").split("\n\n")) {
      if (text) made.append(element("p", {}, prose(text)));
    }
    made.append(...parameters(operation), ...body(operation), ...answers(operation));
  }, { once: true });
  return made;
}

function groups() {
  const found = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => item[each])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!found.has(tag)) found.set(tag, []);
      found.get(tag).push(details(path, method, item[method]));
    }
  }
  return found;
}

function show() {
  const main = document.getElementById("operations");
  const tags = document.getElementById("tags");
  main.replaceChildren(element("p", {}, prose(api.info.description)));
  for (const [tag, operations] of groups()) {
    tags.append(element("a", { href: `#group-${tag}` }, tag));
    const title = element("h2", { id: `group-${tag}` }, tag);
    main.append(element("section", {}, title, ...operations));
  }
}

function filter(word) {
  for (const section of document.querySelectorAll("section")) {
    const operations = [...section.querySelectorAll("details")];
    for (const each of operations) each.hidden = !each.dataset.words.includes(word);
    section.hidden = operations.every((each) => each.hidden);
  }
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) {
    // Scrolled to once its contents are there.
    named.addEventListener("toggle", () => named.scrollIntoView(), { once: true });
    named.open = true;
  }
  named?.scrollIntoView();
}

show();
document.getElementById("filter").addEventListener("input", (event) => {
  filter(event.target.value.trim().toLowerCase());
});
addEventListener("hashchange", openNamed);
openNamed();
