"use strict";
// The charts and tables of a run's page. The data stands in the page: base64, zlib, JSON; see packed_data.py.
(async () => {
  const $ = (id) => document.getElementById(id);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const redraws = [];
  const redraw = () => redraws.forEach((f) => f());

  $("theme").onclick = () => {
    const dark = matchMedia("(prefers-color-scheme:dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    redraw();
  };

  const letters = atob($("data").textContent), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const D = JSON.parse(await new Response(stream).text());
  $("data").remove();

  const J = D.jobs, A = D.attempts, N = A.job.length;
  const labelOf = (j) => J.label[j] || "";
  const titleOf = (j) => J.name[j] + (labelOf(j) && " (" + labelOf(j) + ")");
  const begin = new Float64Array(N), run = new Float64Array(N), end = new Float64Array(N);
  for (let i = 0, at = 0; i < N; i++) {
    at += A.begin[i];
    begin[i] = at; run[i] = at + A.wait[i]; end[i] = run[i] + A.took[i];
  }
  const OK = 0, FAILED = 1, ALIVE = 2, LOST = 3, SIGNS = ["✓ ", "✗ ", "▶ ", "? "];
  const VERDICTS = ["succeeded", "failed", "running", "lost or cancelled"];
  const SPAN = Math.max(D.span, 1);

  // --- words ----------------------------------------------------------------
  const count = (n) => n.toLocaleString("en-US");
  function duration(ms) {
    const s = ms / 1000;
    if (ms === 0) return "0 s";
    if (s < 0.9995) return Math.round(ms) + " ms";
    if (s < 9.95) return s.toFixed(1) + " s";
    const r = Math.round(s);
    if (r < 60) return r + " s";
    const two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(r / 3600), m = Math.floor(r / 60) % 60;
    if (h >= 48) return Math.floor(h / 24) + " d " + (h % 24) + ":" + two(m);
    return h ? h + ":" + two(m) + ":" + two(r % 60) : m + ":" + two(r % 60);
  }
  function size(n) {
    for (const unit of ["B", "KB", "MB", "GB", "TB"]) {
      if (n < 1000) return (unit === "B" || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + " " + unit;
      n /= 1024;
    }
    return n.toFixed(1) + " PB";
  }
  const clock = (ms) => new Date(D.t0 * 1000 + ms).toISOString().slice(0, 19).replace("T", " ") + " UTC";

  // --- time: one window for three charts --------------------------------------
  const LEFT = 50, view = { a: 0, b: SPAN };
  const tip = $("tip");
  function setView(a, b) {
    const least = Math.min(SPAN, 50), wide = Math.min(SPAN, Math.max(least, b - a));
    view.a = Math.max(0, Math.min(a, SPAN - wide));
    view.b = view.a + wide;
    redraw();
  }
  function canvas(id, height) {
    const el = $(id), wide = el.clientWidth, ratio = devicePixelRatio || 1;
    el.style.height = height + "px";
    if (el.width !== Math.round(wide * ratio)) el.width = Math.round(wide * ratio);
    if (el.height !== Math.round(height * ratio)) el.height = Math.round(height * ratio);
    const c = el.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, wide, height);
    c.font = "11px system-ui,sans-serif";
    return [c, wide, height];
  }
  const toX = (ms, wide) => LEFT + ((ms - view.a) / (view.b - view.a)) * (wide - LEFT);
  function axis(c, wide, height, labels, faint = 1) {
    const room = Math.max(2, Math.floor((wide - LEFT) / 90));
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5];
    let step = steps.find((s) => (view.b - view.a) / s <= room) || Math.ceil((view.b - view.a) / room / 864e5) * 864e5;
    c.fillStyle = css("--soft"); c.strokeStyle = css("--line"); c.lineWidth = 1; c.textAlign = "center";
    for (let t = Math.ceil(view.a / step) * step; t <= view.b; t += step) {
      const x = Math.round(toX(t, wide)) + 0.5;
      c.globalAlpha = faint; c.beginPath(); c.moveTo(x, 0); c.lineTo(x, height - (labels ? 16 : 0)); c.stroke(); c.globalAlpha = 1;
      if (labels) c.fillText(duration(t), Math.min(x, wide - 20), height - 4);
    }
    c.setLineDash([2, 3]); c.strokeStyle = css("--soft");
    for (const t of D.engines.slice(1)) {
      const x = Math.round(toX(t, wide)) + 0.5;
      if (x > LEFT) { c.beginPath(); c.moveTo(x, 0); c.lineTo(x, height); c.stroke(); }
    }
    c.setLineDash([]);
  }
  function yLabel(c, text, y) { c.fillStyle = css("--soft"); c.textAlign = "right"; c.fillText(text, LEFT - 6, y); }

  // --- jobs by state over time -------------------------------------------------
  const sorted = (list) => Float64Array.from(list).sort();
  const upTo = (times, t) => {
    let low = 0, high = times.length;
    while (low < high) { const mid = (low + high) >> 1; if (times[mid] <= t) low = mid + 1; else high = mid; }
    return low;
  };
  const last = new Int32Array(J.name.length).fill(-1), tries = new Int32Array(J.name.length);
  for (let i = 0; i < N; i++) { last[A.job[i]] = i; tries[A.job[i]]++; }
  const stateOf = (word) => D.states.findIndex((s) => s[0] === word);
  const S_FAILED = stateOf("failed");
  const began = begin, ran = sorted(run);
  const over = (i) => A.verdict[i] !== ALIVE;
  const stopped = [], doneAt = [], failedAt = [];
  for (let i = 0; i < N; i++) {
    if (over(i)) stopped.push(end[i]);
    if (A.verdict[i] === OK) doneAt.push(end[i]);
    else if (A.verdict[i] === FAILED && last[A.job[i]] === i && J.state[A.job[i]] === S_FAILED) failedAt.push(end[i]);
  }
  const stops = sorted(stopped), dones = sorted(doneAt), fails = sorted(failedAt);
  const at = (t) => {
    const alive = upTo(began, t) - upTo(stops, t), done = upTo(dones, t), failed = upTo(fails, t);
    const running = upTo(ran, t) - upTo(stops, t);
    return { done, failed, alive, running, queued: alive - running, rest: Math.max(0, J.name.length - done - failed - alive) };
  };
  const STACK = [["done", "succeeded", "#009e73", "✓"], ["failed", "failed for good", "#d55e00", "✗"], ["alive", "under way", "#0072b2", "▶"], ["rest", "waiting, skipped, or not started", "", "·"]];
  function drawStates() {
    const [c, wide, high] = canvas("states", 150);
    const foot = 18, total = J.name.length || 1, tall = high - foot - 4;
    const columns = [];
    for (let x = LEFT; x <= wide; x++) columns.push(at(view.a + ((x - LEFT) / (wide - LEFT)) * (view.b - view.a)));
    const base = new Float64Array(columns.length);
    for (const [key, , color] of STACK) {
      c.fillStyle = color || css("--line");
      c.beginPath();
      columns.forEach((k, n) => c.lineTo(LEFT + n, 4 + tall - (base[n] / total) * tall));
      for (let n = columns.length - 1; n >= 0; n--) { base[n] += columns[n][key]; c.lineTo(LEFT + n, 4 + tall - (base[n] / total) * tall); }
      c.fill();
    }
    axis(c, wide, high, true, 0.4);
    yLabel(c, count(total), 13); yLabel(c, "0", 4 + tall);
    $("window").textContent = view.b - view.a >= SPAN ? "whole run: " + duration(SPAN) : duration(view.a) + " to " + duration(view.b) + " of " + duration(SPAN);
  }
  function drawAtOnce() {
    const [c, wide, high] = canvas("atonce", 90);
    const tall = high - 22, columns = [];
    let top = 1;
    for (let x = LEFT; x <= wide; x++) {
      const k = at(view.a + ((x - LEFT) / (wide - LEFT)) * (view.b - view.a));
      columns.push(k); top = Math.max(top, k.alive);
    }
    axis(c, wide, high, true);
    const area = (key, color) => {
      c.fillStyle = color; c.beginPath(); c.moveTo(LEFT, 4 + tall);
      columns.forEach((k, n) => { const y = 4 + tall - (k[key] / top) * tall; c.lineTo(LEFT + n, y); c.lineTo(LEFT + n + 1, y); });
      c.lineTo(wide, 4 + tall); c.fill();
    };
    area("alive", "#56b4e9"); area("running", "#0072b2");
    yLabel(c, count(top), 13); yLabel(c, "0", 4 + tall);
  }

  // --- Gantt --------------------------------------------------------------------
  let lanes = 0;
  for (let i = 0; i < N; i++) lanes = Math.max(lanes, A.lane[i] + 1);
  const first = new Int32Array(lanes + 1), inLane = new Int32Array(N);
  for (let i = 0; i < N; i++) first[A.lane[i] + 1]++;
  for (let l = 0; l < lanes; l++) first[l + 1] += first[l];
  const fillAt = first.slice();
  for (let i = 0; i < N; i++) inLane[fillAt[A.lane[i]]++] = i;  // in order of begin, as attempts are
  const laneHigh = lanes ? Math.max(Math.min(16, Math.floor(560 / lanes)), 560 / lanes < 1 ? 560 / lanes : 1) : 16;
  const ganttHigh = Math.ceil(lanes * laneHigh) + 20;
  // Any two of these, and the orange of failures, are 11 or more apart (CIE94), for eyes without red or green cones
  // too (simulated after Machado et al. 2009), and all stand out from a white and from a dark page.
  const COLORS = ["#2b8cbe", "#f0d264", "#1b9e77", "#5b4bb3", "#66ccee", "#882255", "#d6c9a8", "#6b4c2a"];
  const OTHER = "#a5adb8", OUTCOMES = ["#009e73", "#d55e00", "#0072b2", "#cc79a7"];
  const timeOf = (names, of) => {
    const total = new Float64Array(names.length);
    for (let i = 0; i < N; i++) total[of[A.job[i]]] += end[i] - run[i];
    return total;
  };
  function scheme() {
    const by = $("colour").value;
    if (by === "verdict") return { color: (i) => OUTCOMES[A.verdict[i]], items: VERDICTS.map((w, k) => [SIGNS[k] + w, OUTCOMES[k], ""]).filter((_, k) => A.verdict.includes(k)) };
    const names = by === "kind" ? D.kinds : D.xforms, of = by === "kind" ? J.kind : J.xform, total = timeOf(names, of);
    const order = names.map((_, k) => k).sort((x, y) => total[y] - total[x]);
    const colors = new Array(names.length).fill(OTHER);
    order.slice(0, COLORS.length).forEach((k, n) => { colors[k] = COLORS[n]; });
    const items = order.slice(0, COLORS.length).filter((k) => total[k] > 0).map((k) => [names[k].replace(/^(stage|create)_/, "$1-") + " · " + duration(total[k]), colors[k], names[k]]);
    if (order.slice(COLORS.length).some((k) => total[k] > 0)) items.push(["others", OTHER, ""]);
    for (const bad of [FAILED, LOST]) if (A.verdict.includes(bad)) items.push([SIGNS[bad] + VERDICTS[bad], OUTCOMES[bad], ""]);
    return { color: (i) => (A.verdict[i] === FAILED || A.verdict[i] === LOST ? OUTCOMES[A.verdict[i]] : colors[of[A.job[i]]]), items };
  }
  const light = (hex) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return 0.3 * r + 0.59 * g + 0.11 * b > 150;
  };
  let found = null, colors = null;
  function search() {
    const word = $("find").value.trim().toLowerCase();
    found = word ? new Uint8Array(N) : null;
    if (!word) return;
    const hit = (s) => s.toLowerCase().includes(word), jobs = new Int8Array(J.name.length).fill(-1);
    const xforms = D.xforms.map(hit), hosts = D.hosts.map(hit);
    for (let i = 0; i < N; i++) {
      const j = A.job[i];
      if (jobs[j] < 0) jobs[j] = xforms[J.xform[j]] || hit(J.name[j]) || hit(labelOf(j)) ? 1 : 0;
      found[i] = jobs[j] || (A.host[i] >= 0 && hosts[A.host[i]]) ? 1 : 0;
    }
  }
  function drawGantt() {
    const [c, wide, high] = canvas("gantt", ganttHigh);
    axis(c, wide, high, true);
    const scale = (wide - LEFT) / (view.b - view.a);
    const rows = new Float64Array(Math.ceil(lanes * laneHigh) + 1).fill(-1);
    const gap = laneHigh >= 5 ? 1 : 0, tall = Math.max(laneHigh - gap, 1);
    const bars = [], ink = css("--ink"), soft = css("--soft");
    for (let lane = 0; lane < lanes; lane++) {
      const y = lane * laneHigh, row = Math.floor(y);
      let low = first[lane], high2 = first[lane + 1];
      while (low < high2) { const mid = (low + high2) >> 1; if (end[inLane[mid]] < view.a) low = mid + 1; else high2 = mid; }
      if (laneHigh >= 1) rows[row] = -1;
      for (let k = low; k < first[lane + 1]; k++) {
        const i = inLane[k];
        if (begin[i] > view.b) break;
        const x0 = LEFT + Math.max(0, (run[i] - view.a) * scale), x1 = Math.min(wide, LEFT + (end[i] - view.a) * scale);
        const failed = A.verdict[i] === FAILED;
        // What ends within the pixel that is painted already would not be seen; failures are.
        if (x1 < rows[row] + 0.6 && !failed && !(found && found[i])) continue;
        rows[row] = Math.max(rows[row], x1, x0 + 0.6);
        bars.push(i, x0, y, Math.max(x1 - x0 - (x1 - x0 > 3 ? 0.5 : 0), 0.8));
        const wait = (run[i] - begin[i]) * scale;
        if (wait > 1.5) { c.fillStyle = soft; c.fillRect(Math.max(LEFT, x0 - wait), y + tall / 2, Math.min(wait, x0 - LEFT), 1); }
      }
    }
    const paint = (late) => {
      for (let n = 0; n < bars.length; n += 4) {
        const i = bars[n], failed = A.verdict[i] === FAILED;
        if ((failed || Boolean(found && found[i])) !== late) continue;
        const faint = found && !found[i], alive = A.verdict[i] === ALIVE;
        c.globalAlpha = faint ? 0.13 : alive ? 0.5 : 1;
        c.fillStyle = colors.color(i);
        const w = late ? Math.max(bars[n + 3], 2) : bars[n + 3];
        c.fillRect(bars[n + 1], bars[n + 2], w, tall);
        if (tall >= 9 && w >= 14) {
          if (alive && !faint) c.globalAlpha = 1;
          c.fillStyle = alive ? ink : light(colors.color(i)) ? "#1c2430" : "#fff"; c.textAlign = "left"; c.font = Math.min(11, tall - 2) + "px system-ui,sans-serif";
          const text = (A.verdict[i] === OK ? "" : SIGNS[A.verdict[i]]) + (w > 70 ? titleOf(A.job[i]) : "");
          const fits = Math.floor((w - 6) / 6);
          if (text.trim() && fits > 0) c.fillText(text.length > fits ? text.slice(0, Math.max(1, fits - 1)) + "…" : text, bars[n + 1] + 3, bars[n + 2] + tall - Math.max(1.5, (tall - 8) / 2));
        }
      }
      c.globalAlpha = 1;
    };
    paint(false); paint(true);
    c.font = "11px system-ui,sans-serif";
    yLabel(c, "1", 10); if (lanes > 2) yLabel(c, count(lanes), Math.max(24, lanes * laneHigh));
  }
  function legend(id, items, pick) {
    const box = $(id);
    box.replaceChildren(...items.map(([text, color, word]) => {
      const node = make(pick && word ? "button" : "span"), patch = make("i");
      if (color) patch.style.background = color; else patch.className = "dashed";
      node.append(patch, text);
      if (pick && word) { node.type = "button"; node.title = "find"; node.onclick = () => pick(word); }
      return node;
    }));
  }
  function ms(event, el) {
    const box = el.getBoundingClientRect();
    return view.a + (Math.max(0, event.clientX - box.left - LEFT) / (box.width - LEFT)) * (view.b - view.a);
  }
  function showTip(event, text) {
    if (!text) { tip.hidden = true; return; }
    tip.textContent = text; tip.hidden = false;
    const w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - w - 8)) + "px";
    tip.style.top = (event.clientY + 18 + h > innerHeight ? event.clientY - h - 12 : event.clientY + 18) + "px";
  }
  function attemptAt(event, el) {
    const box = el.getBoundingClientRect(), lane = Math.floor((event.clientY - box.top) / laneHigh), t = ms(event, el);
    if (lane < 0 || lane >= lanes) return -1;
    const slack = ((view.b - view.a) / (box.width - LEFT)) * 2;
    let low = first[lane], high = first[lane + 1];
    while (low < high) { const mid = (low + high) >> 1; if (end[inLane[mid]] + slack < t) low = mid + 1; else high = mid; }
    return low < first[lane + 1] && begin[inLane[low]] - slack <= t ? inLane[low] : -1;
  }
  const attemptText = (i) => {
    const j = A.job[i], lines = [titleOf(j)];
    lines.push(D.xforms[J.xform[j]] + " at " + D.sites[J.site[j]] + (A.host[i] >= 0 ? ", host " + D.hosts[A.host[i]] : ""));
    lines.push(SIGNS[A.verdict[i]] + VERDICTS[A.verdict[i]] + ", attempt " + A.number[i]);
    lines.push("from " + duration(run[i]) + " for " + duration(end[i] - run[i]) + (run[i] - begin[i] > 500 ? ", waited " + duration(run[i] - begin[i]) : ""));
    lines.push(clock(run[i]));
    return lines.join("\n");
  };
  function interact(id, text) {
    const el = $(id);
    let from = null, box = null, finger = null;
    el.addEventListener("pointermove", (e) => {
      if (finger !== null) {
        const by = ((finger - e.clientX) / (el.clientWidth - LEFT)) * (view.b - view.a);
        finger = e.clientX;
        setView(view.a + by, view.b + by);
      }
      if (from === null) { showTip(e, text(e, el)); return; }
      tip.hidden = true;
      const r = el.getBoundingClientRect(), x0 = Math.min(from, e.clientX), x1 = Math.max(from, e.clientX);
      if (!box) { box = make("div"); box.style.cssText = "position:fixed;background:#0072b233;border:1px solid #0072b2;pointer-events:none;z-index:4"; document.body.append(box); }
      Object.assign(box.style, { left: x0 + "px", width: x1 - x0 + "px", top: r.top + "px", height: r.height + "px" });
    });
    el.addEventListener("pointerleave", () => { tip.hidden = true; });
    el.addEventListener("pointerdown", (e) => {
      if (e.pointerType === "touch") { finger = e.clientX; showTip(e, text(e, el)); } else if (e.button === 0) { from = e.clientX; el.setPointerCapture(e.pointerId); }
    });
    const finish = (e) => {
      finger = null;
      if (box) { box.remove(); box = null; }
      if (from === null) return;
      const a = ms({ clientX: Math.min(from, e.clientX) }, el), b = ms({ clientX: Math.max(from, e.clientX) }, el), far = Math.abs(from - e.clientX) > 5;
      from = null;
      if (far && e.type === "pointerup") setView(a, b);
    };
    el.addEventListener("pointerup", finish); el.addEventListener("pointercancel", finish);
    el.addEventListener("dblclick", () => setView(0, SPAN));
    el.addEventListener("wheel", (e) => {
      const wide = view.b - view.a;
      if (e.ctrlKey || e.metaKey) { e.preventDefault(); zoom(Math.exp(e.deltaY / 300), ms(e, el)); }
      else if (Math.abs(e.deltaX) > Math.abs(e.deltaY) && wide < SPAN) { e.preventDefault(); setView(view.a + (e.deltaX / el.clientWidth) * wide, view.b + (e.deltaX / el.clientWidth) * wide); }
    }, { passive: false });
  }
  function zoom(factor, around) {
    const wide = Math.min(SPAN, (view.b - view.a) * factor), share = (around - view.a) / (view.b - view.a);
    setView(around - share * wide, around + (1 - share) * wide);
  }
  if (N) {
    const recolour = () => { colors = scheme(); legend("gantt-legend", colors.items, (word) => { $("find").value = $("find").value === word ? "" : word; search(); drawGantt(); }); };
    const waits = run.some((t, i) => (t - begin[i]) * 1000 > SPAN);
    legend("atonce-legend", [["running", "#0072b2", ""], ...(waits ? [["given to its site, not running yet", "#56b4e9", ""]] : [])]);
    legend("states-legend", STACK.map(([, word, color, sign]) => [sign + " " + word, color || "var(--line)", ""]).concat(D.engines.length > 1 ? [["continued by another engine", "", ""]] : []));
    redraws.push(drawStates, drawAtOnce, drawGantt);
    const whenText = (e, el) => {
      const t = Math.min(ms(e, el), SPAN), k = at(t);
      return duration(t) + " after the start\n✓ " + count(k.done) + " succeeded\n✗ " + count(k.failed) + " failed\n▶ " + count(k.running) + " running\n◔ " + count(k.queued) + " queued\n· " + count(k.rest) + " others";
    };
    interact("states", whenText); interact("atonce", whenText);
    interact("gantt", (e, el) => { const i = attemptAt(e, el); return i < 0 ? "" : attemptText(i); });
    $("colour").onchange = () => { recolour(); drawGantt(); };
    let pending = 0;
    $("find").oninput = () => { clearTimeout(pending); pending = setTimeout(() => { search(); drawGantt(); }, 80); };
    const middle = () => (view.a + view.b) / 2;
    $("in").onclick = () => zoom(0.5, middle()); $("out").onclick = () => zoom(2, middle()); $("fit").onclick = () => setView(0, SPAN);
    $("gantt").addEventListener("keydown", (e) => {
      const wide = view.b - view.a, act = { ArrowLeft: () => setView(view.a - wide / 8, view.b - wide / 8), ArrowRight: () => setView(view.a + wide / 8, view.b + wide / 8), "+": () => zoom(0.5, middle()), "-": () => zoom(2, middle()), 0: () => setView(0, SPAN) }[e.key];
      if (act) { e.preventDefault(); act(); }
    });
    recolour(); redraw();
    let wide = $("gantt").clientWidth;
    new ResizeObserver(() => { if (wide !== $("gantt").clientWidth) { wide = $("gantt").clientWidth; redraw(); } }).observe($("gantt"));
    for (const query of ["(prefers-color-scheme:dark)", "print"]) matchMedia(query).addEventListener("change", redraw);
  }

  // --- tables -------------------------------------------------------------------
  const PAGE = 25;
  function table(box, total, columns, order, hint) {
    const input = make("input"), wrap = make("div", undefined, "scroll"), sheet = make("table");
    const pager = make("div", undefined, "pager"), back = make("button", "‹"), next = make("button", "›"), where = make("span");
    where.setAttribute("aria-live", "polite");
    input.type = "search"; input.placeholder = hint; input.setAttribute("aria-label", hint);
    back.type = next.type = "button"; back.title = "earlier"; next.title = "later";
    const tools = make("div", undefined, "tools"); tools.append(input);
    let page = 0, by = order, down = true, rows = [];
    const all = Int32Array.from({ length: total }, (_, i) => i);
    function filter() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows = words.length ? all.filter((i) => { const text = columns.map((col) => (col.find || col.text)(i)).join(" ").toLowerCase(); return words.every((w) => text.includes(w)); }) : all.slice();
      if (by !== null) {
        const { key, text } = columns[by], sign = down ? -1 : 1;
        if (key) {  // a number
          const keys = new Float64Array(total);
          for (const i of rows) keys[i] = key(i) * sign;
          rows.sort((x, y) => keys[x] - keys[y] || x - y);
        } else {
          const keys = new Array(total);
          for (const i of rows) keys[i] = text(i);
          rows.sort((x, y) => (keys[x] < keys[y] ? -sign : keys[x] > keys[y] ? sign : x - y));
        }
      }
      page = 0; show();
    }
    function show() {
      const head = make("thead"), line = make("tr"), body = make("tbody");
      columns.forEach((col, n) => {
        const th = make("th", undefined, col.name === "num" ? "num" : ""), button = make("button", col.title + (by === n ? (down ? " ↓" : " ↑") : ""));
        button.type = "button";
        button.onclick = () => { down = by === n ? !down : col.name === "num"; by = n; filter(); };
        th.scope = "col";
        if (by === n) th.ariaSort = down ? "descending" : "ascending";
        th.append(button); line.append(th);
      });
      head.append(line);
      for (const i of rows.slice(page * PAGE, (page + 1) * PAGE)) {
        const tr = make("tr");
        for (const col of columns) { const td = make(col.name === "name" ? "th" : "td", (col.show || col.text)(i), col.name); if (col.name === "name") td.scope = "row"; if (col.full) td.title = col.full(i); tr.append(td); }
        body.append(tr);
      }
      sheet.replaceChildren(head, body);
      const pages = Math.max(1, Math.ceil(rows.length / PAGE));
      where.textContent = rows.length ? `${count(page * PAGE + 1)}–${count(Math.min(rows.length, (page + 1) * PAGE))} of ${count(rows.length)}` : "nothing found";
      back.disabled = page === 0; next.disabled = page >= pages - 1;
    }
    back.onclick = () => { page--; show(); }; next.onclick = () => { page++; show(); };
    let pending = 0;
    input.oninput = () => { clearTimeout(pending); pending = setTimeout(filter, 120); };
    wrap.append(sheet); pager.append(back, next, where); box.append(tools, wrap, pager);
    filter();
  }
  for (const box of document.querySelectorAll(".table")) {
    if (box.dataset.table === "jobs") {
      const took = (j) => (last[j] < 0 ? -1 : end[last[j]] - run[last[j]]);
      table(box, J.name.length, [
        { title: "job", text: (j) => J.name[j], name: "name" },
        ...(J.label.length ? [{ title: "label", text: labelOf }] : []),
        { title: "runs", text: (j) => D.xforms[J.xform[j]] },
        { title: "site", text: (j) => D.sites[J.site[j]] },
        { title: "state", text: (j) => D.states[J.state[j]][0], show: (j) => D.states[J.state[j]][1] + " " + D.states[J.state[j]][0] },
        { title: "attempts", text: (j) => (tries[j] ? String(tries[j]) : ""), key: (j) => tries[j], name: "num", find: () => "" },
        { title: "began", text: (j) => (last[j] < 0 ? "" : duration(run[last[j]])), key: (j) => (last[j] < 0 ? -1 : run[last[j]]), name: "num", find: () => "" },
        { title: "took", text: (j) => (last[j] < 0 ? "" : duration(took(j))), key: took, name: "num", find: () => "" },
        { title: "host", text: (j) => (last[j] < 0 || A.host[last[j]] < 0 ? "" : D.hosts[A.host[last[j]]]) },
      ], 6, "job, label, transformation, state or host");
    } else {
      const F = D.files, url = (f, place) => (typeof place === "string" ? place : F.places[place] + F.name[f]);
      const from = (f) => (F.delivered[f].length ? F.delivered[f].map((p) => url(f, p)).join("\n") : F.job[f] < 0 && F.source[f] !== -1 ? "from " + url(f, F.source[f]) : "");
      if (!F.name.length) { box.append(make("p", "No file has been made or moved yet.", "empty")); continue; }
      table(box, F.name.length, [
        { title: "file", text: (f) => F.name[f], name: "name" },
        { title: "size", text: (f) => size(F.size[f]), key: (f) => F.size[f], name: "num", find: () => "" },
        { title: "made by", text: (f) => (F.job[f] < 0 ? "" : titleOf(F.job[f])), show: (f) => (F.job[f] < 0 ? "input" : titleOf(F.job[f])) },
        { title: "sha256", text: (f) => F.sha256[f], show: (f) => (F.sha256[f] ? F.sha256[f].slice(0, 16) + "…" : ""), full: (f) => F.sha256[f], name: "hash" },
        { title: "delivered to", text: from, name: "long" },
      ], null, "file, job, checksum or place");
    }
  }
  document.documentElement.dataset.ready = "yes";
})().catch((error) => {
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = "The charts cannot be drawn (" + error.message + "). A browser of 2023 or later is needed.";
  document.querySelector("main").prepend(note);
  throw error;
});
