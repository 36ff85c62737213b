/*
 * The support chat: one button, one panel, no dependencies.
 *
 *   <link rel="stylesheet" href="chat.css">
 *   <div id="support-chat" data-endpoint="/api/support" data-source="web" data-support-email="…"></div>
 *   <script type="module" src="chat.js"></script>
 *
 * A question and its answer are a *turn*. A turn has one Idempotency-Key for its whole life: when the
 * connection breaks, asking again with the same key makes the server replay the answer (or join the one
 * it is still writing) instead of asking the model twice. Whatever comes from the network or from the
 * visitor reaches the page as text nodes only.
 */

import { whenHere } from "./chat-hours.js";
import { Refused, call, events, refusal } from "./chat-server.js";
import { closed, el, emailLink, formatted } from "./chat-text.js";

const MAX_LENGTH = 8000;
const BACKOFF_S = [1, 2, 4, 8];
const STALL_MS = 45_000; // no byte for so long: the connection is dead, even if nobody said so
const POLL_MS = 2_000;
const POLL_LIMIT_MS = 90_000;
const HOURS_LATE_MS = 61_000; // by so much the server's word on the team's hours may be old
const DAY_MS = 86_400_000;
const WAITING = ["needs_review", "open", "in_progress"];
const RATINGS = { good: "This answer helped", bad: "This answer did not help" };
const SUGGESTIONS = ["How do deposits work?", "Change or cancel a booking", "What does Rezvo cost?"];

const SENTENCES = {
  rate_limited: "That was a lot of messages in a short time.",
  busy: "Many people are asking at the moment, so the assistant couldn’t take this question yet.",
  unavailable: "The assistant can’t answer at the moment.",
  invalid: "This message can’t be sent as it is. Please shorten it or put it another way.",
  lost: "The connection was lost before the answer arrived. Your message is kept.",
  late: "This answer is taking longer than usual.",
  unanswered: "This question wasn’t answered.",
};

const root = document.getElementById("support-chat");
if (!root) throw new Error('The support chat needs an element with id="support-chat".');
const endpoint = (root.dataset.endpoint || "/api/support").replace(/\/+$/, "");
const source = root.dataset.source || "web";
const supportEmail = root.dataset.supportEmail || "";

// --- Memory ------------------------------------------------------------------------------------------
// Some browsers refuse storage to embedded or private pages. The chat then forgets at reload, no more.

const memory = new Map();

function remember(name, value) {
  memory.set(name, value);
  try {
    if (value === null) localStorage.removeItem(`rezvo-support.${name}`);
    else localStorage.setItem(`rezvo-support.${name}`, JSON.stringify(value));
  } catch { /* kept in `memory` */ }
}

function recall(name) {
  if (!memory.has(name)) {
    let value = null;
    try {
      value = JSON.parse(localStorage.getItem(`rezvo-support.${name}`));
    } catch { /* blocked, or not ours */ }
    memory.set(name, value);
  }
  return memory.get(name);
}

// --- Elements ----------------------------------------------------------------------------------------

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

function button(name, attributes, ...children) {
  return el("button", { type: "button", "data-chat": name, ...attributes }, ...children);
}

