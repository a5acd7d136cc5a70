// A server's serial console in a page: a small terminal (what firmware and kernels use of ECMA-48) over the WebSocket of the coordinator.
// Characters are binary messages, words about them are JSON: the same as of `bmsctl console`.
"use strict";
(() => {
  const screen = document.getElementById("screen");
  const status = document.getElementById("console-status");
  if (!screen) return;
  const COLUMNS = 80, ROWS = 25; // a serial line has no size; this is what firmware paints for
  const BACK_MAX = 2000; // lines above the screen that are kept
  const AGAIN_MS = 3000;

  // The terminal: lines above, a grid, a cursor, and where in a sequence we are.
  let back = [], grid, row, column, inside = "", saved = [0, 0], redraw = false;
  const blank = () => Array(COLUMNS).fill(" ");
  function clear() {
    grid = Array.from({ length: ROWS }, blank);
    row = column = 0;
  }
  function scroll() {
    back.push(grid.shift().join("").trimEnd());
    if (back.length > BACK_MAX) back.shift();
    grid.push(blank());
  }
  function down() {
    if (row === ROWS - 1) scroll();
    else row += 1;
  }
  function put(character) {
    if (column === COLUMNS) { column = 0; down(); }
    grid[row][column] = character;
    column += 1;
  }
  const within = (value, most) => Math.max(0, Math.min(most, value));
  function erase(line, from, until) {
    for (let at = from; at < until; at += 1) grid[line][at] = " ";
  }
  function control(final, numbers) {
    const count = numbers[0] || 1;
    if (final === "A") row = within(row - count, ROWS - 1);
    else if (final === "B") row = within(row + count, ROWS - 1);
    else if (final === "C") column = within(column + count, COLUMNS - 1);
    else if (final === "D") column = within(column - count, COLUMNS - 1);
    else if (final === "G") column = within(count - 1, COLUMNS - 1);
    else if (final === "d") row = within(count - 1, ROWS - 1);
    else if (final === "H" || final === "f") {
      row = within(count - 1, ROWS - 1);
      column = within((numbers[1] || 1) - 1, COLUMNS - 1);
    } else if (final === "J") {
      const what = numbers[0] || 0;
      if (what === 2 || what === 3) for (let line = 0; line < ROWS; line += 1) erase(line, 0, COLUMNS);
      if (what === 0) { erase(row, column, COLUMNS); for (let line = row + 1; line < ROWS; line += 1) erase(line, 0, COLUMNS); }
      if (what === 1) { erase(row, 0, column + 1); for (let line = 0; line < row; line += 1) erase(line, 0, COLUMNS); }
    } else if (final === "K") {
      const what = numbers[0] || 0;
      erase(row, what === 0 ? column : 0, what === 1 ? column + 1 : COLUMNS);
    } else if (final === "s") saved = [row, column];
    else if (final === "u") [row, column] = saved;
  }
  function take(character) {
    const code = character.codePointAt(0);
    if (inside === "\x1b") {
      if (character === "[") inside = "[";
      else if ("]PX^_".includes(character)) inside = "text";
      else if (code >= 0x20 && code <= 0x2f) inside = "set";
      else { if (character === "7") saved = [row, column]; if (character === "8") [row, column] = saved; inside = ""; }
    } else if (inside === "set") inside = "";
    else if (inside === "text") { if (code === 7) inside = ""; else if (code === 0x1b) inside = "\x1b"; }
    else if (inside.startsWith("[")) {
      if (code >= 0x40 && code <= 0x7e) {
        control(character, inside.slice(1).split(";").map((number) => parseInt(number, 10) || 0));
        inside = "";
      } else if (inside.length < 64) inside += character;
    } else if (code === 0x1b) inside = "\x1b";
    else if (character === "\r") column = 0;
    else if (character === "\n") down();
    else if (code === 8) column = within(column - 1, COLUMNS - 1);
    else if (character === "\t") column = within((column >> 3 << 3) + 8, COLUMNS - 1);
    else if (code >= 0x20 && code !== 0x7f) put(character);
  }
  function draw() {
    redraw = false;
    const isAtEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 40;
    const lines = grid.map((line) => line.join(""));
    const cursor = document.createElement("mark");
    const at = within(column, COLUMNS - 1);
    cursor.textContent = lines[row][at];
    const above = back.concat(lines.slice(0, row).map((line) => line.trimEnd())).join("\n");
    const before = (above ? above + "\n" : "") + lines[row].slice(0, at);
    const after = lines[row].slice(at + 1) + "\n" + lines.slice(row + 1).map((line) => line.trimEnd()).join("\n");
    screen.replaceChildren(before, cursor, after.trimEnd());
    if (isAtEnd) screen.scrollTop = screen.scrollHeight;
  }
  function show(text) {
    for (const character of text) take(character);
    if (!redraw) { redraw = true; requestAnimationFrame(draw); }
  }

  // The connection.
  let socket, decoder;
  function say(text) { status.textContent = text; }
  const WORDS = {
    opened: () => "open",
    lost: (word) => `lost: ${word.why}; it is opened again`,
    break: () => "the server sent a break",
    overrun: () => "the BMC has lost characters",
    skipped: (word) => `${word.bytes} bytes were lost: this page is too slow`,
    cannot: (word) => word.why,
    keyboard: () => "open; the keyboard is yours",
    held: (word) => `open; ${word.by} has the keyboard`,
    free: () => "open; nobody has the keyboard",
  };
  function connect() {
    decoder = new TextDecoder();
    socket = new WebSocket(`wss://${location.host}${screen.dataset.socket}`);
    socket.binaryType = "arraybuffer";
    let ended = "";
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") { show(decoder.decode(data, { stream: true })); return; }
      const word = JSON.parse(data);
      if (word.word === "ended") { ended = word.why; return; }
      if (WORDS[word.word]) say(WORDS[word.word](word));
    };
    socket.onclose = () => {
      if (ended) { say(`ended: ${ended}`); return; }
      say("not connected; trying again");
      setTimeout(connect, AGAIN_MS);
    };
  }
  function send(text) {
    if (socket.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(text));
  }
  function ask(word) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(word));
    screen.focus();
  }

  const KEYS = {
    Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", Delete: "\x1b[3~", Insert: "\x1b[2~",
    ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D",
    Home: "\x1b[H", End: "\x1b[F", PageUp: "\x1b[5~", PageDown: "\x1b[6~",
    F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS", F5: "\x1b[15~", F6: "\x1b[17~", F7: "\x1b[18~",
    F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~", F11: "\x1b[23~", F12: "\x1b[24~",
  };
  screen.addEventListener("keydown", (event) => {
    if (event.metaKey || (event.ctrlKey && event.shiftKey) || event.isComposing) return;
    let text = KEYS[event.key];
    // Shift and Tab leave the terminal, so that nobody is caught in it.
    if (event.key === "Tab" && event.shiftKey) return;
    if (event.key.length === 1) {
      text = event.key;
      if (event.ctrlKey && /[a-z[\\\]^_ ]/i.test(text)) text = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31);
      else if (event.ctrlKey) return;
      if (event.altKey) text = "\x1b" + text;
    }
    if (text === undefined) return;
    event.preventDefault();
    send(text);
  });
  screen.addEventListener("paste", (event) => {
    event.preventDefault();
    send(event.clipboardData.getData("text").replaceAll("\n", "\r"));
  });
  document.getElementById("console-take").addEventListener("click", () => ask({ word: "take", force: true }));
  document.getElementById("console-break").addEventListener("click", () => ask({ word: "break" }));

  clear();
  draw();
  connect();
  screen.focus();
})();
