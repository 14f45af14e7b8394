const CHINESE = {
  "Try it": "试一试", "Ask": "提问", "Clear": "清除", "Answer": "回答", "API": "接口",
  "Draw here, or drop a picture.": "在这里画,或拖入图片。", "Drop a picture here, or choose one.": "把图片拖到这里,或选择文件。",
  "Choose a picture": "选择图片", "The answer appears here.": "回答会显示在这里。", "not known": "未知", "example": "示例",
  "Was this right?": "对吗?", "Right": "对", "Wrong": "错", "What would have been right?": "正确的是什么?", "Which one was taken?": "实际选了哪一个?",
  "Save": "保存", "Cancel": "取消", "Saved. The next lap learns from it.": "已保存。下一轮会从中学习。",
  "This was saved before.": "之前已经保存过。", "API key": "接口密钥", "This server asks for a key.": "此服务需要密钥。",
  "The server does not answer.": "服务器没有回应。", "prediction": "预测编号", "Nothing found.": "没有找到。",
  "Routes": "接口", "An example": "示例", "Options": "选项", "shown": "显示", "of": "/",
  "Message": "消息", "Send": "发送", "Stop": "停止", "New dialogue": "新对话", "Settings": "设置", "Temperature": "温度",
  "System message": "系统消息", "Most tokens": "最大长度(词元)", "Seed": "随机种子", "Write a message.": "输入消息。",
  "Write the beginning of a text.": "输入文本的开头。", "It was as long as it may be.": "已达到最大长度。",
  "Good": "好", "Bad": "不好", "Correct": "改正", "What should have been said?": "应该怎么回答?",
  "Saved.": "已保存。",
};
const isChinese = navigator.language.toLowerCase().startsWith("zh");
const t = (words) => (isChinese && CHINESE[words]) || words;

/** An element with attributes and children; texts are set as text, never as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

function headers() {
  const key = sessionStorage.getItem("key");
  return {"Content-Type": "application/json", ...(key ? {Authorization: "Bearer " + key} : {})};
}

/** Asks the server; returns {status, value}. A missing key is asked for once and kept until the tab closes. */
async function call(path, body) {
  let response;
  try {
    response = await fetch(path, {headers: headers(), ...(body === undefined ? {} : {method: "POST", body: JSON.stringify(body)})});
  } catch {
    return {status: 0, value: {error: {message: t("The server does not answer.")}}};
  }
  return {status: response.status, value: await response.json()};
}

/** A field for the API key; `then` runs once one was entered. */
function askKey(place, then) {
  const input = make("input", {type: "password", autocomplete: "off", placeholder: "fl_…", "aria-label": t("API key")});
  const keep = () => { sessionStorage.setItem("key", input.value.trim()); then(); };
  input.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) keep(); });
  place.replaceChildren(make("p", {}, t("This server asks for a key.")),
    make("div", {class: "row"}, input, make("button", {class: "main", onclick: keep}, t("API key"))));
}