const launcherLabel = el("span", {}, "Ask Rezvo");
const launcher = button(
  "open",
  { class: "sc-launcher", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": "support-chat-panel" },
  icon("M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z"),
  launcherLabel,
);
const closeButton = button("close", { class: "sc-close", "aria-label": "Close the chat" },
  icon("M6 6l12 12M18 6L6 18"));
const banner = el("p", { class: "sc-banner", "data-chat": "banner", role: "status" });
const hoursLine = el("span", { class: "sc-hours", "data-chat": "hours" });
const suggestions = el("div", { class: "sc-suggestions", role: "group", "aria-label": "Common questions" });
const greeting = el("div", { class: "sc-greeting" },
  el("p", {}, "Hello! I’m Rezvo’s AI assistant. Ask me about bookings, deposits or running your restaurant on Rezvo."),
  suggestions);
const thread = el(
  "div",
  { class: "sc-thread", "data-chat": "thread", role: "group", "aria-label": "Conversation", tabindex: "0" },
  greeting,
);
// The visible thread changes with every word. Screen readers listen to this one instead: it gets each
// answer once, when it is complete.
const announcer = el("div", { class: "sc-hidden", role: "log", "aria-live": "polite", "aria-label": "Latest answer" });
const input = el("textarea", {
  class: "sc-input",
  "data-chat": "input",
  "aria-label": "Your message",
  placeholder: "Write a message",
  rows: "1",
  maxlength: String(MAX_LENGTH),
  dir: "auto",
  enterkeyhint: "send",
});
const sendButton = button("send", { type: "submit", class: "sc-send", "aria-label": "Send" },
  icon("M12 19V5M6 11l6-6 6 6"));
const stopButton = button("stop", { class: "sc-send sc-stop", "aria-label": "Stop this answer" }, icon("M8 8h8v8H8z"));
const personButton = button("person", { class: "sc-person" }, "Talk to a person");
const counter = el("span", { class: "sc-counter" });
const form = el("form", { class: "sc-form" },
  el("div", { class: "sc-field" }, input, sendButton, stopButton),
  el("div", { class: "sc-foot" }, personButton, counter));
const panel = el(
  "section",
  {
    id: "support-chat-panel",
    class: "sc-panel",
    "data-chat": "panel",
    role: "dialog",
    "aria-labelledby": "support-chat-title",
  },
  el("header", { class: "sc-header" },
    el("div", {}, el("h2", { id: "support-chat-title" }, "Rezvo Support"), el("p", {}, "AI assistant")),
    closeButton),
  banner, thread, announcer, form,
);
panel.hidden = banner.hidden = stopButton.hidden = true;
root.append(launcher, panel);

// --- Messages ----------------------------------------------------------------------------------------

let pinned = true; // the visitor is at the end of the thread and wants to stay there

function toEnd(force = false) {
  pinned ||= force;
  if (pinned) thread.scrollTop = thread.scrollHeight;
}

function addMessage(role, label, ...children) {
  const item = el("div", { class: "sc-message", "data-role": role, role: "article", "aria-label": label }, ...children);
  suggestions.hidden = true;
  thread.append(item);
  toEnd(role === "visitor");
  return item;
}

function addVisitor(text) {
  addMessage("visitor", "You", el("div", { class: "sc-text", dir: "auto" }, text));
}

function addSystem(...children) {
  const item = addMessage("system", "Notice", el("p", { dir: "auto" }, ...children));
  announce(item.textContent);
  return item;
}

function announce(text) {
  announcer.replaceChildren(el("p", { dir: "auto" }, text.replaceAll("**", "")));
}

function dots() {
  return el("span", { class: "sc-dots", role: "img", "aria-label": "Writing" }, el("i"), el("i"), el("i"));
}

/** The assistant's side of a turn: `waiting` and `streaming`, then `done` or `failed`. */
class Bubble {
  constructor() {
    this.text = el("div", { class: "sc-text", dir: "auto" });
    this.remark = el("p", { class: "sc-remark" });
    this.retry = button("retry", { class: "sc-retry" }, "Try again");
    this.remark.hidden = this.retry.hidden = true;
    this.item = addMessage("bot", "Assistant", this.text, this.remark, this.retry);
  }

  set(state, text) {
    clearInterval(this.clock);
    this.rating?.remove();
    this.item.dataset.state = state;
    this.remark.hidden = this.retry.hidden = true;
    this.text.hidden = !text && state !== "waiting";
    if (text) this.text.replaceChildren(formatted(state === "streaming" ? closed(text) : text, supportEmail));
    else this.text.replaceChildren(dots());
    toEnd();
  }

  /** Asks whether the answer helped, unless it is one of the desk's standard sentences. */
  askRating({ id, rating, is_notice: isNotice }) {
    if (isNotice) return;
    this.rating = ratingButtons(id, rating ?? null);
    this.item.append(this.rating);
    toEnd();
  }

  say(remark) {
    this.remark.textContent = remark;
    this.remark.hidden = false;
    toEnd();
  }

  /** Shows what went wrong, with a button that works once `seconds` have passed. */
  fail(text, sentence, again, seconds) {
    this.set("failed", text);
    this.say(sentence);
    announce(sentence);
    if (!again) return;
    this.retry.hidden = false;
    this.retry.onclick = again;
    const ends = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((ends - Date.now()) / 1000);
      this.retry.disabled = left > 0;
      this.say(left > 0 ? `${sentence} You can try again in ${spoken(left)}.` : sentence);
      if (left <= 0) clearInterval(this.clock);
    };
    this.clock = setInterval(tick, 1000);
    tick();
  }
}

