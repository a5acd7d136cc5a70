// Keeps an open page true. Every page works without it: it only reads the parts marked `data-part` anew from the page's
// own address when the coordinator says that something changed, lets ages grow, and hides what a search does not find.
"use strict";
(() => {
  const body = document.body;
  const url = body.dataset.url;
  const light = document.getElementById("live");
  const skew = Number(body.dataset.now) / 1000 - Date.now();
  const SLOW_MS = 30000; // without news, the page is read so often all the same
  const PAUSE_MS = 1000; // at most one reading in this time

  // The same words as the coordinator's.
  function age(seconds) {
    const s = Math.abs(Math.trunc(seconds));
    if (s < 60) return `${s} s`;
    if (s < 7200) return `${Math.floor(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} d`;
  }

  function tick() {
    const now = Date.now() + skew;
    for (const time of document.querySelectorAll("time[data-age]")) {
      const text = age((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // Rows without all the words of the search box are hidden while somebody types.
  const find = document.querySelector("[data-find]");
  function sift() {
    if (!find) return;
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.getElementById(find.dataset.find)?.children ?? []) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  }
  // A row that the coordinator found by what is not on the page must not be hidden: sifting begins with typing.
  let sifted = false;
  find?.addEventListener("input", () => { sifted = true; sift(); });

  function states(part) {
    const rows = [...part.querySelectorAll("[data-row]")];
    return new Map(rows.map((row) => [row.dataset.row, row.dataset.state]));
  }

  // What changed is also said, for those who do not see it.
  function say(before, after) {
    const news = [...after].filter(([row, state]) => before.get(row) !== state);
    const gone = [...before.keys()].filter((row) => !after.has(row));
    const words = news.map(([row, state]) => `${row}: ${state}`).concat(gone.map((row) => `${row}: gone`));
    if (words.length > 0) document.getElementById("said").textContent = words.slice(0, 5).join(", ");
  }

  function swap(fresh) {
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      // A menu that is open, or a field that is being filled, is left until it is done.
      const isBusy = part.querySelector("details[open]") || part.querySelector("input:focus, textarea:focus");
      if (!other || isBusy || other.innerHTML === part.innerHTML) continue;
      const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
      say(states(part), states(other));
      part.replaceChildren(...other.childNodes);
      if (focused) document.getElementById(focused)?.focus();
    }
    tick();
    if (sifted) sift();
  }

  let reading = false;
  let again = false;
  let last = Date.now();
  async function read() {
    if (reading) { again = true; return; }
    reading = true;
    try {
      await new Promise((done) => setTimeout(done, Math.max(0, last + PAUSE_MS - Date.now())));
      last = Date.now();
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      if (answer.redirected) { location.reload(); return; }
      // What is gone says so itself.
      if (answer.status === 404) { location.assign(url); return; }
      if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      show(false);
    } finally {
      reading = false;
      if (again) { again = false; read(); }
    }
  }

  function show(isLive) {
    if (!light) return;
    light.hidden = false;
    light.className = isLive ? "live on" : "live";
    light.textContent = isLive ? "live" : "not live";
    light.title = isLive ? "This page updates automatically." : "The coordinator does not answer; retrying.";
  }

  setInterval(tick, 1000);
  if (!url || !document.querySelector("[data-part]")) return;
  setInterval(() => { if (!document.hidden && Date.now() - last > SLOW_MS) read(); }, 5000);
  const stream = new EventSource(`/ui/live?since=${body.dataset.now}`);
  stream.addEventListener("open", () => show(true));
  stream.addEventListener("error", () => show(false));
  stream.addEventListener("changed", read);
  stream.addEventListener("ended", () => { stream.close(); location.reload(); });
})();
