// Shows what api/*.json tell, again every two seconds. Text is only ever set as text.
"use strict";

const EVERY_MS = 2000;
const SHOWN = 200; // connections

const at = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit + 1 < units.length) { number /= 1024; unit++; }
  return (unit > 0 && number < 10 ? number.toFixed(1) : Math.round(number)) + " " + units[unit];
}

function duration(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  for (let i = 0; i + 1 < units.length; i++)
    if (seconds >= units[i][0]) {
      const rest = Math.floor(seconds % units[i][0] / units[i + 1][0]);
      return Math.floor(seconds / units[i][0]) + units[i][1] + (rest > 0 ? rest + units[i + 1][1] : "");
    }
  return seconds + "s";
}

// A table of rows of cells; a cell is text, or { text, className, title }, where title is what a pointer shows.
function table(id, heads, rows, nothing) {
  const place = at(id);
  if (rows.length === 0) {
    place.replaceChildren(element("p", nothing, "faint"));
    return;
  }
  const made = element("table"), head = element("thead"), line = element("tr"), body = element("tbody");
  const kinds = heads.map((_, i) => rows.some((row) => row[i] && row[i].className === "number") ? "number" : "");
  heads.forEach((text, i) => line.append(element("th", text, kinds[i])));
  head.append(line);
  for (const row of rows) {
    const tr = element("tr");
    row.forEach((cell, i) => {
      const of = cell !== null && typeof cell === "object" ? cell : { text: cell };
      const none = of.text === null || of.text === undefined || of.text === "";
      const td = element("td", none ? "–" : of.text, none ? "none " + kinds[i] : of.className);
      td.dataset.head = heads[i];
      if (of.title) td.title = of.title;
      if (/\S{33}/.test(td.textContent)) td.classList.add("long");
      tr.append(td);
    });
    body.append(tr);
  }
  made.append(head, body);
  place.replaceChildren(made);
}

const number = (text) => ({ text: String(text), className: "number" });
const state = (text) => ({ text, className: text === "up" || text === "listening" ? "good" : "bad" });

function withError(of) {
  const retry = of.retry_ms === null || of.retry_ms === undefined ? "" :
    "; again in " + Math.ceil(of.retry_ms / 1000) + " s";
  return of.error && of.state !== "up" ? { text: of.state + ": " + of.error + retry, className: "bad" } : state(of.state);
}

const roundTrip = (ms) => ms === null ? "" : ms > 0 ? ms + " ms" : "under 1 ms";

const keyExchange = (session) => ({ className: "faint line", title: session.kexalgorithm,
  text: session.kexalgorithm ? (session.post_quantum ? "post-quantum" : "not post-quantum") : "" });