function spoken(seconds) {
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} minutes`;
}

// --- The conversation --------------------------------------------------------------------------------

/** Reads or changes this visitor's conversation, or with `path` something in it. */
async function conversation(method, body, path = "") {
  const session = recall("session");
  if (!session) throw new Refused("gone"); // another tab began afresh
  return call(method, `${endpoint}/conversations/${session.id}${path}`, { token: session.token, body });
}

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only on https and localhost
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function origin() {
  const pageUrl = /^https?:/.test(location.href) ? location.href.slice(0, 2000) : undefined;
  return { source, page_url: pageUrl };
}

// --- Turns -------------------------------------------------------------------------------------------

let active = null; // the turn that is being answered
let restoring = false;

function newTurn(text, bubble = new Bubble()) {
  const session = recall("session");
  // The body is fixed here. Every attempt sends the same bytes, so that the key stands for one request.
  const body = JSON.stringify({
    message: text,
    ...(session && { conversation_id: session.id, token: session.token }),
    ...origin(),
  });
  return { text, bubble, key: newKey(), body, inConversation: Boolean(session) };
}

function ask(text) {
  addVisitor(text);
  return answer(newTurn(text));
}

async function answer(turn) {
  turn.answer = "";
  turn.started = new Promise((resolve) => (turn.start = resolve));
  turn.bubble.set("waiting");
  setActive(turn);
  try {
    await withRetries(turn);
  } catch (refused) {
    failTurn(turn, refused);
  } finally {
    turn.start();
    release(turn);
  }
}

async function withRetries(turn) {
  for (let tries = 0; ; tries++) {
    // A reload before the server has confirmed the question would lose it. It is asked again then.
    const { text, key, body, inConversation, begun } = turn;
    if (!begun) remember("turn", { text, key, body, inConversation });
    try {
      return await stream(turn);
    } catch (error) {
      if (turn.stopped) return;
      if (error.code === "gone" && turn.inConversation) {
        // The conversation was erased, or its token has expired: ask in a new one.
        remember("session", null);
        Object.assign(turn, newTurn(text, turn.bubble));
        tries--;
        continue;
      }
      if (error instanceof Refused) throw error;
      if (tries === BACKOFF_S.length) throw new Refused("lost");
      turn.bubble.say("Connection lost. Trying again…");
      await sleep(BACKOFF_S[tries] * 1000);
      if (turn.stopped) return;
    }
  }
}

/** One attempt: returns after `done`, throws Refused on a clear no, and any other error if it breaks off. */
async function stream(turn) {
  const abort = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), STALL_MS);
  };
  alive();
  try {
    const response = await fetch(`${endpoint}/chat`, {
      method: "POST",
      headers: { Accept: "text/event-stream", "Content-Type": "application/json", "Idempotency-Key": turn.key },
      body: turn.body,
      credentials: "omit",
      cache: "no-store",
      signal: abort.signal,
    });
    if ([502, 504].includes(response.status)) throw new Error("The server is restarting");
    if (!response.ok) throw await refusal(response);
    if (!/^text\/event-stream/i.test(response.headers.get("Content-Type"))) throw new Error("Not an event stream");
    let text = ""; // from the beginning: a second attempt replays what the first one showed
    for await (const { name, data } of events(response.body, alive)) {
      if (name === "start") begin(turn, data);
      else if (name === "delta") draw(turn, (text += data.text));
      else if (name === "done") return finish(turn, text, data);
      else if (name === "error") throw new Refused(data.code, data.retry_after);
    }
    throw new Error("The stream broke off");
  } finally {
    clearTimeout(timer);
  }
}

function begin(turn, { conversation_id: id, token }) {
  // The token comes only with a conversation that this call opened; otherwise ours stays.
  if (token) remember("session", { id, token });
  turn.begun = true;
  confirmed(turn);
  turn.start();
}

/** The server has the question, or will never take it: no need to ask it again after a reload. */
function confirmed(turn) {
  if (recall("turn")?.key === turn.key) remember("turn", null);
}

function draw(turn, text) {
  // A replay that is still behind what is on the screen changes nothing; afterwards it takes over.
  if (turn.stopped || (text.length < turn.answer.length && turn.answer.startsWith(text))) return;
  turn.answer = text;
  // Deltas may come faster than frames: draw at most once a frame.
  turn.frame ??= requestAnimationFrame(() => {
    turn.frame = null;
    if (active === turn) turn.bubble.set("streaming", turn.answer);
  });
}

function finish(turn, text, status) {
  confirmed(turn);
  setStatus(status);
  if (turn.stopped) return;
  release(turn); // first, so that a frame still to come doesn't draw over the finished answer
  showAnswer(turn, text, { ...status, id: status.message_id });
}

function showAnswer(turn, text, message) {
  if (!text && banner.hidden) return failTurn(turn, { code: "unanswered" });
  if (!text) {
    // A conversation that is with a colleague may get no answer from the assistant.
    turn.bubble.item.remove();
    addSystem("Thank you. Your message has been passed on to a colleague.");
    return;
  }
  turn.bubble.set("done", text);
  turn.bubble.askRating(message);
  announce(text);
  if (panel.hidden) setUnread(true);
}

function failTurn(turn, { code, retryAfter = 0 }) {
  if (turn.stopped) return;
  release(turn);
  if (!(code in SENTENCES)) code = "unavailable";
  if (code === "invalid") {
    confirmed(turn);
    if (!input.value) setDraft(turn.text);
    turn.bubble.fail(turn.answer, SENTENCES.invalid);
    return;
  }
  turn.bubble.fail(turn.answer, SENTENCES[code], () => {
    if (active || restoring) return;
    thread.focus({ preventScroll: true }); // the button is about to disappear
    // What the server may have taken is asked for with its own key; what it refused at the door is asked
    // anew, as a conversation may have begun in the meantime.
    const taken = code === "lost" || (turn.begun && code !== "unanswered");
    answer(taken ? turn : newTurn(turn.text, turn.bubble));
  }, retryAfter);
}

/** Stops showing the answer. The server writes it to its end all the same, so the stream is read on in
 *  silence: it still tells the conversation's id and whether a person takes over. */
function stop() {
  const turn = active;
  if (!turn) return;
  turn.stopped = true;
  confirmed(turn);
  release(turn);
  turn.bubble.set("done", turn.answer);
  turn.bubble.say("Stopped");
  input.focus();
}

function setActive(turn) {
  active = turn;
  refresh();
}

function release(turn) {
  if (active === turn) setActive(null);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// --- After a reload ----------------------------------------------------------------------------------

async function restore() {
  const saved = recall("turn");
  let last;
  if (recall("session")) {
    const loading = addMessage("system", "Notice", el("p", {}, "Loading your conversation…"));
    restoring = true;
    refresh();
    try {
      last = showThread(await conversation("GET"));
    } catch (error) {
      if (error.code !== "gone") {
        const retry = button("retry", { class: "sc-retry" }, "Try again");
        const item = addSystem("Your earlier messages couldn’t be loaded.", retry);
        retry.addEventListener("click", () => (item.remove(), restore()), { once: true });
        return;
      }
      remember("session", null);
      suggestions.hidden = false;
    } finally {
      loading.remove();
      restoring = false;
      refresh();
    }
  }
  if (!saved) return;
  if (last?.user_message === saved.text) return remember("turn", null); // it did arrive
  addVisitor(saved.text);
  answer({ ...saved, bubble: new Bubble() });
}

function showThread({ messages, status }) {
  const last = messages.at(-1);
  for (const message of messages) {
    if (message.user_message) addVisitor(message.user_message);
    if (message.pending) {
      const bubble = new Bubble();
      // One at a time holds the composer; an older one that hangs is left to the server.
      if (message === last) poll({ text: message.user_message, bubble, id: message.id });
      else bubble.fail("", SENTENCES.unanswered);
    } else if (message.assistant_message) {
      const bubble = new Bubble();
      bubble.set("done", message.assistant_message);
      bubble.askRating(message);
    } else if (message === last && !WAITING.includes(status)) {
      failTurn({ text: message.user_message, bubble: new Bubble() }, { code: "unanswered" });
    }
  }
  setStatus({ status });
  if (WAITING.includes(status)) addSystem(...handover());
  announcer.replaceChildren(); // history is there to be read, not to be read out
  toEnd(true);
  return last;
}

/** Waits for an answer that was being written when the page was left. */
async function poll(turn) {
  turn.bubble.set("waiting");
  turn.answer = "";
  setActive(turn);
  const ends = Date.now() + POLL_LIMIT_MS;
  while (Date.now() < ends && !turn.stopped) {
    await sleep(POLL_MS);
    try {
      const now = await conversation("GET");
      const message = now.messages.find(({ id }) => id === turn.id);
      if (message?.pending) continue;
      setStatus(now);
      if (turn.stopped) return;
      release(turn);
      return showAnswer(turn, message?.assistant_message, message);
    } catch (error) {
      if (error.code === "gone") break;
    }
  }
  if (turn.stopped) return;
  release(turn);
  turn.bubble.fail("", SENTENCES.late, () => active || poll(turn), 0);
}

// --- Ratings -----------------------------------------------------------------------------------------

/** Two thumbs. The pressed one is shown at once; pressing it again takes the rating back. One request at a
 *  time: what is pressed meanwhile is sent after it. If one fails, they go back to what the server has. */
function ratingButtons(messageId, stored) {
  let wanted = stored;
  let sending = false;
  const thumbs = Object.entries(RATINGS).map(([rating, label]) => {
    const thumb = button(`rate-${rating}`, { "aria-label": label, title: label },
      icon("M4 11h4v9H4zM8 11l3.6-7.2a2.3 2.3 0 0 1 2.2 2.8L13.2 10H18a2 2 0 0 1 2 2.4l-1.2 6A2 2 0 0 1 16.8 20H8"));
    thumb.addEventListener("click", () => press(rating));
    return [rating, thumb];
  });

  function show() {
    for (const [rating, thumb] of thumbs) thumb.setAttribute("aria-pressed", String(rating === wanted));
  }

  async function press(rating) {
    wanted = wanted === rating ? null : rating;
    show();
    if (sending) return;
    sending = true;
    try {
      while (wanted !== stored) {
        const sent = wanted;
        const told = await conversation("POST", { rating: sent }, `/messages/${messageId}/rating`);
        stored = sent;
        setStatus(told);
        if (told.notice) addSystem(...formatted(told.notice, supportEmail).firstChild.childNodes);
      }
    } catch {
      wanted = stored;
      show();
    } finally {
      sending = false;
    }
  }

  show();
  return el("div", { class: "sc-rating", role: "group", "aria-label": "Did this answer help?" },
    ...thumbs.map(([, thumb]) => thumb));
}

// --- A person ----------------------------------------------------------------------------------------

function setStatus({ is_escalation: escalated, status }) {
  const waits = Boolean(escalated) || WAITING.includes(status);
  banner.hidden = !waits;
  banner.replaceChildren(...(waits ? ["A person will take over", hoursLine] : []));
  personButton.disabled = waits;
  personButton.textContent = waits ? "Person requested" : "Talk to a person";
}

let hoursTimer;

/** Reads when the team is here, again at each change while the panel is open. Without an answer the line is
 *  left as it is. */
async function loadHours() {
  if (panel.hidden) return;
  try {
    const hours = await call("GET", `${endpoint}/hours`, { cache: "default" });
    hoursLine.textContent = whenHere(hours);
    const changes = Date.parse(hours.is_open ? hours.closes_at : hours.opens_at) - Date.now();
    clearTimeout(hoursTimer);
    if (changes < DAY_MS) hoursTimer = setTimeout(loadHours, Math.max(0, changes) + HOURS_LATE_MS);
    toEnd();
  } catch { /* the chat goes on without it */ }
}

function handover() {
  const line = "A colleague will take over and reply.";
  return supportEmail ? [`${line} You can also email `, emailLink(supportEmail), "."] : [line];
}

async function askForPerson() {
  personButton.disabled = true;
  thread.focus({ preventScroll: true }); // a disabled button would drop the focus
  // The question being asked may be opening the conversation; a second one would split the story.
  if (active && !recall("session")) await active.started;
  try {
    setStatus(await requestPerson());
    addSystem(...handover());
  } catch ({ code, retryAfter }) {
    const wait = code === "rate_limited" && retryAfter ? ` in ${spoken(retryAfter)}` : "";
    const line = `Your request couldn’t be passed on. Please try again${wait}`;
    addSystem(...(supportEmail ? [`${line}, or email `, emailLink(supportEmail), "."] : [`${line}.`]));
    setTimeout(() => (personButton.disabled = false), wait ? retryAfter * 1000 : 0);
  }
  toEnd(true);
}

async function requestPerson() {
  if (recall("session")) {
    try {
      return await conversation("PATCH", { status: "needs_review" });
    } catch (error) {
      if (error.code !== "gone") throw error;
      remember("session", null);
    }
  }
  const { id, token } = await call("POST", `${endpoint}/conversations`, { body: origin() });
  remember("session", { id, token });
  return conversation("PATCH", { status: "needs_review" });
}

// --- The composer ------------------------------------------------------------------------------------

function setDraft(text) {
  input.value = text;
  remember("draft", text || null);
  grow();
  refresh();
}

function grow() {
  input.style.blockSize = "auto";
  input.style.blockSize = `${input.scrollHeight}px`; // the style sheet sets the limit
  toEnd();
}

function refresh() {
  stopButton.hidden = !active;
  sendButton.hidden = Boolean(active);
  sendButton.disabled = restoring || !input.value.trim();
  const left = MAX_LENGTH - input.value.length;
  counter.textContent = left <= 500 ? `${left} characters left` : "AI can make mistakes";
}

function submit() {
  const text = input.value.trim();
  if (!text || active || restoring) return;
  setDraft("");
  ask(text);
}

// --- Open and close ----------------------------------------------------------------------------------

// The same limits as in the style sheet: on a phone the panel covers the page.
const coversPage = matchMedia("(max-width: 30rem), (max-height: 30rem)");
let opener = launcher;
let restored = false;

function open(from = launcher) {
  opener = from;
  panel.hidden = false;
  launcher.hidden = true;
  launcher.setAttribute("aria-expanded", "true");
  document.documentElement.classList.add("sc-open");
  setUnread(false);
  loadHours();
  if (!restored) {
    restored = true; // only now: a visitor who never opens the chat costs the server nothing
    restore();
  }
  grow();
  toEnd();
  input.focus({ preventScroll: true });
}

function close() {
  panel.hidden = true;
  launcher.hidden = false;
  launcher.setAttribute("aria-expanded", "false");
  document.documentElement.classList.remove("sc-open");
  opener.focus({ preventScroll: true });
}

function setUnread(unread) {
  launcher.toggleAttribute("data-unread", unread);
  launcherLabel.textContent = unread ? "New answer" : "Ask Rezvo";
}

function keepFocusInside(event) {
  const stops = [...panel.querySelectorAll("button, textarea, a[href], [tabindex='0']")]
    .filter((node) => !node.disabled && node.checkVisibility());
  const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement !== from) return;
  event.preventDefault();
  to.focus();
}

function modality() {
  panel.setAttribute("aria-modal", String(coversPage.matches));
}

/** iOS lays its keyboard over the page without telling the layout: follow what is really visible. */
function followKeyboard() {
  const { height, offsetTop, scale } = window.visualViewport;
  if (scale > 1) return; // zoomed in by hand
  panel.style.setProperty("--sc-height", `${height}px`);
  panel.style.setProperty("--sc-top", `${offsetTop}px`);
}

for (const question of SUGGESTIONS) {
  const chip = button("suggestion", {}, question);
  chip.addEventListener("click", () => {
    if (active || restoring) return;
    ask(question);
    input.focus();
  });
  suggestions.append(chip);
}
launcher.addEventListener("click", () => open());
closeButton.addEventListener("click", close);
stopButton.addEventListener("click", stop);
personButton.addEventListener("click", askForPerson);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
input.addEventListener("input", () => setDraft(input.value));
input.addEventListener("keydown", (event) => {
  // Enter also ends the choice of a character in Japanese or Chinese: that one is not ours.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
thread.addEventListener("scroll", () => {
  pinned = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 48;
}, { passive: true });
document.addEventListener("keydown", (event) => {
  if (panel.hidden) return;
  const inside = panel.contains(document.activeElement) || document.activeElement === document.body;
  if (event.key === "Escape" && inside) close();
  if (event.key === "Tab" && coversPage.matches) keepFocusInside(event);
});
// Another tab of this visitor began or lost a conversation: read it afresh when it is next needed.
window.addEventListener("storage", () => memory.clear());
window.visualViewport?.addEventListener("resize", followKeyboard);
window.visualViewport?.addEventListener("scroll", followKeyboard);
coversPage.addEventListener("change", modality);
modality();
// A page may have links of its own to the chat. Without this script they still lead to an e-mail.
for (const anchor of document.querySelectorAll("[data-support-open]")) {
  anchor.addEventListener("click", (event) => {
    event.preventDefault();
    open(anchor);
  });
}
setDraft(recall("draft") || "");
