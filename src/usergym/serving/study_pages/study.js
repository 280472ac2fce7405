// Keeps what is filled in while it is filled in, counts words, and points at what is missing. The study works without.
const form = document.getElementById("answers");

function keepAnswers() {
  const kept = document.getElementById("kept");
  const waiting = new Map();
  const told = new Map();
  let sending = 0;

  async function send(name, value) {
    if (told.get(name) === value) return;
    told.set(name, value);
    sending += 1;
    kept.textContent = "Saving…";
    let word = "Not saved: no connection. It is tried again with the next change.";
    try {
      const body = JSON.stringify({ page: Number(form.dataset.page), field: name, value });
      const answer = await fetch("save", { method: "POST", body, keepalive: body.length < 60000 });
      if (answer.ok) word = "Saved.";
      else if (answer.status === 409) word = "This page is past. Please load it again.";
      else word = "Not saved.";
      if (!answer.ok) told.delete(name);
    } catch {
      told.delete(name);
    }
    sending -= 1;
    if (!sending) kept.textContent = word;
  }

  function soon(field) {
    clearTimeout(waiting.get(field.name)?.timer);
    const now = () => { waiting.delete(field.name); send(field.name, field.value); };
    waiting.set(field.name, { timer: setTimeout(now, 700), now });
  }

  function flush() {
    for (const { timer, now } of [...waiting.values()]) { clearTimeout(timer); now(); }
  }

  form.addEventListener("input", (event) => {
    const wrong = document.getElementById(`${event.target.name}-wrong`);
    if (wrong && event.target.type === "radio") wrong.textContent = "";
    if (event.target.type === "radio") send(event.target.name, event.target.value);
    else if (event.target.name) soon(event.target);
  });
  form.addEventListener("focusout", flush);
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => { if (document.hidden) flush(); });
}

function countWords(area) {
  const least = Number(area.dataset.words);
  const shown = document.getElementById(`${area.id}-count`);
  const count = () => {
    const written = area.value.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
    const enough = written >= least;
    shown.textContent = enough ? `${written} words` : `${written} of at least ${least} words`;
    const wrong = document.getElementById(`${area.id}-wrong`);
    if (wrong && enough) wrong.textContent = "";
  };
  area.addEventListener("input", count);
  count();
}

if (form) {
  keepAnswers();
  for (const area of form.querySelectorAll("textarea[data-words]")) countWords(area);
  form.addEventListener("submit", () => { form.querySelector("button").disabled = true; });
  document.getElementById("problems")?.focus();
}
addEventListener("pageshow", () => { if (form) form.querySelector("button").disabled = false; });

// A link to an invitation carries its code behind the #, which browsers send to nobody.
const invited = new URLSearchParams(location.hash.slice(1)).get("code");
const code = document.getElementById("invited") ?? document.getElementById("code");
if (invited && code) code.value = invited;
