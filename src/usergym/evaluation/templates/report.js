// Shows the conversations that the form asks for. The choice is kept in the address, so that it can be linked to.
const form = document.getElementById("filter");
const { run, outcome, text } = form.elements;
const conversations = [...document.querySelectorAll("details.conversation")];
const words = new Map();

function contains(conversation, wanted) {
  if (!words.has(conversation)) words.set(conversation, conversation.textContent.toLowerCase());
  return words.get(conversation).includes(wanted);
}

function show() {
  const wanted = text.value.trim().toLowerCase();
  let shown = 0;
  for (const conversation of conversations) {
    const { run: its, outcome: ended } = conversation.dataset;
    const right = (!run.value || its === run.value) && (!outcome.value || ended === outcome.value);
    conversation.hidden = !(right && (!wanted || contains(conversation, wanted)));
    shown += !conversation.hidden;
  }
  for (const section of document.querySelectorAll("section.run")) {
    section.hidden = !section.querySelector("details.conversation:not([hidden])");
  }
  form.querySelector("output").textContent = `${shown} of ${conversations.length} conversations`;
}

function remember() {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  history.replaceState(null, "", "#" + new URLSearchParams(chosen));
}

const asked = new URLSearchParams(location.hash.slice(1));
for (const field of [run, outcome, text]) field.value = asked.get(field.name) ?? "";
form.addEventListener("input", () => { show(); remember(); });
form.addEventListener("submit", (event) => event.preventDefault());
form.querySelector("button").addEventListener("click", () => {
  for (const conversation of conversations) conversation.open = !conversation.hidden;
});
form.hidden = false;
show();
