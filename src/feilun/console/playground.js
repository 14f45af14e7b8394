// Reads /v1/schema and shows what fits: a pad to draw on, a place for pictures, text, or a form; then the answer,
// and what would have been right. A model that writes gets a chat instead, see chat.js.
const $ = (id) => document.getElementById(id);
let fields = {};  // column -> {get, clear, picture?}
let asked = null;

async function start() {
  document.documentElement.lang = isChinese ? "zh" : "en";
  $("title").textContent = t("Try it");
  $("api").textContent = t("API");
  $("go").textContent = t("Ask");
  $("clear").textContent = t("Clear");
  $("answer-title").textContent = t("Answer");
  const {status, value} = await call("/v1/schema");
  if (status === 401) return askKey($("door"), start);
  $("door").replaceChildren();
  if (status !== 200) return problem(value.error.message, $("door").appendChild(make("div", {class: "note bad"})));
  $("model").replaceChildren(make("b", {}, value.model), " " + value.task.replaceAll("_", " "));
  $("summary").textContent = value.summary;
  document.title = value.model + " · Feilun";
  const form = Object.values(value.inputs)[0]?.role;
  if (value.task === "text_generation" && form) return chat(form, value.model);
  for (const [column, facts] of Object.entries(value.inputs)) $("fields").append(field(column, facts));
  const settings = Object.entries(value.options).map(([name, standard]) => option(name, standard));
  if (settings.length) $("fields").append(make("details", {class: "wide"}, make("summary", {}, t("Options")), make("div", {class: "form"}, ...settings)));
  $("place").hidden = false;
  clear();
}

// One field per column

function field(column, facts) {
  if (facts.kind === "image") return pictureField(column, facts);
  const shown = make("span", {}, column);
  let input;
  if (facts.choices && facts.distinct <= facts.choices.length && facts.choices.length <= 30) {
    input = make("select", {}, make("option", {value: ""}, t("not known")),
      ...facts.choices.map((choice) => make("option", {value: choice}, choice)));
    input.value = facts.example;
  } else if (facts.kind === "text") {
    input = make("textarea", {});
  } else if (facts.choices) {
    const list = "choices " + column;
    input = make("input", {list});
    shown.append(make("datalist", {id: list}, ...facts.choices.map((choice) => make("option", {value: choice}))));
    input.value = facts.example;
  } else {
    input = make("input", {inputmode: facts.kind === "number" ? "decimal" : "text"});
    if (facts.kind === "number") input.value = facts.example;
  }
  const before = input.value;
  fields[column] = {
    get: () => facts.kind === "text" ? input.value : input.value === "" ? null : input.value,
    clear: () => { input.value = before; },
  };
  return make("label", {class: facts.kind === "text" ? "field wide" : "field"}, shown, input);
}

const options = {};
function option(name, standard) {
  const input = make("input", {placeholder: String(standard ?? "")});
  options[name] = () => {
    const text = input.value.trim();
    if (text === "") return undefined;
    if (typeof standard === "string") return text;
    try { return JSON.parse(text); } catch { return text; }
  };
  return make("label", {class: "field"}, make("span", {}, name), input);
}

function pictureField(column, facts) {
  const isPad = facts.channels === 1 && Math.max(...facts.size) <= 64;
  const shown = make("div", {});
  const state = {data: null, pad: null};
  const chooser = make("input", {type: "file", accept: "image/*", hidden: true});
  const drop = make("div", {class: "drop"}, shown,
    make("span", {class: "quiet"}, t(isPad ? "Draw here, or drop a picture." : "Drop a picture here, or choose one.") + " "),
    make("button", {type: "button", onclick: () => chooser.click()}, t("Choose a picture")), chooser);
  const take = (file) => {
    if (!file) return;
    read(file, (data) => { state.data = data; shown.replaceChildren(make("img", {src: data, alt: column})); submit(); });
  };
  chooser.addEventListener("change", () => take(chooser.files[0]));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => take([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));
  fields[column] = {
    get: () => state.data ?? state.pad?.get(facts.size) ?? null,
    clear: () => { state.data = null; chooser.value = ""; state.pad = isPad ? pad() : null; shown.replaceChildren(...(isPad ? [state.pad.canvas] : [])); },
    picture: () => state.data,
  };
  return make("div", {class: "field wide"}, make("span", {class: "quiet"}, column), drop);
}