function showStatus(status) {
  at("summary").textContent = "version " + status.version + ", " + status.state + " for " + duration(status.seconds) +
    ", " + status.connections + " connections";
  at("ready").textContent = status.ready ? "ready" : "not ready: " + status.reason;
  at("ready").className = status.ready ? "good" : "bad";
  document.title = (status.ready ? "" : "! ") + "adit";
  const heads = ["Upstream", "Host", "Sessions", "Key exchange", "Channels", "Waiting", "Age", "Round trip", "Rate",
    "In / out", "State"];
  const rows = [];
  const row = (cells) => rows.push(heads.map((head) => cells[head] === undefined ? "" : cells[head]));
  for (const upstream of status.upstreams) {
    row({ Upstream: upstream.name, Host: upstream.hosts.join(", "),
      Sessions: number(upstream.up + " of " + upstream.min + "-" + upstream.max), Channels: number(upstream.channels),
      Waiting: number(upstream.waiting), State: withError(upstream) });
    for (const target of upstream.srv ? upstream.srv.targets : [])
      row({ Upstream: { text: "priority " + target.priority + ", weight " + target.weight, className: "faint" },
        Host: target.host, Sessions: number(target.sessions),
        State: target.state === "idle" ? { text: "idle", className: "faint" } : state(target.state) });
    if (upstream.srv && upstream.srv.error)
      row({ Upstream: { text: "SRV", className: "faint" }, Host: upstream.srv.name,
        State: { text: upstream.srv.error, className: "bad" } });
    for (const session of upstream.sessions)
      row({ Upstream: { text: upstream.name + "/" + session.session, className: "faint" }, Host: session.host,
        "Key exchange": keyExchange(session), Channels: number(session.channels),
        Age: number(duration(session.seconds)), "Round trip": number(roundTrip(session.round_trip_ms)),
        Rate: number(bytes(session.kib_per_second * 1024) + "/s"),
        "In / out": number(bytes(session.bytes_in) + " / " + bytes(session.bytes_out)),
        State: session.overdue ? { text: "overdue", className: "bad" } : state(session.state) });
  }
  table("upstreams", heads, rows, "There is none.");
  table("forwards", ["Forward", "Kind", "Listens", "Leads to", "Upstream", "State"],
    status.forwards.map((f) => [f.name, f.kind, f.bind, f.target, f.via, withError(f)]), "There is none.");
  table("listeners", ["Listener", "Address", "Upstream"],
    status.listeners.map((l) => [l.name, l.address, l.via]), "There is none.");
}

let connections = { connections: [], next: null };

function showConnections() {
  const words = at("search").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const fits = (c) => {
    const text = [c.connection, c.source, c.user, c.listener, c.target, c.upstream, c.protocol, c.state]
      .join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  table("connections", ["Number", "Client", "User", "Listener", "Leads to", "Upstream", "Age", "Up / down", "State"],
    connections.connections.filter(fits).map((c) => [number(c.connection), c.source, c.user, c.listener, c.target,
      c.upstream, number(duration(c.seconds)), number(bytes(c.bytes_up) + " / " + bytes(c.bytes_down)), c.state]),
    "There is none.");
  if (connections.next !== null)
    at("connections").append(element("p", "and more, from number " + connections.next + " on", "faint"));
}

function path(values, most, className) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  made.setAttribute("points", values.map((value, i) =>
    (600 * i / Math.max(values.length - 1, 1)).toFixed(1) + "," + (118 - 114 * value / most).toFixed(1)).join(" "));
  made.setAttribute("class", className);
  return made;
}

function showHistory(history) {
  const up = [], down = [];
  for (let i = 1; i < history.samples.length; i++) {
    const before = history.samples[i - 1], now = history.samples[i];
    // (The bytes of a session that has ended are in no sum any more.)
    up.push(Math.max(0, now.bytes_out - before.bytes_out) / history.seconds);
    down.push(Math.max(0, now.bytes_in - before.bytes_in) / history.seconds);
  }
  const most = Math.max(1024, ...up, ...down);
  at("chart").setAttribute("preserveAspectRatio", "none");
  at("chart").replaceChildren(path(down, most, "line-down"), path(up, most, "line-up"));
  at("chart-words").textContent = "the top is " + bytes(most) + " a second; now " + bytes(down[down.length - 1] || 0) +
    " a second from the servers, " + bytes(up[up.length - 1] || 0) + " to them";
  table("failures", ["When", "Upstream", "What"], history.failures.map((f) =>
    [number(duration(f.seconds_ago) + " ago"), f.upstream, f.what]), "There was none.");
}

async function load(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(name + ": " + answer.status);
  return answer.json();
}

async function refresh() {
  try {
    showStatus(await load("api/status.json"));
    showHistory(await load("api/history.json"));
    connections = await load("api/connections.json?limit=" + SHOWN);
    showConnections();
  } catch (error) {
    at("ready").textContent = "adit does not answer: " + error.message;
    at("ready").className = "bad";
  }
  setTimeout(refresh, EVERY_MS);
}

at("search").addEventListener("input", showConnections);
refresh();
