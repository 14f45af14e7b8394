// The routes from /openapi.json, and a first request that works with this model.
async function start() {
  const place = (id) => document.getElementById(id);
  place("try").textContent = t("Try it");
  place("title").textContent = t("API");
  const {value: said} = await call("/openapi.json");
  place("routes").replaceChildren(make("h2", {}, t("Routes")), ...Object.entries(said.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => describe(method, path, route))));
  const {status, value: schema} = await call("/v1/schema");
  if (status === 401) return askKey(place("example"), start);
  if (status !== 200) return;
  place("model").replaceChildren(make("b", {}, schema.model));
  const row = Object.fromEntries(Object.entries(schema.inputs).map(([column, facts]) => [column, facts.example]));
  const key = sessionStorage.getItem("key") ? " \\\n  -H 'Authorization: Bearer fl_…'" : "";
  const quoted = JSON.stringify({rows: [row]}).replaceAll("'", "'\\''");
  const curl = `curl ${location.origin}/v1/predict${key} \\\n  -d '${quoted}'`;
  place("example").replaceChildren(make("h2", {}, t("An example")), make("pre", {}, curl));
}

function describe(method, path, route) {
  const body = route.requestBody?.content?.["application/json"];
  const fields = Object.entries(body?.schema?.properties ?? {});
  return make("section", {},
    make("div", {}, make("span", {class: "method"}, method.toUpperCase()), make("code", {}, path), " ", make("span", {class: "quiet"}, route.summary ?? "")),
    ...fields.map(([name, facts]) => make("div", {class: "quiet"}, make("code", {}, name), " ", facts.description ?? "")));
}

start();