function read(file, then) {
  const reader = new FileReader();
  reader.onload = () => then(reader.result);
  if (file) reader.readAsDataURL(file);
}

/** A dark pad with a light pen. `get` gives what was drawn, centred and filled as scanned digits are, at this size. */
function pad() {
  const canvas = make("canvas", {class: "pad", width: 280, height: 280});
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  let last = null, box = null;
  const at = (event) => { const r = canvas.getBoundingClientRect(); return [(event.clientX - r.left) * 280 / r.width, (event.clientY - r.top) * 280 / r.height]; };
  const line = (from, to) => {
    pen.strokeStyle = "#fff"; pen.lineWidth = 22; pen.lineCap = "round";
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(...to); pen.stroke();
    for (const [x, y] of [from, to]) box = box ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)] : [x, y, x, y];
  };
  canvas.addEventListener("pointerdown", (event) => { event.preventDefault(); canvas.setPointerCapture(event.pointerId); last = at(event); line(last, last); });
  canvas.addEventListener("pointermove", (event) => { if (last) { const to = at(event); line(last, to); last = to; } });
  canvas.addEventListener("pointerup", () => { last = null; submit(); });
  const get = ([height, width]) => {
    if (!box) return null;
    const small = make("canvas", {width, height});
    const brush = small.getContext("2d");
    brush.fillStyle = "#000"; brush.fillRect(0, 0, width, height);
    const [x, y, w, h] = [box[0] - 11, box[1] - 11, box[2] - box[0] + 22, box[3] - box[1] + 22];
    const share = Math.max(width, height) <= 16 ? 1 : 20 / 28;  // scanned digits of 28 pixels stand in a box of 20
    const scale = Math.min(width * share / w, height * share / h);
    brush.imageSmoothingQuality = "high";
    brush.drawImage(canvas, x, y, w, h, (width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
    return small.toDataURL("image/png");
  };
  return {canvas, get};
}

// Asking

function clear() {
  for (const one of Object.values(fields)) one.clear();
  asked = null;
  $("problem").hidden = true;
  $("judge").hidden = true;
  $("answer").replaceChildren(make("p", {class: "quiet"}, t("The answer appears here.")));
}

function problem(message, place = $("problem")) {
  place.textContent = message;
  place.hidden = false;
}

async function submit() {
  const row = Object.fromEntries(Object.entries(fields).map(([column, one]) => [column, one.get()]));
  const given = Object.fromEntries(Object.entries(options).map(([name, get]) => [name, get()]).filter(([, value]) => value !== undefined));
  $("problem").hidden = true;
  $("go").disabled = true;
  const {status, value} = await call("/v1/predict", {row, options: given});
  $("go").disabled = false;
  if (status === 401) return askKey($("door"), () => { $("door").replaceChildren(); submit(); });
  if (status !== 200) return problem(value.error.message);
  asked = {...value.predictions[0], model: value.model};
  $("model").firstChild.textContent = value.model;
  show(asked.answer);
  judge();
}

// The answer, by its shape

const SHOWN = ["label", "labels", "value", "text", "scores", "score", "items", "boxes", "image"];

function show(answer) {
  const parts = [];
  const said = answer?.label ?? answer?.labels?.join(", ") ?? answer?.value;
  if (said !== undefined) parts.push(make("div", {class: "said"}, typeof said === "number" ? said.toPrecision(6).replace(/\.?0+$/, "") : String(said)));
  if (typeof answer?.text === "string") parts.push(make("div", {class: "said text"}, answer.text));
  if (Array.isArray(answer?.items)) parts.push(bars(answer.items.map((item, place) => [String(item), answer.scores?.[place] ?? 0]), false));
  else if (answer?.scores) parts.push(bars(Object.entries(answer.scores)));
  if (boxesOf(answer)) parts.push(boxes(boxesOf(answer)));
  if (typeof answer?.image === "string") parts.push(make("img", {class: "made", alt: t("Answer"), src: answer.image.startsWith("data:") ? answer.image : "data:image/png;base64," + answer.image}));
  const rest = Object.entries(answer ?? {}).filter(([name, value]) => !SHOWN.includes(name) && ["number", "string"].includes(typeof value));
  if (parts.length && rest.length) parts.push(make("p", {class: "quiet"}, rest.map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? Number(value.toPrecision(3)) : value}`).join(" · ")));
  if (!parts.length) parts.push(make("pre", {}, JSON.stringify(answer, null, 1)));
  $("answer").replaceChildren(...parts);
}

/** The boxes of an answer, bare or named; null if it is another kind of answer. */
function boxesOf(answer) {
  const found = Array.isArray(answer) ? answer : answer?.boxes;
  return Array.isArray(found) && found.every((one) => Array.isArray(one?.box)) ? found : null;
}

function bars(pairs, isShare = true) {
  const sorted = pairs.sort((a, b) => b[1] - a[1]);
  const longest = isShare ? 1 : Math.max(...sorted.map(([, value]) => Math.abs(value)), 1e-9);
  const wide = Math.max(...sorted.slice(0, 12).map(([label]) => [...label].reduce((sum, c) => sum + (c > "\u2e80" ? 2 : 1), 0)), 3);
  return make("div", {}, ...sorted.slice(0, 12).map(([label, value], place) => {
    const bar = make("i", {});
    bar.style.width = Math.max(0.5, 100 * value / longest) + "%";
    const figure = isShare ? (100 * value).toFixed(1) + " %" : value.toPrecision(3);
    const line = make("div", {class: place ? "bar" : "bar first"}, make("span", {title: label}, label), bar, make("span", {}, figure));
    line.style.setProperty("--wide", wide + 1 + "ch");
    return line;
  }), sorted.length > 12 ? make("p", {class: "quiet"}, `12 ${t("of")} ${sorted.length}`) : null);
}

function boxes(found) {
  const canvas = make("canvas", {class: "boxes"});
  const picture = new Image();
  const source = Object.values(fields).map((one) => one.picture?.() ?? null).find(Boolean);
  picture.onload = () => {
    const zoom = Math.max(1, 470 / picture.naturalWidth);  // small pictures are shown as wide as their column
    canvas.width = picture.naturalWidth * zoom;
    canvas.height = picture.naturalHeight * zoom;
    const pen = canvas.getContext("2d"), size = canvas.width / 235;
    pen.imageSmoothingEnabled = zoom === 1;
    const colours = ["#0B63C5", "#A85400", "#1A7F37", "#C4302B", "#7A4FBF", "#636C76"], known = [...new Set(found.map((box) => box.label))].sort();
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    pen.font = `${Math.round(7 * size)}px system-ui`;
    for (const {label, box: edges, score} of [...found].reverse()) {  // the likeliest comes first, and lies on top
      const box = edges.map((edge) => edge * zoom);
      pen.strokeStyle = pen.fillStyle = colours[known.indexOf(label) % colours.length];
      pen.lineWidth = size;
      pen.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
      const words = score === undefined ? label : `${label} ${Math.round(100 * score)} %`;
      pen.fillRect(box[0], box[1], pen.measureText(words).width + 4 * size, 9 * size);
      pen.fillStyle = "#fff";
      pen.fillText(words, box[0] + 2 * size, box[1] + 7 * size);
    }
  };
  if (source) picture.src = source;
  const counts = {};
  for (const {label} of found) counts[label] = (counts[label] ?? 0) + 1;
  const words = Object.entries(counts).map(([label, count]) => `${count} × ${label}`).join(", ") || t("Nothing found.");
  return make("div", {}, source ? canvas : null, make("p", {}, words));
}

// Right or wrong

function judge() {
  const place = $("judge"), note = make("div", {class: "note", role: "status"});
  const save = async (answer) => {
    const {status, value} = await call("/v1/feedback", {id: asked.id, answer});
    note.className = status === 200 ? "note good" : "note bad";
    note.textContent = status === 200 ? t(value.saved === "new" ? "Saved. The next lap learns from it." : "This was saved before.") : value.error.message;
    if (status === 200) buttons.hidden = true;
  };
  const {control, get} = correction(asked.answer);
  const isList = Array.isArray(asked.answer?.items);  // one of several is taken: there is no plain right or wrong
  const right = isList ? null : make("button", {type: "button", onclick: () => save(plain(asked.answer))}, t("Right"));
  const wrong = isList ? null : make("button", {type: "button", onclick: () => { form.hidden = false; form.querySelector("input, select, textarea").focus(); }}, t("Wrong"));
  const buttons = make("div", {}, make("div", {class: "row"}, isList ? null : make("span", {}, t("Was this right?")), right, wrong));
  const question = t(isList ? "Which one was taken?" : "What would have been right?");
  const form = make("div", {hidden: !isList, class: "note"}, make("label", {class: "field"}, make("span", {}, question), control),
    make("button", {type: "button", class: "main", onclick: () => { const said = get(); if (said !== undefined) save(said); }}, t("Save")));
  buttons.append(form);
  place.replaceChildren(buttons, note, make("div", {class: "id"}, `${asked.model} · ${t("prediction")} ${asked.id}`));
  place.hidden = false;
}

/** The part of an answer that a person can confirm. */
function plain(answer) {
  if (answer?.label !== undefined) return {label: answer.label};
  if (answer?.labels !== undefined) return {labels: answer.labels};
  if (answer?.text !== undefined) return {text: answer.text};
  if (boxesOf(answer)) return boxesOf(answer).map(({label, box}) => ({label, box: box.map((edge) => Math.round(edge * 10) / 10)}));
  if (Array.isArray(answer?.items)) return {item: answer.items[0]};
  if (answer?.value !== undefined) return {value: answer.value};
  if (answer?.image !== undefined) return {image: answer.image};
  return answer;
}

/** A control in which the right answer can be given, by the shape of the model's. */
function correction(answer) {
  if (answer?.label !== undefined) {
    const labels = Object.keys(answer.scores ?? {}).sort((a, b) => a.localeCompare(b, undefined, {numeric: true}));
    const input = make("select", {}, make("option", {value: ""}, ""), ...labels.map((label) => make("option", {value: label}, label)));
    return {control: input, get: () => input.value === "" ? undefined : {label: input.value}};
  }
  if (answer?.labels !== undefined) {
    const boxes = Object.keys(answer.scores ?? {}).map((label) => make("input", {type: "checkbox", value: label, checked: answer.labels.includes(label)}));
    const control = make("div", {class: "checks"}, ...boxes.map((box) => make("label", {}, box, " " + box.value)));
    return {control, get: () => ({labels: boxes.filter((box) => box.checked).map((box) => box.value)})};
  }
  if (typeof answer?.text === "string") {
    const input = make("textarea", {}, answer.text);
    return {control: input, get: () => ({text: input.value})};
  }
  if (typeof answer?.image === "string") {
    let image;
    const input = make("input", {type: "file", accept: "image/*"});
    input.addEventListener("change", () => read(input.files[0], (data) => { image = data; }));
    return {control: input, get: () => image && {image}};
  }
  if (typeof answer === "number" || answer?.value !== undefined) {
    const input = make("input", {inputmode: "decimal"});
    const number = () => { const said = Number(input.value); return input.value.trim() === "" || Number.isNaN(said) ? undefined : said; };
    return {control: input, get: () => { const said = number(); return said === undefined ? undefined : typeof answer === "number" ? said : {value: said}; }};
  }
  if (Array.isArray(answer?.items)) {
    const input = make("input", {list: "items"});
    const list = make("datalist", {id: "items"}, ...answer.items.map((item) => make("option", {value: item})));
    return {control: make("span", {}, input, list), get: () => input.value.trim() === "" ? undefined : {item: input.value.trim()}};
  }
  const input = make("textarea", {}, JSON.stringify(plain(answer)));
  return {control: input, get: () => { try { return JSON.parse(input.value); } catch { return input.value; } }};
}

$("ask").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
$("clear").addEventListener("click", clear);
start();
