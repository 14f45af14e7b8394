// A chat with a model that writes: answers stream in; each can be liked, disliked and corrected. Nothing that was said
// is ever read as markup.
const ROUTES = {
  chat: ["/v1/chat/completions", (turns) => ({messages: turns})],
  question: ["/v1/chat/completions", (turns) => ({messages: turns.slice(-1)})],  // taught are single questions
  text: ["/v1/completions", (turns) => ({prompt: turns.at(-1).content})],
};

/** The page of a model that answers dialogues (form: chat), questions, or goes on with texts. */
function chat(form, model) {
  let turns = [], writing = null;
  const log = make("div", {class: "turns", role: "log", "aria-live": "polite"});
  const note = make("div", {class: "note bad", role: "alert", hidden: true});
  const input = make("textarea", {rows: 3, "aria-label": t("Message"), placeholder: t(form === "text" ? "Write the beginning of a text." : "Write a message.")});
  const go = make("button", {class: "main"}, t("Send"));
  const fresh = make("button", {type: "button"}, t("New dialogue"));
  const settings = {
    system: form === "chat" ? make("textarea", {rows: 2}) : null,
    temperature: make("input", {type: "number", min: 0, max: 10, step: 0.1, placeholder: "1"}),
    max_tokens: make("input", {type: "number", min: 1, step: 1, value: form === "text" ? 100 : ""}),
    seed: make("input", {type: "number", step: 1}),
  };
  const named = {system: t("System message"), temperature: t("Temperature"), max_tokens: t("Most tokens"), seed: t("Seed")};
  const fields = Object.entries(settings).filter(([, one]) => one)
    .map(([name, one]) => make("label", {class: name === "system" ? "field wide" : "field"}, make("span", {}, named[name]), one));
  const clear = () => { writing?.abort(); turns = []; log.replaceChildren(); note.hidden = true; input.focus(); };

  /** What the settings say; what is left empty is the server's to choose. */
  function wished() {
    const numbers = ["temperature", "max_tokens", "seed"].map((name) => [name, settings[name].valueAsNumber]);
    return Object.fromEntries(numbers.filter(([, value]) => !Number.isNaN(value)));
  }

  async function send() {
    const asked = input.value.trim();
    if (writing) return writing.abort();
    if (!asked) return input.focus();
    note.hidden = true;
    input.value = "";
    log.append(turn("user", asked));
    const said = make("div", {class: "text"}), own = make("div", {class: "turn assistant busy"}, said);
    log.append(own);
    window.scrollTo(0, document.body.scrollHeight);
    turns.push({role: "user", content: asked});
    const system = settings.system?.value.trim();
    const [path, body] = ROUTES[form];
    writing = new AbortController();
    go.textContent = t("Stop");
    const answer = await streamed(path, {...body([...(system ? [{role: "system", content: system}] : []), ...turns]), ...wished()}, writing.signal, (text) => {
      const isAtEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 40;
      said.textContent += text;
      if (isAtEnd) window.scrollTo(0, document.body.scrollHeight);
    });
    writing = null;
    go.textContent = t("Send");
    own.classList.remove("busy");
    if (answer.status === 401) {
      own.previousSibling.remove(); own.remove(); turns.pop();
      input.value = asked;
      return askKey($("door"), () => { $("door").replaceChildren(); send(); });
    }
    if (answer.problem) problem(answer.problem, note);
    if (!said.textContent) { own.previousSibling.remove(); own.remove(); turns.pop(); input.value ||= answer.problem ? asked : ""; return; }
    turns.push({role: "assistant", content: said.textContent});
    if (answer.finish === "length") own.append(make("div", {class: "quiet"}, t("It was as long as it may be.")));
    if (answer.id) own.append(judged(answer.id, said.textContent, answer.model ?? model));
  }

  const ask = make("form", {class: "say"}, input, make("div", {class: "row"}, go, fresh), note);
  ask.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  fresh.addEventListener("click", clear);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (!writing) send(); }
  });
  $("chat").replaceChildren(make("details", {}, make("summary", {}, t("Settings")), make("div", {class: "form"}, ...fields)), log, ask);
  $("chat").hidden = false;
  input.focus();
}

function turn(role, text) {
  return make("div", {class: "turn " + role}, make("div", {class: "text"}, text));
}

/** Thumbs, and a place for the answer that should have been. */
function judged(id, said, model) {
  const note = make("span", {class: "note", role: "status"});
  const save = async (body) => {
    const {status, value} = await call("/v1/feedback", {id, ...body});
    note.className = status === 200 ? "note good" : "note bad";
    note.textContent = status === 200 ? t("Saved.") : value.error.message;
    return status === 200;
  };
  const thumb = (name, words) => {
    const button = make("button", {type: "button", class: "thumb", "aria-pressed": "false"}, words);
    button.addEventListener("click", async () => {
      if (await save({thumb: name})) for (const one of thumbs) one.setAttribute("aria-pressed", String(one === button));
    });
    return button;
  };
  const thumbs = [thumb("up", "👍 " + t("Good")), thumb("down", "👎 " + t("Bad"))];
  const better = make("textarea", {rows: 3}, said);
  const keep = make("button", {type: "button", class: "main", onclick: async () => { if (await save({answer: {text: better.value}})) place.hidden = correct.hidden = true; }}, t("Save"));
  const place = make("div", {class: "note", hidden: true}, make("label", {class: "field"}, make("span", {}, t("What should have been said?")), better), keep);
  const correct = make("button", {type: "button", class: "thumb", onclick: () => { place.hidden = !place.hidden; place.scrollIntoView({block: "nearest"}); better.focus({preventScroll: true}); }}, t("Correct"));
  return make("div", {class: "judged"}, make("div", {class: "row"}, ...thumbs, correct, note, make("span", {class: "id"}, `${model} · ${id}`)), place);
}

/** Asks for a stream of server-sent events; `told` gets what is new. -> {status, id, model, finish, problem} */
async function streamed(path, body, signal, told) {
  const found = {status: 0};
  try {
    const response = await fetch(path, {method: "POST", headers: headers(), body: JSON.stringify({...body, stream: true}), signal});
    found.status = response.status;
    if (response.status !== 200) return {...found, problem: (await response.json()).error.message};
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return found;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) take(event, found, told);
    }
  } catch (error) {
    return error.name === "AbortError" ? found : {...found, problem: t("The server does not answer.")};
  }
}

function take(event, found, told) {
  if (!event.startsWith("data: ") || event === "data: [DONE]") return;
  const chunk = JSON.parse(event.slice(6));
  if (chunk.error) found.problem = chunk.error.message;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  found.id = choice.id ?? chunk.id;
  found.model = chunk.model;
  found.finish = choice.finish_reason ?? found.finish;
  const text = choice.delta?.content ?? choice.text;
  if (text) told(text);
}
