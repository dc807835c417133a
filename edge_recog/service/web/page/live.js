// The live page. What the device says is shown by textContent alone: labels are the work of others.
"use strict";
(() => {
  const LOST_AFTER_MS = 7000; // Without a word; the status comes every 2 s.
  const STALE_AFTER_MS = 5000; // An answer, or a picture.
  const STREAM_RETRY_MS = 10000; // Without a picture.
  const RENDER_EVERY_MS = 200;
  const SAY_EVERY_MS = 1500;
  const WINDOW_MS = 5 * 60 * 1000;
  const SHOWN_LABELS = 5;
  const ROWS = 6;
  const KEPT_EVENTS = 200;
  const LISTED_EVENTS = 50;
  const KEPT_SPANS = 60;
  const KEPT_POINTS = 150; // Five minutes of statuses.
  const LISTED_LABELS = 2000;
  const PICTURE_LIMIT = 16 * 1024 * 1024;
  const HOT_CELSIUS = 80; // Where a Raspberry Pi slows itself down.

  const WORDS = {
    starting: "Starting", running: "Running", standby: "Standby",
    degraded: "Degraded", stopping: "Stopping",
  };
  const REASONS = {
    starting: "No frame was answered yet.",
    running: "Frames are classified as they come.",
    standby: "It was told to rest; nothing is classified.",
    degraded: "Something fails; it is tried again.",
    stopping: "It ends for good.",
  };
  const OUTCOMES = {
    answered: "classified", overwritten: "replaced by a newer one", stale: "too old",
    faulty: "black, overexposed or repeated", still: "nothing moved",
    limited: "left out by the rate limit", failed: "the model failed",
  };

  const $ = (id) => document.getElementById(id);
  const svg = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const element = (name, kind, text) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const attribute = (node, name, value) => {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  };
  /** Have a parent hold exactly these nodes, in this order, moving as few as possible. */
  const arrange = (parent, nodes) => {
    let at = parent.firstChild;
    for (const node of nodes) {
      if (node === at) at = at.nextSibling;
      else parent.insertBefore(node, at);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };
  const pool = (parent, count, make) => {
    while (parent.children.length > count) parent.lastElementChild.remove();
    while (parent.children.length < count) parent.append(make());
    return parent.children;
  };

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const list = (value) => (Array.isArray(value) ? value : []);
  const text = (value) => (typeof value === "string" ? value : "");
  const whole = new Intl.NumberFormat("en");
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const timeText = (ms) => (Math.abs(Date.now() - ms) > 20 * 3600e3 ? day : clock).format(ms);
  const count = (value) => (isNumber(value) ? whole.format(value) : "–");
  const percent = (score) => `${Math.round(score * 100)}\u202f%`;
  const milliseconds = (value) => (isNumber(value) ? `${value.toFixed(value < 99.95 ? 1 : 0)}\u202fms` : "–");
  const durationText = (s) => {
    if (s < 9.95) return `${Math.max(0, s).toFixed(1)}\u202fs`;
    if (s < 90) return `${Math.round(s)}\u202fs`;
    const minutes = Math.floor(s / 60);
    if (minutes < 90) return `${minutes}\u202fmin`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours}\u202fh ${minutes % 60}\u202fmin`;
    return `${Math.floor(hours / 24)}\u202fd ${hours % 24}\u202fh`;
  };
  /** In whole steps, for what counts up before one's eyes. */
  const roughly = (s) => (s < 90 ? `${Math.max(0, Math.floor(s))}\u202fs` : durationText(s));
  const sizeText = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)}\u202fkB` : `${(bytes / 1e6).toFixed(1)}\u202fMB`);
  const pixels = (size) => `${count(size.width)}\u202f×\u202f${count(size.height)}`;

  // ---- What is known -------------------------------------------------------------------------

  let link = "connecting"; // "connecting", "up", "lost", or "resting" while nobody looks
  let heardAt = 0; // performance.now() of the last word of the device
  let heardTime = 0; // Date.now() of the same
  let status = null;
  let model = null;
  let answer = null;
  let answeredAt = 0; // performance.now() when the newest answer came
  let threshold = null;
  let ahead = 0; // ms that the device's clock is ahead of ours
  let events = []; // {at, kind, label, score, duration}, oldest first
  let spans = []; // {from, to, state, reason} of the states seen, oldest first
  const points = []; // [frame rate, capture to answer] of the last statuses

  const deviceNow = () => Date.now() + ahead;
  /** A time of the device's clock on ours, so that all times on the page agree. */
  const here = (at) => at - ahead;
  const state = () => (status && status.state in WORDS ? status.state : "unknown");
  const hasAnswer = () => answer !== null && (state() === "running" || link !== "up");

  const eventOf = (document) => {
    const at = Date.parse(document.time);
    if (!Number.isFinite(at) || typeof document.label !== "string") return null;
    return {
      at, kind: document.event === "vanished" ? "vanished" : "appeared", label: document.label,
      score: document.score, duration: document.duration_s,
    };
  };
  const addEvent = (document) => {
    const event = eventOf(document);
    if (event === null) return null;
    let place = events.length;
    while (place > 0 && events[place - 1].at > event.at) place -= 1;
    // Heard of once as it happened and again with each status.
    for (let i = Math.max(0, place - 12); i < Math.min(events.length, place + 12); i += 1) {
      const known = events[i];
      if (known.label === event.label && known.kind === event.kind && Math.abs(known.at - event.at) < 50) return null;
    }
    events.splice(place, 0, event);
    if (events.length > KEPT_EVENTS) events = events.slice(-KEPT_EVENTS);
    return event;
  };

  const take = {
    status(document) {
      const before = status;
      const at = Date.parse(document.time);
      if (Number.isFinite(at)) ahead = at - Date.now();
      status = document;
      list(document.recent_events).forEach(addEvent);
      followState(before);
      points.push([document.frame_rate_fps, document.latency_ms ? document.latency_ms.since_capture : null]);
      if (points.length > KEPT_POINTS) points.shift();
      if (state() !== "running" && state() !== "unknown") answer = null;
    },
    classification(document) { answer = document; answeredAt = performance.now(); },
    event(document) {
      const event = addEvent(document);
      if (event) say(`${event.label} ${event.kind}`);
    },
    model(document) { model = document; showModel(); },
  };

  const followState = (before) => {
    const now = deviceNow();
    const last = spans[spans.length - 1];
    if (last && last.state === state() && last.reason === status.reason && now - last.to < LOST_AFTER_MS + 3000) {
      last.to = now;
      return;
    }
    const since = Date.parse(status.since);
    const isNew = !last || last.state !== state();
    const isTold = isNew || last.reason !== status.reason;
    // Before our first word of it we know since when it is so, and nothing of before.
    const from = Math.min(now, Number.isFinite(since) && isNew ? since : now);
    spans.push({ from, to: now, state: state(), reason: status.reason, isTold });
    if (spans.length > KEPT_SPANS) spans.shift();
    if (before && isTold) say(`${WORDS[state()] || state()}${status.reason ? `: ${status.reason}` : ""}`);
  };

  // ---- What is told to those who listen ------------------------------------------------------

  let toSay = [];
  let saying = 0;
  const say = (sentence) => {
    toSay.push(sentence);
    if (toSay.length > 20) toSay.shift();
    if (!saying) saying = setTimeout(sayIt, SAY_EVERY_MS);
  };
  const sayIt = () => {
    const more = toSay.length > 4 ? `; and ${toSay.length - 4} more` : "";
    put($("said"), `${toSay.slice(0, 4).join("; ")}${more}.`);
    toSay = [];
    saying = 0;
  };

  // ---- The connection ------------------------------------------------------------------------

  let source = null;
  let attempts = 0;
  let retrying = 0;

  const problemOf = async (response) => {
    try {
      const problem = await response.json();
      return text(problem.detail) || text(problem.title) || `the device answered ${response.status}`;
    } catch {
      return `the device answered ${response.status}`;
    }
  };

  const connect = async () => {
    clearTimeout(retrying);
    disconnect();
    if (attempts > 0) {
      // An EventSource does not say why it failed; a plain request does.
      try {
        const response = await fetch("/api/v1/status", { signal: AbortSignal.timeout(5000), cache: "no-store" });
        if (response.status === 401) { location.assign("/login"); return; }
      } catch {
        retry();
        return;
      }
      if (link === "resting") return;
    }
    const opened = new EventSource("/api/v1/events");
    source = opened;
    heardAt = performance.now();
    for (const kind of Object.keys(take)) {
      opened.addEventListener(kind, (message) => {
        if (opened !== source) return;
        heard();
        take[kind](JSON.parse(message.data));
        soon();
      });
    }
    opened.addEventListener("open", () => { if (opened === source) heardAt = performance.now(); });
    opened.addEventListener("error", () => { if (opened === source) lose(); });
  };
  const disconnect = () => {
    if (source) source.close();
    source = null;
  };
  const heard = () => {
    heardAt = performance.now();
    heardTime = Date.now();
    if (link === "up") return;
    const wasLost = link === "lost";
    link = "up";
    attempts = 0;
    if (wasLost) say("Connected to the device again");
    askThreshold();
    watchPicture();
  };
  const lose = () => {
    disconnect();
    if (link !== "lost") say("Connection to the device lost");
    link = "lost";
    stopPicture();
    retry();
    soon();
  };
  const retry = () => {
    if (link === "resting") return;
    if (link === "connecting") { link = "lost"; soon(); }
    clearTimeout(retrying);
    retrying = setTimeout(connect, Math.min(10000, 1000 * 2 ** attempts));
    attempts += 1;
  };
  const askThreshold = async () => {
    try {
      const response = await fetch("/api/v1/config", { signal: AbortSignal.timeout(5000) });
      if (!response.ok) return;
      const config = await response.json();
      threshold = config.events && isNumber(config.events.threshold) ? config.events.threshold : null;
      soon();
    } catch {
      // Without the line that it draws the page is whole; the next connection asks again.
    }
  };

  // ---- The picture ---------------------------------------------------------------------------

  // Read by hand rather than by <img src>: that neither says when a stream has ended or hangs, nor
  // why there is none.
  const picture = $("picture");
  let watching = null; // AbortController of the stream
  let isPaused = false;
  let shownAt = null; // performance.now() of the newest picture
  let shownTime = 0; // Date.now() of the same
  let streamedAt = 0; // performance.now() when the stream last gave something, or was asked for
  let refusal = "";
  let pictureRetry = 0;

  async function* partsOf(response) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder("latin1");
    let held = new Uint8Array(0);
    const more = async () => {
      const { done, value } = await reader.read();
      if (done) return false;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
      return true;
    };
    for (;;) {
      let head = "";
      let end = -1;
      while (end < 0) {
        head = decoder.decode(held.subarray(0, 4096));
        end = head.indexOf("\r\n\r\n", head.startsWith("\r\n") ? 2 : 0);
        if (end < 0 && (held.length > 4096 || !(await more()))) return;
      }
      const length = /content-length:\s*(\d+)/i.exec(head.slice(0, end));
      if (!length || Number(length[1]) > PICTURE_LIMIT) throw new Error("the stream is not one that this page can read");
      const [from, to] = [end + 4, end + 4 + Number(length[1])];
      while (held.length < to) if (!(await more())) return;
      yield held.slice(from, to);
      held = held.slice(to);
    }
  }

  const show = async (jpeg) => {
    const address = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
    try {
      const next = new Image();
      next.src = address;
      await next.decode();
      picture.src = address;
      await picture.decode();
    } finally {
      URL.revokeObjectURL(address);
    }
  };

  const watchPicture = async () => {
    stopPicture();
    if (isPaused || link !== "up") return;
    const mine = new AbortController();
    watching = mine;
    streamedAt = performance.now();
    try {
      const response = await fetch("/api/v1/stream.mjpg", { signal: mine.signal, cache: "no-store" });
      if (!response.ok) throw new Error(await problemOf(response));
      let showing = false;
      for await (const jpeg of partsOf(response)) {
        if (mine.signal.aborted) return;
        streamedAt = performance.now();
        if (showing) continue; // A slow viewer sees fewer, never older ones.
        showing = true;
        show(jpeg).then(() => {
          if (mine.signal.aborted) return;
          refusal = "";
          shownAt = performance.now();
          shownTime = Date.now();
          if (picture.hidden) { picture.hidden = false; soon(); }
        }, () => { refusal = "A picture came that cannot be shown."; }).finally(() => { showing = false; });
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      refusal = error instanceof TypeError ? "" : `No live picture: ${error.message}`;
    }
    if (watching !== mine) return;
    watching = null;
    soon();
    pictureRetry = setTimeout(watchPicture, refusal ? 5000 : 2000);
  };
  const stopPicture = () => {
    clearTimeout(pictureRetry);
    if (watching) watching.abort();
    watching = null;
  };
  $("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    if (isPaused) stopPicture();
    else { shownAt = null; watchPicture(); }
    render();
  });

  // ---- Drawing -------------------------------------------------------------------------------

  let planned = 0;
  let renderedAt = 0;
  const soon = () => {
    if (planned || document.hidden) return;
    planned = setTimeout(() => requestAnimationFrame(render), Math.max(0, renderedAt + RENDER_EVERY_MS - performance.now()));
  };
  const render = () => {
    clearTimeout(planned);
    planned = 0;
    if (document.hidden) return;
    renderedAt = performance.now();
    showState();
    showPicture();
    showLabels();
    showVitals();
    showTimeline();
    showEvents();
    showDevice();
  };

  const showState = () => {
    attribute(document.body, "data-link", link);
    attribute(document.body, "data-state", link === "resting" ? "unknown" : state());
    const node = (status && text(status.node)) || "edge_recog";
    put($("node"), node);
    put($("source"), status ? text(status.source) : "");
    let word = WORDS[state()] || "Connecting…";
    let since = "";
    let reason = "Asking the device how it is.";
    if (link === "lost") {
      word = "Connection lost";
      since = heardTime ? `since ${timeText(heardTime)}` : "";
      reason = heardTime
        ? `No word from the device for ${roughly((Date.now() - heardTime) / 1000)}. It is tried again; all that is shown is old.`
        : "The device does not answer. It is tried again.";
    } else if (status) {
      const at = here(Date.parse(status.since));
      if (Number.isFinite(at)) since = `since ${timeText(at)} (${roughly((Date.now() - at) / 1000)})`;
      reason = text(status.reason) || REASONS[state()] || "";
      if (state() === "unknown") word = text(status.state);
    }
    put($("state-word"), word);
    put($("state-since"), since);
    put($("state-reason"), reason);
    $("reconnect").hidden = link !== "lost";
    const title = `${word} – ${node}`;
    if (document.title !== title) document.title = title;
    const asOf = heardTime ? `old, of ${timeText(heardTime)}` : "";
    for (const one of document.querySelectorAll(".asof")) put(one, asOf);
  };

  const showPicture = () => {
    const now = performance.now();
    const isOld = shownAt === null || now - shownAt > STALE_AFTER_MS;
    const has = !picture.hidden;
    const of = has ? timeText(shownTime) : "";
    let shows = has ? "old" : "nothing";
    let note = refusal || (has ? `No new picture since ${of}` : "Waiting for a picture…");
    if (isPaused) {
      if (has) shows = "paused";
      note = has ? `Paused at ${of}` : "Paused";
    } else if (link === "lost") {
      note = has ? `Connection lost. This picture is of ${of}.` : "No connection";
    } else if (link !== "up") {
      note = "Connecting…";
    } else if (!isOld && !refusal) {
      shows = "live";
    } else if (watching && now - streamedAt > STREAM_RETRY_MS) {
      watchPicture();
    }
    attribute($("frame"), "data-shows", shows);
    put($("picture-note"), shows === "live" ? "" : note);
    const node = (status && text(status.node)) || "this device";
    attribute(picture, "alt", shows === "live" ? `Live picture of ${node}` : `Old picture of ${node}, of ${of}`);
    put($("pause"), isPaused ? "Resume picture" : "Pause picture");
    put($("picture-title"), shows === "live" ? "Live picture" : has ? "Last picture" : "Picture");
    const size = status && status.picture;
    put($("picture-time"), size && isNumber(size.width) ? `${pixels(size)}` : "");
  };

  const labelRow = () => {
    const row = element("li");
    const bar = element("span", "bar");
    bar.setAttribute("aria-hidden", "true");
    const tick = element("b");
    tick.hidden = true;
    bar.append(element("i"), tick);
    row.append(element("span", "label"), element("span", "tag", "present"), element("span", "score"), bar);
    return row;
  };
  const showLabels = () => {
    const isThere = hasAnswer();
    const scores = isThere ? list(answer.smoothed).slice(0, SHOWN_LABELS) : [];
    const present = isThere ? list(answer.present).map((one) => text(one.label)) : [];
    const rows = pool($("labels"), SHOWN_LABELS, labelRow);
    for (let i = 0; i < SHOWN_LABELS; i += 1) {
      const [label, , score, bar] = rows[i].children;
      const one = scores[i];
      const isPresent = one !== undefined && present.includes(one.label);
      rows[i].className = isPresent ? "there" : one === undefined ? "none" : "";
      attribute(rows[i], "aria-hidden", String(one === undefined && i > 0));
      put(label, one ? text(one.label) : i === 0 ? whyNoLabels() : "");
      attribute(label, "title", one ? text(one.label) : "");
      put(score, one && isNumber(one.score) ? percent(one.score) : "");
      const share = one && isNumber(one.score) ? Math.min(1, Math.max(0, one.score)) : 0;
      bar.firstChild.style.transform = `scaleX(${share.toFixed(3)})`;
      bar.lastChild.hidden = threshold === null;
      if (threshold !== null) bar.lastChild.style.left = `${threshold * 100}%`;
    }
    const shown = scores.map((one) => one.label);
    const others = present.filter((label) => !shown.includes(label));
    put($("also"), others.length ? `Also present: ${others.slice(0, 8).join(", ")}${others.length > 8 ? ", …" : ""}` : "");
    $("threshold").hidden = threshold === null;
    $("threshold").style.visibility = scores.length ? "" : "hidden";
    if (threshold !== null) put($("threshold-text"), `present from ${percent(threshold)} on, after a moment`);
  };
  const whyNoLabels = () => {
    if (link !== "up") return "Nothing was seen yet";
    if (state() === "running") return "Waiting for an answer…";
    return "No answers";
  };

  const setBar = (id, value, most) => {
    const share = isNumber(value) && most > 0 ? Math.min(1, value / most) : 0;
    $(id).style.transform = `scaleX(${share.toFixed(3)})`;
  };
  const line = (id, which) => {
    const values = points.map((one) => one[which]);
    const most = Math.max(...values.filter(isNumber), 1e-9) * 1.15;
    const first = KEPT_POINTS - values.length;
    const drawn = [];
    values.forEach((value, i) => {
      if (isNumber(value)) drawn.push(`${first + i},${(23 - (22 * value) / most).toFixed(1)}`);
    });
    attribute($(id), "points", drawn.join(" "));
  };
  const showVitals = () => {
    const latency = status && status.latency_ms;
    const isAnswering = hasAnswer();
    // The medians outlive the answers that they are of.
    const isOld = latency && state() !== "running";
    attribute(document.body, "data-answers", isOld ? "old" : "new");
    put($("stages-title"), isOld ? "Latency per stage, when it last ran" : "Latency per stage");
    put($("rate"), status && isNumber(status.frame_rate_fps) ? `${status.frame_rate_fps.toFixed(1)}\u202ffps` : "–");
    put($("since-capture"), milliseconds(latency ? latency.since_capture : null));
    let age = "–";
    if (isAnswering && answer.latency_ms && isNumber(answer.latency_ms.since_capture)) {
      const s = (answer.latency_ms.since_capture + performance.now() - answeredAt) / 1000;
      age = durationText(s);
    }
    put($("age"), age);
    const temperature = status && status.temperature_celsius;
    const isHot = isNumber(temperature) && temperature >= HOT_CELSIUS;
    put($("temperature"), isNumber(temperature) ? `${Math.round(temperature)}\u202f°C${isHot ? " hot" : ""}` : "no sensor");
    $("temperature").className = isHot ? "hot" : "";
    for (const stage of ["preprocess", "invoke", "postprocess", "total"]) {
      put($(stage), milliseconds(latency ? latency[stage] : null));
      setBar(`${stage}-bar`, latency ? latency[stage] : null, latency ? latency.total : 0);
    }
    line("rate-line", 0);
    line("since-capture-line", 1);
  };

  /** When which label was there: [{label, from, to}], oldest first. */
  const intervals = (now) => {
    const open = new Map();
    const found = [];
    const began = status && isNumber(status.uptime_s) ? Date.parse(status.time) - status.uptime_s * 1000 : -Infinity;
    for (const event of events) {
      if (event.kind === "appeared") {
        open.set(event.label, event.at);
      } else {
        const from = open.has(event.label) ? open.get(event.label) : event.at - (isNumber(event.duration) ? event.duration * 1000 : 0);
        open.delete(event.label);
        found.push({ label: event.label, from, to: event.at });
      }
    }
    if (hasAnswer()) {
      for (const one of list(answer.present)) {
        const at = Date.parse(one.since);
        if (!open.has(one.label) && Number.isFinite(at)) open.set(one.label, at);
      }
    }
    // What an earlier run of the device did not see vanish ended with that run.
    for (const [label, from] of open) found.push({ label, from, to: from < began ? began : now, isOpen: from >= began });
    return found;
  };

  let drawnAt = 0;
  let drawnFor = "";
  const showTimeline = () => {
    // It creeps: once a second is enough, and whenever something happened.
    const key = `${link} ${events.length} ${events.length ? events[events.length - 1].at : 0} ${spans.length} ${state()}`;
    if (key === drawnFor && performance.now() - drawnAt < 950) return;
    drawnAt = performance.now();
    drawnFor = key;
    const now = link === "lost" ? heardTime + ahead : deviceNow();
    const right = deviceNow();
    const start = right - WINDOW_MS;
    const place = (at) => `${((100 * (Math.min(right, Math.max(start, at)) - start)) / WINDOW_MS).toFixed(2)}%`;
    const width = (from, to) => `${Math.max(0.35, (100 * (Math.min(right, to) - Math.max(start, from))) / WINDOW_MS).toFixed(2)}%`;

    const all = intervals(now).filter((one) => one.to > start);
    const recent = new Map();
    for (const one of all) recent.set(one.label, Math.max(recent.get(one.label) || 0, one.to));
    const labels = [...recent.keys()].sort((a, b) => recent.get(b) - recent.get(a)).slice(0, ROWS);
    const first = new Map();
    for (const one of all) if (!first.has(one.label) || one.from < first.get(one.label)) first.set(one.label, one.from);
    labels.sort((a, b) => first.get(a) - first.get(b)); // Rows stay where they are while others come.
    const rows = pool($("rows"), ROWS + 1, () => element("li"));
    put(rows[0], "Classifier");
    for (let i = 0; i < ROWS; i += 1) {
      put(rows[i + 1], labels[i] || "");
      attribute(rows[i + 1], "title", labels[i] || "");
    }
    put($("more-rows"), recent.size > ROWS ? `and ${recent.size - ROWS} more labels` : recent.size ? "" : "nothing appeared");

    const drawn = [];
    for (const span of spans) {
      if (span.to <= start) continue;
      const kind = span.state === "running" ? "running" : span.state === "degraded" ? "degraded" : "calm";
      drawn.push([0, span.from, span.to, kind, 8]);
    }
    for (const one of all) {
      const row = labels.indexOf(one.label);
      if (row >= 0) drawn.push([row + 1, one.from, one.to, "label", 16]);
    }
    const bars = pool($("bars"), drawn.length, () => svg("rect"));
    drawn.forEach(([row, from, to, kind, height], i) => {
      attribute(bars[i], "x", place(from));
      attribute(bars[i], "width", width(from, to));
      attribute(bars[i], "y", String(row * 28 + 14 - height / 2));
      attribute(bars[i], "height", String(height));
      attribute(bars[i], "rx", "2");
      attribute(bars[i], "class", kind);
    });

    const isNarrow = $("chart").clientWidth < 420;
    const step = isNarrow ? 120000 : 60000;
    const edge = isNarrow ? 15 : 6; // A tick so near to it has no room for its time.
    const ticks = [];
    for (let at = Math.ceil(here(start) / step) * step; at < here(right); at += step) ticks.push(at);
    const lines = pool($("grid"), 12, () => { const g = svg("g"); g.append(svg("line"), svg("text")); return g; });
    for (let i = 0; i < 12; i += 1) {
      const [rule, name] = lines[i].children;
      const at = ticks[i];
      lines[i].setAttribute("display", at === undefined ? "none" : "inline");
      if (at === undefined) continue;
      const x = place(at + ahead);
      const share = parseFloat(x);
      for (const [attributeName, value] of [["x1", x], ["x2", x], ["y1", "0"], ["y2", "196"]]) attribute(rule, attributeName, value);
      attribute(name, "x", x);
      attribute(name, "y", "213");
      put(name, share < edge || share > 100 - edge ? "" : minute.format(at));
    }
  };

  const nodes = new WeakMap();
  const eventNode = (event) => {
    const row = element("li", event.kind);
    const time = element("time", "", timeText(here(event.at)));
    time.dateTime = new Date(here(event.at)).toISOString();
    const what = element("span");
    if (event.isState) {
      row.className = `state ${event.kind}`;
      what.append(element("b", "", WORDS[event.kind] || event.kind), event.reason ? `: ${event.reason}` : "");
    } else {
      what.append(element("b", "", event.label), ` ${event.kind}`);
      if (event.kind === "appeared" && isNumber(event.score)) what.append(`, ${percent(event.score)}`);
      if (event.kind === "vanished" && isNumber(event.duration)) what.append(` after ${durationText(event.duration)}`);
    }
    row.append(time, what);
    return row;
  };
  const nodeOf = (key, event) => {
    if (!nodes.has(key)) nodes.set(key, eventNode(event));
    return nodes.get(key);
  };
  let listedFor = "";
  const showEvents = () => {
    const key = `${events.length} ${events.length ? events[events.length - 1].at : 0} ${spans.length} ${spans.length ? spans[spans.length - 1].from : 0}`;
    if (key === listedFor) return;
    listedFor = key;
    const all = [
      ...events.map((event) => [event, event]),
      ...spans.filter((span) => span.isTold).map((span) => [span, { at: span.from, kind: span.state, reason: span.reason, isState: true }]),
    ];
    all.sort((a, b) => b[1].at - a[1].at);
    arrange($("events"), all.slice(0, LISTED_EVENTS).map(([known, event]) => nodeOf(known, event)));
    $("no-events").hidden = all.length > 0;
  };

  const fact = (title) => {
    const row = element("div");
    row.append(element("dt", "", title), element("dd"));
    return row;
  };
  const showDevice = () => {
    if (!status) return;
    put($("camera-state"), state() === "running" ? "delivers" : (WORDS[state()] || state()).toLowerCase());
    put($("camera-reason"), text(status.reason) || REASONS[state()] || "");
    put($("camera-source"), text(status.source));
    const size = status.picture;
    put($("camera-size"), size && isNumber(size.width) ? `${pixels(size)} pixels` : "–");
    put($("viewers"), count(status.viewers));
    const frames = Object.entries(status.frames || {}).slice(0, 20);
    const rows = pool($("outcomes"), frames.length, () => fact(""));
    frames.forEach(([outcome, number], i) => {
      put(rows[i].firstChild, OUTCOMES[outcome] || outcome);
      put(rows[i].lastChild, count(number));
    });
    const sinks = list(status.sinks).slice(0, 20);
    const lines = pool($("sinks"), sinks.length, () => {
      const row = element("tr");
      row.append(element("td"), element("td"), element("td"), element("td"));
      return row;
    });
    sinks.forEach((sink, i) => {
      const [name, waiting, dropped, failed] = lines[i].children;
      put(name, text(sink.name));
      put(waiting, count(sink.waiting));
      for (const [cell, number] of [[dropped, sink.dropped], [failed, sink.failed]]) {
        put(cell, count(number));
        cell.className = number > 0 ? "trouble" : "";
      }
    });
    const isLosing = sinks.some((sink) => sink.dropped > 0 || sink.failed > 0);
    put($("sinks-note"), sinks.length === 0 ? "Answers go nowhere but to this page." : isLosing ? "A slow or dead sink loses its own oldest answers; the others go on." : "");
    const up = isNumber(status.uptime_s) ? status.uptime_s : null;
    put($("uptime"), up === null ? "–" : roughly(up));
    put($("version"), text(status.version) || "–");
    const off = Math.round(ahead / 1000);
    put($("clock"), Math.abs(off) < 5 ? "agrees with this one" : `${durationText(Math.abs(off))} ${off > 0 ? "ahead of" : "behind"} this one`);
  };

  const CARD = [
    ["intended_use", "Made for"], ["limits", "Limits"], ["data", "Learned from"],
    ["data_license", "Licence of that data"], ["license", "Licence"],
  ];
  const showModel = () => {
    put($("model-name"), text(model.name) || "–");
    const id = text(model.id);
    put($("model-id"), id.length > 27 ? `${id.slice(0, 23)}…` : id);
    attribute($("model-id"), "title", id);
    const input = model.input || {};
    put($("model-input"), isNumber(input.width) ? `${pixels(input)} ${text(input.colour)}` : "–");
    put($("model-precision"), text(model.precision) || "–");
    put($("model-task"), model.task === "multi-label" ? "any number of labels" : model.task === "single-label" ? "one label" : "–");
    put($("model-size"), isNumber(model.size_bytes) ? sizeText(model.size_bytes) : "–");
    const threads = isNumber(model.threads) ? `${model.threads} ${model.threads === 1 ? "thread" : "threads"}` : "";
    put($("model-runs-on"), text(model.delegate) || (threads ? `CPU, ${threads}` : "–"));
    const labels = list(model.labels);
    put($("label-count"), `${count(labels.length)} ${labels.length === 1 ? "label" : "labels"}`);
    listLabels();
    const card = model.card || {};
    const told = CARD.filter(([key]) => text(card[key]));
    arrange($("card"), told.flatMap(([key, title]) => [element("dt", "", title), element("dd", "", card[key])]));
  };
  const listLabels = () => {
    const labels = model && $("label-list").open ? list(model.labels) : [];
    const shown = labels.slice(0, LISTED_LABELS).map((label) => element("li", "", text(label)));
    if (labels.length > LISTED_LABELS) shown.push(element("li", "", `… and ${count(labels.length - LISTED_LABELS)} more`));
    arrange($("all-labels"), shown);
  };
  $("label-list").addEventListener("toggle", listLabels);

  // ---- What one can do -----------------------------------------------------------------------

  const activate = $("activate");
  activate.addEventListener("click", async () => {
    if (activate.getAttribute("aria-disabled") === "true") return;
    activate.setAttribute("aria-disabled", "true");
    const tell = (came, sentence) => {
      attribute($("activated"), "data-came", came);
      put($("activated"), sentence);
      if (came) say(sentence);
    };
    tell("", "Loading and verifying…");
    try {
      const response = await fetch("/api/v1/model/activate", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
        signal: AbortSignal.timeout(60000),
      });
      if (response.status === 401) { location.assign("/login"); return; }
      if (response.ok) {
        model = await response.json();
        showModel();
        tell("well", `✓ Loaded anew at ${timeText(Date.now())}`);
      } else {
        tell("badly", `✕ Not loaded, the one at work stays: ${await problemOf(response)}`);
      }
    } catch {
      tell("badly", "✕ No answer from the device; whether it was loaded is not known");
    } finally {
      activate.removeAttribute("aria-disabled");
    }
  });
  const reconnectNow = () => {
    if (link !== "lost") return;
    attempts = 1;
    connect();
  };
  $("reconnect").addEventListener("click", reconnectNow);
  addEventListener("online", reconnectNow);

  // Nothing is asked for while nobody looks; events of meanwhile come with the next status.
  const look = () => {
    if (document.hidden) {
      link = "resting";
      clearTimeout(retrying);
      disconnect();
      stopPicture();
      document.title = `Resting – ${(status && text(status.node)) || "edge_recog"}`;
    } else if (link === "resting") {
      link = "connecting";
      answer = null;
      attempts = 0;
      connect();
      render();
    }
  };
  document.addEventListener("visibilitychange", look);

  setInterval(() => {
    if (document.hidden) return;
    if (link !== "lost" && link !== "resting" && source && performance.now() - heardAt > LOST_AFTER_MS) lose();
    soon();
  }, 1000);

  if (document.hidden) link = "resting";
  else connect();
  render();
})();
